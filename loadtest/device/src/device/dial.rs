//! Connecting, and the `Hello` on a new connection.

use std::pin::Pin;
use std::time::Duration;

use protocol::limits::HANDSHAKE_MS_MAX;
use protocol::message::{Answer, Hello, Request, Welcome};
use protocol::{Epoch, RequestId};

use super::error::{DeviceError, epoch_behind, refused};
use super::route::Target;
use super::{Device, Link};
use crate::clock;
use crate::state::StateError;
use crate::wire::{Wire, WireError};

/// Deadline for connecting and `Welcome`. It is shorter than the gateway's own deadlines: packets to a gateway
/// that is not there are repeated at longer and longer intervals, so a new attempt finds one that has come back sooner.
pub(super) const DIAL_MAX: Duration = Duration::from_secs(5);
/// The same if there is another gateway to try.
pub(super) const DIAL_MOVE: Duration = Duration::from_secs(3);

const _: () = assert!(DIAL_MAX.as_millis() as u64 <= HANDSHAKE_MS_MAX);

pub(super) type Dial = Pin<Box<dyn Future<Output = Result<(Wire, Welcome), DialError>> + Send>>;

/// The reason why there is no welcome.
pub(super) enum DialError {
    /// Another attempt can help, no earlier than after this time.
    Again(Duration, WireError),
    /// Another attempt would not help.
    Device(DeviceError),
}

impl From<WireError> for DialError {
    fn from(error: WireError) -> Self {
        if error.retryable() { Self::Again(Duration::ZERO, error) } else { Self::Device(error.into()) }
    }
}

impl From<DeviceError> for DialError {
    fn from(error: DeviceError) -> Self {
        if let DeviceError::Wire(error) = error { error.into() } else { Self::Device(error) }
    }
}

/// The parameters of one attempt.
pub(super) struct Call {
    pub(super) endpoint: quinn::Endpoint,
    pub(super) config: quinn::ClientConfig,
    pub(super) target: Target,
    pub(super) within: Duration,
    pub(super) hello: Hello,
    pub(super) request: RequestId,
}

impl Call {
    pub(super) async fn dial(self) -> Result<(Wire, Welcome), DialError> {
        let epoch = self.hello.epoch;
        let late = |_| Err(WireError::Lost("no welcome in time".to_owned()).into());
        let dialled = tokio::time::timeout(self.within, self.hello()).await.unwrap_or_else(late);
        dialled.map_err(|error| match error {
            DialError::Device(error) => DialError::Device(epoch_behind(error, epoch)),
            DialError::Again(..) => error,
        })
    }

    async fn hello(self) -> Result<(Wire, Welcome), DialError> {
        let resolved = self.target.resolve(self.endpoint.local_addr().ok()).await;
        let address = resolved.map_err(|error| WireError::Lost(error.to_string()))?;
        let mut wire = Wire::connect(&self.endpoint, self.config, address, self.target.server_name()).await?;
        let (_, answer) = wire.ask(self.request, &Request::Hello(self.hello)).await?;
        welcomed(answer).map(|welcome| (wire, welcome))
    }
}

impl Device {
    /// Steps until welcomed in an epoch that the device has not used: if it numbered its punches in a higher one before, with a clock
    /// ahead of this one, it takes a higher one.
    pub async fn connect_afresh(&mut self) -> Result<Welcome, DeviceError> {
        loop {
            let used = match self.connect().await {
                Err(DeviceError::EpochBehind { current }) => current,
                // Another run that began within the same second has used this epoch.
                Err(DeviceError::State(StateError::RecordedAhead { .. })) => self.state.epoch(),
                connected => return connected,
            };
            self.state.start_epoch(Epoch(used.0.saturating_add(1)));
        }
    }

    /// Leaves in good order: waits until every punch is acknowledged, ends the stream, and waits until the gateway has closed the
    /// connection for that. The next step connects again.
    pub async fn leave(&mut self) -> Result<(), DeviceError> {
        self.settle().await?;
        if let Link::Up(up) = std::mem::replace(&mut self.link, Link::Down { until: clock::now() }) {
            up.wire.finish().await?;
        }
        Ok(())
    }

    /// Drops the connection without a close, and makes another at once.
    pub fn disconnect(&mut self) {
        if self.is_up() {
            self.counts.losses += 1;
            self.link = Link::Down { until: clock::now() };
        }
    }
}

fn welcomed(answer: Answer) -> Result<Welcome, DialError> {
    let again = |after_ms: u32, text: &str| {
        Err(DialError::Again(Duration::from_millis(after_ms.into()), WireError::Lost(text.to_owned())))
    };
    match answer {
        Answer::Welcome(welcome) => Ok(welcome),
        Answer::Busy(busy) => again(busy.retry_after_ms, "the gateway is busy"),
        Answer::Drain(drain) => again(drain.reconnect_after_ms, "the gateway shuts down"),
        Answer::Error(error) => Err(refused(error).into()),
        Answer::Verdicts(_)
        | Answer::Gap(_)
        | Answer::Pong(_)
        | Answer::TrajectoryAnswer(_)
        | Answer::Gateways(_) => Err(DialError::Device(DeviceError::OutOfPlace(answer.type_number()))),
    }
}
