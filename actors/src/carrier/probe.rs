//! Asks a carrier once for its reserved number, as the running gateway's probe does, for whoever looks at a configuration before a
//! gateway runs on it. No breaker, no retry, no actor.

use std::time::Duration;

use policy::trajectory::{CarrierAnswer, Unavailable};
use runtime::clock;

use super::answer::{self, Areas, Question};
use super::client::Client;
use super::{CarrierConfig, CarrierError};

/// The outcome of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probed {
    /// From connecting to the answer.
    pub took: Duration,
    /// Why the carrier is of no use, if it is not.
    pub failed: Option<Unavailable>,
}

/// Asks within the carrier's own deadline; TLS is under the configured authority alone.
///
/// # Errors
/// A configuration that cannot be used.
pub async fn probe(config: &CarrierConfig) -> Result<Probed, CarrierError> {
    let client = Client::new(config)?;
    let request = client.request_id().ok_or(CarrierError::Random)?;
    let question = Question::probe(&config.reserved, clock::now_ms() / 1000);
    let start = clock::now();
    let exchanged = tokio::time::timeout(config.deadline, client.exchange(&question, &request)).await;
    let heard = exchanged.map_or(answer::Heard::TimedOut, |exchanged| exchanged.heard);
    let read = answer::read(&heard, &question, &request, &Areas::new());
    let failed = match read.answer {
        CarrierAnswer::Unavailable(why) => Some(why),
        CarrierAnswer::Trajectory(_)
        | CarrierAnswer::NewNumber
        | CarrierAnswer::NotSubscriber
        | CarrierAnswer::Unanswerable => None,
    };
    Ok(Probed { took: clock::since(start), failed })
}
