//! A punch log with its second copy, for tests: a gateway's part in a fleet without a registry.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use keys::Keys;
use keys::recovery::{RecoveryKey, RecoverySecret};
use ledger::{
    ALL_TIME, AppendOutcome, CopyProgress, CopyReport, ExportFormat, Ledger, LedgerConfig, LedgerHandle,
    LedgerPort, Missing, PunchDigest, Record, Run, ScanKind,
};
use protocol::{CodeId, DeviceId, Direction, Epoch, PlaceId, Reason, RegionId, Sequence, Verdict};
use registry::replication::{Step, StreamPlace};
use runtime::clock;
use tokio::sync::oneshot;

use super::broker::wait_for;
use super::gateway::{config, make_keys};
use crate::copy::Elsewhere;
use crate::peers::FoldedMarks;
use crate::{Answer, CopyStanding, Fleet, FleetConfig, Member, Pieces, PunchLog, Running, Trouble, Work};

/// A gateway around without a registry.
struct Alone;

impl Member for Alone {
    fn position(&self) -> Answer<StreamPlace> {
        Box::pin(async { Ok(StreamPlace::default()) })
    }

    fn apply(&self, _: Vec<Step>) -> Answer<()> {
        Box::pin(async { Ok(()) })
    }

    fn copy(&self, _: PathBuf) -> Answer<StreamPlace> {
        Box::pin(async { Err(Trouble::Gateway("no registry".to_owned())) })
    }

    fn may_join(&self) -> Answer<()> {
        Box::pin(async { Ok(()) })
    }

    fn adopt(&self, _: PathBuf, _: StreamPlace) -> Answer<u64> {
        Box::pin(async { Err(Trouble::Gateway("no registry".to_owned())) })
    }

    fn take_office(&self) -> Answer<()> {
        Box::pin(async { Ok(()) })
    }

    fn marks(&self, of: Vec<(DeviceId, Epoch)>) -> Answer<Vec<Sequence>> {
        Box::pin(async move { Ok(vec![Sequence(0); of.len()]) })
    }

    fn miss(&self, _: Missing) -> Answer<()> {
        Box::pin(async { Ok(()) })
    }

    fn answer(&self, _: String, _: Vec<u8>, pieces: Pieces) -> Work {
        Box::pin(pieces.end(Ok(Vec::new())))
    }
}

/// The files of a gateway's log, with the pair of recovery keys.
pub(super) struct Files {
    root: PathBuf,
    pub(super) log: LedgerConfig,
    pub(super) config: FleetConfig,
    /// The public half of the pair.
    pub(super) recovery: Option<RecoveryKey>,
}

/// A running log with its copy.
pub(super) struct Copied {
    ledger: Ledger,
    pub(super) handle: LedgerHandle,
    elsewhere: Elsewhere,
    running: Running,
}

impl Files {
    pub(super) fn new(root: &Path, name: &str, server: String) -> Self {
        let keys = root.join("keys");
        make_keys(&keys);
        if !root.join("recovery").exists() {
            let public = RecoverySecret::make(&root.join("recovery")).unwrap();
            std::fs::write(root.join("recovery.public"), public).unwrap();
        }
        let log = LedgerConfig {
            directory: root.join(name).join("ledger"),
            day_keys: root.join(name).join("days"),
            signing_pkcs8: Keys::load(&keys).unwrap().signing_pkcs8().to_vec(),
            segment_bytes_max: 256 * 1024,
            retention_days: 14,
            queue_punches_max: 100_000,
        };
        let recovery = RecoveryKey::parse(&std::fs::read_to_string(root.join("recovery.public")).unwrap());
        Self { root: root.to_owned(), log, config: config(name, server, root.join(name)), recovery }
    }

    /// Does what the expiry of all days does: their keys are destroyed, and their deletion is on record.
    pub(super) fn forget_all(&self) {
        for entry in std::fs::read_dir(&self.log.day_keys).unwrap().flatten() {
            keys::destroy(&entry.path()).unwrap();
        }
        let later = clock::now_ms() + Duration::from_secs(2 * 86_400).as_millis() as u64;
        let LedgerConfig { directory: log, day_keys, signing_pkcs8, .. } = &self.log;
        assert!(!ledger::forget_expired(log, day_keys, signing_pkcs8, 0, later).unwrap().is_empty());
    }

