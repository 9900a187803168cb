//! A single probe of a carrier, as the running gateway's, for a check of a configuration before a gateway runs on it: no breaker, no second
//! attempt, no actor.

use std::time::Duration;

use policy::trajectory::{CarrierAnswer, Unavailable};
use runtime::clock;

use super::answer::{self, Areas, Question};
use super::client::{Client, request_id};
use super::{CarrierConfig, CarrierError};

/// The outcome of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probed {
    /// The time from connecting to the answer.
    pub took: Duration,
    /// The reason for which the carrier cannot be used; `None` if it can.
    pub failed: Option<Unavailable>,
}

/// Asks for the carrier's reserved number within its deadline.
///
/// # Errors
/// A configuration that cannot be used, or no random bytes from the operating system.
pub async fn probe(config: &CarrierConfig) -> Result<Probed, CarrierError> {
    let client = Client::new(config)?;
    let request = request_id()?;
    let question = Question::probe(&config.reserved, clock::now_s());
    let start = clock::now();
    let exchanged = tokio::time::timeout(config.deadline, client.exchange(&question, &request)).await;
    let reply = exchanged.map_or(answer::RawReply::TimedOut, |exchanged| exchanged.reply);
    let read = answer::read(&reply, &question, &request, &Areas::new());
    let failed = match read.answer {
        CarrierAnswer::Unavailable(why) => Some(why),
        CarrierAnswer::Trajectory(_)
        | CarrierAnswer::NewNumber
        | CarrierAnswer::NotSubscriber
        | CarrierAnswer::Unanswerable => None,
    };
    Ok(Probed { took: clock::since(start), failed })
}
