//! The machine on which figures were measured, for reports: without it a figure says nothing. Linux only; elsewhere parts are
//! unknown.

use std::fs;
use std::process::Command;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The machine on which both sides ran.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// The number of cores that this program may use.
    pub cores: u32,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// The kernel's name and version.
    pub kernel: String,
}

/// Describes this machine.
pub fn here() -> Machine {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let release = read("/proc/sys/kernel/osrelease");
    Machine {
        processor: field(&read("/proc/cpuinfo"), "model name").unwrap_or("unknown processor").to_owned(),
        cores: std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32),
        memory_bytes: field(&read("/proc/meminfo"), "MemTotal").and_then(kib).unwrap_or(0) * 1024,
        kernel: format!("{} {}", read("/proc/sys/kernel/ostype").trim(), release.trim()),
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {} cores, {}", self.processor, self.cores, self.kernel)
    }
}

/// Returns the profile that this program was built with; the echo runs in it.
pub fn profile() -> &'static str {
    env!("BENCH_PROFILE")
}

/// Returns the commit of the working directory, if `git` is there and knows one; with `-dirty` if files were changed.
pub fn commit() -> Option<String> {
    let said = Command::new("git").args(["describe", "--always", "--dirty", "--exclude=*"]).output().ok()?;
    let commit = String::from_utf8(said.stdout).ok()?.trim().to_owned();
    (said.status.success() && !commit.is_empty()).then_some(commit)
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.into_iter().find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
}

fn kib(text: &str) -> Option<u64> {
    text.strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_processors_name_is_the_machines() {
        let text = "processor\t: 0\nmodel name\t: AMD EPYC\n\nprocessor\t: 1\nmodel name\t: other\n";
        assert_eq!(field(text, "model name"), Some("AMD EPYC"));
        assert_eq!(field("flags : fpu\n", "model name"), None);
        let here = here();
        assert!(here.cores > 0 && !here.processor.is_empty() && here.memory_bytes > 1 << 20, "{here}");
    }
}
