//! A gateway's knowledge of its fleet, shared between the fleet's thread, the registrar and those who ask; and the outbox of the
//! registry, which waits for the fleet's thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use keys::fleet::FleetKey;
use keys::ids::KeyId;
use keys::{Keys, TokenFile};
use registry::replication::{Changes, NotNow, Outbox, Sent};
use runtime::clock;
use runtime::lock::lock;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc};

use crate::Trouble;
use crate::broker::append_time;
use crate::envelope::{self, Message, SealError, Sender};
use crate::lease::Leader;
use crate::reports::Order;

/// The largest difference of two clocks, seconds, with which a code of one gateway is good at another one. The lease may be some seconds old.
const APART_S_MAX: u64 = protocol::limits::TOKEN_SKEW_S as u64;

/// The age below which colours count as new, seconds: a follower looks twice a second, and another leader needs about four seconds.
const NEW_S: u64 = 5;

/// Where a gateway stands in its fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// This gateway's name.
    pub name: String,
    /// True while this gateway leads and takes changes.
    pub leads: bool,
    /// The gateway that leads, as far as this one knows.
    pub leader: Option<Leader>,
    /// The position in the stream up to which this gateway has everything.
    pub position: u64,
    /// The end of the stream, as far as it is known.
    pub end: u64,
    /// True while the broker answers.
    pub connected: bool,
    /// The reason for which it neither follows nor leads.
    pub trouble: Option<String>,
    /// Seconds since this gateway last knew that it had every change of a leader, or since its start; 0 while it leads.
    #[serde(default)]
    pub colours_age_s: u64,
    /// Seconds by which this gateway's clock is ahead of the broker's, from the last look at the lease that another gateway or, at the start of
    /// its lead, this one holds; some seconds mean nothing.
    #[serde(default)]
    pub ahead_s: i64,
    /// The names of all gateways of the fleet, as far as this one knows; also of those that are away.
    #[serde(default)]
    pub gateways: Vec<String>,
    /// The token key that this gateway or the one that leads lacks.
    #[serde(default)]
    pub lacking: Option<Lacking>,
    /// The second copy of this gateway's punches; `None` before it is looked at.
    #[serde(default)]
    pub copy: Option<CopyStanding>,
    /// The newest snapshot; `None` at a gateway that does not lead, and before the first one is stored.
    #[serde(default)]
    pub snapshot: Option<SnapshotStanding>,
}

/// A token key that one of two gateways lacks: from its moment on, that one does not open all tokens of the other one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lacking {
    /// The name of the gateway that lacks it.
    pub gateway: String,
    /// The key.
    pub key: TokenFile,
}

/// The newest snapshot by which others join, as the leader knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotStanding {
    /// The position in the stream that it was made at.
    pub position: u64,
    /// When it was made, Unix seconds.
    pub made_s: u64,
}

/// The progress of the second copy of a gateway's punches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyStanding {
    /// The last LSN up to which the copy has everything.
    pub lsn: u64,
    /// The last durable LSN of the log.
    pub end: u64,
    /// The reason for which the copy stands still.
    pub trouble: Option<String>,
}

impl Standing {
    /// Reports a gateway that neither leads nor follows a leader.
    pub const fn is_adrift(&self) -> bool {
        !self.leads && (!self.connected || self.trouble.is_some() || self.leader.is_none())
    }

    /// Returns the age of the colours that this gateway shows, seconds; `None` while they count as new.
    pub fn old_colours_s(&self) -> Option<u64> {
        (self.colours_age_s >= NEW_S).then_some(self.colours_age_s)
    }

    /// Returns the age of the newest snapshot, seconds; 0 where none is known.
    pub fn snapshot_age_s(&self) -> u64 {
        self.snapshot.map_or(0, |snapshot| clock::now_s().saturating_sub(snapshot.made_s))
    }

    /// Returns by how much this gateway's clock and the broker's differ, in words; `None` if that is less than codes bear.
    pub fn clock_trouble(&self) -> Option<String> {
        let apart_s = self.ahead_s.unsigned_abs();
        let side = if self.ahead_s > 0 { "ahead of" } else { "behind" };
        (apart_s > APART_S_MAX).then(|| format!("the clock is {apart_s} s {side} the broker's"))
    }

    /// Returns the number of messages that this gateway has not applied.
    pub const fn lag(&self) -> u64 {
        self.end.saturating_sub(self.position)
    }
}

/// A changeset on its way to the stream.
pub(crate) struct Append {
    /// The position that it follows.
    pub(crate) after: u64,
    pub(crate) parts: Vec<Bytes>,
    /// The time by which all parts have to be in the stream.
    pub(crate) deadline: Instant,
    pub(crate) reply: SyncSender<Result<Sent, NotNow>>,
}

