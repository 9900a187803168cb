//! A device's numbers at the other gateways. A gateway that knows less than a device holds asks all others, many devices in one question,
//! and answers their questions from its own log. What a gateway that is away may hold waits until it is back.
//!
//! - `marks`: the decisions. Pure. `waiting`: the file of what waits. `wire`: questions and answers over the broker.

mod marks;
mod waiting;
mod wire;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::Client;
use async_nats::connection::State;
use ledger::Missing;
use metrics::{Counter, Gauge};
use protocol::{DeviceId, Epoch, GatewayAddress, Sequence, metric};
use runtime::lock::lock;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::calls::Calls;
use crate::members::Members;
use crate::orders::Orders;
use crate::roster::Roster;
use crate::{FleetConfig, Member, Standing};
use marks::{Away, Held, Settled, Unconfirmed};
use wire::{ANSWER, DEVICES_PER_QUESTION};

/// The longest wait of a device: a question that is under way, its own, and a thread that is busy.
const WAIT: Duration = Duration::from_millis(1_000);
/// The most devices that wait for a question; those beyond count as unconfirmed at once.
const ASKS_MAX: usize = 16 * 1024;
/// The interval at which what waits is asked about again, and its file follows.
const SETTLE: Duration = Duration::from_secs(1);
/// The pause before the list of gateways is followed again.
const RETRY: Duration = Duration::from_secs(1);

/// A source of the marks of gateways that do not answer or have left, from copies of their logs. A mark may be older than the log.
pub(crate) trait FoldedMarks: Send + Sync + 'static {
    /// Returns the highest number of the device's epoch that is known to be in each other gateway's log, with the gateway's name.
    fn marks(&self, device: DeviceId, epoch: Epoch) -> Vec<(Arc<str>, Sequence)>;
}

struct Ask {
    device: DeviceId,
    epoch: Epoch,
    reply: oneshot::Sender<Held>,
}

struct Counts {
    held: Counter,
    unconfirmed: Gauge,
}

/// The way of a gateway's sessions to the other gateways; clones share it.
#[derive(Clone)]
pub struct Peers {
    asks: mpsc::Sender<Ask>,
    list: watch::Receiver<Option<Members>>,
    waiting: Arc<Mutex<Unconfirmed>>,
    counts: Arc<Counts>,
    calls: Calls,
    roster: Roster,
}

impl Peers {
    /// Returns the way to ask one of them.
    pub const fn calls(&self) -> &Calls {
        &self.calls
    }

    /// Returns the way of operators' orders about who leads and who belongs to the fleet.
    pub const fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Returns the way of operators' orders about this gateway's part in the fleet.
    pub fn orders(&self) -> Orders {
        self.calls.orders()
    }

    /// Returns the number up to which a device's acknowledged punches above `recorded` are not lost: `acknowledged` if another gateway
    /// holds them, or may hold them and is away; less if all others were heard and hold less. Never waits for longer than a second.
    pub async fn held(
        &self,
        (device, epoch): (DeviceId, Epoch),
        recorded: Sequence,
        acknowledged: Sequence,
    ) -> Sequence {
        let (reply, answer) = oneshot::channel();
        let asked = self.asks.try_send(Ask { device, epoch, reply }).is_ok();
        let held = match timeout(WAIT, answer).await {
            Ok(Ok(held)) if asked => held,
            Ok(_) | Err(_) => Held::UNKNOWN,
        };
        let upto = held.upto.min(acknowledged);
        self.counts.held.increment(upto.0.saturating_sub(recorded.0));
        if upto >= acknowledged || held.away.is_nobody() {
            return upto;
        }
        let from = Sequence(upto.max(recorded).0 + 1);
        let has_room = lock(&self.waiting).add(Missing { device, epoch, from, to: acknowledged }, &held.away);
        if has_room { acknowledged } else { upto }
    }

    /// Returns the addresses of the fleet's gateways for devices; none if they are not known. Marks the list as seen.
    pub fn addresses(&mut self) -> Vec<GatewayAddress> {
        self.list.borrow_and_update().as_ref().map(Members::addresses).unwrap_or_default()
    }

