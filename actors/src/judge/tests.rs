//! Every kind of scan with its verdict, row by row.

use std::path::Path;

use policy::{DEVELOPMENT, Policy};
use protocol::Direction;
use protocol::place::PlaceCode;
use protocol::token::{PAPER_KEY_ID_MIN, TokenKey, to_text};
use zeroize::Zeroizing;

use super::*;

const NOW_S: u32 = 1_800_000_000;
const NOW_MS: u64 = NOW_S as u64 * 1000;
const GATEWAY: u16 = 7;
const GATE: DeviceId = DeviceId(5);
const PAPER: u8 = PAPER_KEY_ID_MIN;
const HOLDER_TEXT: &str = "NCEAC-8F3A2290-HOLDER";

fn key(id: u8, byte: u8) -> TokenKey {
    TokenKey::new(id, &Zeroizing::new([byte; 16]))
}

/// Returns an imported holder's text that reads as a token of this version.
fn holder_text_like_a_token() -> String {
    to_text(&sealed(&key(44, 44), 1, 0, Class::Person))
}

fn legacy() -> LegacyKey {
    LegacyKey::new(&[3; 32])
}

fn code(n: u64) -> CodeId {
    CodeId::issue(GATEWAY, n).unwrap()
}

/// Returns codes: 1 to 4 have the four colours, 5 is a ward's, 6 is printed.
fn codes() -> Codes {
    let codes = Codes::new(16);
    let put = |code, colour, class| codes.put(code, CodeEntry::new(colour, Basis::Declared, class, 0, 1));
    for (n, &colour) in (1..).zip(Colour::ALL) {
        put(code(n), colour, Class::Person);
    }
    put(code(5), Colour::Green, Class::Ward);
    put(code(6), Colour::Green, Class::Paper);
    for text in [HOLDER_TEXT.to_owned(), holder_text_like_a_token()] {
        put(legacy().code(GATEWAY, &text).unwrap(), Colour::Green, Class::Imported);
    }
    put(
        legacy().code(GATEWAY, "the text of a code that is not imported").unwrap(),
        Colour::Red,
        Class::Person,
    );
    codes
}

fn judge_of(codes: Codes) -> Judge {
    Judge::new(
        codes,
        TokenKeys::new([key(1, 1), key(2, 2), key(PAPER, 9)]),
        legacy(),
        GATEWAY,
        policy(),
        PlaceKinds::default(),
    )
}

fn policy() -> PolicyInEffect {
    PolicyInEffect::new(Policy::development())
}

/// Judges one scan alone.
fn one(judge: &Judge, scanned: &Scanned) -> Judged {
    judge.judge((RegionId(1), GATE), std::iter::once(scanned), NOW_MS).remove(0)
}

fn judge() -> Judge {
    let codes = codes();
    codes.set_loaded();
    judge_of(codes)
}

fn sealed(key: &TokenKey, n: u64, age_s: i64, class: Class) -> [u8; TOKEN_BYTES] {
    let issued_at_s = u32::try_from(i64::from(NOW_S) - age_s).unwrap();
    key.seal(Token { code: code(n), issued_at_s, class })
}

fn token(n: u64, age_s: i64) -> Scanned {
    Scanned::Token(sealed(&key(1, 1), n, age_s, Class::Person))
}

fn text(text: impl Into<String>) -> Scanned {
    Scanned::Text(text.into())
}