/// The beginning of the subject of questions about devices' numbers; the id of the fleet's key ends it.
const MARKS: &str = "changtong.marks";
/// The time beyond which the registrar does not wait for the fleet's thread, which answers before that.
const SLACK: Duration = Duration::from_secs(1);

struct State {
    standing: Standing,
    /// The end of the right to lead.
    leads_until: Option<Instant>,
    /// The time until which this gateway leaves the lead to others.
    rests_until: Option<Instant>,
    /// The last moment at which this gateway was known to have every change of a leader, other than by leading; its start before the first one.
    whole: Instant,
    part_bytes: usize,
}

impl State {
    /// Returns the last moment, `now` at the latest, at which this gateway was known to have every change: one that leads has them.
    fn whole(&self, now: Instant) -> Instant {
        let leads_until = self.leads_until.filter(|_| self.standing.snapshot.is_some());
        leads_until.map_or(self.whole, |until| self.whole.max(until.min(now)))
    }
}

/// The state of a gateway's part in its fleet.
pub(crate) struct Shared {
    state: Mutex<State>,
    key: Arc<FleetKey>,
    /// True while a snapshot takes the place of the registry.
    joining: Arc<AtomicBool>,
    /// The order that waits for the thread, and the bell that tells it.
    pub(crate) order: Mutex<Option<Order>>,
    pub(crate) ordered: Notify,
    /// The ids of this gateway's keys.
    pub(crate) keys: Vec<KeyId>,
    /// Its newest token key of phones.
    pub(crate) token: TokenFile,
    appends: mpsc::Sender<Append>,
    /// Rings when this gateway must not lead any longer.
    pub(crate) deposed: Notify,
    /// Rings when another gateway is to lead.
    pub(crate) handed_over: Notify,
}

impl Shared {
    pub(crate) fn new(name: String, key: FleetKey, keys: &Keys, appends: mpsc::Sender<Append>) -> Self {
        let standing = Standing { name, ..Standing::default() };
        let state =
            State { standing, leads_until: None, rests_until: None, whole: clock::now(), part_bytes: 0 };
        let state = Mutex::new(state);
        Self {
            state,
            key: Arc::new(key),
            joining: Arc::default(),
            order: Mutex::new(None),
            ordered: Notify::new(),
            keys: keys.ids(),
            token: keys.newest_token(),
            appends,
            deposed: Notify::new(),
            handed_over: Notify::new(),
        }
    }

    pub(crate) fn key(&self) -> &FleetKey {
        &self.key
    }

    /// Returns the subject of questions about devices' numbers among the gateways with this key.
    pub(crate) fn marks_subject(&self) -> String {
        format!("{MARKS}.{}", self.key.id())
    }

    pub(crate) const fn shared_key(&self) -> &Arc<FleetKey> {
        &self.key
    }

    /// Holds the registry's writer until the returned value is dropped.
    pub(crate) fn join(&self) -> Joining {
        self.joining.store(true, Ordering::SeqCst);
        Joining(Arc::clone(&self.joining))
    }

    /// Returns where this gateway stands.
    pub(crate) fn standing(&self) -> Standing {
        let state = lock(&self.state);
        let now = clock::now();
        let leads = state.standing.snapshot.is_some() && state.leads_until.is_some_and(|until| now < until);
        let colours_age_s = now.saturating_duration_since(state.whole(now)).as_secs();
        Standing { leads, colours_age_s, ..state.standing.clone() }
    }

    /// Notes news of the fleet.
    pub(crate) fn note(&self, change: impl FnOnce(&mut Standing)) {
        change(&mut lock(&self.state).standing);
    }

    /// Compares the newest token key of this gateway with the leader's. Ids follow one another, so that one of both has both keys.
    pub(crate) fn lacking(&self, leader: &str, theirs: &TokenFile) -> Option<Lacking> {
        let has_theirs = self.keys.iter().any(|key| key.file == theirs.file);
        match has_theirs {
            true if theirs.file == self.token.file => None,
            true => Some(Lacking { gateway: leader.to_owned(), key: self.token.clone() }),
            false => Some(Lacking { gateway: self.standing().name, key: theirs.clone() }),
        }
    }

    /// Notes that this gateway has every change that a leader had made at that moment.
    pub(crate) fn has_all_of(&self, moment: Instant) {
        let mut state = lock(&self.state);
        state.whole = state.whole.max(moment);
    }

    /// Notes news of the second copy.
    pub(crate) fn note_copy(&self, change: impl FnOnce(&mut CopyStanding)) {
        self.note(|standing| change(standing.copy.get_or_insert_default()));
    }

    /// Lets this gateway lead until that time, behind the end of the stream.
    pub(crate) fn lead(&self, until: Instant, end: u64, part_bytes: usize) {
        let mut state = lock(&self.state);
        (state.leads_until, state.part_bytes) = (Some(until), part_bytes);
        (state.standing.end, state.standing.trouble) = (end, None);
        state.standing.snapshot = None;
    }

