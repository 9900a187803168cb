//! Each way in which a store can be missing or exchanged is named, and no crash looks like one.

use keys::Keys;
use registry::Registry;
use registry::colours::Codes;

use super::*;

struct Place {
    _directory: tempfile::TempDir,
    stores: Stores,
    keys: Keys,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        Keys::init(&at("keys")).expect("made");
        let keys = Keys::load(&at("keys")).expect("loaded");
        let stores = Stores { registry: at("registry.db"), ledger: at("ledger"), day_keys: at("keys/days") };
        Self { _directory: directory, stores, keys }
    }

    fn registry(&self) -> Registry {
        Registry::open(&self.stores.registry, &self.keys).expect("opens")
    }

    /// Starts a gateway whose log has so many batches.
    fn start(&self, lsn: u64) -> Result<(), VouchError> {
        let fit = self.stores.compare()?;
        let registrar = self.registrar();
        self.stores.reaches(&fit, lsn)?;
        std::fs::create_dir_all(&self.stores.ledger).expect("made");
        std::fs::write(self.stores.ledger.join("000000000001.segment"), []).expect("written");
        vouch(&registrar, &self.stores.ledger, lsn, None, 1_582_000_000_000 + lsn).map(drop)
    }

    fn registrar(&self) -> RegistrarHandle {
        RegistrarHandle::without_gateway(self.registry(), Codes::new(0))
    }

    fn refused(&self, lsn: u64) -> String {
        let error = self.start(lsn).expect_err("refused");
        assert!(matches!(error, VouchError::Differ(_)), "{error}");
        let said = error.to_string();
        assert!(said.contains("changtong stores accept"), "{said}");
        said
    }

    fn accept(&self, lsn: u64) {
        let by = "anna, bao: case 7";
        let difference = accept(&self.registrar(), &self.stores, lsn, by, 9).expect("accepted");
        assert!(difference.is_some());
        assert!(self.registry().meta("accepted").expect("read").expect("on record").contains(by));
        self.start(lsn).expect("starts");
        self.start(lsn).expect("goes on");
    }

    fn copy(&self, path: &Path) -> Vec<u8> {
        std::fs::read(path).expect("read")
    }
}

#[test]
fn stores_that_belong_together_start_again_and_again() {
    let place = Place::new();
    for lsn in [0, 7, 7, 40] {
        place.start(lsn).expect("starts");
    }
    let by = "anna: case 7";
    let nothing = accept(&place.registrar(), &place.stores, 40, by, 9).expect("fits");
    assert_eq!(nothing, None, "nothing is accepted that does not differ");
    assert_eq!(place.registry().meta("accepted").expect("read"), None);
}

#[test]
fn a_log_that_is_gone_is_refused_by_name_until_two_accept_it() {
    let place = Place::new();
    place.start(7).expect("starts");
    std::fs::remove_dir_all(&place.stores.ledger).expect("removed");
    let said = place.refused(0);
    assert!(said.contains("holds no punch log") && said.contains("up to LSN 7"), "{said}");
    assert!(!place.stores.ledger.exists(), "nothing is made");
    std::fs::create_dir(&place.stores.ledger).expect("made");
    assert!(place.refused(0).contains("holds no punch log"), "an empty place to mount it");
    std::fs::write(place.stores.ledger.join("000000000001.segment"), []).expect("written");
    assert!(place.refused(7).contains("does not say which it is"), "out of a backup");
    std::fs::remove_dir_all(&place.stores.ledger).expect("removed");
    place.accept(0);
}

#[test]
fn a_log_without_its_end_or_another_log_is_refused_by_name() {
    let place = Place::new();
    place.start(7).expect("starts");
    let voucher = place.stores.ledger.join("voucher");
    let yesterday = place.copy(&voucher);
    place.start(40).expect("starts");
    let said = place.refused(39);
    assert!(said.contains("ends at LSN 39") && said.contains("up to LSN 40"), "{said}");
    std::fs::write(&voucher, yesterday).expect("written");
    assert!(place.refused(7).contains("older copy"));
    place.start(40).expect("what belongs together is back");

    let other = Place::new();
    other.start(90).expect("starts");
    std::fs::write(&voucher, other.copy(&other.stores.ledger.join("voucher"))).expect("written");
    assert!(place.refused(90).contains("is not the one that the punch log"));
    place.accept(90);
}

