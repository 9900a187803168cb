//! A checkpoint device: connects, says Hello, streams its punches, and comes back when the connection is lost.
//!
//! [`Device::step`] does one thing that is due and may be dropped at any await, so that callers can put it beside their own
//! schedule in a `select!`. [`DeviceState`] knows the acknowledged punches, [`Wire`] moves bytes.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use protocol::message::{Answer, Hello, Ping, Request, Welcome};
use protocol::{DeviceId, Punch, RegionId, RequestId, Sequence};

use crate::backoff::Backoff;
use crate::clock;
use crate::fleet::{Fleet, FleetDevice};
use crate::state::{Acknowledged, DeviceState};
use crate::wire::{self, Wire, WireError};

mod asks;
mod counts;
mod dial;
mod error;
mod home;
mod query;
mod route;

pub use counts::Counts;
pub use error::DeviceError;

use dial::{Call, DIAL_MAX, DIAL_MOVE, Dial, DialError};
use error::{numbering_lost, out_of_place, refused};
use home::Look;
use route::Route;

/// Bytes waiting to be written above which no further batch is encoded.
const UNSENT_BYTES_MAX: usize = 128 * 1024;
/// The silence of a gateway that owes answers after which a ping is sent: its disk may be slow, but a ping
/// is answered from memory.
const SILENCE_PING: Duration = Duration::from_secs(2);
/// The silence, without any packet, after which the gateway counts as gone. On a bad network an answer may be later.
const SILENCE_MAX: Duration = Duration::from_secs(6);
/// The same if there is another gateway: to change over costs less than to wait.
const SILENCE_MOVE: Duration = Duration::from_secs(4);
/// The interval at which a device that waits for answers notices packets: the last one before a silence counts from then.
const SILENCE_LOOK: Duration = Duration::from_millis(500);

enum Link {
    Down { until: Instant },
    Dialling(Dial),
    Up(Box<Up>),
}

struct Up {
    wire: Wire,
    welcome: Welcome,
    said: Instant,
    heard: Instant,
    /// The time since which the gateway owes an answer.
    owed_since: Option<Instant>,
    /// The time after which to come back, if the gateway shuts down.
    leave: Option<Duration>,
    /// True while it waits for its last answers, to go home.
    goes_home: bool,
    /// Requests other than punches that have no answer yet, and answers not fetched yet.
    asked: Vec<RequestId>,
    replies: Vec<(RequestId, Answer)>,
}

/// A device.
pub struct Device {
    id: DeviceId,
    endpoint: quinn::Endpoint,
    config: quinn::ClientConfig,
    route: Route,
    state: DeviceState,
    backoff: Backoff,
    link: Link,
    look: Option<Look>,
    acknowledged: Vec<Acknowledged>,
    counts: Counts,
    started: Instant,
}

impl Device {
    /// Makes a device of the fleet that continues with `state`; nothing is sent before the first step.
    pub fn new(
        endpoint: &quinn::Endpoint,
        fleet: &Fleet,
        device: &FleetDevice,
        state: DeviceState,
    ) -> Result<Self, DeviceError> {
        let known = (device.id(), wire::client_config(fleet, device)?);
        let server = (fleet.address(device.id()), fleet.server_name.clone());
        Ok(Self::at(endpoint, known, server, state))
    }

    /// Makes a device of any gateway: its number and its TLS client, the gateway's address and the name in its certificate.
    pub fn at(
        endpoint: &quinn::Endpoint,
        (id, config): (DeviceId, quinn::ClientConfig),
        gateway: (SocketAddr, String),
        state: DeviceState,
    ) -> Self {
        let now = clock::now();
        Self {
            id,
            endpoint: endpoint.clone(),
            config,
            route: Route::new(id, gateway),
            state,
            backoff: Backoff::new(id.0),
            link: Link::Down { until: now },
            look: None,
            acknowledged: Vec::new(),
            counts: Counts::default(),
            started: now,
        }
    }

    /// Returns its id.
    pub fn id(&self) -> DeviceId {
        self.id
    }

    /// Returns its numbering and its queue.
    pub fn state(&self) -> &DeviceState {
        &self.state
    }

    /// Returns its numbering and its queue, to start a higher epoch.
    pub fn state_mut(&mut self) -> &mut DeviceState {
        &mut self.state
    }

    /// Drops the connection without a close and returns the state, as in a power cut of the device.
    pub fn into_state(self) -> DeviceState {
        self.state
    }

    /// Returns the counts so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Sends to another address from the next connection on, and forgets the gateways that it was told.
    pub fn set_address(&mut self, address: SocketAddr) {
        self.route.give(address);
    }

