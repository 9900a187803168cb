//! The cost of a process, read from /proc: processor time and memory, and the owner of a UDP port. Linux only; elsewhere, and for other
//! users' processes, there is no figure.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::thread::{CpuSet, Pid, sched_getaffinity, sched_setaffinity};

/// The unit of processor time in /proc: a hundredth of a second on all usual machines.
const TICK: Duration = Duration::from_millis(10);

/// The processor time of a process or a thread at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The process or thread.
    pub process: u32,
    /// User and system time so far; of a process, that of all its threads.
    pub cpu: Duration,
}

impl Usage {
    /// Reads the figures of that process.
    pub fn of(process: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        Some(Self { process, cpu: cpu(&stat)? })
    }

    /// Reads the figures of that process and its children.
    pub(crate) fn of_family(process: u32) -> Option<Self> {
        let own = Self::of(process)?;
        let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).ok()?;
        let children = children.split_whitespace().filter_map(|child| Self::of(child.parse().ok()?));
        Some(Self { process, cpu: own.cpu + children.map(|child| child.cpu).sum::<Duration>() })
    }

    /// Reads the figures of this process.
    pub fn own() -> Option<Self> {
        Self::of(std::process::id())
    }

    /// Reads the figures of one of this process's threads.
    pub fn of_thread(thread: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/self/task/{thread}/stat")).ok()?;
        Some(Self { process: thread, cpu: cpu(&stat)? })
    }

    /// Reads the figures of the process that has this UDP port open.
    pub fn of_port(address: SocketAddr) -> Option<Self> {
        let table = if address.is_ipv4() { "/proc/net/udp" } else { "/proc/net/udp6" };
        let inode = inode(&fs::read_to_string(table).ok()?, address.port())?;
        let socket = format!("socket:[{inode}]");
        let processes = fs::read_dir("/proc").ok()?.flatten();
        processes
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .find(|process| holds(*process, &socket))
            .and_then(Self::of)
    }

    /// Returns the processor time since `before`, if it is the same process.
    pub fn since(&self, before: &Self) -> Option<Duration> {
        (self.process == before.process).then(|| self.cpu.saturating_sub(before.cpu))
    }
}

/// Reads the memory of a process, MiB.
pub fn memory_mib(process: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

/// Returns the id of the calling thread.
pub fn this_thread() -> Option<u32> {
    fs::read_link("/proc/thread-self").ok()?.file_name()?.to_str()?.parse().ok()
}

/// Returns the threads of a process.
pub fn threads(process: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return Vec::new() };
    threads.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// A thread that is pinned to one core.
pub(crate) struct Pinned {
    thread: Option<Pid>,
    before: CpuSet,
}

impl Pinned {
    /// Pins a thread.
    ///
    /// # Errors
    /// There is no such core or thread, or it is another user's.
    pub(crate) fn to(thread: u32, core: usize) -> io::Result<Self> {
        let thread = Pid::from_raw(thread.cast_signed());
        let before = sched_getaffinity(thread)?;
        let mut cores = CpuSet::new();
        cores.set(core);
        sched_setaffinity(thread, &cores)?;
        Ok(Self { thread, before })
    }

    /// Restores the thread's cores; a thread that has ended is no error.
    pub(crate) fn release(self) {
        let _ = sched_setaffinity(self.thread, &self.before);
    }
}

/// Returns the processor time for each message; `None` without figures or messages.
pub fn each(before: Option<Usage>, after: Option<Usage>, messages: u64) -> Option<Duration> {
    let cpu = after?.since(&before?)?;
    (messages > 0).then(|| Duration::from_secs_f64(cpu.as_secs_f64() / messages as f64))
}

/// Reads fields 14 and 15, counted from the end of the program's name, which may contain any character.
fn cpu(stat: &str) -> Option<Duration> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    TICK.checked_mul(user.checked_add(system)?)
}

fn inode(table: &str, port: u16) -> Option<u64> {
    let port = format!(":{port:04X}");
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_whitespace();
        let local = fields.nth(1)?;
        local.ends_with(&port).then(|| fields.nth(7)?.parse().ok())?
    })
}

fn holds(process: u32, socket: &str) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{process}/fd")) else { return false };
    files.flatten().any(|file| fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == socket))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_leads_to_the_process_that_has_it_open() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let usage = Usage::of_port(socket.local_addr().unwrap()).unwrap();
        assert_eq!(usage.process, std::process::id());
        assert!(Usage::own().unwrap().since(&usage).is_some());
        let thread = this_thread().unwrap();
        let (own, family) = (Usage::own().unwrap(), Usage::of_family(std::process::id()).unwrap());
        assert!(family.since(&own).is_some() && family.cpu >= own.cpu);
        assert!(threads(std::process::id()).contains(&thread) && Usage::of_thread(thread).is_some());
    }

    #[test]
    fn a_program_name_with_brackets_and_blanks_does_not_shift_the_fields() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0";
        assert_eq!(cpu(stat), Some(Duration::from_secs(2)));
    }
}
