//! The pages in a real browser: Debian's Chromium clicks through every flow of a running city. The scripts are in
//! `tests/browser/*.mjs`; this file starts the cities.

use tests::{City, browser};

/// Returns the variables of a city for the tests in the browser.
fn variables(city: &City) -> [(&'static str, String); 5] {
    let fleet = city.fleet();
    let pages = fleet.pages.expect("a development city has pages");
    [
        ("CITY_PAGES", format!("http://localhost:{}", pages.port())),
        ("CITY_HTTP", format!("http://{}", fleet.http)),
        ("CITY_PROGRAM", tests::binary().display().to_string()),
        ("CITY_DATA", city.data().display().to_string()),
        ("CITY_PID", city.pid().to_string()),
    ]
}

#[test]
fn every_page_and_flow_in_a_browser() {
    let city = City::start(500, 2);
    browser::run(env!("CARGO_TARGET_TMPDIR"), "main.mjs", &variables(&city));
}

/// The gateway is stopped in the middle, and people come for `CHANGTONG_STAFF_MINUTES`, so that the city is another one.
#[test]
fn the_staffs_page_on_bad_networks() {
    let city = City::start(2_000, 1);
    browser::run(env!("CARGO_TARGET_TMPDIR"), "staff-link.mjs", &variables(&city));
}