    /// Returns where this gateway stands.
    pub fn standing(&self) -> Standing {
        let gateways = self.list.borrow().as_ref().map(Members::names).unwrap_or_default();
        Standing { gateways, ..self.calls.standing() }
    }

    /// Waits until the list of gateways is another one than was seen; for ever if it cannot change any more.
    pub async fn changed(&mut self) {
        if self.list.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The part of the fleet's thread that answers and asks.
pub(crate) struct Post {
    asks: mpsc::Receiver<Ask>,
    list: watch::Sender<Option<Members>>,
    waiting: Arc<Mutex<Unconfirmed>>,
    counts: Arc<Counts>,
    folded: Arc<dyn FoldedMarks>,
    data: PathBuf,
}

/// Makes the way of sessions to the others, and its end on the fleet's thread. Reads what waited when the process before ended.
///
/// # Errors
/// The file of what waits cannot be read.
pub(crate) fn open(
    data: &Path,
    folded: Arc<dyn FoldedMarks>,
    (calls, roster): (Calls, Roster),
) -> std::io::Result<(Peers, Post)> {
    let (asks, asked) = mpsc::channel(ASKS_MAX);
    let (sender, list) = watch::channel(None);
    let waiting = waiting::read(data)?;
    let held = metrics::counter!(metric::HELD_ELSEWHERE);
    held.increment(0);
    let unconfirmed = metrics::gauge!(metric::UNCONFIRMED);
    unconfirmed.set(waiting.punches() as f64);
    let (waiting, counts) = (Arc::new(Mutex::new(waiting)), Arc::new(Counts { held, unconfirmed }));
    let peers =
        Peers { asks, list, waiting: Arc::clone(&waiting), counts: Arc::clone(&counts), calls, roster };
    let post = Post { asks: asked, list: sender, waiting, counts, folded, data: data.to_owned() };
    Ok((peers, post))
}

impl Post {
    /// Returns the list of gateways; `None` before it is known.
    pub(crate) fn list(&self) -> watch::Receiver<Option<Members>> {
        self.list.subscribe()
    }

    /// Does the work of the connected gateway, for ever. May be dropped and called again.
    pub(crate) async fn run(
        &mut self,
        client: &Client,
        config: &FleetConfig,
        subject: &str,
        member: &dyn Member,
    ) {
        let Self { asks, list, waiting, counts, folded, data } = self;
        let followed = async {
            loop {
                let trouble = crate::members::follow(client, config, list).await;
                tracing::debug!(%trouble, "the list of gateways is followed anew");
                tokio::time::sleep(RETRY).await;
            }
        };
        let members = list.subscribe();
        let asking = Asking { client, subject, own: &config.name, list: &members, folded: &**folded };
        let settling = Settling { asking: &asking, member, waiting, counts, data };
        let answering = wire::answer(client, subject, &config.name, member);
        tokio::join!(followed, asking.serve(asks), settling.run(), answering);
    }
}

/// The questions of this gateway.
struct Asking<'a> {
    client: &'a Client,
    subject: &'a str,
    own: &'a str,
    list: &'a watch::Receiver<Option<Members>>,
    folded: &'a dyn FoldedMarks,
}

impl Asking<'_> {
    /// Asks for the devices of sessions, all that wait in one question.
    async fn serve(&self, asks: &mut mpsc::Receiver<Ask>) {
        let mut all = Vec::new();
        while asks.recv_many(&mut all, DEVICES_PER_QUESTION).await > 0 {
            let of: Vec<_> = all.iter().map(|ask| (ask.device, ask.epoch)).collect();
            let held = self.held(&of).await;
            for (ask, held) in all.drain(..).zip(held) {
                // A session that has ended does not wait.
                let _ = ask.reply.send(held);
            }
        }
        std::future::pending().await
    }

    /// Returns the other gateways of the fleet; `None` if they are not known, or if this gateway is cut off: it may not have heard of the
    /// newest one.
    fn others(&self) -> Option<Vec<String>> {
        let is_connected = self.client.connection_state() == State::Connected;
        self.list.borrow().as_ref().map(|members| members.others(self.own)).filter(|_| is_connected)
    }