    /// Notes a snapshot by which others can join what this gateway leads: from now on it takes changes.
    pub(crate) fn joinable(&self, snapshot: SnapshotStanding) {
        self.note(|standing| {
            if standing.snapshot.replace(snapshot).is_none() {
                standing.trouble = None;
            }
        });
    }

    /// Lets a gateway that leads do so until that time.
    pub(crate) fn lead_until(&self, until: Instant) {
        let mut state = lock(&self.state);
        state.leads_until = state.leads_until.map(|_| until);
    }

    /// Leaves the lead to others for that time.
    pub(crate) fn rest(&self, time: Duration) {
        lock(&self.state).rests_until = Some(clock::now() + time);
    }

    /// Returns true while this gateway leaves the lead to others.
    pub(crate) fn rests(&self) -> bool {
        lock(&self.state).rests_until.is_some_and(|until| clock::now() < until)
    }

    pub(crate) fn step_down(&self) {
        let mut state = lock(&self.state);
        state.whole = state.whole(clock::now());
        (state.leads_until, state.standing.snapshot) = (None, None);
    }

    /// Takes the right to lead at once, and tells the fleet's thread.
    fn depose(&self) {
        self.step_down();
        self.deposed.notify_one();
    }

    /// Returns this gateway as a sender, with the ids of its keys or without.
    pub(crate) fn sender(&self, with_keys: bool) -> Sender {
        let ids = || {
            let own = ("fleet.key".to_owned(), self.key.id());
            self.keys.iter().map(|key| (key.file.clone(), key.id.clone())).chain([own]).collect()
        };
        Sender { name: self.standing().name, keys: if with_keys { ids() } else { Vec::new() } }
    }

    /// Refuses a gateway whose keys are not this one's. A key that one of both lacks is being rotated: it is noted from the lease.
    pub(crate) fn compare_keys(&self, sender: &Sender) -> Result<(), Trouble> {
        let differs =
            |(file, id): &&(String, String)| self.keys.iter().any(|key| key.file == *file && key.id != *id);
        match sender.keys.iter().find(differs) {
            None => Ok(()),
            Some((file, _)) => Err(Trouble::OtherKey { leader: sender.name.clone(), file: file.clone() }),
        }
    }

    fn message(&self, changes: &Changes) -> Message {
        Message { sender: self.sender(changes.begins_a_term()), changes: changes.clone() }
    }
}

/// The time in which a snapshot takes the place of the registry.
pub(crate) struct Joining(Arc<AtomicBool>);

impl Drop for Joining {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl Outbox for Shared {
    fn refusal(&self) -> Option<NotNow> {
        let state = lock(&self.state);
        if state.leads_until.is_some_and(|until| clock::now() < until) {
            return None;
        }
        let standing = &state.standing;
        let other = standing.leader.as_ref().filter(|leader| leader.name != standing.name);
        Some(match other {
            Some(Leader { name, address }) => {
                NotNow::Elsewhere { name: name.clone(), address: address.clone() }
            }
            None => NotNow::NoLeader,
        })
    }

    fn append(&self, changes: &Changes) -> Result<Sent, NotNow> {
        if let Some(refusal) = self.refusal() {
            return Err(refusal);
        }
        let (after, part_bytes) = {
            let state = lock(&self.state);
            (state.standing.end, state.part_bytes)
        };
        let sealed = envelope::seal(&self.key, after, &self.message(changes), part_bytes);
        let parts: Vec<Bytes> = match sealed {
            Ok(parts) => parts.into_iter().map(Bytes::from).collect(),
            Err(error @ (SealError::TooLarge { .. } | SealError::TooManyParts { .. })) => {
                return Err(NotNow::TooLarge(error.to_string()));
            }
            Err(SealError::Key(error)) => {
                tracing::error!(%error, "a change cannot be sealed for the fleet");
                return Err(NotNow::NoLeader);
            }
        };
        let wait = append_time(parts.iter().map(Bytes::len).sum());
        let deadline = clock::now() + wait;
        let (reply, answer) = sync_channel(1);
        if self.appends.try_send(Append { after, parts, deadline, reply }).is_err() {
            return Err(NotNow::NoLeader);
        }
        let answer = match answer.recv_timeout(wait + SLACK) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Err(NotNow::Unconfirmed),
        };
        match &answer {
            Ok(Sent { position, .. }) => {
                self.note(|standing| (standing.position, standing.end) = (*position, *position));
            }
            // What happened is read from the stream, as a follower reads it.
            Err(_) => self.depose(),
        }
        answer
    }

    fn diverged(&self) {
        self.depose();
    }

    fn holds_back(&self) -> Option<NotNow> {
        lock(&self.state).standing.snapshot.is_none().then_some(NotNow::NoSnapshot)
    }

    fn is_joining(&self) -> bool {
        self.joining.load(Ordering::SeqCst)
    }
}
