//! Faults injected into a running process from outside: system calls that fail or take long, by
//! strace, and functions that panic, by a jump that is written over them. The program is the shipped one, without test hooks.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::wait_for;

/// The panic that a function is made to run instead: a panic of the standard library that takes no argument.
const PANIC: [&str; 1] = ["5alloc7raw_vec17capacity_overflow"];

/// A tracer on a process; it detaches with the value.
pub struct Traced(Child);

impl Traced {
    /// Injects a fault, in strace's syntax, into system calls on one file or on all files.
    ///
    /// # Panics
    /// It cannot be attached.
    pub fn calls(pid: u32, file: Option<&Path>, inject: &str) -> Self {
        let call = inject.split(':').next().expect("split has a first part");
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-o", "/dev/null", "-p", &pid.to_string()]);
        if let Some(file) = file {
            command.arg("-P").arg(file);
        }
        command.args(["-e", &format!("trace={call}"), "-e", &format!("inject={inject}")]);
        Self::attach(command, pid)
    }

    /// Injects a fault into a system call of the process's one thread of that name.
    ///
    /// # Panics
    /// There is no such thread, or it cannot be attached to.
    pub fn thread(pid: u32, name: &str, inject: &str) -> Self {
        let call = inject.split(':').next().expect("split has a first part");
        let is_it = |thread: &Path| {
            let own = std::fs::read_to_string(thread.join("comm")).unwrap_or_default();
            own.trim_end() == name
        };
        let thread = threads(pid).find(|thread| is_it(thread)).unwrap_or_else(|| panic!("no thread {name}"));
        let mut command = Command::new("strace");
        command.args(["-qq", "-o", "/dev/null", "-p"]).arg(thread.file_name().expect("the thread's number"));
        command.args(["-e", &format!("trace={call}"), "-e", &format!("inject={inject}")]);
        Self::start(command, || is_traced(&thread))
    }

    fn attach(command: Command, pid: u32) -> Self {
        Self::start(command, || threads(pid).all(|thread| is_traced(&thread)))
    }

    fn start(mut command: Command, is_attached: impl Fn() -> bool) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let traced = Self(command.spawn().expect("the tracer: install the Debian package of its name"));
        wait_for("the tracer", || is_attached().then_some(()));
        traced
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.0.id() as i32) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        }
        let _ = self.0.wait();
    }
}

/// Returns the directories of a process's threads.
fn threads(pid: u32) -> impl Iterator<Item = PathBuf> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("our own process");
    threads.flatten().map(|thread| thread.path())
}

fn is_traced(thread: &Path) -> bool {
    let status = std::fs::read_to_string(thread.join("status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
}

/// A function of a running process that panics whenever it is called, until the value ends.
pub struct Panicking {
    memory: File,
    at: u64,
    was: Vec<u8>,
}

impl Panicking {
    /// Makes the function panic whose name in the program has these parts, in this order.
    ///
    /// # Panics
    /// There is not exactly one such function.
    pub fn function(pid: u32, parts: &[&str]) -> Self {
        let program = std::fs::read_link(format!("/proc/{pid}/exe")).expect("our own process");
        let (function, panic) = (address(&program, parts), address(&program, &PANIC));
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("our own process");
        let first = maps.lines().find(|line| line.ends_with(&program.display().to_string()));
        let base = first.and_then(|line| line.split('-').next()).expect("the program is mapped");
        let at = u64::from_str_radix(base, 16).expect("an address") + function;
        let memory = OpenOptions::new().read(true).write(true).open(format!("/proc/{pid}/mem"));
        let memory = memory.expect("a child's memory");
        let jump = jump(function, panic);
        let mut was = vec![0; jump.len()];
        memory.read_exact_at(&mut was, at).expect("read");
        memory.write_all_at(&jump, at).expect("written");
        Self { memory, at, was }
    }
}

impl Drop for Panicking {
    fn drop(&mut self) {
        // A process that is gone needs no healing.
        let _ = self.memory.write_all_at(&self.was, self.at);
    }
}

/// Returns the machine code of a jump that keeps the stack.
fn jump(from: u64, to: u64) -> Vec<u8> {
    let far = to as i64 - from as i64;
    if cfg!(target_arch = "x86_64") {
        let far = i32::try_from(far - 5).expect("a program is smaller than 2 GiB");
        [&[0xe9], &far.to_le_bytes()[..]].concat()
    } else if cfg!(target_arch = "aarch64") {
        (0x1400_0000_u32 | ((far / 4) as u32 & 0x03ff_ffff)).to_le_bytes().to_vec()
    } else {
        panic!("how to jump on this machine is not known here")
    }
}

/// Returns the address of the one function in the program whose mangled name has these parts, in this order.
fn address(program: &Path, parts: &[&str]) -> u64 {
    let output = Command::new("nm").arg(program).output().expect("nm: install the Debian package binutils");
    let text = String::from_utf8_lossy(&output.stdout);
    let has_all = |name: &str| {
        parts.iter().try_fold(name, |rest, part| rest.split_once(part).map(|(_, rest)| rest)).is_some()
    };
    // A public function if there is one, else one that is private to its crate.
    let of_kind = |kind: &str| -> Vec<(&str, &str)> {
        let functions = text.lines().filter_map(|line| line.split_once(kind));
        functions.filter(|(_, name)| has_all(name)).collect()
    };
    let public = of_kind(" T ");
    let found = if public.is_empty() { of_kind(" t ") } else { public };
    let [(address, _)] = found[..] else { panic!("{parts:?} names {found:?}") };
    u64::from_str_radix(address, 16).expect("an address")
}
