//! The rules for a device's next messages, and the joining of its batches into runs for the regions. Pure: no sockets, no clock. Durable
//! state is the punch log's; here is only bounded what one connection may have in flight.

use ledger::Run;
use protocol::limits::{self, BATCH_PUNCHES_MAX};
use protocol::message::PunchBatch;
use protocol::{DeviceClass, Epoch, ErrorCode, Punch, RegionId, RequestId, Scanned, Sequence};

use crate::fleet::{Places, Rights};

/// The most punches of a run.
const MERGED_PUNCHES_MAX: usize = 8 * BATCH_PUNCHES_MAX;
/// The most requests in a row that carry nothing.
const EMPTY_REQUESTS_MAX: u32 = 64;
/// The most refused requests in a row: four windows of single punches of a gate without rights. A device that goes on ignores errors.
const REFUSALS_MAX: u32 = 256;

/// The refusal of a request. The error's `detail` is the index of the first scan that it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    pub(crate) detail: u64,
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self { code, detail: 0 }
    }
}

/// The requests that a run is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frames {
    /// The first one, which `Busy` and `Gap` name.
    pub(crate) first: RequestId,
    /// The last one, which verdicts name.
    pub(crate) last: RequestId,
    /// Their number.
    pub(crate) count: u32,
}

/// The numbering and window of one connection after `Hello`.
pub(crate) struct Intake {
    pub(crate) epoch: Epoch,
    window_punches: u32,
    acknowledged: u64,
    in_flight: usize,
    empty_requests: u32,
    refusals: u32,
    runs: Vec<(Run<Punch>, Frames)>,
}

impl Intake {
    /// Starts after `Welcome`; `recorded` is the highest sequence that is on disk.
    pub(crate) fn new(class: DeviceClass, epoch: Epoch, recorded: Sequence) -> Self {
        Self {
            epoch,
            window_punches: limits::window_punches_max(class),
            acknowledged: recorded.0,
            in_flight: 0,
            empty_requests: 0,
            refusals: 0,
            runs: Vec::new(),
        }
    }

    pub(crate) fn window_punches(&self) -> u32 {
        self.window_punches
    }

    /// Returns true while more may be read. A punch that is sent again while its first copy is in flight counts twice.
    pub(crate) fn has_room(&self) -> bool {
        self.in_flight <= 2 * self.window_punches as usize
    }

    /// Counts a request with that many scans; an error after too many in a row that carry nothing.
    pub(crate) fn carries(&mut self, scans: usize) -> Result<(), ErrorCode> {
        self.empty_requests = if scans == 0 { self.empty_requests + 1 } else { 0 };
        if self.empty_requests > EMPTY_REQUESTS_MAX { Err(ErrorCode::EmptyFlood) } else { Ok(()) }
    }

    /// Counts a refused request; an error after too many in a row.
    pub(crate) fn refused(&mut self) -> Result<(), ErrorCode> {
        self.refusals += 1;
        if self.refusals > REFUSALS_MAX { Err(ErrorCode::RefusalFlood) } else { Ok(()) }
    }

    /// Starts the count of refusals again after a request with scans that was taken.
    pub(crate) fn taken(&mut self) {
        self.refusals = 0;
    }

    /// Takes one request's punches, which arrived at `received_ms`, if the device's rights and the window allow them.
    pub(crate) fn punches(
        &mut self,
        request: RequestId,
        batch: PunchBatch,
        (rights, places): (&Rights, &Places),
        received_ms: u64,
    ) -> Result<(), Refusal> {
        let PunchBatch { region, first, punches } = batch;
        let count = punches.0.len() as u64;
        let end = first.0.checked_add(count).ok_or(ErrorCode::SequenceInvalid)?;
        if first.0 == 0 {
            return Err(ErrorCode::SequenceInvalid.into());
        }
        if end - 1 > self.acknowledged.saturating_add(u64::from(self.window_punches)) {
            return Err(ErrorCode::WindowExceeded.into());
        }
        // A recorded punch is answered as it was recorded, also when the device has lost its rights.
        let repeats = end.min(self.acknowledged.saturating_add(1)).saturating_sub(first.0) as usize;
        check_rights(region, &punches.0, repeats, rights, places)?;
        self.taken();
        self.in_flight += punches.0.len();
        self.merge(
            Run {
                device: rights.device,
                epoch: self.epoch,
                region,
                first,
                received_ms,
                window_punches: self.window_punches,
                punches: punches.0,
            },
            request,
        );
        Ok(())
    }

