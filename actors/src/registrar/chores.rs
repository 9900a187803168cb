//! The chores of the clock, in pieces: each is one transaction of bounded size. Between two pieces the registry is free, and jobs that came
//! meanwhile are done, so that a form at midnight waits for one piece and not for all of the day's.

use protocol::metric;
use registry::Registry;

use super::RegistrarError;
use super::state::RegistrarContext;

/// A chore of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chore {
    /// The end of colours whose time is over.
    EndCauses,
    /// The application of another policy to the codes.
    Revise,
    /// The new sealing of fields that an earlier release sealed in another way.
    Reseal,
    /// The deletion of data whose period is over.
    Forget,
    /// The signing of the decisions.
    Sign,
}

/// The interval at which decisions are signed, in turns of the clock.
const TURNS_PER_CHECKPOINT: u64 = 60;

impl Chore {
    const ALL: [Self; 5] = [Self::EndCauses, Self::Revise, Self::Reseal, Self::Forget, Self::Sign];

    /// Registers the counters of restarts before the first one.
    pub(super) fn start_at_zero() {
        Self::ALL.iter().for_each(|chore| chore.count_restarts(0));
    }

    /// Counts restarts of the chore after a panic.
    pub(super) fn count_restarts(self, count: u64) {
        metrics::counter!(metric::RESTARTS, "actor" => self.name()).increment(count);
    }

    /// Returns the chores of that turn of the clock, the most urgent first.
    pub(super) fn of_turn(turn: u64) -> impl Iterator<Item = Self> {
        let signs = turn.is_multiple_of(TURNS_PER_CHECKPOINT).then_some(Self::Sign);
        [Self::EndCauses, Self::Revise, Self::Reseal, Self::Forget].into_iter().chain(signs)
    }

    /// Returns the chore's name in the metric of restarts.
    const fn name(self) -> &'static str {
        match self {
            Self::EndCauses => "chore-expire",
            Self::Revise => "chore-revise",
            Self::Reseal => "chore-reseal",
            Self::Forget => "chore-forget",
            Self::Sign => "chore-sign",
        }
    }

    /// Returns the step after a piece of the chore, for the tests' hook.
    const fn piece(self) -> &'static str {
        match self {
            Self::EndCauses => "a piece of the clock's work: end causes",
            Self::Revise => "a piece of the clock's work: revise",
            Self::Reseal => "a piece of the clock's work: reseal",
            Self::Forget => "a piece of the clock's work: forget",
            Self::Sign => "a piece of the clock's work: sign",
        }
    }

    /// Returns the log's message when the chore fails.
    pub(super) const fn failed(self) -> &'static str {
        match self {
            Self::EndCauses => "colours whose time is over cannot be ended",
            Self::Revise => "codes cannot follow the policy in effect",
            Self::Reseal => "what an earlier release sealed cannot be written anew",
            Self::Forget => "what is over cannot be forgotten",
            Self::Sign => "decisions cannot be signed",
        }
    }
}

impl RegistrarContext {
    /// Does one piece of a chore; true while there is more.
    pub(super) fn do_piece(
        &self,
        chore: Chore,
        registry: &mut Registry,
        now_s: u64,
    ) -> Result<bool, RegistrarError> {
        let done = match chore {
            Chore::EndCauses => {
                Ok(registry.end_due_causes(&self.codes, u32::try_from(now_s).unwrap_or(u32::MAX))?)
            }
            Chore::Revise => self.registrar(registry).revise_some(now_s),
            Chore::Reseal => Ok(registry.reseal_some()?),
            Chore::Forget => Ok(registry.forget_some(now_s)?),
            Chore::Sign => Ok(registry.checkpoint(&self.signing_pkcs8, now_s).map(|_| false)?),
        };
        self.faults.reached(chore.piece());
        done
    }
}
