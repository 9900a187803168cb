//! A development fleet by one command: people are led to the gateway that leads, another one leads when it dies, and what has died is back.

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tests::members::several::{Printed, Several};
use tests::people::demo;
use tests::web::{Answer, Browser, Request, message_of};
use tests::{City, http_get, wait_for};

/// The fields of an application that is sent too early or too late; nothing else of it matters here.
fn form<'a>(token: &'a str, document: &'a str) -> [(&'a str, &'a str); 7] {
    [
        ("token", token),
        ("name", "做试验"),
        ("kind", "id-card"),
        ("number", document),
        ("district", "360102"),
        ("street", "360102002"),
        ("declared", "no"),
    ]
}

fn leader_of(gateway: &Printed) -> Answer {
    let request = Request { method: "GET", path: "/leader", headers: &[], body: b"" };
    Browser::at(gateway.http).send(&request).expect("an answer")
}

#[test]
fn people_are_led_to_the_leader_and_another_one_leads_after_its_death() {
    let mut fleet = Several::start();
    let begun = fleet.wait_for_line("the first leader", 0, |line| line == "north leads");
    let [north, south, east] = ["north", "south", "east"].map(|name| fleet.gateway(name));
    let origin = format!("http://localhost:{}", north.pages.port());

    // For load balancers.
    assert_eq!(leader_of(&north).status, 200);
    let elsewhere = wait_for("the follower's word", || {
        let answer = leader_of(&south);
        (answer.header("changtong-leader") == Some(&*origin)).then_some(answer)
    });
    assert_eq!(elsewhere.status, 503);
    assert!(elsewhere.body.contains("\"north\""), "{}", elsewhere.body);

    // For operators.
    let mut doctor = std::process::Command::new(tests::binary());
    let output =
        doctor.arg("doctor").arg("--data").arg(fleet.data("south")).output().expect("the program runs");
    let found = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(found.contains("south follows north") && found.contains("of the fleet"), "{found}");

    // For people: a page is led there, files are not, and a form keeps what was typed.
    let mut at_south = Browser::at(south.pages);
    let led = at_south.get("/privacy?a=//evil.example");
    assert_eq!((led.status, led.location()), (307, &*format!("{origin}/privacy?a=//evil.example")));
    assert_eq!(at_south.get("/s/style.css").status, 200);
    let person = demo("clean");
    let mut browser = Browser::at(north.pages);
    let message = || message_of(person.phone, || http_get(north.http, "/dev/sms"));
    browser.sign_in_by(message, person.phone, "/apply");
    let token = browser.token("/apply");
    let kept = browser.moved_to(south.pages).post("/apply", &form(&token, person.document));
    assert_eq!((kept.status, kept.header("retry-after")), (503, Some("5")), "{}", kept.body);
    assert!(kept.body.contains(&format!("href=\"{origin}/apply\"")), "the way there: {}", kept.body);
    assert!(kept.body.contains("做试验") && kept.body.contains(person.document), "{}", kept.body);
    assert!(!kept.body.contains("现在人多") && kept.body.contains("暂时无法登记"), "{}", kept.body);
    assert!(browser.get("/apply").body.contains("name=\"number\""), "nothing was recorded");

    kill_process(Pid::from_raw(north.pid).expect("a process"), Signal::KILL).expect("a process of ours");
    let next = fleet.wait_for_line("another leader", begun + 1, |line| line.contains(" s after north died"));
    let lines = fleet.lines();
    eprintln!("{}", lines[next]);
    let leader = if lines[next].starts_with("south ") { &south } else { &east };
    assert_eq!(leader_of(leader).status, 200);
    let taken = browser.moved_to(leader.pages).post("/apply", &form(&token, person.document));
    assert_eq!((taken.status, taken.location()), (303, "/code?did=applied"), "{}", taken.body);
    fleet.wait_for_line("the dead one", next, |line| line.starts_with("north is back and follows "));

    nobody_leads_without_a_majority(&fleet, leader);

    let pids = fleet.pids();
    assert!(pids.len() >= 7, "{pids:?}");
    assert!(fleet.end().success());
    for pid in pids {
        assert!(test_kill_process(Pid::from_raw(pid).expect("a process")).is_err(), "{pid} still runs");
    }
}

/// Stops two of the three brokers for a while: pages are read as before, and what was typed into a form is kept.
fn nobody_leads_without_a_majority(fleet: &Several, leader: &Printed) {
    let person = demo("new number");
    let mut browser = Browser::at(leader.pages);
    let message = || message_of(person.phone, || http_get(leader.http, "/dev/sms"));
    browser.sign_in_by(message, person.phone, "/apply");
    let token = browser.token("/apply");
    let brokers = ["broker-1", "broker-2"].map(|broker| Pid::from_raw(fleet.pid(broker)).expect("a process"));
    let signal = |what| brokers.map(|pid| kill_process(pid, what).expect("a process of ours"));
    signal(Signal::STOP);
    let kept = browser.post("/apply", &form(&token, person.document));
    assert_eq!((kept.status, kept.body.contains("做试验")), (503, true), "{}", kept.body);
    let kept = wait_for("the end of the lead", || {
        let kept = browser.get("/leader-is-no-page");
        assert_eq!(kept.status, 404, "pages are still read");
        (leader_of(leader).status == 503).then(|| browser.post("/apply", &form(&token, person.document)))
    });
    assert_eq!((kept.status, kept.header("retry-after")), (503, Some("5")), "{}", kept.body);
    assert!(kept.body.contains("系统正在切换") && kept.body.contains(person.document), "{}", kept.body);
    signal(Signal::CONT);
}

#[test]
fn a_gateway_in_no_fleet_always_leads_and_is_asked_for_none() {
    let city = City::start(50, 1);
    assert_eq!(city.get("/leader"), Some((200, "{\"leads\":true}".to_owned())));
    assert_eq!(Browser::new(&city).get("/privacy").status, 200);
    let (_, out, err) = city.command(&["doctor"]);
    assert!(out.contains("it is ready") && !out.contains("fleet"), "{out}{err}");
    assert!(!city.log().contains("refused"), "{}", city.log());
}

#[test]
fn no_fleet_is_built_where_a_port_is_taken_or_no_broker_is_there() {
    let directory = tempfile::tempdir().expect("a directory");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let pages = taken.local_addr().expect("bound").to_string();
    let data = directory.path().join("fleet");
    for (words, said) in
        [(["--pages", pages.as_str()], pages.as_str()), (["--nats", "/nowhere/nats-server"], "--nats")]
    {
        let mut command = std::process::Command::new(tests::binary());
        command.args(["dev", "--fleet", "3", "--data"]).arg(&data).args(words);
        for flag in ["--quic", "--http", "--enrol", "--control"] {
            command.args([flag, "127.0.0.1:0"]);
        }
        let output = command.output().expect("the program runs");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && errors.contains(said), "{errors}");
        assert!(!data.join("north").exists(), "{errors}");
    }
}
