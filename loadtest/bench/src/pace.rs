//! An open-loop schedule, kept by one task: each visit at its intended time, given to the lanes in turns. It does
//! not wait for answers, and it sleeps on a kernel timer, since the runtime's own has a resolution of a
//! millisecond only.

use std::io;
use std::time::{Duration, Instant};

use device::clock;
use rustix::fd::OwnedFd;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

/// Limit of visits that a lane may be behind before the schedule waits for it; their intended times stay.
const LANE_VISITS_MAX: usize = 4096;

/// The schedule of people.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// The time of the first person.
    pub start: Instant,
    /// People a second.
    pub rate: u32,
    /// The end; later people do not come.
    pub end: Instant,
}

impl Schedule {
    /// Returns the intended time of a person, by number from 0.
    fn intended(&self, person: u64) -> Instant {
        let (rate, second) = (u64::from(self.rate), Duration::from_secs(1).as_nanos() as u64);
        let whole = Duration::from_secs(person / rate);
        self.start + whole + Duration::from_nanos((person % rate * second).div_ceil(rate))
    }
}

/// The receiver of a lane's intended times; it ends with the schedule.
pub type Lane = mpsc::Receiver<Instant>;

/// Makes `count` lanes, and the task that serves them: person by person, lane by lane.
pub fn lanes(schedule: Schedule, count: usize) -> (Vec<Lane>, impl Future<Output = io::Result<()>> + Send) {
    let (senders, lanes): (Vec<_>, Vec<_>) = (0..count).map(|_| mpsc::channel(LANE_VISITS_MAX)).unzip();
    (lanes, keep(schedule, senders))
}

async fn keep(schedule: Schedule, mut lanes: Vec<mpsc::Sender<Instant>>) -> io::Result<()> {
    let mut timer = Timer::new()?;
    let mut person = 0;
    loop {
        let intended = schedule.intended(person);
        if intended >= schedule.end {
            return Ok(());
        }
        timer.until(intended).await?;
        let lane = (person % lanes.len() as u64) as usize;
        // A lane that ended early takes no visits.
        let _ = lanes[lane].send(intended).await;
        person += 1;
        if lanes.iter().all(mpsc::Sender::is_closed) {
            lanes.clear();
            return Ok(());
        }
    }
}

/// A kernel timer.
pub struct Timer(AsyncFd<OwnedFd>);

impl Timer {
    /// Makes a timer that is not set.
    #[allow(
        deprecated,
        reason = "sound for a descriptor that is owned and never changes; its successor is unsafe"
    )]
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        Ok(Self(AsyncFd::new(timerfd_create(TimerfdClockId::Monotonic, flags)?)?))
    }

    /// Sleeps until that moment; yields if it has passed.
    pub async fn until(&mut self, moment: Instant) -> io::Result<()> {
        let left = moment.saturating_duration_since(clock::now());
        if left.is_zero() {
            tokio::task::yield_now().await;
            return Ok(());
        }
        let it_value = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
        timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once)?;
        loop {
            let mut ready = self.0.readable().await?;
            if ready.try_io(|timer| Ok(rustix::io::read(timer, &mut [0; 8])?)).is_ok() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everybody_comes_once_in_turns_and_never_early() {
        let start = clock::now();
        let schedule = Schedule { start, rate: 3000, end: start + Duration::from_millis(100) };
        let (mut lanes, keep) = lanes(schedule, 3);
        let kept = tokio::spawn(keep);
        let mut visits = Vec::new();
        for lane in &mut lanes {
            let mut own = Vec::new();
            while let Some(intended) = lane.recv().await {
                assert!(intended <= clock::now());
                own.push(intended);
            }
            visits.push(own);
        }
        kept.await.unwrap().unwrap();
        assert_eq!(visits.iter().map(Vec::len).collect::<Vec<_>>(), [100, 100, 100]);
        assert_eq!(visits[1][0] - start, Duration::from_nanos(333_334));
        assert_eq!(visits[2][99], schedule.intended(299));
    }
}
