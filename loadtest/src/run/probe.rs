//! A device that looks for changed colours: it verifies people whose new colour no device has seen yet, again and again, so that the
//! lag of a change does not depend on visits.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use device::clock;
use device::{Device, DeviceError};
use protocol::RegionId;

use super::shared::Shared;

/// The interval between two looks: the resolution of the lag.
const EVERY: Duration = Duration::from_millis(5);
/// The limit of people in one look.
const LOOK_PEOPLE_MAX: usize = 128;
/// Deadline for unseen colours after the last person.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Looks until there are no more changes and none is unseen, or its time is over.
pub(super) async fn look(
    mut device: Device,
    region: RegionId,
    shared: Rc<Shared>,
    over: Rc<Cell<bool>>,
) -> Result<Device, DeviceError> {
    let mut give_up = None;
    loop {
        let mut unseen = shared.model.unseen();
        unseen.truncate(LOOK_PEOPLE_MAX);
        if over.get() {
            let end = *give_up.get_or_insert(clock::now() + PATIENCE);
            if unseen.is_empty() || clock::now() >= end {
                return Ok(device);
            }
        }
        if !unseen.is_empty() {
            let scans: Vec<_> = unseen.into_iter().map(|person| shared.people.token(person)).collect();
            let asked = clock::now();
            let scanned = scans.iter().map(|scan| scan.scanned.clone()).collect();
            // A gateway that is not there does not answer; the next look follows.
            let Ok(verified) = tokio::time::timeout(PATIENCE, device.verify(region, scanned)).await else {
                continue;
            };
            let verdicts = verified?;
            for (scan, verdict) in scans.iter().zip(verdicts) {
                shared.model.judge(scan, verdict, asked, clock::now());
            }
        }
        device.step_until(clock::now() + EVERY).await?;
    }
}
