//! The delivery of a code: in development on a page, in production by a signed request; and configurations of services that are refused.

use super::super::http::HttpSmsConfig;
use super::*;

fn development() -> (Desk, DevelopmentSms, Sms) {
    let desk = Desk::new();
    let terminal = DevelopmentSms::new(|_| {});
    let sms = Sms::new(&desk.keys, LIMITS, SmsSender::Development(terminal.clone()));
    (desk, terminal, sms)
}

#[tokio::test]
async fn in_development_a_made_up_number_gets_its_code_on_the_page_and_a_real_one_gets_nothing() {
    let (_desk, terminal, sms) = development();
    let session = from(1, IpAddr::from([127, 0, 0, 1]));
    sms.request(session, &number(7), NOW_S).await.unwrap();
    let [message] = &terminal.shown()[..] else { panic!("one message") };
    assert_eq!((message.phone.as_str(), message.at_s), ("163****0007", NOW_S));
    assert!(!format!("{message:?}").contains(&message.code));
    assert!(sms.check(session, &number(7), &message.code, NOW_S).is_ok());
    for real in ["16000000007", "16100000007"] {
        let answer = sms.request(session, &Phone::parse(real).unwrap(), NOW_S).await;
        assert_eq!(answer, Err(SmsError::Refused), "{real}");
    }
    for n in 100..200 {
        sms.request(from(1, [10, 0, 0, n as u8].into()), &number(n), NOW_S).await.unwrap();
    }
    assert_eq!(terminal.shown().len(), 50, "the last of them");
    // A look-up by number finds its last message, however many came after it.
    for n in [7, 100, 199] {
        let message = terminal.last_to(&number(n)).unwrap();
        assert!(message.phone.ends_with(&format!("{n:04}")), "{n}");
    }
    assert!(terminal.last_to(&number(8)).is_none(), "nothing was sent there");
    sms.request(session, &number(7), NOW_S + 60).await.unwrap();
    assert_eq!(terminal.last_to(&number(7)).unwrap().at_s, NOW_S + 60);
    for n in 1000..6000 {
        let client = IpAddr::from([10, 1, (n >> 8) as u8, n as u8]);
        sms.request(from(1, client), &number(n), NOW_S).await.unwrap();
    }
    assert!(terminal.last_to(&number(7)).is_none() && terminal.last_to(&number(5999)).is_some(), "bounded");
}

#[tokio::test]
async fn other_limits_and_another_sender_hold_from_the_next_code_on() {
    let (_desk, before, sms) = development();
    let session = from(7, IpAddr::from([127, 0, 0, 1]));
    let (first, second) = (number(1), number(2));
    sms.request(session, &first, NOW_S).await.unwrap();
    let sent = before.last_to(&first).expect("a code").code;
    let after = DevelopmentSms::new(|_| {});
    let limits = SmsLimits { per_client_hour_max: 2, ..LIMITS };
    sms.clone().renew(limits, SmsSender::Development(after.clone()));
    assert!(sms.check(session, &first, &sent, NOW_S + 1).is_ok(), "what was sent is good");
    sms.request(session, &second, NOW_S + 1).await.unwrap();
    assert!(before.last_to(&second).is_none() && after.last_to(&second).is_some());
    let refused = sms.request(session, &number(3), NOW_S + 2).await;
    assert!(matches!(refused, Err(SmsError::TooMany { .. })), "what was asked before counts: {refused:?}");
}

/// Starts a message service that reads one request from each connection and answers with these bytes; with `None` never.
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
    let session = from(1, [10, 0, 0, 1].into());
    for n in 0..5 {
        let answer = sms.request(session, &nobody_has(n), NOW_S).await;
        assert_eq!(answer, if n == 0 { Ok(()) } else { Err(SmsError::Unavailable) }, "{n}");
    }
    let made_up = sms.request(session, &number(1), NOW_S).await;
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

#[test]
fn nothing_that_is_kept_or_shown_holds_the_number_or_the_code() {
    let mut desk = Desk::new();
    let sent = desk.codes.request(asker(1, 7), &number(7), 123_456, NOW_S).unwrap();
    let proven = desk.check(1, 7, "123456", NOW_S).unwrap();
    let shown = format!("{sent:?} {proven:?} {:?} {:?}", desk.codes, SessionId([0x31; 16]));
    for canary in ["16300000007", "123456", "0000007", "11111111", "49"] {
        assert!(!shown.contains(canary), "{canary} is in {shown}");
    }
}
