//! The repository's own rules, as tests over its manifests and sources: the places of files, the dependencies of crates, the
//! beginnings of files, and forbidden words. The checks of clippy and rustfmt are not repeated.

mod dependencies;
mod floor;
mod imports;
mod knots;
mod traces;

use std::collections::BTreeSet;

use protocol::metric::{self, Kind};
use tests::repository::{dependencies, files, files_ending, read, read_toml};

const CRATES: [&str; 16] = [
    "protocol",
    "actors/keys",
    "actors/runtime",
    "actors/policy",
    "actors/ledger",
    "actors/registry",
    "actors/simulator",
    "actors/fleet",
    "actors",
    "gateway",
    "loadtest/device",
    "loadtest/bench",
    "loadtest",
    "dashboards/alerts",
    "dashboards",
    "tests",
];
const LINES_MAX: usize = 400;

/// Fails with every finding at once.
fn check(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}

#[test]
fn the_top_level_is_the_agreed_one() {
    let agreed: BTreeSet<_> = [
        "Cargo.toml",
        "Cargo.lock",
        "gateway",
        "actors",
        "protocol",
        "loadtest",
        "dashboards",
        "tests",
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "LICENSE",
        "deny.toml",
        "clippy.toml",
        "rustfmt.toml",
    ]
    .map(str::to_owned)
    .into();
    let top = files()
        .iter()
        .map(|path| path.split('/').next().expect("split has a first part").to_owned())
        .collect();
    let difference: Vec<_> =
        agreed.symmetric_difference(&top).filter(|name| !name.starts_with('.')).cloned().collect();
    check("too much or missing at the top", &difference);
}

#[test]
fn crates_know_only_whom_they_may() {
    let actors = ["keys", "runtime", "policy", "ledger", "registry", "simulator", "actors"];
    // The simulators answer its tests.
    let below_actors = ["protocol", "keys", "runtime", "policy", "ledger", "registry", "simulator"];
    let may_know: [(&str, &[&str]); CRATES.len()] = [
        ("protocol", &[]),
        ("actors/keys", &["protocol"]),
        ("actors/runtime", &["protocol"]),
        ("actors/policy", &["protocol"]),
        ("actors/ledger", &["protocol", "keys", "runtime"]),
        ("actors/registry", &["protocol", "keys", "runtime", "policy"]),
        ("actors/simulator", &["protocol", "keys", "runtime", "policy", "registry"]),
        // Its tests replicate between registrars.
        ("actors/fleet", &["protocol", "keys", "runtime", "ledger", "registry", "actors", "policy"]),
        ("actors", &below_actors),
        // Its model test drives the load test's device.
        ("gateway", &[&actors[..], &["protocol", "alerts", "device", "fleet"]].concat()),
        ("loadtest/device", &["protocol"]),
        ("loadtest/bench", &["protocol", "device"]),
        ("loadtest", &["protocol", "device", "bench"]),
        ("dashboards/alerts", &["protocol"]),
        ("dashboards", &["protocol", "alerts", "actors"]),
        ("tests", &[&actors[..], &["protocol", "gateway", "device", "bench", "loadtest"]].concat()),
    ];
    let names = CRATES.map(name);
    let mut findings = Vec::new();
    for (krate, allowed) in may_know {
        let known = dependencies(krate).into_iter().filter(|name| names.contains(&name.as_str()));
        findings.extend(
            known.filter(|name| !allowed.contains(&name.as_str())).map(|name| format!("{krate} → {name}")),
        );
    }
    let product = &read_toml("gateway/Cargo.toml")["dependencies"];
    findings.extend(product.get("device").map(|_| "gateway → device outside its tests".to_owned()));
    check("a crate knows one that it may not", &findings);
}

