//! A reload without a restart: certificates rolled under load, carriers, the log level; a file with an error
//! changes nothing and is reported with its line.

use std::path::Path;
use std::process::{Command, Stdio};

use device::wire::Identity;
use protocol::frame;
use rcgen::date_time_ymd;
use rustix::process::Signal;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tests::https::Client;
use tests::served::{Served, server_certificate, write_secret};
use tests::stand_in::StandIn;
use tests::walk::{Crew, endpoint, prove};
use tests::{City, binary, block_on, wait_for};
use tokio::task::spawn_blocking;

const DEVICES: usize = 20;
const FRONTS: usize = 3;
/// Connections that look at a certificate: each front gets some of them.
const LOOKS: usize = 24;
const FAILED: &str = "changtong_reload_failed";
const RELOADS: &str = "changtong_reloads_total";
const EXPIRES: &str = "changtong_certificate_expires_timestamp_seconds";
/// Not a made-up number: in production no message goes to those.
const PHONE: &str = "13800138000";

fn der(pem: &str) -> Vec<u8> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM").to_vec()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a file")
}

/// Returns the end of a certificate of that year, as the metric has it.
fn ends(year: i32) -> f64 {
    date_time_ymd(year, 12, 31).unix_timestamp() as f64
}

/// Returns the certificate that a device is shown which connects now, on any front.
fn shown_to_devices(city: &City) -> Vec<u8> {
    let fleet = city.fleet();
    let [authority, certificate, key] =
        [&fleet.ca, &fleet.devices[0].certificate, &fleet.devices[0].key].map(|path| read(path));
    let certificate = Some((certificate.as_bytes(), key.as_bytes()));
    let identity = Identity { authority: authority.as_bytes(), certificate, alpn: frame::ALPN };
    let config = identity.config().expect("a usable identity");
    let mut shown = block_on(async {
        let (endpoint, mut shown) = (endpoint(&fleet), Vec::new());
        for _ in 0..LOOKS {
            let connecting =
                endpoint.connect_with(config.clone(), fleet.quic[0], &fleet.server_name).expect("an address");
            let connection = connecting.await.expect("it connects");
            let chain = connection.peer_identity().expect("a certificate");
            let chain = chain.downcast::<Vec<CertificateDer<'static>>>().expect("a chain");
            shown.push(chain[0].to_vec());
        }
        shown
    });
    shown.dedup();
    let [shown] = &shown[..] else { panic!("fronts show {} certificates in turn", shown.len()) };
    shown.clone()
}

/// Returns the certificate that a device is shown which enrols now.
fn shown_at_enrolment(city: &City) -> Vec<u8> {
    let fleet = city.fleet();
    Client { authority: &read(&fleet.ca), identity: None }.look(fleet.enrol).0
}

