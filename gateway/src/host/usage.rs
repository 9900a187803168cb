//! The process's use of its machine, as metrics: processor, memory, files, disk. Linux says it in `/proc`; elsewhere nothing is
//! told.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use protocol::metric;
use runtime::clock;

/// Counts processor time in `/proc`, in ticks a second; the same on every Linux there is.
const TICKS_PER_S: f64 = 100.0;

/// Looks from time to time; what it told last is what it compares with.
pub(crate) struct Usage {
    data: PathBuf,
    registry: PathBuf,
    last: Option<(Instant, Duration)>,
}

impl Usage {
    /// Of a process with its data there.
    pub(crate) fn new(data: &Path, registry: &Path) -> Self {
        Self { data: data.to_owned(), registry: registry.to_owned(), last: None }
    }

    /// Looks, and tells.
    pub(crate) fn look(&mut self) {
        let now = clock::now();
        let used = std::fs::read_to_string("/proc/self/stat").ok().and_then(|stat| processor_time(&stat));
        if let (Some(used), Some((at, before))) = (used, self.last) {
            let seconds = now.saturating_duration_since(at).as_secs_f64();
            let cores = used.saturating_sub(before).as_secs_f64() / seconds.max(f64::MIN_POSITIVE);
            metrics::gauge!(metric::PROCESS_CPU_CORES).set(cores);
        }
        self.last = used.map(|used| (now, used)).or(self.last);
        if let Some(bytes) =
            std::fs::read_to_string("/proc/self/statm").ok().and_then(|statm| resident(&statm))
        {
            metrics::gauge!(metric::PROCESS_RESIDENT_BYTES).set(bytes as f64);
        }
        if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
            metrics::gauge!(metric::PROCESS_OPEN_FILES).set(files.count() as f64);
        }
        if let Ok(disk) = rustix::fs::statvfs(&self.data) {
            metrics::gauge!(metric::DISK_FREE_BYTES).set(disk.f_bavail as f64 * disk.f_frsize as f64);
        }
        metrics::gauge!(metric::REGISTRY_BYTES).set(self.registry_bytes() as f64);
    }

    /// The registry's file and its log.
    fn registry_bytes(&self) -> u64 {
        let mut log = self.registry.clone().into_os_string();
        log.push("-wal");
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
        size(&self.registry) + size(Path::new(&log))
    }
}

/// User and system time out of `/proc/self/stat`: fields 14 and 15, counted behind the name in brackets, which may hold anything.
fn processor_time(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).map(|field| field.parse::<u64>().ok());
    let ticks = times.next()?? + times.next()??;
    Some(Duration::from_secs_f64(ticks as f64 / TICKS_PER_S))
}

/// Memory in use out of `/proc/self/statm`: its second field, in pages.
fn resident(statm: &str) -> Option<u64> {
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_says_of_a_process_is_read() {
        let stat = "4242 (a name) with (brackets) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 8";
        assert_eq!(processor_time(stat), Some(Duration::from_secs(2)));
        assert_eq!(processor_time("4242 (cut) S 1 2"), None);
        assert_eq!(resident("1000 3 1"), Some(3 * rustix::param::page_size() as u64));
        assert_eq!(resident(""), None);
    }
}
