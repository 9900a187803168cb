//! Eight digits that stand for a code for a minute, for a screen that no camera can read: the citizen asks for them and says them, staff
//! type them once. Only in memory; they open nothing but one scan.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use maud::html;
use protocol::token::{Token, to_text};
use ring::rand::{SecureRandom, SystemRandom};
use serde::Deserialize;

use super::super::layout::wrong;
use super::super::mine;
use super::super::visitor::Visitor;
use super::super::words::both;

/// As long as the sealed text that they stand for.
const GOOD_S: u64 = protocol::limits::TOKEN_GOOD_FOR_S as u64;
/// Digits that are good at once: a guess hits one in ten thousand times, and then it is one scan of somebody's code.
const GIVEN_MAX: usize = 10_000;
const NUMBERS: u32 = 100_000_000;
/// Numbers that are tried before the random source is suspected.
const TRIES_MAX: usize = 16;

/// Which digits stand for what, until when.
pub(super) struct Digits {
    given: Mutex<HashMap<u32, (String, u64)>>,
    random: SystemRandom,
}

impl Digits {
    pub(super) fn new() -> Self {
        Self { given: Mutex::default(), random: SystemRandom::new() }
    }

    /// Digits for a sealed text; `None` when as many are good as may be.
    fn give(&self, sealed: String, now_s: u64) -> Option<String> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if given.len() >= GIVEN_MAX {
            given.retain(|_, (_, until_s)| *until_s >= now_s);
        }
        if given.len() >= GIVEN_MAX {
            return None;
        }
        for _ in 0..TRIES_MAX {
            let mut bytes = [0; 4];
            self.random.fill(&mut bytes).ok()?;
            let number = u32::from_le_bytes(bytes) % NUMBERS;
            if given.get(&number).is_none_or(|(_, until_s)| *until_s < now_s) {
                given.insert(number, (sealed, now_s + GOOD_S));
                return Some(format!("{:04} {:04}", number / 10_000, number % 10_000));
            }
        }
        None
    }

    /// The sealed text that typed digits stand for; from then on they stand for nothing.
    pub(super) fn take(&self, typed: &str, now_s: u64) -> Option<String> {
        let digits: String = typed.chars().filter(|character| *character != ' ').collect();
        let plain = digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.parse().ok().filter(|_| plain)?;
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.remove(&number).filter(|(_, until_s)| *until_s >= now_s).map(|(sealed, _)| sealed)
    }
}

#[derive(Deserialize)]
pub(super) struct Wanted {
    token: String,
    /// The mark of one of the visitor's codes.
    which: String,
}

/// Digits for one of the visitor's codes. Nothing is recorded: whoever loads the page again gets others.
pub(super) async fn show(visitor: Visitor, wanted: web::Form<Wanted>) -> HttpResponse {
    let one = match mine::sent(&visitor, &wanted.token, &wanted.which) {
        Ok(one) => one,
        Err(answer) => return *answer,
    };
    let portal = &visitor.portal;
    let digits = one.entry.and_then(|entry| {
        let issued_at_s = u32::try_from(visitor.now_s).ok()?;
        let token = Token { code: one.holder.code, issued_at_s, class: entry.class() };
        let keys = portal.keys.token_keys();
        let sealed = to_text(&keys.get(portal.keys.current_token())?.seal(token));
        portal.staff.digits.give(sealed, visitor.now_s)
    });
    let Some(digits) = digits else {
        let body = html! { (wrong("digits-none")) a.button href="/code" { (both("digits-back")) } };
        return visitor.page_with(StatusCode::SERVICE_UNAVAILABLE, visitor.frame(), "digits-title", &body);
    };
    let body = html! {
        section.card { p { (both("digits-what")) } output.clock #digits { (digits) } p.hint { (both("digits-good")) } }
        a.button href="/code" { (both("digits-back")) }
    };
    visitor.page(visitor.frame(), "digits-title", &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_for_one_scan_within_a_minute() {
        let digits = Digits::new();
        let shown = digits.give("sealed".to_owned(), 1_000).unwrap();
        assert_eq!(
            (shown.len(), digits.take("1234567", 1_000), digits.take("+1234567", 1_000)),
            (9, None, None)
        );
        assert_eq!(digits.take(&shown, 1_000 + GOOD_S).as_deref(), Some("sealed"));
        assert_eq!(digits.take(&shown, 1_000), None, "once");
        let shown = digits.give("sealed".to_owned(), 1_000).unwrap().replace(' ', "");
        assert_eq!(digits.take(&shown, 1_001 + GOOD_S), None, "too late");
    }

    #[test]
    fn digits_that_are_good_at_once_are_bounded_and_those_of_before_make_room() {
        let digits = Digits::new();
        for _ in 0..GIVEN_MAX {
            digits.give(String::new(), 1_000).unwrap();
        }
        assert_eq!(digits.give(String::new(), 1_000 + GOOD_S), None);
        assert!(digits.give(String::new(), 1_001 + GOOD_S).is_some());
    }
}