    /// Returns what the other gateways hold of each device.
    async fn held(&self, of: &[(DeviceId, Epoch)]) -> Vec<Held> {
        let Some(others) = self.others() else { return vec![Held::UNKNOWN; of.len()] };
        let answers = wire::ask(self.client, self.subject, (self.own, of), &others, ANSWER).await;
        let away = Arc::new(others.into_iter().filter(|name| !answers.contains_key(name)).collect());
        let held = |(at, &(device, epoch)): (usize, &(DeviceId, Epoch))| {
            let heard = answers.values().map(|marks| marks[at]);
            let folded = self.folded.marks(device, epoch).into_iter().map(|(_, mark)| mark);
            let upto = heard.chain(folded).max().unwrap_or(Sequence(0));
            Held { upto, away: Away::Named(Arc::clone(&away)) }
        };
        of.iter().enumerate().map(held).collect()
    }
}

/// The work on what waits.
struct Settling<'a> {
    asking: &'a Asking<'a>,
    member: &'a dyn Member,
    waiting: &'a Mutex<Unconfirmed>,
    counts: &'a Counts,
    data: &'a Path,
}

impl Settling<'_> {
    async fn run(&self) {
        let mut written = lock(self.waiting).clone();
        let mut due = interval(SETTLE);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            due.tick().await;
            self.pass().await;
            let now = lock(self.waiting).clone();
            self.counts.unconfirmed.set(now.punches() as f64);
            if now != written {
                let (data, content) = (self.data.to_owned(), now.clone());
                match tokio::task::spawn_blocking(move || waiting::write(&data, &content)).await {
                    Ok(Ok(())) => written = now,
                    Ok(Err(error)) => tracing::warn!(%error, "writing what waits for another gateway"),
                    Err(error) => tracing::warn!(%error, "writing what waits for another gateway"),
                }
            }
        }
    }

    /// Asks about all that waits. A gateway that did not answer is not asked again in this pass, and what waits for it alone goes on waiting.
    async fn pass(&self) {
        let (mut last, mut silent) = (None, BTreeSet::new());
        loop {
            let ranges = lock(self.waiting).after(last, DEVICES_PER_QUESTION, &silent);
            let Some((end, _)) = ranges.last() else { return };
            last = Some(*end);
            let Some(others) = self.asking.others() else { return };
            let asked: Vec<_> = others.iter().filter(|name| !silent.contains(*name)).cloned().collect();
            let of: Vec<_> = ranges.iter().map(|(range, _)| (range.device, range.epoch)).collect();
            let Asking { client, subject, own, .. } = *self.asking;
            let answers = wire::ask(client, subject, (own, &of), &asked, ANSWER).await;
            silent.extend(asked.into_iter().filter(|name| !answers.contains_key(name)));
            let all = Arc::new(others.into_iter().collect());
            for (at, (range, away)) in ranges.into_iter().enumerate() {
                let away = match away {
                    Away::Named(names) => names,
                    Away::Any => {
                        lock(self.waiting).name(range, &all);
                        Arc::clone(&all)
                    }
                };
                let folded = self.asking.folded.marks(range.device, range.epoch);
                let mark = |name: &str| {
                    let heard = answers.get(name).map(|marks| marks[at]);
                    let copied = folded.iter().filter(|(known, _)| **known == *name).map(|(_, mark)| *mark);
                    heard.into_iter().chain(copied).max().unwrap_or(Sequence(0))
                };
                let is_awaited = |name: &str| all.contains(name) && !answers.contains_key(name);
                let settled = Unconfirmed::settle(range, &away, mark, is_awaited);
                self.settle(range, settled).await;
            }
        }
    }

    async fn settle(&self, range: Missing, settled: Settled) {
        match settled {
            Settled::Held => {
                self.counts.held.increment(range.to.0.saturating_sub(range.from.0) + 1);
                lock(self.waiting).remove(range);
            }
            // A log that is busy is asked again.
            Settled::Lost(missing) => {
                if self.member.miss(missing).await.is_ok() {
                    lock(self.waiting).remove(range);
                }
            }
            Settled::Waits => {}
        }
    }
}
