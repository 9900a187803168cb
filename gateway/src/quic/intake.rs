//! What a device may send next, and how its punches become batches for the regions. Pure: no sockets, no clock. Durable
//! state is the ledger's; this only bounds what one connection may have in flight.

use protocol::limits::{self, BATCH_PUNCHES_MAX};
use protocol::message::PunchBatch;
use protocol::{DeviceClass, Epoch, ErrorCode, Punch, RegionId, RequestId, Scanned, Sequence};

use crate::fleet::{Places, Rights};

/// Punches that one region request carries at most.
const MERGED_PUNCHES_MAX: usize = 8 * BATCH_PUNCHES_MAX;
/// Requests in a row that carry nothing.
const EMPTY_REQUESTS_MAX: u32 = 64;

/// Consecutive punches of one region, from one or more requests.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) region: RegionId,
    pub(crate) first: Sequence,
    pub(crate) punches: Vec<Punch>,
    /// The first request in it: what `Busy` and `Gap` name.
    pub(crate) first_request: RequestId,
    /// The last request in it: what verdicts name.
    pub(crate) last_request: RequestId,
    /// How many requests it is made of.
    pub(crate) frames: u32,
}

/// Bookkeeping of one connection after `Hello`.
pub(crate) struct Intake {
    pub(crate) epoch: Epoch,
    window_punches: u32,
    acknowledged: u64,
    in_flight: usize,
    empty_requests: u32,
    batches: Vec<Batch>,
}

impl Intake {
    /// After `Welcome`: `recorded` is the highest sequence that is on disk.
    pub(crate) fn new(class: DeviceClass, epoch: Epoch, recorded: Sequence) -> Self {
        Self {
            epoch,
            window_punches: limits::window_punches_max(class),
            acknowledged: recorded.0,
            in_flight: 0,
            empty_requests: 0,
            batches: Vec::new(),
        }
    }

    pub(crate) fn window_punches(&self) -> u32 {
        self.window_punches
    }

    /// Whether more may be read: what is sent again while its first copy is still in flight counts twice.
    pub(crate) fn has_room(&self) -> bool {
        self.in_flight <= 2 * self.window_punches as usize
    }

    /// Counts requests that carry nothing.
    pub(crate) fn carries(&mut self, scans: usize) -> Result<(), ErrorCode> {
        self.empty_requests = if scans == 0 { self.empty_requests + 1 } else { 0 };
        if self.empty_requests > EMPTY_REQUESTS_MAX { Err(ErrorCode::EmptyFlood) } else { Ok(()) }
    }

    /// Takes one request's punches, checked against the device's rights and the window.
    pub(crate) fn punches(
        &mut self,
        request: RequestId,
        batch: PunchBatch,
        rights: &Rights,
        places: &Places,
    ) -> Result<(), ErrorCode> {
        let PunchBatch { region, first, punches } = batch;
        let count = punches.0.len() as u64;
        let end = first.0.checked_add(count).ok_or(ErrorCode::SequenceInvalid)?;
        if first.0 == 0 {
            return Err(ErrorCode::SequenceInvalid);
        }
        if end - 1 > self.acknowledged.saturating_add(u64::from(self.window_punches)) {
            return Err(ErrorCode::WindowExceeded);
        }
        check_rights(region, &punches.0, rights, places)?;
        self.in_flight += punches.0.len();
        self.merge(Batch {
            region,
            first,
            punches: punches.0,
            first_request: request,
            last_request: request,
            frames: 1,
        });
        Ok(())
    }

    /// The batches so far, each to go to its region.
    pub(crate) fn take_batches(&mut self) -> Vec<Batch> {
        std::mem::take(&mut self.batches)
    }

    /// A region request has its outcome; verdicts up to `acknowledged`, if it was recorded.
    pub(crate) fn resolved(&mut self, punches: usize, acknowledged: Option<u64>) {
        self.in_flight = self.in_flight.saturating_sub(punches);
        self.acknowledged = self.acknowledged.max(acknowledged.unwrap_or(0));
    }

