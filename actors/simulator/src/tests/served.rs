//! The simulators over real HTTPS: signature checks, the effect of each fault, and counts.

use runtime::clock;

use super::client::{Answer, Authority, CONSENT, Query, control};
use super::*;

const ANSWER_BYTES: u64 = 1 << 20;
const CLEAN: &str = "16399990001";

struct Served {
    authority: Authority,
    simulators: Simulators,
}

impl Served {
    fn start() -> Self {
        let authority = Authority::new();
        let simulators = Simulators::start(authority.config()).unwrap();
        Self { authority, simulators }
    }

    fn send_to(&self, carrier: SimulatedCarrier, query: &Query) -> std::io::Result<Answer> {
        query.send(&self.authority, self.simulators.url(carrier), ANSWER_BYTES)
    }

    fn send(&self, query: &Query) -> std::io::Result<Answer> {
        self.send_to(SimulatedCarrier::Mobile, query)
    }

    fn status(&self, query: &Query) -> u16 {
        self.send(query).unwrap().status
    }

    /// Sets a fault of the first carrier, as an operator does.
    fn order(&self, body: &str) -> u16 {
        control(self.simulators.control(), "PUT", "/carriers/china-mobile/fault", body).0
    }

    fn counts(&self) -> CarrierCounts {
        self.simulators.counts(SimulatedCarrier::Mobile)
    }
}

#[test]
fn a_signed_query_is_answered_as_the_interface_says() {
    let served = Served::start();
    let query = Query::about("16399990002");
    let answer = served.send(&query).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.head);
    assert!(answer.head.to_lowercase().contains("carrier-time-ms: 0"), "{}", answer.head);
    let json = answer.json();
    assert_eq!(json["request"], query.request.as_str());
    assert_eq!((&json["msisdn"], &json["status"]), (&query.body["msisdn"], &"trajectory".into()));
    assert_eq!(json["covered"]["first_day"], query.body["first_day"]);
    assert_eq!(json["covered"]["last_day"], query.body["last_day"]);
    let visits = json["visits"].as_array().unwrap();
    let wuhan = visits.iter().find(|visit| visit["division"] == "4201").unwrap();
    assert!(wuhan["from"].as_str().unwrap().ends_with("T08:00:00+08:00"), "{wuhan}");
    assert_eq!(json.as_object().unwrap().len(), 5);

    let italy = served.send_to(SimulatedCarrier::Unicom, &Query::about("16499990002")).unwrap().json();
    assert!(italy["visits"].as_array().unwrap().iter().any(|visit| visit["country"] == "IT"), "{italy}");
    for (phone, status) in
        [("16399990006", "new-number"), ("16499990001", "not-subscriber"), ("16999990001", "unanswerable")]
    {
        let json = served.send(&Query::about(phone)).unwrap().json();
        assert_eq!(json["status"], status);
        assert_eq!(json.as_object().unwrap().len(), 3, "nothing about days: {json}");
    }
}

#[test]
fn wrong_old_and_repeated_signatures_are_refused() {
    let served = Served::start();
    let good = Query::about(CLEAN);
    assert_eq!(served.status(&good), 200);
    let fresh = || Query::about(CLEAN);
    let now_s = clock::now_s();
    let mut other_body = fresh();
    other_body.forged = Some(other_body.body.to_string().replace("apply", "scan "));
    let refused = [
        ("repeated", good.clone()),
        ("another secret", Query { secret: b"another secret", ..fresh() }),
        ("another key", Query { key_id: "gateway-2", ..fresh() }),
        ("another body", other_body),
        ("old", Query { date_s: now_s - 320, ..fresh() }),
        ("of the future", Query { date_s: now_s + 320, ..fresh() }),
        ("no request id", Query { request: "1".to_owned(), ..fresh() }),
    ];
    for (at, (case, query)) in refused.iter().enumerate() {
        assert_eq!(served.status(query), 401, "{case}");
        assert_eq!(served.counts().refused_signatures, at as u64 + 1, "{case}");
    }
    assert_eq!(served.status(&Query { date_s: now_s - 280, ..fresh() }), 200);
    assert_eq!(served.counts().queries, 2);
}

