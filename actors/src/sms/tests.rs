//! The rules of one-time codes, on the pure core. Messages are in `delivery`.

mod delivery;
use std::net::IpAddr;

use registry::periods::PROVEN_S_MAX;

use super::codes::Asker;
use super::*;
use crate::bounds;

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

    /// Asks from a network of its own, so that only the phone's limits count.
    fn ask(&mut self, session: u8, phone: u32, random: u64, now_s: u64) -> Result<String, SmsError> {
        self.ask_as(asker(session, phone), phone, random, now_s)
    }

    fn ask_as(&mut self, asker: Asker, phone: u32, random: u64, now_s: u64) -> Result<String, SmsError> {
        let sent = self.codes.request(asker, &number(phone), random, now_s)?;
        Ok(sent.digits().to_owned())
    }

    fn check(&mut self, session: u8, phone: u32, typed: &str, now_s: u64) -> Result<ProvenPhone, SmsError> {
        self.codes.check(asker(session, phone), &number(phone), typed, now_s)
    }
}

fn asker(session: u8, phone: u32) -> Asker {
    from(session, IpAddr::from([10, session, (phone >> 8) as u8, phone as u8]))
}

fn from(session: u8, client: IpAddr) -> Asker {
    Asker { session: SessionId([session; 16]), client, known: false }
}

