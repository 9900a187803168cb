//! The table of what must hold for one-time codes, by the pure core, and the two senders' refusals.

use super::bounded::Bounded;
use super::*;

const NOW_S: u64 = 1_582_500_000;
const MINUTE_S: u64 = 60;
const HOUR_S: u64 = 3_600;
const DAY_S: u64 = 24 * HOUR_S;
const LIMITS: SmsLimits = SmsLimits { per_phone_day_max: 10, per_client_hour_max: 30 };

struct Desk {
    _directory: tempfile::TempDir,
    keys: Keys,
    codes: SmsCodes,
}

impl Desk {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Keys::init(&directory.path().join("keys")).unwrap();
        let keys = Keys::load(&directory.path().join("keys")).unwrap();
        let codes = SmsCodes::new(&keys, LIMITS);
        Self { _directory: directory, keys, codes }
    }

    /// Asks from an address of its own, so that only the phone's limits count.
    fn ask(&mut self, session: u8, phone: u32, random: u64, now_s: u64) -> Result<String, SmsError> {
        let client = IpAddr::from([10, session, (phone >> 8) as u8, phone as u8]);
        let sent = self.codes.request(SessionId([session; 16]), client, &number(phone), random, now_s)?;
        Ok(sent.digits().to_owned())
    }

    fn check(&mut self, session: u8, phone: u32, typed: &str, now_s: u64) -> Result<ProvenPhone, SmsError> {
        self.codes.check(SessionId([session; 16]), &number(phone), typed, now_s)
    }
}

fn number(n: u32) -> Phone {
    Phone::parse(&format!("163{n:08}")).unwrap()
}

fn wrong(tries_left: u8) -> Result<ProvenPhone, SmsError> {
    Err(SmsError::Wrong { tries_left })
}

#[test]
fn the_right_code_proves_the_phone_once_and_for_half_an_hour() {
    let mut desk = Desk::new();
    let code = desk.ask(1, 7, 1_000_042, NOW_S).unwrap();
    assert_eq!(code, "000042", "leading zeros are digits");
    let proven = desk.check(1, 7, " 000042 ", NOW_S + 9).unwrap();
    assert_eq!(proven.phone(NOW_S + 9), Some(&number(7)));
    assert_eq!(proven.phone(NOW_S + 9 + PROVEN_S_MAX + 1), None, "an old proof proves nothing");
    assert_eq!(desk.check(1, 7, "000042", NOW_S + 10), Err(SmsError::Gone), "used");
}

#[test]
fn after_five_wrong_tries_the_right_code_is_of_no_use() {
    let mut desk = Desk::new();
    let code = desk.ask(1, 7, 123_456, NOW_S).unwrap();
    for (n, typed) in ["123457", "", "12345", "1234567", "１２３４５６"].into_iter().enumerate() {
        assert_eq!(desk.check(1, 7, typed, NOW_S), wrong(TRIES_MAX - 1 - n as u8), "{typed}");
    }
    assert_eq!(desk.check(1, 7, &code, NOW_S), Err(SmsError::Gone));
}

#[test]
fn a_code_is_good_for_five_minutes() {
    for (age_s, good) in [(u64::from(CODE_S_MAX) - 1, true), (u64::from(CODE_S_MAX), false)] {
        let mut desk = Desk::new();
        let code = desk.ask(1, 7, 5, NOW_S).unwrap();
        assert_eq!(desk.check(1, 7, &code, NOW_S + age_s).is_ok(), good, "{age_s}");
    }
}

#[test]
fn another_sessions_code_is_no_code_and_costs_its_owner_no_try() {
    let mut desk = Desk::new();
    let code = desk.ask(1, 7, 5, NOW_S).unwrap();
    for _ in 0..50 {
        assert_eq!(desk.check(2, 7, &code, NOW_S), Err(SmsError::Gone));
        assert_eq!(desk.check(1, 8, &code, NOW_S), Err(SmsError::Gone), "another phone's");
    }
    assert!(desk.check(1, 7, &code, NOW_S).is_ok());
}

#[test]
fn the_newest_code_replaces_the_older() {
    let mut desk = Desk::new();
    let old = desk.ask(1, 7, 5, NOW_S).unwrap();
    let new = desk.ask(2, 7, 6, NOW_S + MINUTE_S).unwrap();
    assert_eq!(desk.check(1, 7, &old, NOW_S + MINUTE_S), Err(SmsError::Gone));
    assert!(desk.check(2, 7, &new, NOW_S + MINUTE_S).is_ok());
}