    /// Returns true if it is connected and welcomed.
    pub fn is_up(&self) -> bool {
        matches!(self.link, Link::Up(_))
    }

    /// Numbers and keeps a punch; steps send it. `tag` comes back with the acknowledgement.
    pub fn punch(&mut self, region: RegionId, punch: Punch, tag: u64) -> Sequence {
        self.state.push(region, punch, tag)
    }

    /// Takes the acknowledgements since the last call, in order.
    pub fn take_acknowledged(&mut self) -> Vec<Acknowledged> {
        std::mem::take(&mut self.acknowledged)
    }

    /// Tries once to connect.
    pub async fn connect_once(&mut self) -> Result<Welcome, DeviceError> {
        let dialled = self.dial().await;
        self.dialled(dialled).map_err(|error| match error {
            DialError::Again(_, error) => error.into(),
            DialError::Device(error) => error,
        })
    }

    /// Steps until welcomed, with back-off between attempts.
    pub async fn connect(&mut self) -> Result<Welcome, DeviceError> {
        loop {
            if let Link::Up(up) = &self.link {
                return Ok(up.welcome);
            }
            self.step().await?;
        }
    }

    /// Steps until every punch is acknowledged.
    pub async fn settle(&mut self) -> Result<(), DeviceError> {
        while self.state.unacknowledged() > 0 {
            self.step().await?;
        }
        Ok(())
    }

    /// Steps until that moment.
    pub async fn step_until(&mut self, until: Instant) -> Result<(), DeviceError> {
        while clock::now() < until {
            tokio::select! {
                stepped = self.step() => stepped?,
                () = tokio::time::sleep_until(until.into()) => {}
            }
        }
        Ok(())
    }

    /// Does the next thing that is due: waits, connects, writes, reads. Lost connections are replaced with back-off; an error is
    /// returned if another attempt would not help.
    pub async fn step(&mut self) -> Result<(), DeviceError> {
        match &mut self.link {
            Link::Down { until } => {
                tokio::time::sleep_until((*until).into()).await;
                self.link = Link::Dialling(self.dial());
                Ok(())
            }
            Link::Dialling(dial) => {
                let dialled = dial.await;
                match self.dialled(dialled) {
                    Ok(_) => self.hear_all().or_else(|error| self.give_up(error)),
                    Err(DialError::Again(after, _)) => {
                        self.lose(after);
                        Ok(())
                    }
                    Err(DialError::Device(error)) => Err(error),
                }
            }
            Link::Up(_) => self.exchange().await.or_else(|error| self.give_up(error)),
        }
    }

    /// Returns the error, unless another connection could help.
    fn give_up(&mut self, error: DeviceError) -> Result<(), DeviceError> {
        if let DeviceError::Wire(wire) = &error
            && wire.retryable()
        {
            self.lose(Duration::ZERO);
            return Ok(());
        }
        self.link = Link::Down { until: clock::now() };
        Err(numbering_lost(error))
    }

    fn dial(&mut self) -> Dial {
        let call = Call {
            endpoint: self.endpoint.clone(),
            config: self.config.clone(),
            target: self.route.target(),
            within: if self.route.has_others() { DIAL_MOVE } else { DIAL_MAX },
            hello: Hello { epoch: self.state.epoch(), acknowledged: self.state.acknowledged() },
            request: self.state.next_request(),
        };
        Box::pin(call.dial())
    }

    fn dialled(&mut self, dialled: Result<(Wire, Welcome), DialError>) -> Result<Welcome, DialError> {
        let now = clock::now();
        self.link = Link::Down { until: now };
        let (wire, welcome) = dialled?;
        self.state.connected(&welcome).map_err(|error| DialError::Device(error.into()))?;
        self.counts.welcomes += 1;
        let (asked, replies) = (Vec::new(), Vec::new());
        let (owed_since, leave, goes_home) = (None, None, false);
        let up = Up { wire, welcome, said: now, heard: now, owed_since, leave, goes_home, asked, replies };
        self.link = Link::Up(Box::new(up));
        Ok(welcome)
    }

    /// Drops the connection: another follows after the back-off, at the next gateway if there are several, or later if the only one said so.
    fn lose(&mut self, at_least: Duration) {
        let (told, goes_home) = match &self.link {
            Link::Up(up) => (up.leave.unwrap_or(Duration::ZERO), up.goes_home),
            Link::Down { .. } | Link::Dialling(_) => (Duration::ZERO, false),
        };
        let now = clock::now();
        if goes_home {
            self.route.go_home();
            self.link = Link::Down { until: now };
            return;
        }
        self.counts.losses += 1;
        let at_least = if self.route.has_others() { Duration::ZERO } else { at_least.max(told) };
        self.route.move_on(now);
        self.link = Link::Down { until: now + self.backoff.next_wait(at_least) };
    }

