//! A device's requests beside its punches: colours, and the gateway's time. They are not recorded.

use std::time::Duration;

use protocol::codec::Bounded;
use protocol::message::{Answer, Ping, Pong, Request, Verify};
use protocol::{RegionId, RequestId, Scanned, Verdict};

use super::error::out_of_place;
use super::{Device, DeviceError, Link};
use crate::clock;

impl Device {
    /// Sends a request other than punches and waits for its answer; repeats it on a new connection if one is lost.
    pub async fn ask(&mut self, request: &Request) -> Result<Answer, DeviceError> {
        loop {
            self.connect().await?;
            let Some(id) = self.start(request)? else { continue };
            while let Link::Up(up) = &mut self.link {
                if let Some(at) = up.replies.iter().position(|(reply, _)| *reply == id) {
                    return Ok(up.replies.swap_remove(at).1);
                }
                if !up.asked.contains(&id) {
                    break;
                }
                self.step().await?;
            }
        }
    }

    /// Sends a request other than punches without waiting; its answer comes through [`Self::take_replies`], or never, if
    /// the connection is lost. `None` if there is no connection.
    pub fn start(&mut self, request: &Request) -> Result<Option<RequestId>, DeviceError> {
        let Link::Up(up) = &mut self.link else { return Ok(None) };
        let id = self.state.next_request();
        up.wire.push(id, request)?;
        up.asked.push(id);
        up.said = clock::now();
        Ok(Some(id))
    }

    /// Takes the answers to [`Self::start`] since the last call.
    pub fn take_replies(&mut self) -> Vec<(RequestId, Answer)> {
        match &mut self.link {
            Link::Up(up) => std::mem::take(&mut up.replies),
            Link::Down { .. } | Link::Dialling(_) => Vec::new(),
        }
    }

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
