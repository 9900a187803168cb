//! Faults that are put on a running process from outside, as disks and programs have them: system calls that fail or take long, by
//! strace, and functions that panic, by gdb. The process is the one that ships; nothing in it knows of faults.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::wait_for;

/// What a traced function is made to run instead: a panic of the standard library that takes no argument.
const PANIC: &str = "_RNvNtCs[^ ]*5alloc7raw_vec17capacity_overflow";

/// A tracer on a process; it lets go of it with the value.
pub struct Traced(Child);

impl Traced {
    /// Has system calls on one file, or on all of them, do what `inject` says in strace's words.
    ///
    /// # Panics
    /// If it cannot be attached.
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

    /// Has the function, whose name in the program matches, panic so many times when it is called.
    ///
    /// # Panics
    /// If there is not exactly one such function.
    pub fn panics(pid: u32, function: &str, times: u32) -> Self {
        let program = std::fs::read_link(format!("/proc/{pid}/exe")).expect("our own process");
        let (function, panic) = (symbol(&program, function), symbol(&program, PANIC));
        let mut command = Command::new("gdb");
        command.args(["-nx", "-batch", "-p", &pid.to_string()]);
        for line in ["set pagination off", "set language c", "handle SIGPIPE nostop noprint pass"] {
            command.args(["-ex", line]);
        }
        command.args(["-ex", &format!("break *(char*)&'{function}'")]);
        for _ in 0..times {
            command.args(["-ex", "continue", "-ex", &format!("set var $pc = (long)&'{panic}'")]);
        }
        command.args(["-ex", "delete", "-ex", "detach"]);
        Self::attach(command, pid)
    }

    fn attach(mut command: Command, pid: u32) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let traced = Self(command.spawn().expect("the tracer: install the Debian package of its name"));
        wait_for("the tracer", || every_thread_is_traced(pid).then_some(()));
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

fn every_thread_is_traced(pid: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    threads.flatten().all(|thread| {
        let status = std::fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        status.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
    })
}

/// The one function of the program whose mangled name has these parts, in this order.
fn symbol(program: &Path, parts: &str) -> String {
    let output = Command::new("nm").arg(program).output().expect("nm: install the Debian package binutils");
    let text = String::from_utf8_lossy(&output.stdout);
    let parts: Vec<&str> = parts.split("[^ ]*").collect();
    let has_all = |name: &&str| {
        parts.iter().try_fold(*name, |rest, part| rest.split_once(part).map(|(_, rest)| rest)).is_some()
    };
    let functions = text.lines().filter_map(|line| line.split_once(" T ").map(|(_, name)| name));
    let found: Vec<&str> = functions.filter(has_all).collect();
    let [one] = found[..] else { panic!("{parts:?} names {found:?}") };
    one.to_owned()
}
