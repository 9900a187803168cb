//! The comparison with Redis, NATS and PostgreSQL, and with gateways in fleets, against a small running city: each does its work, holds all
//! answered punches, and is gone afterwards with all its files. No figure is judged.

use std::collections::BTreeSet;
use std::fmt::Arguments;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bench::peers::{self, Options, Peer};
use tests::{City, python};

fn options(city: &City, scratch: &Path, only: &[Peer]) -> Options {
    Options {
        shapes: ["4x1", "2x128x2"].map(|shape| shape.parse().expect("a shape")).to_vec(),
        rounds: 1,
        seconds: 1,
        pin: false,
        only: only.to_vec(),
        data: city.data(),
        scratch: Some(scratch.to_owned()),
        nats: None,
        commit: Some("abc".to_owned()),
        markdown: false,
        json: false,
    }
}

fn note(words: Arguments<'_>) {
    eprintln!("{words}");
}

/// Returns a folder that PostgreSQL's user may pass through.
fn scratch() -> tempfile::TempDir {
    tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o755)).tempdir().expect("a folder")
}

/// Returns the programs whose command line names the folder.
fn processes_of(folder: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    let entries = fs::read_dir("/proc").expect("a list of processes").flatten();
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).into_owned())
        .filter(|line| line.contains(&folder))
        .collect()
}

#[test]
fn every_peer_works_and_holds_what_it_answered_and_leaves_nothing_behind() {
    // The current NATS is found among the packages.
    python::run(env!("CARGO_TARGET_TMPDIR"), &[]);
    let city = City::start(100, 4);
    let scratch = scratch();
    let options = options(&city, scratch.path(), &Peer::ALL);
    let outcome = peers::run(&options, &note).expect("a run");
    println!("{}", peers::table(&options, &outcome));

    assert_eq!(outcome.shapes.len(), 2);
    for measured in &outcome.shapes {
        let round = &measured.rounds[0];
        assert_eq!(round.keys().copied().collect::<BTreeSet<_>>(), BTreeSet::from(Peer::ALL));
        for (peer, figures) in round {
            let what = format!("{} {peer:?}: {figures:?}", measured.shape);
            assert!(figures.punches > 0 && figures.per_second > 0.0 && figures.latency_ms[1] > 0.0, "{what}");
            assert!(figures.connections > 0 && figures.connections <= measured.shape.frames(), "{what}");
            // NATS answers each punch by itself.
            let whole = [Peer::Nats, Peer::NatsSynced, Peer::NatsThree].contains(peer)
                || figures.punches % u64::from(measured.shape.batch) == 0;
            assert!(whole, "{what}");
        }
    }
    let counted = |peer| outcome.shapes.iter().map(|one| one.rounds[0][&peer].punches).sum::<u64>();
    let keeping = [Peer::Redis, Peer::Nats, Peer::NatsSynced, Peer::Postgres, Peer::NatsThree];
    assert_eq!(outcome.kept.keys().copied().collect::<Vec<_>>(), keeping);
    for peer in keeping {
        let kept = outcome.kept[&peer];
        assert!(kept.held >= kept.answered && kept.answered >= counted(peer), "{peer:?}: {kept:?}");
    }
    assert!(outcome.absent.is_empty(), "{:?}", outcome.absent);
    for peer in [Peer::FleetDisk, Peer::FleetReplicated] {
        let is_copied = |round: &peers::Round| round[&peer].copied_after.is_some();
        assert!(outcome.shapes.iter().all(|one| one.rounds.iter().all(is_copied)), "{peer:?}");
    }
    assert_ne!(
        outcome.versions[&Peer::Nats],
        outcome.versions[&Peer::NatsSynced],
        "Debian's and a current one"
    );
    let recorded = city.metric("changtong_punches_total", "") as u64;
    assert!(recorded >= counted(Peer::Gateway), "{recorded} of {}", counted(Peer::Gateway));

    let table = peers::table(&options, &outcome);
    let markdown = peers::markdown(&options, &outcome);
    let json = peers::json(&options, &outcome).to_string();
    for peer in Peer::ALL {
        assert!(outcome.versions[&peer].contains('.'), "{:?}", outcome.versions);
        for text in [&table, &markdown, &json] {
            assert!(
                text.contains(peer.name()) && text.contains(peer.durable()),
                "{peer:?} is not in\n{text}"
            );
        }
    }
    assert_eq!(processes_of(scratch.path()), Vec::<String>::new());
    assert_eq!(fs::read_dir(scratch.path()).expect("the folder").count(), 0, "files are left");
}

#[test]
fn a_peer_that_cannot_start_ends_the_run_and_leaves_nothing_behind() {
    let city = City::start(100, 4);
    let scratch = scratch();
    // Redis runs already when PostgreSQL's user finds the way closed.
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o700)).expect("closing it");
    let mut options = options(&city, scratch.path(), &[Peer::Redis, Peer::Postgres]);
    let error = format!("{:#}", peers::run(&options, &note).expect_err("a closed folder"));
    assert!(error.contains("starting PostgreSQL"), "{error}");
    assert_eq!(processes_of(scratch.path()), Vec::<String>::new());
    assert_eq!(fs::read_dir(scratch.path()).expect("the folder").count(), 0, "files are left");

    options.shapes = vec!["1000x1".parse().expect("a shape")];
    let error = format!("{:#}", peers::run(&options, &note).expect_err("too few gates"));
    assert!(error.contains("the city has 4 devices of class gate for 1,000 × 1"), "{error}");
}

#[test]
fn a_nats_that_cannot_sync_before_it_acknowledges_is_no_synced_one() {
    let city = City::start(100, 4);
    let scratch = scratch();
    let mut options = options(&city, scratch.path(), &[Peer::NatsSynced]);
    // Debian's, where only root looks or where all do.
    let debian = ["/usr/sbin/nats-server", "/usr/bin/nats-server"].map(PathBuf::from);
    options.nats = debian.into_iter().find(|path| path.exists());
    assert!(options.nats.is_some(), "install the Debian package nats-server");
    let error = peers::run(&options, &note).expect_err("an old one").to_string();
    assert!(error.contains("cannot sync before it acknowledges: name 2.10 or newer with --nats"), "{error}");
    assert_eq!(fs::read_dir(scratch.path()).expect("the folder").count(), 0, "files are left");
}

#[test]
fn a_city_that_is_not_on_this_machine_is_left_alone() {
    let mut city = City::start(100, 1);
    let scratch = scratch();
    let file = city.data().join(device::fleet::FILE);
    let fleet = fs::read_to_string(&file).expect("a fleet file");
    let quic = city.fleet().quic[0].to_string();
    fs::write(&file, fleet.replace(&quic, "192.0.2.1:443")).expect("writing it");
    let error =
        peers::run(&options(&city, scratch.path(), &[Peer::Redis]), &note).expect_err("refused").to_string();
    assert!(error.contains("only a development city on loopback"), "{error}");
    city.kill();
}