    async fn exchange(&mut self) -> Result<(), DeviceError> {
        let now = clock::now();
        let now_ms = self.elapsed_ms(now);
        self.look_for_home();
        let silence_max = if self.route.has_others() { SILENCE_MOVE } else { SILENCE_MAX };
        let Link::Up(up) = &mut self.link else { return Ok(()) };
        if up.wire.has_received() {
            up.heard = now;
        }
        while up.wire.unsent_bytes() < UNSENT_BYTES_MAX
            && let Some((id, batch)) = self.state.next_batch(now_ms)
        {
            up.wire.push(id, &Request::PunchBatch(batch))?;
            up.said = now;
        }
        let owed = self.state.awaits_answers() || !up.asked.is_empty();
        up.owed_since = owed.then_some(up.owed_since.unwrap_or(now));
        let idle_at = up.said + Duration::from_millis(u64::from(up.welcome.idle_ms) / 3);
        let silent_at = up.owed_since.map(|since| since.max(up.heard).max(up.said) + SILENCE_PING);
        let ping_at = silent_at.map_or(idle_at, |silent_at| silent_at.min(idle_at));
        let deadline = up.owed_since.map(|since| since.max(up.heard) + silence_max);
        let paused = self.state.paused_until_ms(now_ms).map(|ms| self.started + Duration::from_millis(ms));
        let look_at = self.route.home_at().filter(|_| self.look.is_none());
        let notice_at = owed.then_some(now + SILENCE_LOOK);
        let wake = [Some(ping_at), paused, deadline, look_at, notice_at].into_iter().flatten().min();
        tokio::select! {
            biased;
            pumped = up.wire.pump() => {
                if pumped? {
                    up.heard = clock::now();
                }
            }
            answers = home::look(&mut self.look) => self.looked(answers),
            () = tokio::time::sleep_until(wake.unwrap_or(ping_at).into()) => {
                let woken = clock::now();
                if up.wire.has_received() {
                    up.heard = woken;
                } else if deadline.is_some_and(|deadline| woken >= deadline) {
                    return Err(WireError::Lost("the gateway owes answers and is silent".to_owned()).into());
                }
                if woken >= ping_at {
                    let ping = Ping { device_time_ms: clock::now_ms() };
                    up.wire.push(self.state.next_request(), &Request::Ping(ping))?;
                    up.said = woken;
                }
            }
        }
        self.hear_all()
    }

    fn hear_all(&mut self) -> Result<(), DeviceError> {
        while let Link::Up(up) = &mut self.link
            && let Some((id, answer)) = up.wire.next_answer()?
        {
            self.hear(id, answer)?;
        }
        if let Link::Up(up) = &self.link
            && (up.leave.is_some() || up.goes_home)
            && !self.state.awaits_answers()
            && up.asked.is_empty()
        {
            self.lose(Duration::ZERO);
        }
        Ok(())
    }

    fn hear(&mut self, id: RequestId, answer: Answer) -> Result<(), DeviceError> {
        let now_ms = self.elapsed_ms(clock::now());
        let Link::Up(up) = &mut self.link else { return Ok(()) };
        if let Some(at) = up.asked.iter().position(|asked| *asked == id) {
            up.asked.swap_remove(at);
            up.replies.push((id, answer));
            return Ok(());
        }
        match answer {
            Answer::Verdicts(run) => {
                self.state.verdicts(id, &run, &mut self.acknowledged)?;
                self.backoff.reset();
            }
            Answer::Busy(busy) => self.counts.busy += u64::from(self.state.busy(id, &busy, now_ms)),
            Answer::Gap(gap) => self.counts.gaps += u64::from(self.state.gap(id, &gap)),
            Answer::Drain(drain) => {
                self.state.drain();
                up.leave = Some(Duration::from_millis(drain.reconnect_after_ms.into()));
                self.counts.drains += 1;
            }
            Answer::Pong(_) => self.backoff.reset(),
            Answer::Gateways(list) => self.route.learn(list.addresses.0, clock::now()),
            Answer::Error(error) => {
                self.state.refused(id, &error);
                return Err(refused(error));
            }
            Answer::Welcome(_) | Answer::TrajectoryAnswer(_) => return Err(out_of_place(answer)),
        }
        Ok(())
    }

    fn elapsed_ms(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.started).as_millis() as u64
    }
}