#[test]
fn a_registry_that_is_gone_or_older_is_refused_by_name() {
    let place = Place::new();
    place.start(7).expect("starts");
    let yesterday = place.stores.registry.with_extension("yesterday");
    place.registry().copy_to(&yesterday).expect("copied");
    place.start(9).expect("starts");
    let today = place.stores.registry.with_extension("today");
    place.registry().copy_to(&today).expect("copied");
    let put = |from: Option<&Path>| {
        for ending in ["db", "db-wal", "db-shm"] {
            let _ = std::fs::remove_file(place.stores.registry.with_extension(ending));
        }
        if let Some(from) = from {
            std::fs::copy(from, &place.stores.registry).expect("copied");
        }
    };
    put(None);
    assert!(place.refused(9).contains("there is no registry"));
    assert!(!place.stores.registry.exists(), "none is made");
    drop(place.registry());
    assert!(place.refused(9).contains("is not the one"), "an empty one, as a command makes it");
    put(Some(&yesterday));
    let said = place.refused(9);
    assert!(said.contains("older copy") && said.contains("who withdrew since is taken out again"), "{said}");
    put(Some(&today));
    place.start(9).expect("what belongs together is back");
    put(Some(&yesterday));
    place.accept(9);
}

#[test]
fn keys_of_days_without_a_log_are_a_disk_that_is_not_mounted() {
    let place = Place::new();
    std::fs::create_dir_all(&place.stores.day_keys).expect("made");
    place.start(0).expect("a new gateway");
    let new = Place::new();
    std::fs::create_dir_all(&new.stores.day_keys).expect("made");
    std::fs::write(new.stores.day_keys.join("2020-02-20.key"), []).expect("written");
    assert!(new.refused(0).contains("mounted?"));
    assert!(!new.stores.registry.exists() && !new.stores.ledger.exists(), "nothing is made");
    new.accept(0);
}

/// Vouching has three steps, each durable before the next. A crash may follow any of them, and the log goes on meanwhile.
#[test]
fn an_end_between_any_two_steps_is_no_difference() {
    for steps in 0..3 {
        for vouched_before in [false, true] {
            let place = Place::new();
            if vouched_before {
                place.start(5).expect("starts");
            }
            let (mut registry, ledger) = (place.registry(), &place.stores.ledger);
            std::fs::create_dir_all(ledger).expect("made");
            std::fs::write(ledger.join("000000000001.segment"), []).expect("written");
            if steps > 0 && !vouched_before {
                name_log(ledger, 1).expect("named");
            }
            if steps > 1 {
                let LogIdentity::Named(known) = LogIdentity::at(ledger).expect("read") else {
                    panic!("named")
                };
                registry.vouch(&LogSeen { log: known.log, lsn: 20, at_ms: 2 }).expect("vouched");
            }
            drop(registry);
            place.start(21).unwrap_or_else(|error| panic!("after {steps} steps: {error}"));
            place.start(21).expect("and again");
        }
    }
}

#[test]
fn a_first_start_that_was_cut_off_at_once_is_made_again() {
    let place = Place::new();
    std::fs::write(&place.stores.registry, []).expect("written");
    place.start(0).expect("a new gateway");
    let other = Place::new();
    std::fs::write(&other.stores.registry, []).expect("written");
    std::fs::create_dir(&other.stores.ledger).expect("made");
    std::fs::write(other.stores.ledger.join("000000000001.segment"), []).expect("written");
    assert!(other.refused(0).contains("there is no registry"), "a log beside it is not forgotten");
}

#[test]
fn stores_of_a_release_without_vouchers_are_taken_up_once() {
    let place = Place::new();
    drop(place.registry());
    std::fs::create_dir(&place.stores.ledger).expect("made");
    std::fs::write(place.stores.ledger.join("000000000001.segment"), []).expect("written");
    place.start(30).expect("taken up");
    assert!(place.refused(29).contains("ends at LSN 29"), "from then on they are held to it");
}
