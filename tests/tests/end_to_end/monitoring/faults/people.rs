//! Suspicious acts of operators, and overdue requests of citizens: made by signed commands, and over days with a gateway whose
//! clock is set forward.

use std::net::Ipv6Addr;

use actors::registrar::MANUAL_REDS_HOUR_MAX;
use device::tokens::Tokens;
use policy::trajectory::{day_of, days_after};
use protocol::{Direction, Punch};
use registry::lookups::{PASSAGES_DAY_MAX, PEOPLE_HOUR_MAX};
use runtime::clock;
use tests::people::{Citizen, appeal, demo};
use tests::walk::{device, endpoint};
use tests::web::Browser;
use tests::{City, block_on, clock_of};

use super::scene::{Group, Row, Scene, Watch};

/// People who pass one gate: a few look-ups of that place are a burst.
const PASSENGERS: usize = 300;
/// Phones that one network guesses at, and how often each: within its hour.
const GUESSED_PHONES: u32 = 12;
const GUESSES: u32 = 5;
/// An appeal is to be answered within three days.
const LATER: [&str; 4] = clock_of("FAKETIME=+4d");

pub(crate) const GROUPS: &[Group] = &[
    Group {
        name: "operators",
        city: || City::start(800, 1),
        rows: &[
            Row {
                fault: "an operator looks at everybody who passed a gate, again and again",
                alerts: &[("LookupsBurst/page", "")],
                always: true,
                make: look_often,
            },
            Row {
                fault: "the same goes on for as long as one is let",
                alerts: &[("LookupsRefused/ticket", "lookup=passages")],
                always: true,
                make: look_until_refused,
            },
            Row {
                fault: "many networks guess at codes by SMS together",
                alerts: &[("SignInFlood/page", "")],
                always: false,
                make: guess_together,
            },
            Row {
                fault: "two operators turn more than a hundred people red",
                alerts: &[("ManualRedsBurst/page", "")],
                always: false,
                make: turn_red,
            },
        ],
    },
    Group {
        name: "days that go by",
        city: city_with_an_appeal,
        rows: &[Row {
            fault: "an appeal that nobody answers for four days",
            alerts: &[("AppealsOverdue/ticket", "")],
            always: false,
            make: |scene, watch| under(scene, watch, &LATER),
        }],
    },
];

/// Looks up the people who passed the first gate's place today; signed by the operator who may look.
fn look(city: &City) -> bool {
    let (place, _) = city.fleet().devices[0].places().next().expect("a place");
    let today = day_of(clock::now_s());
    let (from, to) = (format!("{today}T00:00"), format!("{}T00:00", days_after(today, 1)));
    let place = place.to_string();
    let who = ["punches", "who", "--place", &place, "--from", &from, "--to", &to, "--case", "C-1"];
    let (status, out, err) = city.signed(1, &who);
    let refused = err.contains("has looked at as much as one operator may in a day");
    assert!(status.success() || refused, "{out}{err}");
    status.success()
}

fn pass(city: &City) {
    let fleet = city.fleet();
    let tokens = Tokens::load(&fleet).expect("the city's codes");
    let (place, region) = fleet.devices[0].places().next().expect("a place");
    block_on(async {
        let endpoint = endpoint(&fleet);
        let mut gate = device(&endpoint, &fleet, 0);
        for person in &tokens.people()[..PASSENGERS] {
            let device_time_ms = clock::now_ms();
            let scanned = tokens.scan(person, u32::try_from(device_time_ms / 1000).expect("before 2106"));
            let punch = Punch { scanned, direction: Direction::In, place, device_time_ms, offline: None };
            gate.punch(region, punch, 0);
        }
        gate.settle().await.expect("acknowledged");
    });
}

fn look_often(scene: &mut Scene, watch: &Watch) {
    pass(&scene.city);
    for _ in 0..=PEOPLE_HOUR_MAX / PASSENGERS as u64 {
        assert!(look(&scene.city), "within a day's look-ups");
    }
    watch.come_true();
}

fn look_until_refused(scene: &mut Scene, watch: &Watch) {
    let refused = (0..=PASSAGES_DAY_MAX).any(|_| !look(&scene.city));
    assert!(refused, "one operator may not look for ever");
    watch.come_true();
}