/// A scan with its colour, advice, reason and kind, and whether the record has its code.
type Row = (&'static str, Scanned, (Colour, Advice, Reason, ScanKind, bool));

fn check(judge: &Judge, rows: Vec<Row>) {
    for (name, scanned, expected) in rows {
        let judged = one(judge, &scanned);
        let Verdict { colour, advice, reason, .. } = judged.verdict;
        assert_eq!((colour, advice, reason, judged.kind, judged.code.is_some()), expected, "{name}");
    }
}

#[test]
fn a_valid_code_is_answered_by_its_colour_and_class() {
    use ScanKind::{Legacy, SignedIn, Token};
    let earlier = (Colour::Green, Advice::CheckDocument, Reason::DocumentClass, Legacy, true);
    let paper = |n, age_s| Scanned::Token(sealed(&key(PAPER, 9), n, age_s, Class::Paper));
    let pass = |kind| (Colour::Green, Advice::Pass, Reason::Clear, kind, true);
    let document = (Colour::Green, Advice::CheckDocument, Reason::DocumentClass, Token, true);
    let rows = vec![
        ("green", token(1, 0), pass(Token)),
        ("yellow", token(2, 0), (Colour::Yellow, Advice::AskStaff, Reason::Caution, Token, true)),
        ("red", token(3, 0), (Colour::Red, Advice::Stop, Reason::ActiveCause, Token, true)),
        ("unknown", token(4, 0), (Colour::Unknown, Advice::AskStaff, Reason::ColourUnknown, Token, true)),
        ("a ward", token(5, 0), document),
        ("printed, by its code", token(6, 0), document),
        ("printed, by its token, a year old", paper(1, 31_536_000), document),
        ("printed and red", paper(3, 0), (Colour::Red, Advice::Stop, Reason::ActiveCause, Token, true)),
        ("the previous key", Scanned::Token(sealed(&key(2, 2), 1, 0, Class::Person)), pass(Token)),
        ("as old as it may be", token(1, 90), pass(Token)),
        ("as far ahead as a clock may be", token(1, -30), pass(Token)),
        ("a token as text", text(to_text(&sealed(&key(1, 1), 1, 0, Class::Person))), pass(Token)),
        ("an imported holder", text(HOLDER_TEXT), earlier),
        ("an imported holder, with white space", text(format!(" {HOLDER_TEXT}\r\n")), earlier),
        ("an imported holder, like a token", text(holder_text_like_a_token()), earlier),
        ("signed in", Scanned::SignedIn(code(1)), pass(SignedIn)),
        (
            "nothing",
            Scanned::Nothing,
            (Colour::Unknown, Advice::CheckDocument, Reason::NothingShown, ScanKind::Nothing, false),
        ),
    ];
    check(&judge(), rows);
}

/// A scan that is no valid pass code is answered as one: never green, and above all never like a red person.
#[test]
fn what_is_no_pass_code_is_never_green_and_never_red() {
    use ScanKind::{NotACode, SignedIn, Token};
    let row = |reason, kind, known| (Colour::Unknown, Advice::NotAPassCode, reason, kind, known);
    let flipped = |byte: usize| {
        let mut bytes = sealed(&key(1, 1), 3, 0, Class::Person);
        bytes[byte] ^= 1;
        bytes
    };
    let other_city = sealed(&key(1, 77), 3, 0, Class::Person);
    let bad_seal = row(Reason::BadSeal, NotACode, false);
    let not_a_code = row(Reason::NotACode, NotACode, false);
    let place = PlaceCode::from_random(12345).to_link("code.example");
    let rows = vec![
        ("unknown key", Scanned::Token(sealed(&key(44, 1), 3, 0, Class::Person)), bad_seal),
        ("another city's", Scanned::Token(other_city), bad_seal),
        ("another city's as text", text(to_text(&other_city)), bad_seal),
        ("bad seal at the front", Scanned::Token(flipped(2)), bad_seal),
        ("bad seal at the back", Scanned::Token(flipped(17)), bad_seal),
        ("bad seal as text", text(to_text(&flipped(9))), bad_seal),
        (
            "paper sealed with a person's key",
            Scanned::Token(sealed(&key(1, 1), 1, 0, Class::Paper)),
            bad_seal,
        ),
        ("a later version", Scanned::Token(flipped(0)), not_a_code),
        ("all zero", Scanned::Token([0; TOKEN_BYTES]), not_a_code),
        ("old", token(3, 91), row(Reason::Expired, Token, true)),
        ("ancient", token(3, i64::from(NOW_S)), row(Reason::Expired, Token, true)),
        ("future", token(3, -31), row(Reason::NotYetValid, Token, true)),
        ("paper from the future", paper_ahead(), row(Reason::NotYetValid, Token, true)),
        (
            "far future",
            token(3, i64::from(NOW_S) - i64::from(u32::MAX)),
            row(Reason::NotYetValid, Token, true),
        ),
        ("not registered", token(99, 0), row(Reason::NotRegistered, Token, true)),
        (
            "signed in, not registered",
            Scanned::SignedIn(code(99)),
            row(Reason::NotRegistered, SignedIn, true),
        ),
        ("4 KB", text("A".repeat(4096)), not_a_code),
        ("4 KB of multi-byte text", text("码".repeat(1365)), not_a_code),
        ("nothing in it", text(""), not_a_code),
        ("a URL", text("https://news.example/page?id=3"), not_a_code),
        ("a payment code", text("https://qr.alipay.example/fkx09148pc4q1"), not_a_code),
        ("a payment barcode", text("284665912345678901"), not_a_code),
        ("27 capital letters", text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0"), not_a_code),
        ("a code that is not imported", text("the text of a code that is not imported"), not_a_code),
        ("a place's code", text(place), row(Reason::PlaceCode, NotACode, false)),
    ];
    check(&judge(), rows);
}

/// Returns a text with all that scanners, keyboards and their settings add around and into it.
fn as_scanned(text: &str) -> Vec<String> {
    let around = [("]Q1", ""), ("]Q1\\000026", ""), ("\u{1d}", ""), ("\u{2}", "\u{3}"), ("\u{feff}", "")];
    let behind = ["\r", "\n", "\r\n", "\t", " ", "\0"].map(|after| ("", after));
    around.into_iter().chain(behind).map(|(before, after)| format!("{before}{text}{after}")).collect()
}

#[test]
fn a_text_is_judged_as_if_the_scanner_had_added_nothing() {
    let judge = judge();
    // Keys 5 and 1: a text that begins with a space of its own, and one that does not.
    let spaced = Judge { tokens: TokenKeys::new([key(1, 1), key(5, 5)]), ..judge_of(judge.codes().clone()) };
    let tokens = [key(1, 1), key(5, 5)].map(|key| to_text(&sealed(&key, 3, 0, Class::Person)));
    for bare in tokens.into_iter().chain([HOLDER_TEXT.to_owned(), holder_text_like_a_token()]) {
        let expected = one(&spaced, &text(bare.clone()));
        assert!(expected.code.is_some(), "{bare:?} is a code");
        let changed = [format!("{bare}{bare}"), format!("{bare}\r\n{bare}\r\n"), format!("http://{bare}")];
        for scanned in as_scanned(&bare).into_iter().chain(changed) {
            assert_eq!(one(&spaced, &text(scanned.clone())), expected, "{scanned:?}");
        }
    }
    let lower = to_text(&sealed(&key(1, 1), 3, 0, Class::Person)).to_lowercase();
    assert_eq!(one(&spaced, &text(lower)).verdict.colour, Colour::Red);
    let place = PlaceCode::from_random(12345).to_link("code.example");
    for scanned in as_scanned(&place.replace("https", "HTTP")) {
        assert_eq!(one(&spaced, &text(scanned.clone())).verdict.reason, Reason::PlaceCode, "{scanned:?}");
    }
}

#[test]
fn a_text_that_is_no_code_even_without_what_the_scanner_added_says_that_the_scanner_adds() {
    let judge = judge();
    let reason = |scanned: String| one(&judge, &text(scanned)).verdict.reason;
    for scanned in as_scanned("https://news.example/page?id=3") {
        assert_eq!(reason(scanned.clone()), Reason::ScannerAdds, "{scanned:?}");
    }
    assert_eq!(reason(HOLDER_TEXT.to_lowercase()), Reason::NotACode, "a legacy text's letters are its own");
}

#[test]
fn a_device_whose_scanner_adds_is_counted_also_where_the_code_reads() {
    let judge = judge();
    let bare = to_text(&sealed(&key(1, 1), 1, 0, Class::Person));
    let own = format!("\u{2}{HOLDER_TEXT} of another city");
    judge.codes.put(
        legacy().code(GATEWAY, &own).unwrap(),
        CodeEntry::new(Colour::Green, Basis::Declared, Class::Imported, 0, 1),
    );
    let count = |scanned: &str| {
        let before = judge.scanners().texts_of(GATE);
        one(&judge, &text(scanned));
        judge.scanners().texts_of(GATE) - before
    };
    let link = PlaceCode::from_random(12345).to_link("code.example");
    for clean in [&bare, HOLDER_TEXT, &holder_text_like_a_token(), &own, "no code", &link] {
        assert_eq!(count(clean), 0, "{clean:?}");
    }
    for bare in [bare.clone(), HOLDER_TEXT.to_owned(), holder_text_like_a_token(), "no code".to_owned()] {
        for scanned in as_scanned(&bare) {
            assert_eq!(count(&scanned), 1, "{scanned:?}");
        }
    }
    assert_eq!(count(&bare.to_lowercase()), 1, "it changes letters");
    let punch = |scanned| Punch {
        scanned,
        direction: Direction::In,
        place: PlaceId(5),
        device_time_ms: NOW_MS,
        offline: None,
    };
    let punches = [text(format!("{bare}\r")), text(bare), token(1, 0)].map(punch);
    judge.records((RegionId(1), DeviceId(6)), &punches, NOW_MS);
    assert_eq!(judge.scanners().texts_of(DeviceId(6)), 1);
}

fn paper_ahead() -> Scanned {
    Scanned::Token(sealed(&key(PAPER, 9), 1, -3600, Class::Paper))
}

#[test]
fn before_the_codes_are_loaded_everybody_is_unknown() {
    let rows = [token(1, 0), token(3, 0), text(HOLDER_TEXT), Scanned::SignedIn(code(1))];
    let judge = judge_of(codes());
    for scanned in rows {
        assert_eq!(one(&judge, &scanned).verdict, Verdict::ask_staff(Reason::NotLoaded), "{scanned:?}");
    }
}

#[test]
fn a_decision_made_offline_is_recorded_as_made() {
    let decision = OfflineDecision { colour: Colour::Green, advice: Advice::Pass };
    let punch = |offline| Punch {
        scanned: token(3, 7200),
        direction: Direction::In,
        place: PlaceId(5),
        device_time_ms: NOW_MS - 7_200_000,
        offline,
    };
    let record = judge().records((RegionId(1), GATE), &[punch(Some(decision))], NOW_MS).remove(0);
    assert!(record.offline);
    assert_eq!(record.code, Some(code(3)));
    assert_eq!((record.verdict.colour, record.verdict.advice), (Colour::Green, Advice::Pass));
    assert_eq!(record.verdict.reason, Reason::DecidedOffline);
    let record = judge().records((RegionId(1), GATE), &[punch(None)], NOW_MS).remove(0);
    assert_eq!((record.offline, record.verdict.reason), (false, Reason::Expired));
    assert_eq!((record.place, record.device_time_ms), (PlaceId(5), NOW_MS - 7_200_000));
}

#[test]
fn a_region_and_a_kind_of_place_advise_what_the_policy_in_effect_says() {
    let text = DEVELOPMENT.to_owned()
        + r#"
[[advice.exception]]
regions = [2]
places = ["hospital"]
colour = "yellow"
advice = "stop"
[[advice.exception]]
regions = [2]
colour = "yellow"
basis = "declared"
advice = "check-document"
[[advice.exception]]
places = ["market"]
colour = "yellow"
advice = "pass"
"#;
    let judge = judge();
    let kinds = [(1, PlaceKind::Hospital), (2, PlaceKind::Hospital), (3, PlaceKind::Market)];
    kinds.into_iter().for_each(|(place, kind)| judge.places.add(PlaceId(place), kind));
    judge.places.add(PlaceId(1), PlaceKind::Checkpoint);
    judge.codes.put(code(7), CodeEntry::new(Colour::Yellow, Basis::Verified, Class::Person, 0, 1));
    judge.codes.put(code(8), CodeEntry::new(Colour::Yellow, Basis::Verified, Class::Ward, 0, 1));
    // Yellow, declared; yellow, verified; yellow of a ward; at places 1, 2, 3 and 2 again.
    let advised = |region, n| {
        let punch = |place| Punch {
            scanned: token(n, 0),
            direction: Direction::In,
            place: PlaceId(place),
            device_time_ms: NOW_MS,
            offline: None,
        };
        let records = judge.records((RegionId(region), GATE), &[1, 1, 2, 3, 2].map(punch), NOW_MS);
        records.iter().map(|record| record.verdict.advice.name()).collect::<Vec<_>>()
    };
    assert_eq!(advised(2, 2), ["ask-staff"; 5], "before");
    judge.policy.set(Policy::parse(&text, Path::new("policy.toml")).unwrap());
    for (region, n, expected) in [
        (1, 2, ["ask-staff", "ask-staff", "ask-staff", "pass", "ask-staff"]),
        (2, 2, ["check-document", "check-document", "check-document", "pass", "check-document"]),
        (2, 7, ["ask-staff", "ask-staff", "stop", "pass", "stop"]),
        (2, 8, ["ask-staff", "ask-staff", "stop", "check-document", "stop"]),
        (2, 1, ["pass"; 5]),
        (2, 3, ["stop"; 5]),
    ] {
        assert_eq!(advised(region, n), expected, "region {region}, code {n}");
    }
    let verified = judge.judge((RegionId(2), GATE), [token(7, 0)].iter(), NOW_MS)[0].verdict;
    assert_eq!((verified.advice, verified.reason), (Advice::AskStaff, Reason::Caution), "names no place");
}
