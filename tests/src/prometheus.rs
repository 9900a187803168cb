//! Prometheus's own tools for the files of `dashboards`: tests need not repeat their checks.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Returns the directory of rules, dashboards and runbooks.
pub fn dashboards() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboards")
}

/// Runs promtool in that directory, and returns its output.
///
/// # Panics
/// It reports an error.
pub fn promtool(words: &[&str], input: &str) -> String {
    let mut command = Command::new("promtool");
    command.args(words).current_dir(dashboards());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("promtool: install the Debian package prometheus");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("ends");
    let said =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "promtool {words:?}: {said}");
    said
}
