//! Questions about the devices' numbers: a device's hello, the marks that other gateways ask for, and a loss that is known later than the
//! hello that showed it. The decisions are in `marks` and `round`.

use std::sync::mpsc::TrySendError;

use protocol::{DeviceId, Epoch, Sequence};
use tokio::sync::oneshot;

use super::{HelloOutcome, LedgerHandle, Message};

/// Punches that were acknowledged to a device and that no log has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The device.
    pub device: DeviceId,
    /// The epoch of the numbers.
    pub epoch: Epoch,
    /// The first number.
    pub from: Sequence,
    /// The last number.
    pub to: Sequence,
}

impl LedgerHandle {
    /// Returns the state of the device's numbering. If the device holds acknowledgements above the log's highest sequence, the loss
    /// is recorded and counted, and the numbering continues above it.
    pub async fn hello(&self, device: DeviceId, epoch: Epoch, acknowledged: Sequence) -> HelloOutcome {
        self.hello_beside(device, epoch, acknowledged, Sequence(0)).await
    }

    /// Does what [`Self::hello`] does at one of several gateways: what is not above `held`, the highest number of the epoch that another
    /// gateway's log holds, is not lost. The numbering continues above it, and nothing is recorded.
    pub async fn hello_beside(
        &self,
        device: DeviceId,
        epoch: Epoch,
        acknowledged: Sequence,
        held: Sequence,
    ) -> HelloOutcome {
        let (reply, outcome) = oneshot::channel();
        match self.queue.try_send(Message::Hello { device, epoch, acknowledged, held, reply }) {
            Ok(()) => outcome.await.unwrap_or(HelloOutcome::Down),
            Err(TrySendError::Full(_)) => HelloOutcome::Busy,
            Err(TrySendError::Disconnected(_)) => HelloOutcome::Down,
        }
    }

    /// Returns the highest number of the epoch that this log accounts for, of a device that may say hello with these numbers; it may not be
    /// durable yet. Nothing is recorded.
    ///
    /// # Errors
    /// The outcome of a hello that the log refuses.
    pub async fn check_hello(
        &self,
        device: DeviceId,
        epoch: Epoch,
        acknowledged: Sequence,
    ) -> Result<Sequence, HelloOutcome> {
        let (reply, outcome) = oneshot::channel();
        match self.queue.try_send(Message::CheckHello { device, epoch, acknowledged, reply }) {
            Ok(()) => outcome.await.unwrap_or(Err(HelloOutcome::Down)),
            Err(TrySendError::Full(_)) => Err(HelloOutcome::Busy),
            Err(TrySendError::Disconnected(_)) => Err(HelloOutcome::Down),
        }
    }

    /// Returns the highest durable number of each of these devices in its epoch, in their order, 0 if there is none; `None` if the log is
    /// busy or down. A loss on record counts as recorded, numbers that only other logs hold do not.
    pub async fn marks(&self, of: Vec<(DeviceId, Epoch)>) -> Option<Vec<Sequence>> {
        let (reply, marks) = oneshot::channel();
        self.queue.try_send(Message::Marks { of, reply }).ok()?;
        marks.await.ok()
    }

    /// Records and counts a loss, above which the device's numbering continues; true once it is durable, false if the log is busy or down.
    pub async fn miss(&self, missing: Missing) -> bool {
        let (reply, durable) = oneshot::channel();
        self.queue.try_send(Message::Missing { missing, reply }).is_ok() && durable.await.is_ok()
    }
}