    /// Takes the runs so far, each for its region.
    pub(crate) fn take_runs(&mut self) -> Vec<(Run<Punch>, Frames)> {
        std::mem::take(&mut self.runs)
    }

    /// Takes a run out of the window; `acknowledged` is its last sequence if it was recorded.
    pub(crate) fn resolved(&mut self, punches: usize, acknowledged: Option<u64>) {
        self.in_flight = self.in_flight.saturating_sub(punches);
        self.acknowledged = self.acknowledged.max(acknowledged.unwrap_or(0));
    }

    fn merge(&mut self, run: Run<Punch>, request: RequestId) {
        match self.runs.last_mut() {
            Some((last, frames))
                if last.region == run.region
                    && last.end() == run.first
                    && last.punches.len() + run.punches.len() <= MERGED_PUNCHES_MAX =>
            {
                last.punches.extend(run.punches);
                frames.last = request;
                frames.count += 1;
            }
            Some(_) | None => self.runs.push((run, Frames { first: request, last: request, count: 1 })),
        }
    }
}

/// Checks a region's punches from index `from` on.
fn check_rights(
    region: RegionId,
    punches: &[Punch],
    from: usize,
    rights: &Rights,
    places: &Places,
) -> Result<(), Refusal> {
    let punches = &punches[from..];
    if punches.is_empty() {
        return Ok(());
    }
    let refused = |code, at: usize| Refusal { code, detail: (from + at) as u64 };
    if !rights.allows_region(region) {
        return Err(refused(ErrorCode::RegionDenied, 0));
    }
    if let Some(at) = places.first_denied(rights, region, punches.iter().map(|punch| punch.place)) {
        return Err(refused(ErrorCode::PlaceDenied, at));
    }
    let scans = punches.iter().map(|punch| &punch.scanned);
    check_scans(scans, rights).map_err(|Refusal { code, detail }| refused(code, detail as usize))
}

/// Refuses a signed-in citizen from any class but a portal.
pub(crate) fn check_scans<'a>(
    mut scans: impl Iterator<Item = &'a Scanned>,
    rights: &Rights,
) -> Result<(), Refusal> {
    if rights.class == DeviceClass::Portal {
        return Ok(());
    }
    match scans.position(|scanned| matches!(scanned, Scanned::SignedIn(_))) {
        Some(at) => Err(Refusal { code: ErrorCode::ScanDenied, detail: at as u64 }),
        None => Ok(()),
    }
}