    fn merge(&mut self, batch: Batch) {
        match self.batches.last_mut() {
            Some(last)
                if last.region == batch.region
                    && last.first.0 + last.punches.len() as u64 == batch.first.0
                    && last.punches.len() + batch.punches.len() <= MERGED_PUNCHES_MAX =>
            {
                last.punches.extend(batch.punches);
                last.last_request = batch.last_request;
                last.frames += batch.frames;
            }
            Some(_) | None => self.batches.push(batch),
        }
    }
}

fn check_rights(
    region: RegionId,
    punches: &[Punch],
    rights: &Rights,
    places: &Places,
) -> Result<(), ErrorCode> {
    if !rights.allows_region(region) {
        return Err(ErrorCode::RegionDenied);
    }
    if !punches.iter().all(|punch| places.allow(rights, punch.place, region)) {
        return Err(ErrorCode::PlaceDenied);
    }
    check_scans(punches.iter().map(|punch| &punch.scanned), rights)
}

/// Only a portal vouches for who is signed in.
pub(crate) fn check_scans<'a>(
    mut scans: impl Iterator<Item = &'a Scanned>,
    rights: &Rights,
) -> Result<(), ErrorCode> {
    let may_sign_in = rights.class == DeviceClass::Portal;
    if !may_sign_in && scans.any(|scanned| matches!(scanned, Scanned::SignedIn(_))) {
        return Err(ErrorCode::ScanDenied);
    }
    Ok(())
}

