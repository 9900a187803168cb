//! The chores of the clock, in pieces: each is one transaction of bounded size. Between two of them the registry is free, and acts that came
//! meanwhile are done, so that a form at midnight waits for one piece and not for the day's.

use protocol::metric;
use registry::Registry;

use super::context::RegistrarContext;
use super::{Registrar, RegistrarError};

/// One kind of the clock's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chore {
    /// Colours whose time is over.
    Expire,
    /// Codes that have to follow another policy.
    Revise,
    /// The fields that an earlier release sealed in another way.
    Reseal,
    /// Data that are forgotten because their time is over.
    Forget,
    /// The signature over the decisions.
    Sign,
}

/// The interval at which decisions are signed, in turns of the clock.
const TURNS_PER_CHECKPOINT: u64 = 60;

impl Chore {
    /// All of them.
    const ALL: [Self; 5] = [Self::Expire, Self::Revise, Self::Reseal, Self::Forget, Self::Sign];

    /// Has the counts of those that were restarted there before the first is.
    pub(super) fn start_at_zero() {
        Self::ALL.iter().for_each(|chore| chore.count_restarts(0));
    }

    /// Counts it among what panicked and is tried again.
    pub(super) fn count_restarts(self, count: u64) {
        metrics::counter!(metric::RESTARTS, "actor" => self.name()).increment(count);
    }

    /// Those of that turn of the clock, the most urgent first.
    pub(super) fn of_turn(turn: u64) -> impl Iterator<Item = Self> {
        let signs = turn.is_multiple_of(TURNS_PER_CHECKPOINT).then_some(Self::Sign);
        [Self::Expire, Self::Revise, Self::Reseal, Self::Forget].into_iter().chain(signs)
    }

    /// Its name among those that are restarted.
    const fn name(self) -> &'static str {
        match self {
            Self::Expire => "chore-expire",
            Self::Revise => "chore-revise",
            Self::Reseal => "chore-reseal",
            Self::Forget => "chore-forget",
            Self::Sign => "chore-sign",
        }
    }

    /// Names a piece of it, for faults of tests.
    const fn piece(self) -> &'static str {
        match self {
            Self::Expire => "a piece of the clock's work: expire",
            Self::Revise => "a piece of the clock's work: revise",
            Self::Reseal => "a piece of the clock's work: reseal",
            Self::Forget => "a piece of the clock's work: forget",
            Self::Sign => "a piece of the clock's work: sign",
        }
    }

    /// Tells the log what cannot be done.
    pub(super) const fn failed(self) -> &'static str {
        match self {
            Self::Expire => "colours whose time is over cannot be ended",
            Self::Revise => "codes cannot follow the policy in effect",
            Self::Reseal => "what an earlier release sealed cannot be written anew",
            Self::Forget => "what is over cannot be forgotten",
            Self::Sign => "decisions cannot be signed",
        }
    }
}

impl RegistrarContext {
    /// Does one piece of it; true while there is more.
    pub(super) fn do_piece(
        &self,
        chore: Chore,
        registry: &mut Registry,
        now_s: u64,
    ) -> Result<bool, RegistrarError> {
        let done = match chore {
            Chore::Expire => Ok(registry.expire_some(&self.codes, u32::try_from(now_s).unwrap_or(u32::MAX))?),
            Chore::Revise => Registrar::new(registry, &self.codes, self.policy.get()).revise_some(now_s),
            Chore::Reseal => Ok(registry.reseal_some()?),
            Chore::Forget => Ok(registry.forget_some(now_s)?),
            Chore::Sign => Ok(registry.checkpoint(&self.signing_pkcs8, now_s).map(|_| false)?),
        };
        self.passed(chore.piece());
        done
    }
}
