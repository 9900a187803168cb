//! Debian's Chromium for tests: the packages that drive it, and runs of `tests/browser/*.mjs` with a city's addresses. The
//! scripts click and measure.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// Returns the directory of the packages, kept from run to run as long as the lock file is the same. Concurrent tests fetch them once.
fn packages(target: &Path) -> PathBuf {
    static FETCHED: OnceLock<PathBuf> = OnceLock::new();
    FETCHED.get_or_init(|| fetched(target)).clone()
}

fn fetched(target: &Path) -> PathBuf {
    let folder = target.join("browser-packages");
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
    let read = |path: PathBuf| std::fs::read(path).ok();
    // npm writes this one last, so packages that were cut short are fetched again.
    let installed = folder.join("node_modules/.package-lock.json").exists();
    let same = |name| read(folder.join(name)) == read(here.join(name));
    if !installed || !same("package-lock.json") || !same("package.json") {
        std::fs::create_dir_all(&folder).expect("a folder for packages");
        let _ = std::fs::remove_dir_all(folder.join("node_modules"));
        for name in ["package.json", "package-lock.json"] {
            std::fs::copy(here.join(name), folder.join(name)).expect("the list of packages");
        }
        let arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
        let output = Command::new("npm").args(arguments).current_dir(&folder).output();
        let output = output.expect("npm runs; it is in the Debian package npm");
        assert!(output.status.success(), "npm ci: {}", text(&output));
    }
    folder
}

/// Copies the tests beside their packages, for a run of that file: a module looks for packages in the directories above it.
fn copied(folder: &Path, file: &str) -> PathBuf {
    let copy = folder.join(Path::new(file).with_extension(""));
    let _ = std::fs::remove_dir_all(&copy);
    std::fs::create_dir_all(&copy).expect("a folder for the tests");
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
    for entry in std::fs::read_dir(here).expect("the tests").flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "mjs") {
            std::fs::copy(entry.path(), copy.join(entry.file_name())).expect("a test's text");
        }
    }
    copy
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Runs the tests of one file; `target` is Cargo's directory for tests. Their files and output are in `target/tests`.
///
/// # Panics
/// A test fails, or none ran.
pub fn run(target: &str, file: &str, variables: &[(&str, String)]) {
    let target = Path::new(target);
    let copy = copied(&packages(target), file);
    let results = target.join("../tests");
    std::fs::create_dir_all(results.join("screenshots")).expect("a folder for screenshots");
    let mut command = Command::new("node");
    command.arg("--test").arg(copy.join(file)).env("RESULTS", &results);
    command.envs(variables.iter().map(|(name, value)| (*name, value)));
    let output = command.output().expect("node runs; it is in the Debian package nodejs");
    let log = Path::new(file).with_extension("log");
    std::fs::write(results.join(log), text(&output)).expect("the log is kept");
    assert!(output.status.success(), "{}", failed(&text(&output)));
    assert!(text(&output).contains("pass "), "something ran: {}", text(&output));
}

/// Returns a run's output without the tests that passed, each of which is a line and the block that ends with three dots.
fn failed(output: &str) -> String {
    let mut is_passed = false;
    let mut kept = String::new();
    for line in output.lines() {
        is_passed |= line.starts_with("ok ");
        if !is_passed && !line.starts_with("# Subtest:") {
            kept.extend([line, "\n"]);
        }
        is_passed &= line != "  ...";
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::failed;

    #[test]
    fn of_a_run_only_what_failed_is_shown() {
        let output = "TAP\n# Subtest: a\nok 1 - a\n  ---\n  ms: 1\n  ...\n# Subtest: b\nnot ok 2 - b\n  ---\n  why\n  ...\n# pass 1\n";
        assert_eq!(failed(output), "TAP\nnot ok 2 - b\n  ---\n  why\n  ...\n# pass 1\n");
    }
}
