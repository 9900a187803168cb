//! The chores of the clock, in pieces: each is one transaction of bounded size. Between two of them the registry is free, and acts that came
//! meanwhile are done, so that a form at midnight waits for one piece and not for the day's.

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
    /// Those of that turn of the clock, the most urgent first.
    pub(super) fn of_turn(turn: u64) -> impl Iterator<Item = Self> {
        let signs = turn.is_multiple_of(TURNS_PER_CHECKPOINT).then_some(Self::Sign);
        [Self::Expire, Self::Revise, Self::Reseal, Self::Forget].into_iter().chain(signs)
    }

    /// Says what is said when it cannot be done.
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
        self.passed("a piece of the clock's work");
        done
    }
}