    /// Starts the log and its copy. `replicated`: answers wait for it.
    pub(super) fn start(&self, replicated: bool) -> Copied {
        let keys = self.root.join("keys");
        let (ledger, mut handle) = Ledger::open(&self.log).unwrap();
        let mut progress = None;
        if replicated {
            let (made, copy) = CopyProgress::new();
            (progress, handle) = (Some(made), handle.awaiting(copy));
        }
        let log = PunchLog {
            ledger: handle.clone(),
            directory: self.log.directory.clone(),
            day_keys: self.log.day_keys.clone(),
            retention_days: self.log.retention_days,
            recovery: self.recovery.clone(),
            progress,
        };
        let loaded = Keys::load(&keys).unwrap();
        let part = Fleet::new(self.config.clone(), Keys::fleet(&keys).unwrap(), &loaded).unwrap();
        let (elsewhere, part) = (part.elsewhere.clone(), part.copying(log));
        Copied { ledger, handle, elsewhere, running: part.start(Arc::new(Alone)).unwrap() }
    }

    /// Returns the export of the log itself.
    pub(super) fn exported(&self) -> String {
        let mut out = Vec::new();
        let what = (ExportFormat::Csv, &ALL_TIME);
        ledger::export(&self.log.directory, &self.log.day_keys, what, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// Returns the export of the copy.
    pub(super) fn recovered(&self) -> (String, CopyReport) {
        let secret = RecoverySecret::read(&self.root.join("recovery")).unwrap();
        let mut out = Vec::new();
        let what = (ExportFormat::Csv, ALL_TIME);
        let report = crate::recover(&self.config, &self.config.name, &secret, what, &mut out).unwrap();
        (String::from_utf8(out).unwrap(), report)
    }

    /// Destroys the log with its day keys, as the loss of the machine does.
    pub(super) fn lose(&self) {
        std::fs::remove_dir_all(&self.log.directory).unwrap();
        std::fs::remove_dir_all(&self.log.day_keys).unwrap();
    }
}

impl Copied {
    pub(super) fn copy(&self) -> CopyStanding {
        self.running.standing()().copy.unwrap_or_default()
    }

    /// Returns what other gateways hold of a device.
    pub(super) fn held_elsewhere(&self, device: u64) -> Option<(String, u64)> {
        let held = self.elsewhere.marks(DeviceId(device), Epoch(1)).into_iter();
        held.max_by_key(|(_, upto)| *upto).map(|(gateway, upto)| (gateway.to_string(), upto.0))
    }

    /// Waits until the copy has what is durable now.
    pub(super) fn wait_for_copy(&self) {
        let durable = self.handle.durable_lsn();
        wait_for("the copy", || {
            let copy = self.copy();
            if let Some(trouble) = &copy.trouble {
                eprintln!("{trouble}");
            }
            (copy.lsn >= durable).then_some(())
        });
    }

    /// Punches once with so many punches of a device from `first` on.
    pub(super) fn punch(&self, device: u64, first: u64, count: u64) -> AppendOutcome {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (port, carry) = LedgerPort::open(&self.handle);
            let (caller, outcome) = oneshot::channel();
            port.append(run(device, first, count), caller);
            drop(port);
            carry.await;
            outcome.await.unwrap()
        })
    }

    /// Does what [`Self::punch`] does until it is recorded.
    pub(super) fn record(&self, device: u64, first: u64, count: u64) {
        wait_for("the punches", || {
            matches!(self.punch(device, first, count), AppendOutcome::Recorded(_)).then_some(())
        });
    }

    /// Ends the copy and the log, whatever is copied.
    pub(super) fn stop(self) {
        self.running.stop().unwrap();
        drop(self.handle);
        self.ledger.shutdown();
    }
}

fn run(device: u64, first: u64, count: u64) -> Run {
    let record = |number: u64| Record {
        code: CodeId::from_u64(number),
        kind: ScanKind::Token,
        direction: Direction::In,
        place: PlaceId(7),
        device_time_ms: number,
        offline: false,
        verdict: Verdict::ask_staff(Reason::ALL[number as usize % Reason::ALL.len()]),
        digest: PunchDigest::from_number(number as u32 + 1),
    };
    Run {
        device: DeviceId(device),
        epoch: Epoch(1),
        region: RegionId(1),
        first: Sequence(first),
        received_ms: clock::now_ms(),
        window_punches: 64,
        punches: (first..first + count).map(record).collect(),
    }
}