#[test]
fn packages_stay_where_they_belong() {
    let at_home: [(&str, &[&str]); 14] = [
        ("quinn", &["gateway", "loadtest/device", "loadtest/bench", "loadtest", "tests"]),
        ("quinn-proto", &["gateway", "tests"]),
        ("actix", &["actors", "actors/runtime"]),
        ("actix-rt", &["actors", "actors/runtime", "actors/simulator", "gateway"]),
        ("actix-web", &["actors/runtime", "actors/simulator", "gateway"]),
        ("dashmap", &["actors/registry", "actors", "gateway"]),
        ("bincode", &["protocol", "actors/registry", "actors/fleet"]),
        ("rusqlite", &["actors/registry", "actors"]),
        ("sqlx", &["actors/registry"]),
        ("diesel", &["actors/registry"]),
        ("redb", &["actors/registry"]),
        ("redis", &["loadtest/bench"]),
        ("async-nats", &["actors/fleet", "loadtest/bench"]),
        ("tokio-postgres", &["loadtest/bench"]),
    ];
    let mut findings = Vec::new();
    for krate in CRATES {
        let named = dependencies(krate);
        let astray = at_home
            .iter()
            .filter(|(package, homes)| named.iter().any(|name| name == package) && !homes.contains(&krate));
        findings.extend(astray.map(|(package, _)| format!("{krate} names {package}")));
    }
    for path in files_ending(&[".rs"]).iter().filter(|path| !path.starts_with("actors/")) {
        findings.extend(
            code_lines(path)
                .filter(|(_, line)| names_crate(line, "actix"))
                .map(|(at, _)| format!("{path}:{at}")),
        );
    }
    for path in files_ending(&[".rs"]).iter().filter(|path| path.starts_with("actors/")) {
        let leaks = code_lines(path).filter(|(_, line)| line.trim_start().starts_with("pub use actix"));
        findings.extend(leaks.map(|(at, _)| format!("{path}:{at} shows actix to other crates")));
    }
    check("a package outside its place", &findings);
}

#[test]
fn each_chosen_package_does_its_job_in_the_product() {
    let chosen =
        ["actix", "tokio", "quinn", "rustls", "dashmap", "metrics", "metrics_exporter_prometheus", "bincode"];
    let product: Vec<String> = files_ending(&[".rs"])
        .into_iter()
        .filter(|path| {
            ["gateway/src/", "actors/", "protocol/src/"].iter().any(|folder| path.starts_with(folder))
        })
        .filter(|path| !path.contains("tests"))
        .collect();
    let lines: Vec<String> = product.iter().flat_map(|path| code_lines(path).map(|(_, line)| line)).collect();
    let idle = chosen.iter().filter(|package| !lines.iter().any(|line| names_crate(line, package)));
    check("named in a manifest and unused", &idle.map(|package| (*package).to_owned()).collect::<Vec<_>>());
}

#[test]
fn every_crate_takes_the_workspace_lints_and_a_panic_costs_one_request() {
    let unlinted = CRATES.iter().filter(|krate| {
        read_toml(&format!("{krate}/Cargo.toml"))
            .get("lints")
            .and_then(|lints| lints.get("workspace"))
            .and_then(toml::Value::as_bool)
            != Some(true)
    });
    check("without the workspace's lints", &unlinted.map(|krate| (*krate).to_owned()).collect::<Vec<_>>());
    let workspace = read_toml("Cargo.toml");
    assert_eq!(workspace["workspace"]["lints"]["rust"]["unsafe_code"].as_str(), Some("forbid"));
    let release = &workspace["profile"]["release"];
    assert_eq!(release["panic"].as_str(), Some("unwind"), "the supervisor catches panics");
    assert_eq!(release["overflow-checks"].as_bool(), Some(true));
    assert_eq!(release["codegen-units"].as_integer(), Some(1), "what ships is what was measured");
}

#[test]
fn rust_files_are_short_and_say_what_they_are() {
    let mut findings = Vec::new();
    for path in files_ending(&[".rs"]) {
        let text = read(&path);
        if !text.starts_with("//! ") {
            findings.push(format!("{path} does not open with //!"));
        }
        let lines = text.lines().count();
        if lines > LINES_MAX {
            findings.push(format!("{path} has {lines} lines of at most {LINES_MAX}"));
        }
        for (at, line) in
            text.lines().enumerate().filter(|(_, line)| line.trim_start().starts_with("#[ignore"))
        {
            findings.push(format!("{path}:{} {}: a test runs or is deleted", at + 1, line.trim()));
        }
    }
    check("files", &findings);
}