/// Whether this refusal ends the connection: after it the two sides no longer agree on where they stand.
pub(crate) fn ends_connection(code: ErrorCode) -> bool {
    match code {
        ErrorCode::UnknownType
        | ErrorCode::BadBody
        | ErrorCode::RegionDenied
        | ErrorCode::PlaceDenied
        | ErrorCode::ScanDenied
        | ErrorCode::ReceiptBad
        | ErrorCode::ReceiptExpired
        | ErrorCode::ReceiptUsed
        | ErrorCode::QueryDenied
        | ErrorCode::WrongStream => false,
        ErrorCode::Internal
        | ErrorCode::BadFrame
        | ErrorCode::UnsupportedVersion
        | ErrorCode::TooLarge
        | ErrorCode::BadChecksum
        | ErrorCode::HelloExpected
        | ErrorCode::HelloTwice
        | ErrorCode::DeviceUnknown
        | ErrorCode::DeviceRevoked
        | ErrorCode::CertificateWrong
        | ErrorCode::EpochBehind
        | ErrorCode::SequenceInvalid
        | ErrorCode::WindowExceeded
        | ErrorCode::FrameTooSlow
        | ErrorCode::HelloTooSlow
        | ErrorCode::Replaced
        | ErrorCode::Draining
        | ErrorCode::LedgerDown
        | ErrorCode::TooManyConnections
        | ErrorCode::EmptyFlood => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::message::Bounded;
    use protocol::{CodeId, DeviceId, Direction, PlaceId};

    fn rights() -> Rights {
        Rights {
            device: DeviceId(1),
            class: DeviceClass::Gate,
            regions: vec![RegionId(1), RegionId(2)],
            places: None,
            certificates: Vec::new(),
            revoked: false,
        }
    }

    fn batch(region: u16, place: u32, first: u64, count: usize, scanned: &Scanned) -> PunchBatch {
        let punch = Punch {
            scanned: scanned.clone(),
            direction: Direction::In,
            place: PlaceId(place),
            device_time_ms: 1,
            offline: None,
        };
        PunchBatch { region: RegionId(region), first: Sequence(first), punches: Bounded(vec![punch; count]) }
    }

    fn places() -> Places {
        Places::from_iter([
            (PlaceId(10), RegionId(1)),
            (PlaceId(20), RegionId(2)),
            (PlaceId(30), RegionId(3)),
        ])
    }

    #[test]
    fn a_batch_is_refused_for_what_is_wrong_with_it() {
        let signed_in = Scanned::SignedIn(CodeId::from_u64(7).unwrap());
        for (region, place, first, count, scanned, expected) in [
            (1, 10, 1, 64, &Scanned::Nothing, Ok(())),
            (1, 10, 0, 1, &Scanned::Nothing, Err(ErrorCode::SequenceInvalid)),
            (1, 10, u64::MAX, 2, &Scanned::Nothing, Err(ErrorCode::SequenceInvalid)),
            (1, 10, 2, 64, &Scanned::Nothing, Err(ErrorCode::WindowExceeded)),
            (3, 30, 1, 1, &Scanned::Nothing, Err(ErrorCode::RegionDenied)),
            (1, 20, 1, 1, &Scanned::Nothing, Err(ErrorCode::PlaceDenied)),
            (1, 99, 1, 1, &Scanned::Nothing, Err(ErrorCode::PlaceDenied)),
            (1, 10, 1, 1, &signed_in, Err(ErrorCode::ScanDenied)),
        ] {
            let mut intake = Intake::new(DeviceClass::Gate, Epoch(1), Sequence(0));
            let got = intake.punches(
                RequestId(1),
                batch(region, place, first, count, scanned),
                &rights(),
                &places(),
            );
            assert_eq!(got, expected, "region {region} place {place} first {first} count {count}");
            assert_eq!(intake.take_batches().len(), usize::from(expected.is_ok()));
        }
    }

    #[test]
    fn consecutive_batches_of_one_region_become_one_request() {
        let mut intake = Intake::new(DeviceClass::Gate, Epoch(1), Sequence(0));
        for (request, region, place, first, count) in
            [(1, 1, 10, 1, 2), (2, 1, 10, 3, 1), (3, 2, 20, 4, 1), (4, 1, 10, 5, 1), (5, 1, 10, 7, 1)]
        {
            let batch = batch(region, place, first, count, &Scanned::Nothing);
            intake.punches(RequestId(request), batch, &rights(), &places()).unwrap();
        }
        let merged: Vec<_> = intake
            .take_batches()
            .iter()
            .map(|batch| {
                (
                    batch.region.0,
                    batch.first.0,
                    batch.punches.len(),
                    batch.first_request.0,
                    batch.last_request.0,
                )
            })
            .collect();
        assert_eq!(merged, [(1, 1, 3, 1, 2), (2, 4, 1, 3, 3), (1, 5, 1, 4, 4), (1, 7, 1, 5, 5)]);
    }

    #[test]
    fn the_window_moves_with_acknowledgements_only() {
        let mut intake = Intake::new(DeviceClass::Gate, Epoch(1), Sequence(100));
        let send = |intake: &mut Intake, first, count| {
            intake.punches(RequestId(1), batch(1, 10, first, count, &Scanned::Nothing), &rights(), &places())
        };
        assert_eq!(send(&mut intake, 101, 64), Ok(()));
        intake.resolved(64, None);
        assert_eq!(send(&mut intake, 165, 1), Err(ErrorCode::WindowExceeded));
        assert_eq!(send(&mut intake, 101, 64), Ok(()));
        assert!(intake.has_room());
        intake.resolved(64, Some(164));
        assert_eq!(send(&mut intake, 165, 64), Ok(()));
    }

    #[test]
    fn a_flood_of_empty_requests_ends() {
        let mut intake = Intake::new(DeviceClass::Gate, Epoch(1), Sequence(0));
        for _ in 0..EMPTY_REQUESTS_MAX {
            assert_eq!(intake.carries(0), Ok(()));
        }
        assert_eq!(intake.carries(0), Err(ErrorCode::EmptyFlood));
        assert_eq!(intake.carries(1), Ok(()));
    }
}
