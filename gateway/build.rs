//! Notes the profile and the commit that the program is built from, for `--version`. A build without git, or outside the repository, does
//! not know the commit.
#![allow(clippy::print_stdout, reason = "this is how a build script answers")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// The sources of the program, from the repository's top: a change in one of them makes the commit a dirty one.
const SOURCES: [&str; 6] = ["Cargo.lock", "Cargo.toml", "protocol", "actors", "dashboards/alerts", "gateway"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let profile = profile().unwrap_or_else(|| "unknown".to_owned());
    // A test's program is built again and again, and no figure is taken from it.
    let commit = if profile == "debug" { None } else { commit() };
    println!("cargo:rustc-env=CHANGTONG_PROFILE={}", if profile == "debug" { "dev" } else { &profile });
    println!("cargo:rustc-env=CHANGTONG_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
}

/// Returns the profile's directory: `target/PROFILE/build/gateway-HASH/out`.
fn profile() -> Option<String> {
    let out = PathBuf::from(std::env::var_os("OUT_DIR")?);
    Some(out.ancestors().nth(3)?.file_name()?.to_str()?.to_owned())
}

fn commit() -> Option<String> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    // Sources that lie in another repository are not of its commits.
    if Path::new(&git(top, &["rev-parse", "--show-toplevel"])?).canonicalize().ok()?
        != top.canonicalize().ok()?
    {
        return None;
    }
    for source in SOURCES {
        println!("cargo:rerun-if-changed={}", top.join(source).display());
    }
    // It changes with each commit and each checkout.
    let log = git(top, &["rev-parse", "--git-path", "logs/HEAD"])?;
    let log = top.join(log);
    if log.exists() {
        println!("cargo:rerun-if-changed={}", log.display());
    }
    git(top, &["describe", "--always", "--dirty", "--exclude=*"])
}

fn git(top: &Path, words: &[&str]) -> Option<String> {
    let said = Command::new("git").arg("--no-optional-locks").args(words).current_dir(top).output().ok()?;
    let text = String::from_utf8(said.stdout).ok()?.trim().to_owned();
    (said.status.success() && !text.is_empty()).then_some(text)
}
