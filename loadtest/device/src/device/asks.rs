//! A device's requests beside its punches: colours, and the gateway's time. They are not recorded.

use std::time::Duration;

use protocol::codec::Bounded;
use protocol::message::{Answer, Ping, Pong, Request, Verify};
use protocol::{RegionId, Scanned, Verdict};

use super::error::out_of_place;
use super::{Device, DeviceError};
use crate::clock;

impl Device {
    /// Verifies scans, which records nothing; repeats after `Busy` and lost connections.
    pub async fn verify(
        &mut self,
        region: RegionId,
        scanned: Vec<Scanned>,
    ) -> Result<Vec<Verdict>, DeviceError> {
        let request = Request::Verify(Verify { region, scanned: Bounded(scanned) });
        loop {
            let answer = self.ask(&request).await?;
            if let Answer::Verdicts(verdicts) = answer {
                return Ok(verdicts.verdicts.0);
            }
            let Answer::Busy(busy) = answer else { return Err(out_of_place(answer)) };
            self.step_until(clock::now() + Duration::from_millis(busy.retry_after_ms.into())).await?;
        }
    }

    /// Asks for the gateway's time.
    pub async fn ping(&mut self) -> Result<Pong, DeviceError> {
        let answer = self.ask(&Request::Ping(Ping { device_time_ms: clock::now_ms() })).await?;
        if let Answer::Pong(pong) = answer { Ok(pong) } else { Err(out_of_place(answer)) }
    }
}