#[test]
fn parallel_guessing_over_many_sessions_of_a_phone_is_bounded() {
    let mut desk = Desk::new();
    let mut compared = 0;
    for minute in 0..24 * 60 {
        let now_s = NOW_S + minute * MINUTE_S;
        let session = minute as u8;
        if desk.ask(session, 7, 5, now_s).is_err() {
            continue;
        }
        for guess in 0..20 {
            let answer = desk.check(session, 7, &format!("9{guess:05}"), now_s);
            compared += u32::from(matches!(answer, Err(SmsError::Wrong { .. })));
        }
        if minute < 60 {
            assert!(compared <= u32::from(CHECKS_PER_HOUR_MAX), "{compared} guesses in minute {minute}");
        }
    }
    assert!(compared <= 50, "{compared} guesses among a million in a day");
    assert!(compared > 0);
}

#[test]
fn a_phone_gets_one_code_a_minute_and_ten_a_day() {
    let mut desk = Desk::new();
    desk.ask(1, 7, 5, NOW_S).unwrap();
    let soon = desk.ask(2, 7, 5, NOW_S + 59).unwrap_err();
    assert_eq!(soon, SmsError::TooMany { retry_after_s: 1 }, "whichever session asks");
    for n in 1..10 {
        desk.ask(1, 7, 5, NOW_S + n * MINUTE_S).unwrap();
    }
    let full = desk.ask(1, 7, 5, NOW_S + HOUR_S).unwrap_err();
    assert_eq!(full, SmsError::TooMany { retry_after_s: (DAY_S - HOUR_S) as u32 });
    desk.ask(1, 8, 5, NOW_S + HOUR_S).expect("another phone");
    desk.ask(1, 7, 5, NOW_S + DAY_S).expect("the next day");
}

#[test]
fn an_address_gets_thirty_codes_an_hour_for_whatever_phones() {
    for [first, other] in [["203.0.113.7", "203.0.113.8"], ["2001:db8::1", "2001:db8:0:1::1"]] {
        let mut desk = Desk::new();
        let first: IpAddr = first.parse().unwrap();
        let mut ask = |client, n, now_s| {
            desk.codes.request(SessionId([1; 16]), client, &number(n), 5, now_s).map(|_| ())
        };
        for n in 0..30 {
            ask(first, n, NOW_S).unwrap();
        }
        assert!(matches!(ask(first, 99, NOW_S + 1), Err(SmsError::TooMany { .. })));
        ask(other.parse().unwrap(), 99, NOW_S + 1).expect("another network");
        ask(first, 98, NOW_S + HOUR_S).expect("an hour later");
    }
    let mut desk = Desk::new();
    for n in 0..31 {
        let client: IpAddr = format!("2001:db8::{n}").parse().unwrap();
        let answer = desk.codes.request(SessionId([1; 16]), client, &number(n), 5, NOW_S);
        assert_eq!(answer.is_ok(), n < 30, "a /64 is one client: {n}");
    }
}

#[test]
fn memory_is_bounded_and_a_flood_does_not_wash_codes_away() {
    let mut desk = Desk::new();
    desk.codes = SmsCodes::with_room(&desk.keys, LIMITS, 3, 100);
    let code = desk.ask(1, 1, 5, NOW_S).unwrap();
    desk.ask(1, 2, 5, NOW_S).unwrap();
    desk.ask(1, 3, 5, NOW_S).unwrap();
    assert_eq!(desk.ask(1, 4, 5, NOW_S + 1), Err(SmsError::Busy));
    assert!(desk.check(1, 1, &code, NOW_S + 2).is_ok());
    desk.ask(1, 4, 5, NOW_S + 1 + u64::from(CODE_S_MAX)).expect("the oldest, no more good, makes room");
    assert_eq!(desk.codes.phones(), 3);
    desk.ask(1, 5, 5, NOW_S + 2 * DAY_S).expect("a day later");
    assert_eq!(desk.codes.phones(), 1, "what is of no use any more is gone");
}

#[test]
fn what_is_touched_stays_and_the_oldest_goes() {
    let mut map: Bounded<u8, u8> = Bounded::new(2, 100, 10);
    *map.touch(1, 0).unwrap() = 11;
    *map.touch(2, 1).unwrap() = 22;
    assert_eq!(map.touch(1, 8).copied(), Some(11));
    assert_eq!(map.touch(3, 11), None);
    assert_eq!(map.touch(3, 12).copied(), Some(0), "2 was the oldest");
    assert_eq!((map.get_mut(2).copied(), map.get_mut(1).copied(), map.len()), (None, Some(11), 2));
}