/// Registers two operators who may turn people red; returns the arguments with which both sign.
pub(crate) fn health_operators(city: &City) -> Vec<String> {
    let bosses: Vec<String> = city.fleet().operators.iter().map(|key| key.display().to_string()).collect();
    let mut signs = Vec::new();
    for name in ["chen-jie", "liu-yang"] {
        let key = city.data().join(format!("{name}.key")).display().to_string();
        let add = ["operator", "add", name, "--authority", "cdc", "--role", "health"];
        let public_key = tests::operator_key(name, &key);
        let add = [&add[..], &["--public-key", &public_key]].concat();
        let (status, out, err) =
            city.command(&[&add[..], &["--sign", &bosses[0], "--sign", &bosses[1]]].concat());
        assert!(status.success(), "{name}: {out}{err}");
        signs.extend(["--sign".to_owned(), key]);
    }
    signs
}

/// Types wrong codes from many networks: each stays within its own limits, and together they exceed the city's.
fn guess_together(scene: &mut Scene, watch: &Watch) {
    let city = &scene.city;
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| watch.come_true());
        let mut networks = 1..u16::MAX;
        while !waiting.is_finished() {
            guess(city, networks.next().expect("fewer are enough"));
        }
    });
}

fn guess(city: &City, network: u16) {
    let client = Ipv6Addr::new(0x2001, 0xdb8, network, 0, 0, 0, 0, 1);
    let mut browser = Browser::elsewhere(city, client.into());
    let token = browser.token("/in");
    let mut send =
        |path: &str, field: (&str, &str)| browser.post(path, &[("token", &token), ("next", "/apply"), field]);
    for phone in 0..GUESSED_PHONES {
        let phone = format!("163{:08}", u32::from(network) * GUESSED_PHONES + phone);
        let asked = send("/in", ("phone", &phone));
        assert_eq!(asked.status, 303, "{}", asked.body);
        for _ in 0..GUESSES {
            let guessed = send("/in/code", ("code", "000000"));
            assert_eq!(guessed.status, 422, "{}", guessed.body);
        }
    }
}

fn turn_red(scene: &mut Scene, watch: &Watch) {
    let city = &scene.city;
    let signs = health_operators(city);
    let signs: Vec<&str> = signs.iter().map(String::as_str).collect();
    let until = days_after(day_of(clock::now_s()), 7).to_string();
    let good = |words: &[&str]| {
        let (status, out, err) = city.command(words);
        assert!(status.success(), "{words:?}: {out}{err}");
    };
    let codes = std::fs::read_to_string(city.data().join("codes.csv")).expect("the city's codes");
    let green = codes.lines().filter(|line| line.ends_with(",green,verified,person"));
    let mut reds = 0;
    for code in green.filter_map(|line| line.split(',').next()).take(MANUAL_REDS_HOUR_MAX as usize + 1) {
        let cause = ["cause", "add", "--code", code, "--kind", "close-contact", "--until", &until];
        good(&[&cause[..], &signs].concat());
        reds += 1;
    }
    assert!(reds > MANUAL_REDS_HOUR_MAX, "{reds} green people");
    watch.come_true();
}

/// Makes a city in which a red person has appealed.
fn city_with_an_appeal() -> City {
    let mut city = City::start(100, 1);
    let hubei = demo("thirty hours in Wuhan");
    let citizen = Citizen::new(&city, hubei.phone);
    let (consent, _, _) = citizen.consent("apply");
    let taken = citizen.apply(hubei.document, &["--consent", &consent]).expect("submitted");
    assert!(city.terminate().success(), "{}", city.log());
    appeal(&city, taken.code, "I was at home");
    city.restart();
    city
}

/// Runs the gateway with a wrong clock until the alert is there.
fn under(scene: &mut Scene, watch: &Watch, clock: &[&str]) {
    for program in [clock, &[]] {
        assert!(scene.city.terminate().success(), "{}", scene.city.log());
        scene.city.run_under(program);
        scene.city.restart();
        if !program.is_empty() {
            watch.come_true();
        }
    }
}
