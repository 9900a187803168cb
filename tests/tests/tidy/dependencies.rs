//! The linked packages, by the lock file: fixed versions, one crypto provider, one source, licences. It needs no network,
//! and holds `deny.toml` to the same rules, so that `cargo deny check` and this test cannot disagree.

use std::process::Command;

use tests::repository::{locked, read_toml, root};

use super::check;

/// The first versions without a known vulnerability.
const AT_LEAST: [(&str, &str); 10] = [
    ("quinn-proto", "0.11.19"),
    ("rustls-webpki", "0.103.13"),
    ("ring", "0.17.12"),
    ("h2", "0.4.16"),
    ("tokio", "1.44.2"),
    ("bytes", "1.11.1"),
    ("crossbeam-channel", "0.5.15"),
    ("tracing-subscriber", "0.3.20"),
    ("time", "0.3.47"),
    ("slab", "0.4.11"),
];
/// Two providers in one process make rustls panic, and OpenSSL is a second TLS.
const BANNED: [&str; 4] = ["openssl", "openssl-sys", "aws-lc-rs", "native-tls"];
const OTHER_CRYPTO: [&str; 6] =
    ["aws-lc-sys", "aws-lc-fips-sys", "boring", "boring-sys", "mbedtls", "rustls-graviola"];
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

#[test]
fn locked_versions_have_the_known_fixes() {
    let mut findings = Vec::new();
    for package in locked() {
        let too_old = AT_LEAST
            .iter()
            .find(|(name, least)| *name == package.name && numbers(&package.version) < numbers(least));
        findings
            .extend(too_old.map(|(name, least)| format!("{name} {} of at least {least}", package.version)));
    }
    check("too old", &findings);
}

fn numbers(version: &str) -> Vec<u64> {
    let core = version.split(['-', '+']).next().expect("split has a first part");
    core.split('.').map(|part| part.parse().unwrap_or_else(|_| panic!("a version: {version}"))).collect()
}

#[test]
fn ring_is_the_only_crypto_provider() {
    let locked = locked();
    let linked = locked.iter().filter(|package| {
        BANNED.contains(&package.name.as_str()) || OTHER_CRYPTO.contains(&package.name.as_str())
    });
    check("linked beside ring", &linked.map(|package| package.name.clone()).collect::<Vec<_>>());
    let rings = locked.iter().filter(|package| package.name == "ring").count();
    assert_eq!(rings, 1, "one version of ring");
}

#[test]
fn everything_comes_from_the_default_registry() {
    let elsewhere =
        locked().into_iter().filter(|package| package.source.as_deref().is_some_and(|from| from != REGISTRY));
    check("from elsewhere", &elsewhere.map(|package| package.name).collect::<Vec<_>>());
}

#[test]
fn deny_toml_bans_what_is_banned_and_excepts_only_with_a_date() {
    let deny = read_toml("deny.toml");
    let banned = texts(&deny["bans"]["deny"], "crate");
    check(
        "not banned by deny.toml",
        &BANNED
            .iter()
            .filter(|name| !banned.iter().any(|b| b == *name))
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>(),
    );
    for key in ["unknown-registry", "unknown-git"] {
        assert_eq!(deny["sources"][key].as_str(), Some("deny"), "{key}");
    }
    let excepted = texts(&deny["advisories"]["ignore"], "id");
    assert_eq!(excepted, ["RUSTSEC-2025-0141"], "each exception is a decision");
    for reason in texts(&deny["advisories"]["ignore"], "reason") {
        let dated = reason.split_whitespace().any(|word| word.len() == 10 && word.split('-').count() == 3);
        assert!(dated, "an exception without the date of its review: {reason}");
    }
}

fn texts(list: &toml::Value, key: &str) -> Vec<String> {
    let rows = list.as_array().expect("a list");
    rows.iter().map(|row| row[key].as_str().expect("text").to_owned()).collect()
}

#[test]
fn every_licence_is_one_that_deny_toml_allows() {
    let deny = read_toml("deny.toml");
    let allowed: Vec<_> = deny["licenses"]["allow"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(toml::Value::as_str)
        .collect();
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--frozen", "--filter-platform", "host-tuple"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).expect("cargo writes JSON");
    let packages = metadata["packages"].as_array().expect("a list of packages");
    assert!(packages.len() > 100, "cargo metadata names the whole tree");
    let refused = packages.iter().filter_map(|package| {
        let licence = package["license"].as_str().unwrap_or("none");
        (!allows(&allowed, licence)).then(|| format!("{}: {licence}", package["name"]))
    });
    check("a licence that is not allowed", &refused.collect::<Vec<_>>());
}

/// Returns true if a licence expression is allowed: any part joined by `OR`, all parts joined by `AND`. `OR` binds last.
fn allows(allowed: &[&str], expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    any_of(allowed, &tokens)
}

fn any_of(allowed: &[&str], tokens: &[&str]) -> bool {
    split(tokens, "OR").iter().any(|part| split(part, "AND").iter().all(|term| met(allowed, term)))
}

fn met(allowed: &[&str], term: &[&str]) -> bool {
    match term {
        ["(", inner @ .., ")"] => any_of(allowed, inner),
        _ => allowed.contains(&term.join(" ").as_str()),
    }
}

/// Splits at a word outside parentheses.
fn split<'a, 'b>(tokens: &'a [&'b str], word: &str) -> Vec<&'a [&'b str]> {
    let mut depth = 0;
    tokens
        .split(|token| {
            depth += i32::from(*token == "(") - i32::from(*token == ")");
            depth == 0 && *token == word
        })
        .collect()
}

#[test]
fn licence_expressions_are_read_as_spdx_says() {
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("GPL-3.0-only OR MIT", true),
        ("GPL-3.0-only AND MIT", false),
        ("MIT/Apache-2.0", true),
        ("(GPL-3.0-only OR MIT) AND Apache-2.0", true),
        ("(GPL-3.0-only AND MIT) OR ISC", false),
        ("Apache-2.0 WITH LLVM-exception", false),
        ("none", false),
    ] {
        assert_eq!(allows(&["MIT", "Apache-2.0"], expression), expected, "{expression}");
    }
}
