//! Notes the profile for reports: the echo is a part of this program.
#![allow(clippy::print_stdout, reason = "this is how a build script answers")]

use std::path::PathBuf;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // `target/PROFILE/build/bench-HASH/out`; the directory of `dev` is `debug`.
    let out = std::env::var_os("OUT_DIR").map(PathBuf::from).unwrap_or_default();
    let profile = out.ancestors().nth(3).and_then(|path| path.file_name()?.to_str());
    let profile = if profile == Some("debug") { "dev" } else { profile.unwrap_or("unknown") };
    println!("cargo:rustc-env=BENCH_PROFILE={profile}");
}