#[test]
fn a_number_that_could_be_somebodys_is_refused_and_so_is_a_query_without_consent() {
    let served = Served::start();
    let with = |name: &str, value: &str| {
        let mut query = Query::about(CLEAN);
        query.body[name] = value.into();
        query
    };
    let real = served.send(&Query::about("13800000000")).unwrap();
    assert_eq!(real.status, 403);
    assert!(real.json()["error"].as_str().unwrap().contains("simulated"), "says why");
    let zeros = "0".repeat(32);
    for (query, status) in [
        (with("consent", &zeros), 403),
        (with("consent", "yes"), 403),
        (with("purpose", "probe"), 403),
        (with("purpose", "sale"), 400),
        (with("extra", "field"), 400),
        (with("first_day", "2099-01-01"), 400),
        (with("first_day", "2019-01-01"), 400),
    ] {
        assert_eq!(served.status(&query), status, "{}", query.body);
    }
    assert_eq!((served.counts().queries, served.counts().refused), (0, 8));

    let mut probe = Query::about(SimulatedCarrier::Mobile.reserved());
    probe.body["purpose"] = "probe".into();
    assert_eq!(served.status(&probe), 403, "with a consent it is no probe");
    probe = Query { request: "f".repeat(32), ..probe };
    probe.body["consent"] = zeros.into();
    let answer = served.send(&probe).unwrap();
    assert_eq!((answer.status, &answer.json()["status"]), (200, &"trajectory".into()));
    assert_eq!((served.counts().queries, served.counts().probes), (0, 1));
}