/// Puts another certificate in place of the city's, first with a key that is not its own.
fn roll(city: &City) {
    let data = city.data();
    let before = der(&read(&data.join("server.pem")));
    let (certificate, key) = server_certificate(&data.join("authority"), 2032);
    std::fs::write(data.join("server.pem"), &certificate).expect("written");
    let until = city.metric(EXPIRES, "\"server\"");
    let (status, _, err) = city.command(&["reload"]);
    assert_eq!(status.code(), Some(2), "{err}");
    assert!(err.contains("nothing has changed") && err.contains("server.key is not the key of"), "{err}");
    assert_eq!((city.metric(FAILED, ""), city.metric(RELOADS, "refused")), (1.0, 1.0));
    assert_eq!(city.metric(EXPIRES, "\"server\""), until);
    assert_eq!([shown_to_devices(city), shown_at_enrolment(city)], [before.clone(), before]);
    let (_, said, _) = city.command(&["doctor"]);
    assert!(said.contains("warn  reload-refused"), "{said}");

    write_secret(&data.join("server.key"), &key);
    let (status, out, err) = city.command(&["reload"]);
    assert!(status.success(), "{out}{err}");
    let (changed, rest) = out.split_once("As before:").expect("what stays");
    assert!(changed.contains("Changed:\n  the gateway's certificate\n"), "{out}");
    assert!(rest.contains("the device authority") && rest.contains("carrier china-mobile"), "{out}");
    assert!(rest.contains("stand in no file"), "{out}");
    assert_eq!((city.metric(FAILED, ""), city.metric(RELOADS, "applied")), (0.0, 1.0));
    assert_eq!(city.metric(EXPIRES, "\"server\""), ends(2032));
    let now = der(&certificate);
    assert_eq!([shown_to_devices(city), shown_at_enrolment(city)], [now.clone(), now]);

    // The same at a signal.
    let (certificate, key) = server_certificate(&data.join("authority"), 2033);
    write_secret(&data.join("server.key"), &key);
    std::fs::write(data.join("server.pem"), &certificate).expect("written");
    let pid = rustix::process::Pid::from_raw(city.pid() as i32).expect("a process id is not zero");
    rustix::process::kill_process(pid, Signal::HUP).expect("our own process");
    wait_for("the third certificate", || (city.metric(EXPIRES, "\"server\"") == ends(2033)).then_some(()));
    assert_eq!(shown_to_devices(city), der(&certificate));
}

#[test]
fn a_certificate_is_rolled_under_load_and_no_connection_notices() {
    let mut city = City::new(500, 20);
    city.fronts(FRONTS);
    city.restart();
    let fleet = city.fleet();
    block_on(async {
        // The first device connects to look at certificates.
        let crew = Crew::start(&fleet, 1..DEVICES + 1);
        let city = spawn_blocking(move || {
            let more = |city: &City| {
                let before = city.metric("changtong_punches_total", "");
                wait_for("punches", || {
                    (city.metric("changtong_punches_total", "") > before + 500.0).then_some(())
                });
            };
            more(&city);
            roll(&city);
            more(&city);
            city
        });
        let city = city.await.expect("the work is done");
        let done = crew.end().await;
        for counts in done.iter().map(|walker| walker.device.counts()) {
            assert_eq!((counts.welcomes, counts.losses, counts.drains), (1, 0, 0), "{counts:?}");
        }
        prove(&city, done);
    });
}

/// Returns the certificate of the pages, which answer.
fn pages(served: &Served) -> Vec<u8> {
    let (certificate, answer) =
        Client { authority: &read(&served.at("authority/ca.pem")), identity: None }.look(served.pages);
    assert_eq!(answer, Some(200));
    certificate
}

fn applied(served: &Served) -> String {
    let (code, said) = served.reload();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(served.metric(FAILED, ""), 0.0);
    said
}

