//! A gateway's knowledge of its fleet, shared between the fleet's thread, the registrar and those who ask; and the outbox of the
//! registry, which waits for the fleet's thread.

use std::sync::Mutex;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use keys::fleet::FleetKey;
use keys::ids::KeyId;
use registry::replication::{Changes, NotNow, Outbox};
use runtime::clock;
use runtime::lock::lock;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc};

use crate::broker::APPEND;
use crate::envelope::{self, Message, Sender};
use crate::lease::Leader;

/// Where a gateway stands in its fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// This gateway's name.
    pub name: String,
    /// True while this gateway leads.
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
}

impl Standing {
    /// Reports a gateway that neither leads nor follows a leader.
    pub const fn is_adrift(&self) -> bool {
        !self.leads && (!self.connected || self.trouble.is_some() || self.leader.is_none())
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
    pub(crate) reply: SyncSender<Result<u64, NotNow>>,
}

/// The time beyond which the registrar does not wait for the fleet's thread, which answers before that.
const SLACK: Duration = Duration::from_secs(1);

struct State {
    standing: Standing,
    /// The end of the right to lead.
    leads_until: Option<Instant>,
    part_bytes: usize,
}

/// The state of a gateway's part in its fleet.
pub(crate) struct Shared {
    state: Mutex<State>,
    key: FleetKey,
    /// The ids of this gateway's keys.
    pub(crate) keys: Vec<KeyId>,
    appends: mpsc::Sender<Append>,
    /// Rings when this gateway must not lead any longer.
    pub(crate) deposed: Notify,
}

impl Shared {
    pub(crate) fn new(name: String, key: FleetKey, keys: Vec<KeyId>, appends: mpsc::Sender<Append>) -> Self {
        let standing = Standing { name, ..Standing::default() };
        let state = Mutex::new(State { standing, leads_until: None, part_bytes: 0 });
        Self { state, key, keys, appends, deposed: Notify::new() }
    }

    pub(crate) const fn key(&self) -> &FleetKey {
        &self.key
    }

    /// Returns where this gateway stands.
    pub(crate) fn standing(&self) -> Standing {
        let state = lock(&self.state);
        let leads = state.leads_until.is_some_and(|until| clock::now() < until);
        Standing { leads, ..state.standing.clone() }
    }

    /// Notes news of the fleet.
    pub(crate) fn note(&self, change: impl FnOnce(&mut Standing)) {
        change(&mut lock(&self.state).standing);
    }

    /// Lets this gateway lead until that time, behind the end of the stream.
    pub(crate) fn lead(&self, until: Instant, end: u64, part_bytes: usize) {
        let mut state = lock(&self.state);
        (state.leads_until, state.part_bytes) = (Some(until), part_bytes);
        (state.standing.end, state.standing.trouble) = (end, None);
    }

    /// Lets a gateway that leads do so until that time.
    pub(crate) fn lead_until(&self, until: Instant) {
        let mut state = lock(&self.state);
        state.leads_until = state.leads_until.map(|_| until);
    }

    pub(crate) fn step_down(&self) {
        lock(&self.state).leads_until = None;
    }

    /// Takes the right to lead at once, and tells the fleet's thread.
    fn depose(&self) {
        self.step_down();
        self.deposed.notify_one();
    }

    fn message(&self, changes: &Changes) -> Message {
        let ids = || {
            let own = ("fleet.key".to_owned(), self.key.id());
            self.keys.iter().map(|key| (key.file.clone(), key.id.clone())).chain([own]).collect()
        };
        let keys = if changes.begins_a_term() { ids() } else { Vec::new() };
        Message { sender: Sender { name: self.standing().name, keys }, changes: changes.clone() }
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

    fn append(&self, changes: &Changes) -> Result<u64, NotNow> {
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
            Err(error) => {
                tracing::error!(%error, "a change cannot be sealed for the fleet");
                return Err(NotNow::NoLeader);
            }
        };
        let wait = APPEND * parts.len() as u32 + SLACK;
        let (reply, answer) = sync_channel(1);
        if self.appends.try_send(Append { after, parts, reply }).is_err() {
            return Err(NotNow::NoLeader);
        }
        let answer = match answer.recv_timeout(wait) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Err(NotNow::Unconfirmed),
        };
        match answer {
            Ok(position) => self.note(|standing| (standing.position, standing.end) = (position, position)),
            // What happened is read from the stream, as a follower reads it.
            Err(_) => self.depose(),
        }
        answer
    }

    fn diverged(&self) {
        self.depose();
    }
}