fn known(session: u8) -> Asker {
    Asker { known: true, ..asker(session, 7) }
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
fn a_code_is_right_however_it_was_pasted() {
    let mut desk = Desk::new();
    for (n, typed) in
        ["123 456", " 123456 ", "１２３４５６", "123456\u{202c}", "123-456\r\n"].into_iter().enumerate()
    {
        let phone = 7 + n as u32;
        desk.ask(1, phone, 123_456, NOW_S).unwrap();
        desk.check(1, phone, typed, NOW_S).expect(typed);
    }
}

#[test]
fn after_five_wrong_tries_the_right_code_is_of_no_use() {
    let mut desk = Desk::new();
    let code = desk.ask(1, 7, 123_456, NOW_S).unwrap();
    for tries_left in (0..TRIES_MAX).rev() {
        for typed in ["", "12345", "1234567", "12345六", "12345 "] {
            assert_eq!(desk.check(1, 7, typed, NOW_S), Err(SmsError::Incomplete), "{typed:?} is no try");
        }
        assert_eq!(desk.check(1, 7, "123457", NOW_S), wrong(tries_left));
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
fn the_code_before_the_newest_is_good_until_one_of_them_is_used() {
    for used in [0, 1] {
        let mut desk = Desk::new();
        let codes = [desk.ask(1, 7, 5, NOW_S), desk.ask(1, 7, 6, NOW_S + MINUTE_S)].map(Result::unwrap);
        assert!(desk.check(1, 7, &codes[used], NOW_S + MINUTE_S).is_ok());
        assert_eq!(desk.check(1, 7, &codes[1 - used], NOW_S + MINUTE_S), Err(SmsError::Gone), "{used}");
    }
    let mut desk = Desk::new();
    let codes = [0, 1, 2].map(|n| desk.ask(1, 7, 5 + n, NOW_S + n * MINUTE_S).unwrap());
    let later_s = NOW_S + 2 * MINUTE_S;
    assert_eq!(desk.check(1, 7, &codes[0], later_s), wrong(TRIES_MAX - 1), "the third ends the first");
    assert!(desk.check(1, 7, &codes[1], later_s).is_ok());
}

/// The trap: each message gives five more tries of the code before it.
#[test]
fn a_new_code_gives_the_earlier_no_new_tries() {
    let mut desk = Desk::new();
    let old = desk.ask(1, 7, 5, NOW_S).unwrap();
    for tries_left in [4, 3, 2, 1] {
        assert_eq!(desk.check(1, 7, "900000", NOW_S), wrong(tries_left));
    }
    let new = desk.ask(1, 7, 6, NOW_S + MINUTE_S).unwrap();
    assert_eq!(desk.check(1, 7, "900000", NOW_S + MINUTE_S), wrong(TRIES_MAX - 1), "of the new one");
    assert_eq!(
        desk.check(1, 7, &old, NOW_S + MINUTE_S),
        wrong(TRIES_MAX - 2),
        "the old one has had its five"
    );
    assert!(desk.check(1, 7, &new, NOW_S + MINUTE_S).is_ok());
}

#[test]
fn a_page_knows_if_a_code_is_out_and_when_another_may_be_asked_for() {
    let mut desk = Desk::new();
    let standing = |desk: &Desk, session: u8, after_s: u64| {
        let Standing { is_out, wait_s } = desk.codes.standing(asker(session, 7), &number(7), NOW_S + after_s);
        (is_out, wait_s)
    };
    assert_eq!(standing(&desk, 1, 0), (false, 0));
    desk.ask(1, 7, 5, NOW_S).unwrap();
    assert_eq!(standing(&desk, 1, 0), (true, 60));
    assert_eq!(standing(&desk, 2, 0), (false, 0), "another's session in another network");
    assert_eq!(standing(&desk, 1, 59), (true, 1));
    assert_eq!(standing(&desk, 1, 60), (true, 0));
    assert_eq!(standing(&desk, 1, u64::from(CODE_S_MAX)), (false, 0));
}

#[test]
fn a_code_that_strangers_ask_for_does_not_end_the_owners() {
    let mut desk = Desk::new();
    let stranger = desk.ask(1, 7, 5, NOW_S).unwrap();
    let mine = desk.ask(2, 7, 6, NOW_S).unwrap();
    let again = desk.ask(1, 7, 7, NOW_S + 2);
    assert_eq!(again, Err(SmsError::TooMany { retry_after_s: 58 }), "a minute lies between two of a network");
    for guess in 0..u32::from(TRIES_MAX) {
        assert!(desk.check(1, 7, &format!("9{guess:05}"), NOW_S).is_err());
    }
    assert_eq!(desk.check(1, 7, &stranger, NOW_S), Err(SmsError::Gone));
    desk.ask(1, 7, 8, NOW_S + 61).unwrap();
    assert!(desk.check(2, 7, &mine, NOW_S + 62).is_ok(), "the wrong tries were another session's");
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
            assert!(compared <= 50, "{compared} guesses in minute {minute}");
        }
    }
    // A day's codes at once, and the ones that come back within a day.
    assert!((50..=100).contains(&compared), "{compared} guesses among a million in a day");
}

#[test]
fn a_phone_gets_ten_codes_a_day_and_two_fifths_of_them_for_one_network() {
    let mut desk = Desk::new();
    for n in 0..4 {
        desk.ask(1, 7, 5, NOW_S + n * MINUTE_S).unwrap();
    }
    let at_s = NOW_S + 4 * MINUTE_S;
    let full = desk.ask(1, 7, 5, at_s).unwrap_err();
    assert!(matches!(full, SmsError::TooMany { retry_after_s } if retry_after_s > 5 * 3_600), "{full:?}");
    for session in 2..8 {
        desk.ask(session, 7, 5, at_s).expect("from another network");
    }
    assert!(matches!(desk.ask(9, 7, 5, at_s), Err(SmsError::TooMany { .. })));
    desk.ask(9, 8, 5, at_s).expect("another phone");
    desk.ask(9, 7, 5, at_s + DAY_S / 10).expect("one comes back after a tenth of a day");
    desk.ask(1, 7, 5, at_s + DAY_S).expect("the next day");
}

/// The trap: a stranger who knows a number asks for its codes all day, and its owner is told to come back tomorrow.
#[test]
fn strangers_do_not_lock_a_browser_out_that_proved_the_phone_before() {
    let mut desk = Desk::new();
    for session in 1..=10 {
        desk.ask(session, 7, 5, NOW_S).unwrap();
    }
    assert!(matches!(desk.ask(11, 7, 5, NOW_S), Err(SmsError::TooMany { .. })), "a stranger");
    let code = desk.ask_as(known(12), 7, 6, NOW_S).expect("whoever proved it before");
    for session in 13..=17 {
        let _ = desk.ask(session, 7, 5, NOW_S + 1);
    }
    assert!(desk.codes.check(known(12), &number(7), &code, NOW_S + 2).is_ok());
    for n in 1..10 {
        desk.ask_as(known(12), 7, 6, NOW_S + n * MINUTE_S).unwrap();
    }
    let full = desk.ask_as(known(12), 7, 6, NOW_S + HOUR_S);
    assert!(matches!(full, Err(SmsError::TooMany { .. })), "it has a limit of its own: {full:?}");
}

#[test]
fn an_address_gets_thirty_codes_an_hour_for_whatever_phones() {
    for [first, other] in [["203.0.113.7", "203.0.113.8"], ["2001:db8::1", "2001:db8:0:1::1"]] {
        let mut desk = Desk::new();
        let first: IpAddr = first.parse().unwrap();
        let mut ask = |client, n, now_s| desk.ask_as(from(1, client), n, 5, now_s).map(drop);
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
        assert_eq!(desk.ask_as(from(1, client), n, 5, NOW_S).is_ok(), n < 30, "a /64 is one client: {n}");
    }
}

/// The trap: a customer of a provider has 65,536 networks of the size that is counted.
#[test]
fn a_whole_48_and_a_whole_24_get_what_ten_addresses_get() {
    let v6: fn(u32) -> String = |n| format!("2001:db8:7:{n:x}::1");
    let v4: fn(u32) -> String = |n| format!("203.0.113.{}", n % 256);
    for of in [v6, v4] {
        let mut desk = Desk::new();
        let asked = (0..2_000).filter(|&n| desk.ask_as(from(1, of(n).parse().unwrap()), n, 5, NOW_S).is_ok());
        assert_eq!(asked.count(), bounds::SMS_NETWORK.entries());
        desk.ask_as(from(1, "198.51.100.1".parse().unwrap()), 9_999, 5, NOW_S).expect("everybody else");
    }
}

/// The trap: the table of addresses is full, and from then on no visitor can sign in.
#[test]
fn newcomers_get_their_code_however_many_came_before() {
    let mut desk = Desk::new();
    let (each_s, many) = (250, bounds::SMS_CLIENT.kept_max as u32 + bounds::SMS_OUT.max);
    for n in 0..many {
        let client = IpAddr::from((0x2001_0db8 << 96 | u128::from(n) << 80).to_be_bytes());
        let asked = desk.ask_as(from(1, client), n, 5, NOW_S + u64::from(n / each_s));
        assert!(asked.is_ok(), "{n}: {asked:?}");
    }
    let seconds = usize::try_from(CODE_S_MAX).unwrap();
    assert!(desk.codes.phones() <= (seconds + 1) * each_s as usize, "what is of no use any more is gone");
}

#[test]
fn messages_have_a_number_for_all_strangers_together_and_those_who_are_known_have_their_own() {
    let mut desk = Desk::new();
    let mut ask = |n: u32, known: bool| {
        let client = IpAddr::from((0x2001_0db8 << 96 | u128::from(n) << 80).to_be_bytes());
        desk.ask_as(Asker { known, ..from(1, client) }, n, 5, NOW_S).map(drop)
    };
    let sent = (0..bounds::SMS_ALL.max + 100).filter(|&n| ask(n, false).is_ok()).count();
    assert_eq!(sent, bounds::SMS_ALL.entries());
    assert_eq!(ask(1_000_000, false), Err(SmsError::Busy));
    assert_eq!(ask(1_000_001, true), Ok(()));
}

/// The trap: with enough phones to guess at, some code is hit every hour.
#[test]
fn who_guesses_by_the_million_loses_each_code_at_the_first_miss_and_nobody_else_is_refused() {
    let mut desk = Desk::new();
    let client = |n: u32| IpAddr::from((0x2001_0db8 << 96 | u128::from(n) << 80).to_be_bytes());
    let mut missed = 0;
    for n in 0..3_000 {
        let guesser = from(1, client(n));
        desk.ask_as(guesser, n, 5, NOW_S).unwrap();
        let tries = (0..5).take_while(|guess| {
            let typed = desk.codes.check(guesser, &number(n), &format!("9{guess:05}"), NOW_S);
            matches!(typed, Err(SmsError::Wrong { .. }))
        });
        missed += tries.count();
    }
    assert_eq!(
        missed,
        10_000 + 1_000,
        "five tries each until there were too many, and one each from then on"
    );
    let code = desk.ask(9, 99_999, 5, NOW_S).unwrap();
    assert!(desk.check(9, 99_999, &code, NOW_S).is_ok(), "whoever types it as it came");
    let code = desk.ask_as(known(9), 7, 5, NOW_S).unwrap();
    assert_eq!(desk.codes.check(known(9), &number(7), "900000", NOW_S), wrong(TRIES_MAX - 1));
    assert!(desk.codes.check(known(9), &number(7), &code, NOW_S).is_ok(), "who is known may slip");
}

#[test]
fn a_network_types_sixty_codes_an_hour() {
    let mut desk = Desk::new();
    let client: IpAddr = "203.0.113.7".parse().unwrap();
    let mut typed = 0;
    for n in 0..30 {
        desk.ask_as(from(1, client), n, 5, NOW_S).unwrap();
        typed += (0..4)
            .filter(|_| desk.codes.check(from(1, client), &number(n), "900000", NOW_S).is_err_and(is_wrong))
            .count();
    }
    assert_eq!(typed, bounds::TYPED_CLIENT.entries());
}

fn is_wrong(error: SmsError) -> bool {
    matches!(error, SmsError::Wrong { .. })
}

#[test]
fn a_browser_keeps_that_it_proved_a_phone_and_nothing_of_it_opens_or_names_anything() {
    let desk = Desk::new();
    let sms = Sms::new(&desk.keys, LIMITS, SmsSender::Development(DevelopmentSms::new(|_| {})));
    let proven = |n, at_s| ProvenPhone::for_tests(&number(n), at_s);
    let mut kept = String::new();
    for n in 1..=5 {
        kept = sms.known(&kept, &proven(n, NOW_S), NOW_S);
    }
    kept = sms.known(&kept, &proven(5, NOW_S), NOW_S + 1);
    let held: Vec<u32> = (1..=6).filter(|&n| sms.is_known(&kept, &number(n), NOW_S)).collect();
    assert_eq!(held, [2, 3, 4, 5], "the last four");
    // The whole number: three of its digits occur by chance in random ones.
    assert!(
        !kept.contains("16300000005")
            && kept.bytes().all(|byte| byte.is_ascii_hexdigit() || b"-.".contains(&byte))
    );
    assert!(!sms.is_known(&kept, &number(5), NOW_S + 2 + KNOWN_S_MAX), "half a year later");
    let (time, seal) = kept.split_once('-').unwrap();
    for bad in ["", "-", ".", seal, time, &kept[..kept.len() / 8], &format!("{time}0-{seal}")] {
        assert!(!sms.is_known(bad, &number(5), NOW_S), "{bad}");
    }
    let other = Sms::new(&Desk::new().keys, LIMITS, SmsSender::Development(DevelopmentSms::new(|_| {})));
    assert!(!other.is_known(&kept, &number(5), NOW_S), "another gateway's");
}

/// The trap: an eleven-digit number has 10^11 values, and a hash without a key is reversed by trying them all.
#[test]
fn the_hash_of_a_phone_cannot_be_made_without_the_key() {
    let (one, other) = (Desk::new(), Desk::new());
    let hash = |desk: &Desk| registry::Hasher::new(desk.keys.pepper()).phone(&number(7));
    assert_eq!(hash(&one), hash(&one));
    assert_ne!(hash(&one), hash(&other), "each key makes its own");
    for text in ["16300000007", "phone\u{0}16300000007", "+8616300000007"] {
        let plain = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        assert_ne!(plain.as_ref()[..16], hash(&one), "{text}");
    }
}
