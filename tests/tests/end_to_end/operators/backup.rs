//! Backups under load: each punch acknowledged before is in them once, they restore completely, and a backup that is cut, altered or
//! incomplete is refused.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use ledger::{self, ExportFormat, LedgerError};
use serde_json::Value;
use tests::clocks::DAY_S;
use tests::walk::{Crew, prove};
use tests::{City, PATIENCE, binary, block_on, clock_of, wait_for};

const DEVICES: usize = 20;
/// Later than punches are kept.
const LATER: [&str; 4] = clock_of("FAKETIME=+16d");
/// Acknowledged by all devices together before a backup is taken.
const PUNCHES: u64 = 2_000;

/// Runs a command without a city: exit code and what it printed.
fn run(words: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(binary()).args(words).output().expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

fn plain(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

/// Returns every punch of a log, a line for each, with its LSN.
fn punches(ledger: &Path, days: &Path) -> Result<Vec<(u64, String)>, LedgerError> {
    let mut out = Vec::new();
    ledger::export(ledger, days, (ExportFormat::JsonLines, &ledger::ALL_TIME), &mut out)?;
    let text = String::from_utf8(out).expect("JSON");
    let lsn =
        |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["lsn"].as_u64().expect("an LSN");
    Ok(text.lines().map(|line| (lsn(line), line.to_owned())).collect())
}

/// A city with a backup of it beside.
struct BackedUp {
    city: City,
    directory: tempfile::TempDir,
}

impl BackedUp {
    fn out(&self) -> PathBuf {
        self.directory.path().join("backup")
    }

    fn keys(&self) -> PathBuf {
        self.city.data().join("keys")
    }

    fn restore(&self, name: &str) -> (Option<i32>, String) {
        let (out, keys, data) = (self.out(), self.keys(), self.directory.path().join(name));
        run(&["restore", "--from", plain(&out), "--data", plain(&data), "--keys", plain(&keys)])
    }

    /// Reads it where it lies.
    fn verify(&self) -> (Option<i32>, String) {
        run(&["backup", "verify", "--from", plain(&self.out()), "--keys", plain(&self.keys())])
    }

    fn take(&self) -> (bool, String) {
        let (status, out, err) =
            self.city.signed(1, &["backup", "--out", plain(&self.out()), "--case", "B-1"]);
        (status.success(), out + &err)
    }
}

fn small() -> BackedUp {
    let backed = BackedUp { city: City::start(100, 1), directory: tempfile::tempdir().expect("a directory") };
    let fleet = backed.city.fleet();
    block_on(async {
        let crew = Crew::start(&fleet, 0..1);
        until(&crew, 50).await;
        crew.end().await;
    });
    let (done, said) = backed.take();
    assert!(done, "{said}");
    backed
}

async fn until(crew: &Crew, punches: u64) {
    let reached = async {
        while crew.acknowledged() < punches {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.expect("devices are acknowledged");
}

#[test]
fn a_backup_under_load_comes_back_with_all_that_was_acknowledged_before_it_once() {
    let mut backed = BackedUp { city: City::start(1000, 10), directory: tempfile::tempdir().expect("one") };
    let fleet = backed.city.fleet();
    let (before, done) = block_on(async {
        let crew = Crew::start(&fleet, 0..DEVICES);
        until(&crew, PUNCHES).await;
        let before = crew.acknowledged();
        // The walkers go on meanwhile, on this thread.
        let (taken, said);
        (backed, (taken, said)) = tokio::task::spawn_blocking(move || {
            let result = backed.take();
            (backed, result)
        })
        .await
        .expect("the command runs");
        assert!(taken, "{said}");
        until(&crew, before + PUNCHES).await;
        (before, (crew.end().await, backed))
    });
    let (walkers, backed) = done;
    println!("{:?}", prove(&backed.city, walkers));

    let listed = || std::fs::read_dir(backed.out()).expect("listed").count();
    let before_verify = listed();
    let (code, said) = backed.verify();
    assert!(code == Some(0) && said.contains("is as it was made on"), "{said}");
    assert_eq!(listed(), before_verify, "nothing is written");
    let (code, said) = backed.restore("data");
    assert_eq!(code, Some(0), "{said}");
    let (data, keys) = (backed.directory.path().join("data"), backed.keys());
    let (live, days) = (backed.city.data(), keys.join("days"));
    let restored = punches(&data.join("ledger"), &days).expect("sound");
    let all = punches(&live.join("ledger"), &days).expect("sound");
    let lsn = restored.last().expect("punches").0;
    // The same punches, in the same order, and all of them up to there.
    let expected: Vec<_> = all.iter().filter(|(at, _)| *at <= lsn).cloned().collect();
    assert!(restored == expected, "{} punches instead of {}", restored.len(), expected.len());
    assert!(restored.len() as u64 >= before, "{} restored, {before} acknowledged before", restored.len());
    assert!(restored.len() < all.len(), "the load went on");
    println!("{before} acknowledged before, {} in the backup, {} in the end", restored.len(), all.len());

    for verify in [["ledger", "verify"], ["audit", "verify"]] {
        let words = [&verify[..], &["--data", plain(&data), "--keys", plain(&keys)]].concat();
        let (code, said) = run(&words);
        assert_eq!(code, Some(0), "{verify:?}: {said}");
    }
    let (code, said) = backed.restore("data");
    assert!(code == Some(2) && said.contains("is not empty"), "{said}");
    let (done, said) = backed.take();
    assert!(!done && said.contains("is not empty"), "{said}");
}

#[test]
fn a_backup_holds_no_key_and_is_on_record_for_everybody() {
    let backed = small();
    let mut files = Vec::new();
    for directory in [backed.out(), backed.out().join("ledger")] {
        for entry in std::fs::read_dir(&directory).expect("listed") {
            files.push(entry.expect("an entry").path());
        }
    }
    let holds = |path: &Path, needle: &[u8]| {
        path.is_file() && std::fs::read(path).expect("read").windows(needle.len()).any(|part| part == needle)
    };
    for directory in [backed.keys(), backed.keys().join("days")] {
        for entry in std::fs::read_dir(&directory).expect("listed") {
            let path = entry.expect("an entry").path();
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let (text, raw) = (text.trim().to_owned(), hex::decode(text.trim()).unwrap_or_default());
            for needle in [text.as_bytes(), &raw].into_iter().filter(|needle| needle.len() >= 16) {
                assert!(!files.iter().any(|file| holds(file, needle)), "{} is in it", path.display());
            }
        }
    }
    let codes = std::fs::read_to_string(backed.city.data().join("codes.csv")).expect("codes");
    let code = codes.lines().nth(1).and_then(|line| line.split(',').next()).expect("a code");
    let (status, out, err) = backed.city.signed(1, &["code", "accesses", code, "--case", "C-1"]);
    assert!(status.success() && out.contains("backup") && out.contains("B-1"), "{out}{err}");

    let refused = |words: &[&str], expected: &str| {
        let (status, out, err) = backed.city.command(words);
        assert!(status.code() == Some(2) && err.contains(expected), "{words:?}: {out}{err}");
    };
    let inside = backed.city.data().join("backup");
    refused(&["backup", "--out", plain(&inside), "--case", "B-2"], "name a place elsewhere");
    let elsewhere = backed.directory.path().join("another");
    refused(&["backup", "--out", plain(&elsewhere), "--case", " "], "names its case");
    assert!(!elsewhere.exists() && !inside.exists());
    let key = backed.directory.path().join("records.key");
    let public_key = tests::operator_key("zhao-min", plain(&key));
    let add = ["operator", "add", "zhao-min", "--authority", "cdc", "--role", "records"];
    let add = [&add[..], &["--public-key", &public_key]].concat();
    assert!(backed.city.signed(2, &add).0.success());
    let words = ["backup", "--out", plain(&elsewhere), "--case", "B-2", "--sign", plain(&key)];
    refused(&words, "with the role admin");
}

#[test]
fn a_backup_that_is_cut_altered_or_incomplete_is_refused_by_the_files_name() {
    let mut backed = small();
    assert!(backed.city.terminate().success());
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(backed.out().join("manifest.json")).expect("the manifest"))
            .expect("JSON");
    let files = manifest["manifest"]["files"].as_array().expect("files");
    let mut names: Vec<&str> = files.iter().filter_map(|file| file["name"].as_str()).collect();
    assert!(names.len() >= 3, "a segment, the floor, the registry: {names:?}");
    names.push("manifest.json");
    for name in names {
        let path = backed.out().join(name);
        let good = std::fs::read(&path).expect("read");
        let mut flipped = good.clone();
        flipped[good.len() / 2] ^= 1;
        let longer = [&good[..], b"\0"].concat();
        for (how, bytes) in [
            ("flipped", Some(flipped)),
            ("cut", Some(good[..good.len() - 2].to_vec())),
            ("empty", Some(Vec::new())),
            ("longer", Some(longer)),
            ("missing", None),
        ] {
            match bytes {
                Some(bytes) => std::fs::write(&path, bytes).expect("written"),
                None => std::fs::remove_file(&path).expect("removed"),
            }
            let before = listed(&backed.out());
            let (code, said) = backed.verify();
            assert!(code == Some(2) && said.contains(name), "verify, {name} {how}: {said}");
            assert_eq!(listed(&backed.out()), before, "verify writes nothing: {name} {how}");
            let (code, said) = backed.restore("data");
            assert!(code == Some(2) && said.contains(name), "{name} {how}: {said}");
            assert!(!backed.directory.path().join("data").exists(), "{name} {how}");
        }
        std::fs::write(&path, good).expect("written");
    }
    let (code, said) = backed.verify();
    assert_eq!(code, Some(0), "whole again: {said}");

    // Another gateway's keys do not open it, nor do these without a day's.
    let other = backed.directory.path().join("other");
    assert_eq!(run(&["keys", "init", "--keys", plain(&other)]).0, Some(0));
    let (out, data) = (backed.out(), backed.directory.path().join("data"));
    let (code, said) =
        run(&["restore", "--from", plain(&out), "--data", plain(&data), "--keys", plain(&other)]);
    assert!(code == Some(2) && said.contains("with other keys"), "{said}");
    let days = backed.keys().join("days");
    let day = std::fs::read_dir(&days).expect("listed").next().expect("a day").expect("an entry").path();
    let kept = std::fs::read(&day).expect("read");
    std::fs::remove_file(&day).expect("removed");
    for (code, said) in [backed.verify(), backed.restore("data")] {
        assert!(code == Some(2) && said.contains("the key of"), "{said}");
    }
    punches(&out.join("ledger"), &days).expect_err("nothing opens them without the day's key");
    assert!(!data.exists());
    std::fs::write(&day, kept).expect("written");
    std::fs::set_permissions(&day, Permissions::from_mode(0o600)).expect("closed");
    let (code, said) = backed.restore("data");
    assert_eq!(code, Some(0), "{said}");
}

/// Returns the files of a backup with their lengths.
fn listed(out: &Path) -> Vec<(PathBuf, u64)> {
    let entries =
        [out.to_owned(), out.join("ledger")].map(|directory| std::fs::read_dir(directory).expect("listed"));
    let entries = entries.into_iter().flatten().map(|entry| entry.expect("an entry"));
    let mut files: Vec<_> =
        entries.map(|entry| (entry.path(), entry.metadata().expect("looked at").len())).collect();
    files.sort();
    files
}

/// Returns the names of the days that have a key.
fn days_with_keys(backed: &BackedUp) -> Vec<String> {
    let days = std::fs::read_dir(backed.keys().join("days")).expect("listed");
    days.map(|day| day.expect("a day").file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn once_its_days_are_forgotten_nobody_reads_a_backups_punches_any_more() {
    let mut backed = small();
    let (ledger, days) = (backed.out().join("ledger"), backed.keys().join("days"));
    assert!(punches(&ledger, &days).expect("sound").len() >= 50);
    let (code, said) = backed.restore("before");
    assert_eq!(code, Some(0), "{said}");
    let recorded = days_with_keys(&backed);
    assert!(!recorded.is_empty());

    // The gateway forgets by itself; the backup is not touched.
    assert!(backed.city.terminate().success());
    backed.city.run_under(&LATER);
    backed.city.restart();
    let (taken, said) = backed.city.say_right(2, 16 * DAY_S);
    assert!(taken, "{said}");
    wait_for("forgetting", || {
        days_with_keys(&backed).iter().all(|day| !recorded.contains(day)).then_some(())
    });
    let (status, out, err) = backed.city.command(&["ledger", "verify"]);
    assert!(status.success(), "the gateway's own log is sound: {out}{err}");
    assert!(backed.city.terminate().success());

    let restored = backed.directory.path().join("before/ledger");
    for copy in [&ledger, &restored] {
        let error = punches(copy, &days).expect_err("nobody has the key");
        assert!(matches!(&error, LedgerError::Key(why) if why.contains("the key of")), "{error}");
    }
    let (code, said) = backed.restore("after");
    assert!(code == Some(2) && said.contains("the key of"), "{said}");
    assert!(!backed.directory.path().join("after").exists());
    let (data, keys) = (backed.directory.path().join("before"), backed.keys());
    let (code, said) = run(&["ledger", "verify", "--data", plain(&data), "--keys", plain(&keys)]);
    println!("a copy that was restored before says: {code:?} {said}");
    assert!(code != Some(0) && said.contains("the key of"), "{said}");
}

#[test]
fn a_stopped_gateways_data_is_backed_up_as_well() {
    let mut backed = small();
    assert!(backed.city.terminate().success());
    std::fs::remove_dir_all(backed.out()).expect("removed");
    let (done, said) = backed.take();
    assert!(done, "{said}");
    let (code, said) = backed.restore("data");
    assert_eq!(code, Some(0), "{said}");
    let (keys, live) = (backed.keys().join("days"), backed.city.data().join("ledger"));
    let restored = backed.directory.path().join("data/ledger");
    let (live, restored) = (punches(&live, &keys).expect("sound"), punches(&restored, &keys).expect("sound"));
    assert!(restored.len() >= 50 && restored == live, "{} of {}", restored.len(), live.len());
}