#[test]
fn each_fault_of_answers_does_what_it_says() {
    let served = Served::start();
    let faulty = |body: &str| {
        assert_eq!(served.order(body), 200, "{body}");
        let query = Query::about(CLEAN);
        (query.clone(), served.send(&query).unwrap())
    };
    let (_, answer) = faulty(r#"{"kind":"garbage"}"#);
    assert_eq!(answer.status, 200);
    assert!(answer.body.starts_with(b"<!DOCTYPE html>"));

    let (_, answer) = faulty(r#"{"kind":"deep"}"#);
    assert!(answer.status == 200 && answer.body.starts_with(b"[[[[[[[[") && answer.body.len() < 64 * 1024);

    let (query, answer) = faulty(r#"{"kind":"another-number"}"#);
    assert_ne!(answer.json()["msisdn"], query.body["msisdn"]);
    assert_eq!(answer.json()["request"], query.request.as_str());
    assert!(String::from_utf8_lossy(&answer.body).contains("4201"), "who believes it turns somebody red");

    let (query, answer) = faulty(r#"{"kind":"another-request"}"#);
    assert_ne!(answer.json()["request"], query.request.as_str());
    assert_eq!(answer.json()["msisdn"], query.body["msisdn"]);

    let (query, answer) = faulty(r#"{"kind":"outside-window"}"#);
    let from = answer.json()["visits"][0]["from"].as_str().unwrap().to_owned();
    assert!(from.as_str() < query.body["first_day"].as_str().unwrap(), "{from}");

    let (_, answer) = faulty(r#"{"kind":"unknown-area"}"#);
    assert_eq!(answer.json()["visits"][0]["division"], "9999");

    let (_, answer) = faulty(r#"{"kind":"redirect"}"#);
    assert_eq!(answer.status, 307);
    assert!(answer.head.contains("/v1/moved"), "{}", answer.head);

    for (status, says_when) in [(500, false), (404, false), (429, true), (503, true)] {
        let (_, answer) = faulty(&format!(r#"{{"kind":"status","status":{status}}}"#));
        assert_eq!(answer.status, status);
        assert_eq!(answer.head.to_lowercase().contains("retry-after: 2"), says_when, "{}", answer.head);
    }
    let (_, answer) = faulty(r#"{"kind":"none"}"#);
    assert_eq!(answer.json()["status"], "trajectory");
    assert_eq!((served.counts().queries, served.counts().faulted), (12, 11));
}

#[test]
fn slow_and_hanging_carriers_take_their_time_and_others_do_not() {
    let served = Served::start();
    for (kind, status) in [("slow", 200), ("hang", 504)] {
        assert_eq!(served.order(&format!(r#"{{"kind":"{kind}","ms":700}}"#)), 200);
        let start = clock::now();
        assert_eq!(served.status(&Query::about(CLEAN)), status, "{kind}");
        assert!(clock::since(start).as_millis() >= 700, "{kind}");
        let other = served.send_to(SimulatedCarrier::Unicom, &Query::about("16499990001")).unwrap();
        assert_eq!(other.status, 200);
        let elsewhere = other.head.to_lowercase();
        assert!(elsewhere.contains("carrier-time-ms: 0"), "{elsewhere}");
    }
}

#[test]
fn a_huge_answer_goes_on_for_a_hundred_megabytes() {
    let served = Served::start();
    assert_eq!(served.order(r#"{"kind":"huge"}"#), 200);
    let query = Query::about(CLEAN);
    let url = served.simulators.url(SimulatedCarrier::Mobile);
    let answer = query.send(&served.authority, url, u64::MAX).unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.body.len() > 100_000_000, "{}", answer.body.len());
}

#[test]
fn a_carrier_that_is_down_refuses_connections_and_comes_back_on_its_port() {
    let served = Served::start();
    let url = served.simulators.url(SimulatedCarrier::Mobile).to_owned();
    for _ in 0..3 {
        assert_eq!(served.order(r#"{"kind":"down"}"#), 200);
        let error = served.send(&Query::about(CLEAN)).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused, "{error}");
        assert_eq!(served.order(r#"{"kind":"none"}"#), 200);
        assert_eq!(served.status(&Query::about(CLEAN)), 200);
    }
    assert_eq!(served.simulators.url(SimulatedCarrier::Mobile), url);
    assert_eq!(served.order(r#"{"kind":"down","share":0.5}"#), 200);
    let came = (0..40).filter(|_| served.send(&Query::about(CLEAN)).is_ok()).count();
    assert!((8..32).contains(&came), "{came} of 40");
}

#[test]
fn a_certificate_of_another_host_is_shown_when_told() {
    let served = Served::start();
    assert_eq!(served.order(r#"{"kind":"wrong-name"}"#), 200);
    let error = served.send(&Query::about(CLEAN)).unwrap_err().to_string();
    assert!(error.contains("not valid for name") || error.contains("NotValidForName"), "{error}");
    assert_eq!(served.order(r#"{"kind":"none"}"#), 200);
    assert_eq!(served.status(&Query::about(CLEAN)), 200);
}

#[test]
fn the_control_interface_shows_what_was_asked_and_refuses_what_it_does_not_know() {
    let served = Served::start();
    let consents = [CONSENT, CONSENT, "abcdef0123456789abcdef0123456789"];
    for (carrier, consent) in SimulatedCarrier::ALL.into_iter().zip(consents) {
        let mut query = Query::about("16499990006");
        query.body["consent"] = consent.into();
        assert_eq!(served.send_to(carrier, &query).unwrap().status, 200);
    }
    let address = served.simulators.control();
    let (status, state) = control(address, "GET", "/carriers", "");
    assert_eq!((status, &state["consents"]), (200, &2.into()));
    let rows = state["carriers"].as_array().unwrap();
    let ids: Vec<_> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["china-mobile", "china-unicom", "china-telecom"]);
    for row in rows {
        assert_eq!((&row["queries"], &row["fault"]["kind"]), (&1.into(), &"none".into()), "{row}");
    }
    assert!(!state.to_string().contains("16499990006"), "no number is shown");
    for (path, body, status) in [
        ("/carriers/china-broadnet/fault", r#"{"kind":"down"}"#, 404),
        ("/carriers/china-mobile/fault", r#"{"kind":"tired"}"#, 400),
        ("/carriers/china-mobile/fault", r#"{"kind":"slow","share":2}"#, 400),
        ("/carriers/china-mobile/fault", "", 400),
    ] {
        assert_eq!(control(address, "PUT", path, body).0, status, "{path} {body}");
    }
}

#[test]
fn nothing_listens_where_another_machine_could_come() {
    let authority = Authority::new();
    let everywhere = SocketAddr::from(([0, 0, 0, 0], 0));
    let mut config = authority.config();
    config.control = everywhere;
    let error = Simulators::start(config).err().unwrap();
    assert!(matches!(error, SimulatorError::NotLoopback { address } if address == everywhere), "{error}");
    let mut config = authority.config();
    config.carriers[1].address = everywhere;
    assert!(matches!(Simulators::start(config), Err(SimulatorError::NotLoopback { .. })));
}
