//! A member whose memory could not follow what its registry has applied.

use ledger::{Ledger, LedgerConfig};
use registry::replication::{Changes, NotNow, Outbox, Sent};

use super::*;

/// A stream in memory.
struct Stream {
    leads: bool,
    sent: Mutex<Vec<Changes>>,
}

impl Stream {
    fn new(leads: bool) -> Arc<Self> {
        Arc::new(Self { leads, sent: Mutex::default() })
    }

    /// Returns the changesets behind a position.
    fn behind(&self, position: u64) -> Vec<Step> {
        let step = |(after, changes): (u64, &Changes)| {
            let upto = Sent { position: after + 1, message: (after + 1).to_string() };
            Step { after, upto, changes: changes.clone() }
        };
        (0..).zip(lock(&self.sent).iter()).filter(|(after, _)| *after >= position).map(step).collect()
    }
}

impl Outbox for Stream {
    fn refusal(&self) -> Option<NotNow> {
        (!self.leads).then_some(NotNow::NoLeader)
    }

    fn append(&self, changes: &Changes) -> Result<Sent, NotNow> {
        let mut sent = lock(&self.sent);
        sent.push(changes.clone());
        Ok(Sent { position: sent.len() as u64, message: sent.len().to_string() })
    }

    fn diverged(&self) {}
}

#[tokio::test]
async fn a_memory_that_failed_to_follow_follows_wholly_before_anything_else() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    Keys::init(&at("keys")).unwrap();
    let open = |name: &str| Registry::open(&at(name), &Keys::load(&at("keys")).unwrap()).unwrap();
    let stream = Stream::new(true);
    let mut leader = open("leader.db");
    leader.replicate_by(Arc::clone(&stream) as Arc<dyn Outbox>).unwrap();
    leader.group(Registry::take_office).unwrap().unwrap();
    let place = leader.snapshot_to(&at("snapshot.db")).unwrap();
    leader.add_portals().unwrap();
    let device = leader.devices().unwrap()[0].id;

    let mut own = open("own.db");
    own.replicate_by(Stream::new(false)).unwrap();
    let keys = Keys::load(&at("keys")).unwrap();
    let context = OperatorContext::offline(directory.path(), &at("keys"), own, keys).unwrap();
    let log = LedgerConfig {
        directory: at("ledger"),
        day_keys: at("days"),
        signing_pkcs8: Keys::load(&at("keys")).unwrap().signing_pkcs8().to_vec(),
        segment_bytes_max: 256 * 1024,
        retention_days: 14,
        queue_punches_max: 1_000,
    };
    let (_ledger, handle) = Ledger::open(&log).unwrap();
    let parts = Arc::new(Parts::new(context.clone(), handle, None));
    let gateway = Gateway(Arc::clone(&parts));
    assert_eq!(gateway.position().await.unwrap().position, 0);
    gateway.adopt(at("snapshot.db"), place).await.unwrap();
    assert_eq!(gateway.position().await.unwrap().position, 1);
    let (steps, end) = (stream.behind(1), stream.behind(0).len() as u64);

    // The memory reads from a file that can be read no more.
    leader.copy_to(&at("copy.db")).unwrap();
    let broken = Registry::open_to_read(&at("copy.db"), &Keys::load(&at("keys")).unwrap()).unwrap();
    let reader = std::mem::replace(&mut *lock(&context.reader), broken);
    std::fs::write(at("copy.db"), []).unwrap();
    let failed = gateway.apply(steps).await.unwrap_err();
    assert!(matches!(failed, Trouble::Gateway(_)), "{failed}");
    assert_eq!(reader.position().unwrap(), end, "the registry has it");
    assert!(context.fleet.rights(device).is_none());
    assert!(gateway.position().await.is_err(), "it still cannot");

    *lock(&context.reader) = reader;
    assert_eq!(gateway.position().await.unwrap().position, end);
    assert!(context.fleet.rights(device).is_some(), "the device is known");
    assert_eq!(*lock(&parts.behind), None);
}
