//! Trajectory queries to carriers: one supervised actor for each configured carrier, on a thread of its own, so that a slow or lying
//! carrier costs its own queries, and no other carrier's or punch's. What an answer means for a code is decided in `policy`.
//!
//! [`Carriers`] (`carriers`) is every carrier and the choice among them. Of one carrier, `handle` is what `Carriers` holds, `actor` the actix
//! actor behind it, `state` what the two share and what the actor decides by.

mod actor;
mod answer;
mod breaker;
mod carriers;
mod client;
mod counts;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod handle;
mod probe;
mod renewal;
mod route;
mod state;

use std::fmt;
use std::time::Duration;

use keys::random::NoRandom;
use registry::Phone;
use runtime::supervisor::RestartPolicy;
use zeroize::Zeroizing;

use breaker::BreakerPolicy;
pub use carriers::Carriers;
pub(crate) use carriers::CarriersAnswer;
use handle::CarrierHandle;
pub use probe::{Probed, probe};
pub use registry::Attempt;

/// The time that one query may take over all carriers. The page offers the carriers' own travel page after 5 s; an answer that comes
/// later still arrives there.
pub const QUERY_MAX: Duration = Duration::from_secs(9);
/// The interval at which a carrier's reserved number is asked for.
const PROBE_EVERY: Duration = Duration::from_secs(30);
/// The longest id: it is a label in metrics.
const ID_CHARS_MAX: usize = 32;
/// Queries under way at one carrier: more connections than any carrier grants.
const PERMITS_MAX: usize = 1024;

/// One carrier as it is configured.
#[derive(Clone, PartialEq)]
pub struct CarrierConfig {
    /// Its name in metrics: small letters, digits and hyphens.
    pub id: String,
    /// Its name in the numbering plan, for people.
    pub name: String,
    /// The same in Chinese.
    pub name_zh: String,
    /// The address of its interface: https, or plain http on this machine.
    pub url: String,
    /// The authority that issues its certificate, PEM; no other is trusted.
    pub authority_pem: Option<Vec<u8>>,
    /// The id by which the carrier knows the key.
    pub key_id: String,
    /// The key that signs the requests.
    pub secret: Zeroizing<Vec<u8>>,
    /// Queries that may be under way at once.
    pub permits: usize,
    /// The time that one query may take.
    pub deadline: Duration,
    /// The number that the probe asks for; no subscriber has it.
    pub reserved: Phone,
    /// Its own page, where a citizen gets the trajectory by SMS code.
    pub travel_page: String,
    /// Prefixes of its numbers beyond the numbering plan's.
    pub prefixes: Vec<String>,
}

/// Without the secret.
impl fmt::Debug for CarrierConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CarrierConfig").field("id", &self.id).field("url", &self.url).finish_non_exhaustive()
    }
}

impl CarrierConfig {
    fn wrong(&self, why: &'static str) -> CarrierError {
        CarrierError::Config { carrier: self.id.clone(), why }
    }

    fn check(&self) -> Result<(), CarrierError> {
        let letters =
            self.id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !letters || !(1..=ID_CHARS_MAX).contains(&self.id.len()) {
            return Err(self.wrong("its id is not 1 to 32 small letters, digits and hyphens"));
        }
        if !(1..=PERMITS_MAX).contains(&self.permits) {
            return Err(self.wrong("it may have 1 to 1024 permits"));
        }
        if self.deadline.is_zero() || self.deadline > QUERY_MAX {
            return Err(self.wrong("its deadline is 0 or more than 9 s"));
        }
        Ok(())
    }
}

/// An error that keeps carriers from being started.
#[derive(Debug, thiserror::Error)]
pub enum CarrierError {
    /// A configuration that cannot be used.
    #[error("carrier {carrier}: {why}")]
    Config {
        /// The carrier's id.
        carrier: String,
        /// The fault.
        why: &'static str,
    },
    /// No thread from the operating system.
    #[error("starting a carrier's thread")]
    Thread(#[from] std::io::Error),
    /// No random bytes from the operating system.
    #[error(transparent)]
    Random(#[from] NoRandom),
}

/// A step of a carrier's actor, at which a test may make it fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A query arrives.
    Handler,
    /// A query is about to be sent.
    Task,
    /// A query's report arrives.
    Report,
    /// A probe is due.
    Timer,
}

/// The settings that all carriers share.
#[derive(Clone)]
pub(crate) struct CarrierSettings {
    /// The restarts that an actor is given before it is parked.
    pub(crate) restarts: RestartPolicy,
    /// The failures after which a carrier is not asked for a while.
    pub(crate) breaker: BreakerPolicy,
    /// The time that one query may take over all carriers.
    pub(crate) query_max: Duration,
    /// The interval at which each carrier is probed.
    pub(crate) probe_every: Duration,
}

impl Default for CarrierSettings {
    fn default() -> Self {
        Self {
            restarts: RestartPolicy::default(),
            breaker: BreakerPolicy::default(),
            query_max: QUERY_MAX,
            probe_every: PROBE_EVERY,
        }
    }
}

#[cfg(test)]
mod tests;
