//! The repository for the tests over it: its files, manifests and lock file. It reads files that git tracks or would
//! track, so that build output and data never count.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Returns the top of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests' crate lies in the repository")
}

/// Returns every file that git tracks, or would after `git add`, relative to the root.
pub fn files() -> Vec<String> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git lists the files; install the package git");
    assert!(listed.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    let listed = String::from_utf8(listed.stdout).expect("paths are UTF-8");
    let mut files: Vec<String> =
        listed.split_terminator('\0').filter(|path| root().join(path).is_file()).map(str::to_owned).collect();
    files.sort();
    files.dedup();
    files
}

/// Returns the files with one of these suffixes.
pub fn files_ending(suffixes: &[&str]) -> Vec<String> {
    files().into_iter().filter(|path| suffixes.iter().any(|suffix| path.ends_with(suffix))).collect()
}

/// Reads a file.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("reading {path}: {error}"))
}

/// Reads a manifest, the lock file, or another TOML file.
pub fn read_toml(path: &str) -> toml::Table {
    read(path).parse().unwrap_or_else(|error| panic!("reading {path}: {error}"))
}

/// Runs a program to its end and returns its output.
///
/// # Panics
/// It fails.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{command:?}: {}: {said}", output.status);
    said
}

/// A package of the lock file.
#[derive(Clone, Debug)]
pub struct Locked {
    /// Its name.
    pub name: String,
    /// Its exact version.
    pub version: String,
    /// The source; the workspace's own packages have none.
    pub source: Option<String>,
}

/// Returns every package of `Cargo.lock`.
pub fn locked() -> Vec<Locked> {
    let lock = read_toml("Cargo.lock");
    let text = |package: &toml::Value, key| package.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    let packages = lock["package"].as_array().expect("a lock file lists packages");
    packages
        .iter()
        .map(|package| Locked {
            name: text(package, "name").expect("a package has a name"),
            version: text(package, "version").expect("a package has a version"),
            source: text(package, "source"),
        })
        .collect()
}

/// Returns the packages that a crate's manifest names, for any purpose.
pub fn dependencies(krate: &str) -> Vec<String> {
    let manifest = read_toml(&format!("{krate}/Cargo.toml"));
    ["dependencies", "dev-dependencies", "build-dependencies"]
        .iter()
        .filter_map(|section| manifest.get(*section)?.as_table())
        .flat_map(|table| table.keys().cloned())
        .collect()
}
