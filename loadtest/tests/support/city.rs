//! A city in a temporary directory around a stand-in for a gateway: its fleet file, its codes, a program that exports the
//! stand-in's ledger, and runs of the load test's own program against it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use device::{Fleet, clock};
use loadtest::outcome::Report;

use super::stand_in::{Manner, PEOPLE, StandIn};

/// A shell script that prints the ledger, and records changes of colour. `$0` is its own path.
const PROGRAM: &str = r#"#!/bin/sh
city=$(dirname "$0")
case "$1" in
    cause) echo "$4" >> "$city/changed" ;;
    ledger) cat "$city/ledger.csv" ;;
esac
"#;

/// A city; it ends with the value.
pub(crate) struct City {
    folder: tempfile::TempDir,
    pub(crate) fleet: Fleet,
    pub(crate) stand_in: StandIn,
}

/// The outcome of a run.
pub(crate) struct Ran {
    /// The program's exit code.
    pub(crate) code: i32,
    /// Its report, if there is one.
    pub(crate) report: Option<Report>,
    pub(crate) said: String,
    pub(crate) ended: Instant,
}

impl City {
    /// Starts a city whose devices are of that class.
    pub(crate) fn start(class: &str, manner: Manner) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let fleet = super::fleet(path);
        let code =
            |(code, colour): &(u64, protocol::Colour)| format!("{code},{},declared,person\n", colour.name());
        let codes: String = PEOPLE.iter().map(code).collect();
        fs::write(path.join("codes.csv"), format!("code,colour,basis,class\n{codes}")).unwrap();
        fs::write(path.join("export"), PROGRAM).unwrap();
        fs::set_permissions(path.join("export"), fs::Permissions::from_mode(0o700)).unwrap();
        let stand_in = StandIn::start(&fleet, manner);
        super::write_fleet(path, stand_in.quic.port());
        let text = fs::read_to_string(path.join("fleet.json")).unwrap();
        let text = text.replace("\"http\":\"127.0.0.1:1\"", &format!("\"http\":\"{}\"", stand_in.http));
        fs::write(path.join("fleet.json"), text.replace("\"gate\"", &format!("\"{class}\""))).unwrap();
        let fleet = Fleet::load(path).unwrap();
        Self { folder, fleet, stand_in }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a scenario's text with that seed; the second run of a city finds the ledger of the first.
    pub(crate) fn run(&self, scenario: &str, seed: u64) -> Ran {
        let path = self.path().join("scenario.toml");
        fs::write(&path, scenario).unwrap();
        self.run_named(path.to_str().unwrap(), seed)
    }

    /// Runs the scenario of that name or path.
    pub(crate) fn run_named(&self, scenario: &str, seed: u64) -> Ran {
        let out = self.path().join("out");
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest"));
        command.args(["run", scenario, "--seed", &seed.to_string(), "--data"]).arg(self.path());
        let output = command.arg("--out").arg(&out).output().unwrap();
        let ended = clock::now();
        let report = fs::read(out.join("report.json")).ok();
        let report = report.map(|report| serde_json::from_slice(&report).unwrap());
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        Ran { code: output.status.code().unwrap(), report, said, ended }
    }
}