#[test]
fn words_that_do_not_belong() {
    // Written in halves, because this file is searched too.
    let words = [concat!("to", "do"), concat!("fix", "me"), concat!("st", "ub"), concat!("place", "holder")];
    let parts = [concat!("/wo", "rk/"), concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("col", "or")];
    // Names that SVG, HTML and a crate gave.
    let foreign = ["current", "theme-", "dark_", "light_", "to_"]
        .map(|before| format!("{before}{}", concat!("col", "or")));
    // Fields of Grafana's panels, in the file that writes them.
    let grafana = ["\"", "\"fixed"].map(|before| format!("{before}{}", concat!("col", "or")));
    let mut findings = Vec::new();
    for path in files_ending(&[".rs", ".md", ".py", ".sh", ".toml", "/run"])
        .iter()
        .filter(|path| *path != "Cargo.toml")
    {
        let fields = if path == "dashboards/src/grafana/panel.rs" { &grafana[..] } else { &[] };
        for (at, line) in read(path).lines().enumerate() {
            let lower =
                foreign.iter().chain(fields).fold(line.to_lowercase(), |line, name| line.replace(name, ""));
            let found = words
                .iter()
                .find(|word| says(&lower, word))
                .or(parts.iter().find(|part| lower.contains(**part)));
            findings.extend(found.map(|word| format!("{path}:{} {word}", at + 1)));
        }
    }
    check("words", &findings);
}

#[test]
fn every_crate_has_a_readme() {
    let missing = CRATES.iter().filter(|krate| **krate != "tests").filter(|krate| {
        let path = format!("{krate}/README.md");
        !files().contains(&path) || !read(&path).starts_with(&format!("# {}\n", name(krate)))
    });
    check(
        "without a README.md under its name",
        &missing.map(|krate| (*krate).to_owned()).collect::<Vec<_>>(),
    );
}

#[test]
fn personal_values_and_their_keys_are_opened_in_the_actors_crates_alone() {
    let opens = [".reveal()", "keys.pepper()", "keys.field()"];
    let mut findings = Vec::new();
    for path in files_ending(&[".rs"]).iter().filter(|path| path.starts_with("gateway/src/")) {
        let found = code_lines(path).filter(|(_, line)| opens.iter().any(|open| line.contains(open)));
        findings.extend(found.map(|(at, line)| format!("{path}:{at} {}", line.trim())));
    }
    check("opened outside of actors", &findings);
}

#[test]
fn dashboards_and_rules_name_metrics_that_exist() {
    let mut findings = Vec::new();
    for path in files_ending(&[".json", ".yml", ".md"]).iter().filter(|path| path.starts_with("dashboards/"))
    {
        for (at, line) in read(path).lines().enumerate() {
            let names = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
            let unknown = names.filter(|name| name.starts_with("changtong_") && !is_series(name));
            findings.extend(unknown.map(|name| format!("{path}:{} {name}", at + 1)));
        }
    }
    check("no such metric in protocol::metric", &findings);
}

#[test]
fn every_table_of_the_registry_stands_on_the_data_map() {
    let (schema, map) = (read("actors/registry/src/schema/steps.rs"), read("gateway/LAWFUL.md"));
    let tables = schema.split("CREATE TABLE ").skip(1).filter_map(|rest| rest.split_whitespace().next());
    let tables: BTreeSet<&str> = tables.collect();
    assert!(tables.len() > 20, "{tables:?}");
    let missing = tables
        .iter()
        .filter(|table| !map.contains(&format!("`{table}`")) && !map.contains(&format!("`{table}.")));
    check("not in gateway/LAWFUL.md", &missing.map(|table| (*table).to_owned()).collect::<Vec<_>>());
}

/// Returns the name of the crate in that folder.
fn name(krate: &str) -> &str {
    krate.rsplit('/').next().expect("rsplit has a first part")
}

/// Returns true if Prometheus stores a series of this name: a metric, or one of a histogram's three.
fn is_series(name: &str) -> bool {
    metric::ALL.iter().any(|metric| match metric.kind {
        Kind::Counter | Kind::Gauge => metric.name == name,
        Kind::Histogram => {
            name.strip_prefix(metric.name).is_some_and(|rest| ["_bucket", "_sum", "_count"].contains(&rest))
        }
    })
}

/// Returns a file's lines that are not comments, numbered.
fn code_lines(path: &str) -> impl Iterator<Item = (usize, String)> + use<> {
    let lines: Vec<String> = read(path).lines().map(str::to_owned).collect();
    let numbered = lines.into_iter().enumerate().map(|(at, line)| (at + 1, line));
    numbered.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Returns true if the line of code names an item of this crate.
fn names_crate(line: &str, krate: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':')
        .any(|part| part.strip_prefix(krate).is_some_and(|rest| rest.starts_with("::")))
}

/// Returns true if the line has this as a whole word.
fn says(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|part| part == word)
}