/// Returns true for a refusal that ends the connection: after it the two sides disagree about the numbering.
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
        | ErrorCode::EmptyFlood
        | ErrorCode::NumberUsed
        | ErrorCode::EpochAhead
        | ErrorCode::AcknowledgedAhead
        | ErrorCode::RefusalFlood
        | ErrorCode::StreamBroken
        | ErrorCode::AnswersNotTaken => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::codec::Bounded;
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
            let sent = batch(region, place, first, count, scanned);
            let got = intake.punches(RequestId(1), sent, (&rights(), &places()), 1);
            assert_eq!(
                got,
                expected.map_err(Refusal::from),
                "region {region} place {place} first {first} count {count}"
            );
            assert_eq!(intake.take_runs().len(), usize::from(expected.is_ok()));
        }
    }

    #[test]
    fn an_error_about_a_punch_names_the_first_bad_one_of_the_batch() {
        let signed_in = Scanned::SignedIn(CodeId::from_u64(7).unwrap());
        for (places_of, scans, code) in [
            ([10, 10, 20, 99], [&Scanned::Nothing; 4], ErrorCode::PlaceDenied),
            ([10; 4], [&Scanned::Nothing, &Scanned::Nothing, &signed_in, &signed_in], ErrorCode::ScanDenied),
        ] {
            let mut sent = batch(1, 10, 1, 4, &Scanned::Nothing);
            for (punch, (place, scanned)) in sent.punches.0.iter_mut().zip(places_of.into_iter().zip(scans)) {
                (punch.place, punch.scanned) = (PlaceId(place), scanned.clone());
            }
            let mut intake = Intake::new(DeviceClass::Gate, Epoch(1), Sequence(0));
            let refused = intake.punches(RequestId(1), sent, (&rights(), &places()), 1);
            assert_eq!(refused, Err(Refusal { code, detail: 2 }));
        }
    }

    #[test]
    fn what_is_on_record_is_taken_again_after_the_rights_are_gone() {
        let mut intake = Intake::new(DeviceClass::Gate, Epoch(1), Sequence(5));
        let mut send = |first, count| {
            intake.punches(
                RequestId(1),
                batch(3, 30, first, count, &Scanned::Nothing),
                (&rights(), &places()),
                1,
            )
        };
        assert_eq!(send(1, 5), Ok(()));
        assert_eq!(send(3, 4), Err(Refusal { code: ErrorCode::RegionDenied, detail: 3 }));
    }

    #[test]
    fn where_numbers_end_nothing_overflows() {
        let mut intake = Intake::new(DeviceClass::Gate, Epoch(1), Sequence(u64::MAX));
        let repeat = batch(1, 10, 1, 1, &Scanned::Nothing);
        assert_eq!(intake.punches(RequestId(1), repeat, (&rights(), &places()), 1), Ok(()));
    }

    #[test]
    fn who_heeds_no_error_is_cut_and_a_good_request_begins_the_count_anew() {
        let mut intake = Intake::new(DeviceClass::Gate, Epoch(1), Sequence(0));
        for _ in 0..2 {
            for _ in 0..REFUSALS_MAX {
                assert_eq!(intake.refused(), Ok(()));
            }
            let good = batch(1, 10, 1, 1, &Scanned::Nothing);
            intake.punches(RequestId(1), good, (&rights(), &places()), 1).unwrap();
        }
        for _ in 0..REFUSALS_MAX {
            assert_eq!(intake.refused(), Ok(()));
        }
        assert_eq!(intake.refused(), Err(ErrorCode::RefusalFlood));
    }

    #[test]
    fn consecutive_batches_of_one_region_become_one_request() {
        let mut intake = Intake::new(DeviceClass::Gate, Epoch(1), Sequence(0));
        for (request, region, place, first, count) in
            [(1, 1, 10, 1, 2), (2, 1, 10, 3, 1), (3, 2, 20, 4, 1), (4, 1, 10, 5, 1), (5, 1, 10, 7, 1)]
        {
            let batch = batch(region, place, first, count, &Scanned::Nothing);
            intake.punches(RequestId(request), batch, (&rights(), &places()), 1).unwrap();
        }
        let merged: Vec<_> = intake
            .take_runs()
            .iter()
            .map(|(run, frames)| {
                (run.region.0, run.first.0, run.punches.len(), frames.first.0, frames.last.0)
            })
            .collect();
        assert_eq!(merged, [(1, 1, 3, 1, 2), (2, 4, 1, 3, 3), (1, 5, 1, 4, 4), (1, 7, 1, 5, 5)]);
    }

    #[test]
    fn the_window_moves_with_acknowledgements_only() {
        let mut intake = Intake::new(DeviceClass::Gate, Epoch(1), Sequence(100));
        let send = |intake: &mut Intake, first, count| {
            intake.punches(
                RequestId(1),
                batch(1, 10, first, count, &Scanned::Nothing),
                (&rights(), &places()),
                1,
            )
        };
        assert_eq!(send(&mut intake, 101, 64), Ok(()));
        intake.resolved(64, None);
        assert_eq!(send(&mut intake, 165, 1), Err(ErrorCode::WindowExceeded.into()));
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
