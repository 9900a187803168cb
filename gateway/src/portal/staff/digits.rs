//! Eight digits that stand for a code for a minute, for a screen that no camera can read: the citizen asks for them and says them, staff
//! type them once. Only in memory; they open nothing but one scan.

use std::collections::HashMap;
use std::sync::Mutex;

use actors::bounds;
use keys::random;
use metrics::{Counter, Gauge};
use protocol::{CodeId, typed_text};
use runtime::lock::lock;

/// The lifetime of a number: that of the sealed text for which it stands.
const GOOD_S: u64 = protocol::limits::TOKEN_GOOD_FOR_S as u64;
/// Numbers that are valid at once. A guess hits one in ten thousand times, and then makes one scan of a stranger's code.
const GIVEN_MAX: usize = bounds::DIGITS.entries();
const DIGITS: usize = 8;
const NUMBERS: u32 = 10_u32.pow(DIGITS as u32);
/// The time for which digits that have expired are still answered as expired.
const TOLD_S: u64 = 600;
/// Numbers that are tried before the random source is suspected.
const TRIES_MAX: usize = 16;

/// The meaning of a number.
struct Text {
    code: CodeId,
    sealed: String,
    until_s: u64,
    is_used: bool,
}

/// The meaning of typed digits.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// A code's: its sealed text.
    Code(String),
    /// Those of a code that were used, or are too old: others have to be made.
    Over,
    /// None that were given.
    None,
}

#[derive(Default)]
struct Given {
    texts: HashMap<u32, Text>,
    /// The one number of each code.
    of: HashMap<CodeId, u32>,
}

/// The numbers that are valid, with their codes and ends; a code has one at a time.
pub(crate) struct Digits {
    given: Mutex<Given>,
    limited: Counter,
    used: Gauge,
}

impl Digits {
    pub(super) fn new() -> Self {
        let (limited, used) = (bounds::DIGITS.limited(), bounds::DIGITS.used());
        Self { given: Mutex::default(), limited, used }
    }

    /// Digits for a sealed text of that code; those it had are good no more. `None` when as many are good as may be.
    pub(in crate::portal) fn give(&self, code: CodeId, sealed: String, now_s: u64) -> Option<String> {
        let mut given = lock(&self.given);
        let Given { texts, of } = &mut *given;
        if let Some(before) = of.remove(&code)
            && let Some(text) = texts.get_mut(&before)
            && text.code == code
        {
            text.is_used = true;
        }
        if texts.len() == texts.capacity() {
            texts.retain(|_, text| text.until_s + TOLD_S >= now_s);
            of.retain(|code, number| texts.get(number).is_some_and(|text| text.code == *code));
        }
        if texts.len() >= GIVEN_MAX {
            texts.retain(|_, text| text.until_s >= now_s && !text.is_used);
            of.retain(|code, number| texts.get(number).is_some_and(|text| text.code == *code));
        }
        if texts.len() >= GIVEN_MAX {
            self.limited.increment(1);
            return None;
        }
        for _ in 0..TRIES_MAX {
            let number = u32::from_le_bytes(random::bytes().ok()?) % NUMBERS;
            if texts.get(&number).is_none_or(|text| text.until_s + TOLD_S < now_s) {
                texts.insert(number, Text { code, sealed, until_s: now_s + GOOD_S, is_used: false });
                of.insert(code, number);
                self.used.set(texts.len() as f64);
                return Some(format!("{:04} {:04}", number / 10_000, number % 10_000));
            }
        }
        None
    }

    /// Takes the code for which typed digits stand; from then on they are used.
    pub(super) fn take(&self, typed: &str, now_s: u64) -> Taken {
        let mut given = lock(&self.given);
        match number(typed).and_then(|number| given.texts.get_mut(&number)) {
            Some(text) if text.until_s >= now_s && !text.is_used => {
                text.is_used = true;
                Taken::Code(text.sealed.clone())
            }
            Some(text) if text.until_s + TOLD_S >= now_s => Taken::Over,
            Some(_) | None => Taken::None,
        }
    }