#[test]
fn a_bad_file_changes_nothing_and_each_fault_is_told_with_its_line() {
    let served = Served::start();
    let (good, shown) = (served.text(), pages(&served));
    let file = served.at("changtong.toml").display().to_string();
    // A key of another certificate, and a certificate that alone would be accepted.
    let (certificate, key) = server_certificate(&served.at("authority"), 2032);
    let old = ["pages.pem", "pages.key"].map(|name| read(&served.at(name)));
    std::fs::write(served.at("pages.pem"), &certificate).expect("written");
    write_secret(&served.at("pages.key"), &key);
    write_secret(&served.at("other.key"), &server_certificate(&served.at("authority"), 2032).1);
    let mut refused = 0.0;
    for (from, to, above, expected) in [
        ("[http]", "[http", 0, ""),
        ("[http]", "[htp]", 0, "unknown key `htp`"),
        ("level = \"warn\"", "level = \"wran\"", 0, "is no level"),
        ("/server.key", "/other.key", 0, "is not the key of"),
        ("/authority/ca.pem", "/none.pem", 0, "none.pem"),
        // What is wrong with an entry as a whole is named where it begins.
        ("url = \"http://127", "url = \"http://192", 4, "plain http is for this machine alone"),
    ] {
        let line = served.replace(from, to) - above;
        let (code, said) = served.reload();
        assert_eq!(code, Some(2), "{to}: {said}");
        let fault = said.lines().find(|said| said.starts_with(&format!("{file}:{line}: ")));
        let fault = fault.unwrap_or_else(|| panic!("{to}, line {line}: {said}"));
        assert!(said.contains("nothing has changed") && fault.contains(expected), "{to}: {said}");
        refused += 1.0;
        assert_eq!((served.metric(FAILED, ""), served.metric(RELOADS, "refused")), (1.0, refused), "{to}");
        assert_eq!(pages(&served), shown, "{to}: pages go on under the certificate that they had");
        assert_eq!(served.metric(EXPIRES, "\"pages\""), ends(2031), "{to}");
        std::fs::write(served.at("changtong.toml"), &good).expect("written");
    }
    assert!(applied(&served).contains("Changed:\n  the pages' certificate"));
    assert_eq!(pages(&served), der(&certificate));
    assert_eq!(served.metric(EXPIRES, "\"pages\""), ends(2032));
    std::fs::write(served.at("pages.pem"), &old[0]).expect("written");
    write_secret(&served.at("pages.key"), &old[1]);
    served.signal(Signal::HUP);
    wait_for("the old certificate, again", || (pages(&served) == shown).then_some(()));

    let elsewhere = served.at("elsewhere.toml");
    std::fs::write(&elsewhere, &good).expect("written");
    let mut command = Command::new(binary());
    command.arg("reload").arg("--config").arg(&elsewhere).arg("--sign").arg(served.at("ward.key"));
    let output = command.stdin(Stdio::null()).output().expect("the program runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && said.contains("this gateway runs with"), "{said}");
}

/// Proves the phone of a citizen at the counter; returns the session.
fn citizen(served: &Served) -> String {
    let begun = served.json(&["counter", "begin", PHONE]);
    let session = begun["begun"]["session"].as_str().expect("a session").to_owned();
    let code = wait_for("a code by SMS", || {
        served.messages.seen().iter().find_map(|sms| sms["code"].as_str().map(str::to_owned))
    });
    served.json(&["counter", "prove", &session, &code]);
    session
}

fn asked(carrier: &StandIn) -> usize {
    let is_it =
        |body: &serde_json::Value| body["msisdn"].as_str().is_some_and(|number| number.ends_with(PHONE));
    carrier.seen().iter().filter(|body| is_it(body)).count()
}

#[test]
fn another_carrier_is_asked_from_the_next_query_on_and_one_under_way_ends() {
    let served = Served::start();
    let session = citizen(&served);
    let ask = || served.json(&["counter", "consent", &session]);
    let is_clean = |told: &serde_json::Value| told["consented"]["outcome"] == "clean";
    let other = StandIn::start();
    served.carrier.hold(true);
    std::thread::scope(|scope| {
        let under_way = scope.spawn(ask);
        wait_for("a query under way", || (asked(&served.carrier) == 1).then_some(()));
        served.replace(&served.carrier.url(), &other.url());
        served.replace("travel.example", "other-travel.example");
        assert!(applied(&served).contains("carrier china-mobile: url, travel_page"));
        let told = ask();
        assert!(is_clean(&told), "{told}");
        assert_eq!((asked(&served.carrier), asked(&other)), (1, 1));
        assert!(!under_way.is_finished(), "the old one is held back");
        served.carrier.hold(false);
        let told = under_way.join().expect("a query");
        assert!(is_clean(&told), "{told}");
    });
    assert_eq!((asked(&served.carrier), asked(&other)), (1, 1));
    assert_eq!(served.metric("changtong_carrier_queries_total", "trajectory"), 2.0);

    // One more, which no number is given to, and then none of both.
    let text = served.text();
    let (before, rest) = text.split_once("[[carrier]]").expect("a carrier");
    let (entry, after) = rest.split_once("[sms]").expect("the message service");
    let second = entry.replace("china-mobile", "china-unicom").replace("China Mobile", "China Unicom");
    let write = |entries: &[&str]| {
        let entries: String = entries.iter().map(|entry| format!("[[carrier]]{entry}")).collect();
        std::fs::write(served.at("changtong.toml"), format!("{before}{entries}[sms]{after}"))
            .expect("written");
    };
    write(&[entry, &second]);
    let said = applied(&served);
    assert!(said.contains("carrier china-unicom, which is new") && said.contains("  carrier china-mobile\n"));
    assert_eq!(served.metric("changtong_carrier_permits_max", ""), 32.0);
    write(&[]);
    let said = applied(&served);
    assert!(said.contains("china-mobile, which is asked no more"), "{said}");
    wait_for("both are gone", || (served.metric("changtong_carrier_permits_max", "") == 0.0).then_some(()));
    let told = ask();
    assert!(told["consented"]["outcome"]["unavailable"].is_string(), "{told}");
}

#[test]
fn the_log_level_follows_the_file_and_what_waits_for_a_restart_is_named_and_waits() {
    let mut served = Served::start();
    let vitals = || {
        let mut command = Command::new(binary());
        command.arg("doctor").arg("--config").arg(served.at("changtong.toml"));
        drop(command.output().expect("the program runs"));
        served.log().matches("DEBUG").count()
    };
    assert_eq!(vitals(), 0);
    served.replace("level = \"warn\"", "level = \"debug\"");
    let line = served.replace("[enrol]\nlisten = \"127.0.0.1:0\"", "[enrol]\nlisten = \"127.0.0.1:1\"") + 1;
    let said = applied(&served);
    let expected =
        format!("changtong.toml:{line}: `enrol.listen` is 127.0.0.1:1, and it runs with 127.0.0.1:0");
    assert!(said.contains("the log level: debug") && said.contains(&expected), "{said}");
    assert!(said.contains("Waits for a restart:"), "{said}");
    let debug = vitals();
    assert!(debug > 0, "{}", served.log());
    served.replace("level = \"debug\"", "level = \"warn\"");
    let said = applied(&served);
    assert!(said.contains("the log level: warn") && said.contains(&expected), "{said}");
    // Reading the vitals itself was logged until now.
    let debug = served.log().matches("DEBUG").count();
    assert_eq!(vitals(), debug);
    assert!(served.log().matches("reloaded").count() >= 1, "{}", served.log());

    let policy = read(&served.at("policy.toml"));
    std::fs::write(served.at("policy.toml"), policy.replace("2020-02-24", "2020-03-01")).expect("written");
    let said = applied(&served);
    assert!(said.contains("policy 2020-02-24 stays in effect: "), "{said}");
    assert!(said.contains("changtong policy activate") && !said.contains("Changed"), "{said}");
    let log = served.log();
    let warned = |line: &str| line.contains("WARN") && line.contains("policy 2020-02-24 stays in effect");
    assert!(log.lines().any(warned), "nobody reads the answer to a signal: {log}");
    std::fs::write(served.at("policy.toml"), "version = 1\n").expect("written");
    served.replace("level = \"warn\"", "level = \"info\"");
    let refused = served.metric(RELOADS, "refused");
    let (code, said) = served.reload();
    assert!(
        code == Some(2) && said.contains("nothing has changed") && said.contains("policy.toml:"),
        "{said}"
    );
    assert_eq!((served.metric(FAILED, ""), served.metric(RELOADS, "refused")), (1.0, refused + 1.0));

    served.signal(Signal::TERM);
    assert!(served.wait_exit().success(), "{}", served.log());
    let (code, said) = served.reload();
    assert!(code == Some(2), "{said}");
}