#[test]
fn nothing_that_is_kept_or_shown_holds_the_number_or_the_code() {
    let mut desk = Desk::new();
    let sent =
        desk.codes.request(SessionId([1; 16]), [10, 0, 0, 1].into(), &number(7), 123_456, NOW_S).unwrap();
    let proven = desk.check(1, 7, "123456", NOW_S).unwrap();
    let shown = format!("{sent:?} {proven:?} {:?} {:?}", desk.codes, SessionId([0x31; 16]));
    for canary in ["16300000007", "123456", "0000007", "11111111", "49"] {
        assert!(!shown.contains(canary), "{canary} is in {shown}");
    }
}

/// The trap: an eleven-digit number has 10^11 values, and a hash without a key is reversed by trying them all.
#[test]
fn the_hash_of_a_phone_cannot_be_made_without_the_key() {
    let (one, other) = (Desk::new(), Desk::new());
    let hash = |desk: &Desk| crate::registry::Hasher::new(desk.keys.pepper()).phone(&number(7));
    assert_eq!(hash(&one), hash(&one));
    assert_ne!(hash(&one), hash(&other), "each key makes its own");
    for text in ["16300000007", "phone\u{0}16300000007", "+8616300000007"] {
        let plain = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        assert_ne!(plain.as_ref()[..16], hash(&one), "{text}");
    }
}

fn development() -> (Desk, DevelopmentSms, Sms) {
    let desk = Desk::new();
    let terminal = DevelopmentSms::new(|_| {});
    let sms = Sms::new(&desk.keys, LIMITS, SmsSender::Development(terminal.clone()));
    (desk, terminal, sms)
}

#[tokio::test]
async fn in_development_a_made_up_number_gets_its_code_on_the_page_and_a_real_one_gets_nothing() {
    let (_desk, terminal, sms) = development();
    let session = SessionId([1; 16]);
    let client = IpAddr::from([127, 0, 0, 1]);
    sms.request(session, client, &number(7), NOW_S).await.unwrap();
    let [message] = &terminal.shown()[..] else { panic!("one message") };
    assert_eq!((message.phone.as_str(), message.at_s), ("163****0007", NOW_S));
    assert!(!format!("{message:?}").contains(&message.code));
    assert!(sms.check(session, &number(7), &message.code, NOW_S).is_ok());
    for real in ["16000000007", "16100000007"] {
        let answer = sms.request(session, client, &Phone::parse(real).unwrap(), NOW_S).await;
        assert_eq!(answer, Err(SmsError::Refused), "{real}");
    }
    for n in 100..200 {
        sms.request(session, [10, 0, 0, n as u8].into(), &number(n), NOW_S).await.unwrap();
    }
    assert_eq!(terminal.shown().len(), 50, "the last of them");
    // Whoever knows a number gets its message, however many came after it; the next one replaces it.
    for n in [7, 100, 199] {
        let message = terminal.last_to(&number(n)).unwrap();
        assert!(message.phone.ends_with(&format!("{n:04}")), "{n}");
    }
    assert!(terminal.last_to(&number(8)).is_none(), "nothing was sent there");
    sms.request(session, client, &number(7), NOW_S + 60).await.unwrap();
    assert_eq!(terminal.last_to(&number(7)).unwrap().at_s, NOW_S + 60);
    for n in 1000..6000 {
        let client = IpAddr::from([10, 1, (n >> 8) as u8, n as u8]);
        sms.request(session, client, &number(n), NOW_S).await.unwrap();
    }
    assert!(terminal.last_to(&number(7)).is_none() && terminal.last_to(&number(5999)).is_some(), "bounded");
}

#[tokio::test]
async fn other_limits_and_another_sender_hold_from_the_next_code_on() {
    let (_desk, before, sms) = development();
    let (session, client) = (SessionId([7; 16]), IpAddr::from([127, 0, 0, 1]));
    let (first, second) = (number(1), number(2));
    sms.request(session, client, &first, NOW_S).await.unwrap();
    let sent = before.last_to(&first).expect("a code").code;
    let after = DevelopmentSms::new(|_| {});
    let limits = SmsLimits { per_client_hour_max: 2, ..LIMITS };
    sms.clone().renew(limits, SmsSender::Development(after.clone()));
    assert!(sms.check(session, &first, &sent, NOW_S + 1).is_ok(), "what was sent is good");
    sms.request(session, client, &second, NOW_S + 1).await.unwrap();
    assert!(before.last_to(&second).is_none() && after.last_to(&second).is_some());
    let refused = sms.request(session, client, &number(3), NOW_S + 2).await;
    assert!(matches!(refused, Err(SmsError::TooMany { .. })), "what was asked before counts: {refused:?}");
}