    /// Gives a number back whose scan was not recorded: it may be typed again.
    pub(super) fn give_back(&self, typed: &str) {
        let mut given = lock(&self.given);
        if let Some(text) = number(typed).and_then(|number| given.texts.get_mut(&number)) {
            text.is_used = false;
        }
    }
}

/// The eight digits that were typed, however they are grouped.
fn number(typed: &str) -> Option<u32> {
    let digits = typed_text::digits(typed);
    let plain = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(number: usize) -> CodeId {
        CodeId::from_u64(number as u64 + 1).unwrap()
    }

    #[test]
    fn digits_stand_for_one_scan_within_a_minute() {
        let digits = Digits::new();
        let shown = digits.give(code(1), "sealed".to_owned(), 1_000).unwrap();
        assert_eq!(shown.len(), 9);
        for other in ["1234567", "+1234567", "", "123456789"] {
            assert_eq!(digits.take(other, 1_000), Taken::None, "{other}");
        }
        assert_eq!(digits.take(&shown, 1_000 + GOOD_S), Taken::Code("sealed".to_owned()));
        assert_eq!(digits.take(&shown, 1_000), Taken::Over, "once");
        digits.give_back(&shown);
        assert_eq!(digits.take(&shown, 1_000), Taken::Code("sealed".to_owned()), "nothing came of it");
        let shown = digits.give(code(1), "sealed".to_owned(), 1_000).unwrap();
        assert_eq!(digits.take(&shown, 1_001 + GOOD_S), Taken::Over, "too late");
        assert_eq!(digits.take(&shown, 1_001 + GOOD_S + TOLD_S), Taken::None, "long over");
    }

    #[test]
    fn digits_are_read_however_they_are_typed() {
        let digits = Digits::new();
        let wide = |text: &str| {
            text.chars().map(|c| char::from_u32(u32::from(c) - 0x30 + 0xff10).unwrap()).collect()
        };
        let ways: [fn(&str) -> String; 5] = [
            |shown| shown.replace(' ', ""),
            |shown| shown.replace(' ', "-"),
            |shown| format!(" {shown}\t\r\n"),
            |shown| format!("\u{202a}{}\u{202c}", shown.replace(' ', "\u{3000}")),
            |shown| shown.to_owned(),
        ];
        for way in ways {
            let shown = digits.give(code(1), "sealed".to_owned(), 1_000).unwrap();
            assert_eq!(digits.take(&way(&shown), 1_000), Taken::Code("sealed".to_owned()), "{}", way(&shown));
        }
        let shown = digits.give(code(1), "sealed".to_owned(), 1_000).unwrap().replace(' ', "");
        let shown: String = wide(&shown);
        assert_eq!(digits.take(&shown, 1_000), Taken::Code("sealed".to_owned()), "{shown}");
    }

    #[test]
    fn digits_that_are_good_at_once_are_bounded_and_those_of_before_make_room() {
        let digits = Digits::new();
        for n in 0..GIVEN_MAX {
            digits.give(code(n), String::new(), 1_000).unwrap();
        }
        assert_eq!(digits.give(code(GIVEN_MAX), String::new(), 1_000 + GOOD_S), None);
        assert!(digits.give(code(GIVEN_MAX), String::new(), 1_001 + GOOD_S).is_some());
        assert_eq!(digits.given.lock().unwrap().of.len(), 1);
    }

    /// The trap: one citizen loads the page ten thousand times, and no gate without a camera can scan anybody.
    #[test]
    fn one_code_has_one_number_however_often_it_asks() {
        let digits = Digits::new();
        let first = digits.give(code(7), "first".to_owned(), 1_000).unwrap();
        let mut last = first.clone();
        for _ in 0..2 * GIVEN_MAX {
            last = digits.give(code(7), "last".to_owned(), 1_000).unwrap();
        }
        assert_ne!(digits.take(&first, 1_000), Taken::Code("first".to_owned()));
        assert!(digits.give(code(8), String::new(), 1_000).is_some(), "everybody else");
        assert_eq!(digits.take(&last, 1_000), Taken::Code("last".to_owned()));
    }
}
