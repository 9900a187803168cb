//! The pages in a real browser: Debian's Chromium clicks through every flow of a running city. What is clicked and measured is in
//! `tests/browser/*.mjs`; here stands only which city.

use tests::{City, browser};

#[test]
fn every_page_and_flow_in_a_browser() {
    let city = City::start(500, 2);
    let fleet = city.fleet();
    let pages = fleet.pages.expect("a development city has pages");
    let variables = [
        ("CITY_PAGES", format!("http://localhost:{}", pages.port())),
        ("CITY_HTTP", format!("http://{}", fleet.http)),
        ("CITY_PROGRAM", tests::binary().display().to_string()),
        ("CITY_DATA", city.data().display().to_string()),
    ];
    browser::run(env!("CARGO_TARGET_TMPDIR"), "main.mjs", &variables);
}