/// A message service that reads one request from each connection and answers with these bytes; none: never.
async fn service(answers: &'static [&'static str]) -> (String, tokio::task::JoinHandle<Vec<String>>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/send", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let (mut seen, mut open) = (Vec::new(), Vec::new());
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut text = String::new();
            while !text.ends_with('}') {
                let mut bytes = [0; 1024];
                let read = stream.read(&mut bytes).await.unwrap();
                text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
            }
            seen.push(text);
            stream.write_all(answer.as_bytes()).await.unwrap();
            open.push(stream);
        }
        seen
    });
    (url, served)
}

fn config(url: &str) -> HttpSmsConfig {
    HttpSmsConfig {
        url: url.to_owned(),
        authority_pem: None,
        key_id: "gateway-1".to_owned(),
        secret: b"sixteen bytes or more".to_vec().into(),
        deadline: std::time::Duration::from_millis(500),
    }
}

#[tokio::test]
async fn a_message_is_one_signed_request_and_any_answer_but_success_is_none() {
    let (url, served) = service(&[
        "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
        "<html>200</html>",
        "",
    ])
    .await;
    let desk = Desk::new();
    let sms = Sms::new(&desk.keys, LIMITS, SmsSender::Http(Box::new(HttpSms::new(&config(&url)).unwrap())));
    let nobody_has = |n: u32| Phone::parse(&format!("160{n:08}")).unwrap();
    let session = SessionId([1; 16]);
    for n in 0..5 {
        let answer = sms.request(session, [10, 0, 0, 1].into(), &nobody_has(n), NOW_S).await;
        assert_eq!(answer, if n == 0 { Ok(()) } else { Err(SmsError::Unavailable) }, "{n}");
    }
    let made_up = sms.request(session, [10, 0, 0, 1].into(), &number(1), NOW_S).await;
    assert_eq!(made_up, Err(SmsError::Refused), "made-up numbers get nothing");
    let seen = served.await.unwrap();
    let (head, body) = seen[0].split_once("\r\n\r\n").unwrap();
    let message: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(message["msisdn"], "16000000000");
    let code = message["code"].as_str().unwrap();
    assert!(!head.contains("16000000000") && !head.contains(code), "only the body says to whom: {head}");
    let header = |name: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_else(|| panic!("no {name}")).to_owned()
    };
    let digest = hex::encode(ring::digest::digest(&ring::digest::SHA256, body.as_bytes()));
    let (date, id) = (header("changtong-date"), header("changtong-request"));
    let signed = format!("changtong-sms 1\nPOST\n/send\n{date}\n{id}\n{digest}");
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"sixteen bytes or more");
    let expected = hex::encode(ring::hmac::sign(&key, signed.as_bytes()));
    assert_eq!(header("changtong-signature"), format!("gateway-1:{expected}"));
    assert!(sms.check(session, &nobody_has(0), code, NOW_S).is_ok());
}

#[test]
fn a_message_service_that_could_be_overheard_or_is_not_signed_is_refused() {
    let good = || config("http://127.0.0.1:9/send");
    assert!(HttpSms::new(&good()).is_ok());
    for (name, bad) in [
        ("plain http", config("http://sms.example/send")),
        ("no authority", config("https://sms.example/send")),
        ("a query", config("http://127.0.0.1/send?to=1")),
        ("no url", config("sms")),
        ("a short secret", HttpSmsConfig { secret: b"short".to_vec().into(), ..good() }),
        ("no key id", HttpSmsConfig { key_id: "a\nb".to_owned(), ..good() }),
        ("no deadline", HttpSmsConfig { deadline: std::time::Duration::ZERO, ..good() }),
        (
            "no certificate",
            HttpSmsConfig { authority_pem: Some(b"x".to_vec()), ..config("https://sms.example/send") },
        ),
    ] {
        assert!(HttpSms::new(&bad).is_err(), "{name}");
    }
}
