//! The pages in a real browser: Debian's Chromium clicks through every flow of a running city. What is clicked and measured is in
//! `tests/browser/*.mjs`; here stands only what starts it: the city, the packages, the program.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tests::City;

/// Where the packages lie; kept from run to run as long as the lock file is the same.
fn packages() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser-packages");
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

/// The tests beside their packages: a module looks for packages in the folders above it.
fn copied(folder: &Path) -> PathBuf {
    let copy = folder.join("tests");
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

#[test]
fn every_page_and_flow_in_a_browser() {
    let copy = copied(&packages());
    let results = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../tests");
    let screenshots = results.join("screenshots");
    std::fs::create_dir_all(&screenshots).expect("a folder for screenshots");
    let city = City::start(500, 2);
    let fleet = city.fleet();
    let pages = fleet.pages.expect("a development city has pages");
    let program = tests::binary();
    let output = Command::new("node")
        .arg("--test")
        .arg(copy.join("main.mjs"))
        .env("CITY_PAGES", format!("http://localhost:{}", pages.port()))
        .env("CITY_HTTP", format!("http://{}", fleet.http))
        .env("CITY_PROGRAM", program)
        .env("CITY_DATA", city.data())
        .env("RESULTS", &results)
        .output()
        .expect("node runs; it is in the Debian package nodejs");
    std::fs::write(results.join("browser.log"), text(&output)).expect("the log is kept");
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("pass "), "something ran: {}", text(&output));
}
