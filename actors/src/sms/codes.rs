//! The rules of one-time codes: how long one is good, how often it may be tried, who may ask how often. Pure: time and randomness
//! are arguments. A phone stands here by its keyed hash only, a code by a keyed hash that is compared in constant time.

use std::net::IpAddr;

use ring::hmac;

use super::SmsError;
use super::bounded::Bounded;
use crate::keys::Keys;
use crate::registry::{Hash, Hasher, Phone};

/// A code is good for five minutes …
pub const CODE_S_MAX: u32 = 5 * 60;
/// … and for five tries.
pub const TRIES_MAX: u8 = 5;
/// Tries of all codes of one phone in an hour: asking for new codes does not buy more guesses.
pub const CHECKS_PER_HOUR_MAX: u16 = 15;
/// A proven phone is good for as long as its session lasts: a code is shown every day, and a message for each would teach people to
/// give codes away. Well below the 90 days after which a number may be somebody else's.
pub const PROVEN_S_MAX: u64 = 30 * DAY_S as u64;
/// Between two codes for one phone.
const APART_S: u32 = 60;
/// Phones of the last day: about 140 MB when full. Over 3,000 a second for five minutes would fill it with codes that are good.
const PHONES_MAX: usize = 1_000_000;
/// Addresses of the last hour: about 15 MB when full.
const CLIENTS_MAX: usize = 200_000;
/// Of the keyed hash of a session this much is kept; of that of a code all, as its comparison in constant time needs it.
const SESSION_MARK_BYTES: usize = 8;
const CODE_MARK_BYTES: usize = 32;
const HOUR_S: u32 = 3_600;
const DAY_S: u32 = 24 * HOUR_S;

const _: () = assert!(CHECKS_PER_HOUR_MAX >= TRIES_MAX as u16 && APART_S < CODE_S_MAX);

/// Who may ask how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmsLimits {
    /// Codes for one phone in a day.
    pub per_phone_day_max: u16,
    /// Codes for one client address in an hour; of IPv6 for one /64. Carriers put many phones behind one address: a gateway whose
    /// citizens come through such takes more.
    pub per_client_hour_max: u16,
}

impl Default for SmsLimits {
    fn default() -> Self {
        Self { per_phone_day_max: 10, per_client_hour_max: 30 }
    }
}

/// The browser session that asks: random, chosen by the pages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SessionId(pub [u8; 16]);

/// A session's id opens the session.
impl std::fmt::Debug for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionId(…)")
    }
}

/// A phone of which a code has shown that it is in the hand of whoever is there. Only [`SmsCodes::check`] makes one, and a session's
/// seal keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct ProvenPhone {
    phone: Phone,
    at_s: u64,
}

impl ProvenPhone {
    /// The phone, while the proof is fresh enough.
    pub fn phone(&self, now_s: u64) -> Option<&Phone> {
        (now_s.saturating_sub(self.at_s) <= PROVEN_S_MAX).then_some(&self.phone)
    }

    /// When it was proven, seconds since 1970 UTC.
    pub const fn at_s(&self) -> u64 {
        self.at_s
    }

    /// Out of a sealed session, which got it from a code.
    pub(crate) fn from_session(phone: &Phone, at_s: u64) -> Self {
        Self { phone: phone.clone(), at_s }
    }

    /// As if a code had been typed.
    #[cfg(test)]
    pub(crate) fn for_tests(phone: &Phone, at_s: u64) -> Self {
        Self { phone: phone.clone(), at_s }
    }
}

impl std::fmt::Debug for ProvenPhone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProvenPhone(…)")
    }
}

/// A message that has to go out now.
pub struct CodeToSend {
    phone: Phone,
    digits: String,
}

impl CodeToSend {
    /// Where it goes.
    pub const fn phone(&self) -> &Phone {
        &self.phone
    }

    /// The six digits, for the message and nothing else.
    pub fn digits(&self) -> &str {
        &self.digits
    }
}

impl std::fmt::Debug for CodeToSend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CodeToSend(…)")
    }
}

/// So many within a span that begins with the first of them.
#[derive(Clone, Copy, Default)]
struct Window {
    start_s: u32,
    count: u16,
}

impl Window {
    fn take(&mut self, count_max: u16, length_s: u32, now_s: u32) -> Result<(), SmsError> {
        let age_s = now_s.saturating_sub(self.start_s);
        if self.count == 0 || age_s >= length_s {
            *self = Self { start_s: now_s, count: 0 };
        } else if self.count >= count_max {
            return Err(SmsError::TooMany { retry_after_s: length_s - age_s });
        }
        self.count += 1;
        Ok(())
    }
}

#[derive(Clone, Copy)]
struct Outstanding {
    sent_s: u32,
    tries_left: u8,
    session: [u8; SESSION_MARK_BYTES],
    code: [u8; CODE_MARK_BYTES],
}

#[derive(Default)]
struct PhoneState {
    asked_s: Option<u32>,
    asked: Window,
    checked: Window,
    code: Option<Outstanding>,
}

/// The codes that are out, and who has asked.
pub struct SmsCodes {
    hasher: Hasher,
    key: hmac::Key,
    limits: SmsLimits,
    phones: Bounded<Hash, PhoneState>,
    clients: Bounded<u128, Window>,
}

impl SmsCodes {
    /// None are out yet.
    pub fn new(keys: &Keys, limits: SmsLimits) -> Self {
        Self::with_room(keys, limits, PHONES_MAX, CLIENTS_MAX)
    }

    /// Other limits from now on; what was asked before counts against them.
    pub(super) fn limit_by(&mut self, limits: SmsLimits) {
        self.limits = limits;
    }

    pub(super) fn with_room(keys: &Keys, limits: SmsLimits, phones_max: usize, clients_max: usize) -> Self {
        Self {
            hasher: Hasher::new(keys.pepper()),
            key: hmac::Key::new(hmac::HMAC_SHA256, keys.pepper()),
            limits,
            phones: Bounded::new(phones_max, DAY_S, CODE_S_MAX),
            clients: Bounded::new(clients_max, HOUR_S, HOUR_S),
        }
    }

    /// A new code for the phone, good in this session only; an older one, of whichever session, is good no more.
    pub fn request(
        &mut self,
        session: SessionId,
        client: IpAddr,
        phone: &Phone,
        random: u64,
        now_s: u64,
    ) -> Result<CodeToSend, SmsError> {
        let now_s = seconds(now_s);
        let hour = self.clients.touch(network(client), now_s).ok_or(SmsError::Busy)?;
        hour.take(self.limits.per_client_hour_max, HOUR_S, now_s)?;
        let hash = self.hasher.phone(phone);
        let digits = format!("{:06}", random % 1_000_000);
        let code = self.code_mark(&session, &hash, &digits);
        let session = self.session_mark(&session);
        let state = self.phones.touch(hash, now_s).ok_or(SmsError::Busy)?;
        if let Some(age_s) =
            state.asked_s.map(|asked_s| now_s.saturating_sub(asked_s)).filter(|&s| s < APART_S)
        {
            return Err(SmsError::TooMany { retry_after_s: APART_S - age_s });
        }
        state.asked.take(self.limits.per_phone_day_max, DAY_S, now_s)?;
        state.asked_s = Some(now_s);
        state.code = Some(Outstanding { sent_s: now_s, tries_left: TRIES_MAX, session, code });
        Ok(CodeToSend { phone: phone.clone(), digits })
    }

    /// Compares what was typed. The right code is used up by it.
    pub fn check(
        &mut self,
        session: SessionId,
        phone: &Phone,
        typed: &str,
        now_s: u64,
    ) -> Result<ProvenPhone, SmsError> {
        let (at_s, now_s) = (now_s, seconds(now_s));
        let hash = self.hasher.phone(phone);
        let (text, session) = (text(&session, &hash, typed.trim()), self.session_mark(&session));
        let state = self.phones.get_mut(hash).ok_or(SmsError::Gone)?;
        // Whoever has not asked has no try, and takes none away.
        let mine = |code: &&mut Outstanding| {
            code.session == session && now_s.saturating_sub(code.sent_s) < CODE_S_MAX
        };
        let code = state.code.as_mut().filter(mine).ok_or(SmsError::Gone)?;
        state.checked.take(CHECKS_PER_HOUR_MAX, HOUR_S, now_s)?;
        if hmac::verify(&self.key, &text, &code.code).is_ok() {
            state.code = None;
            return Ok(ProvenPhone { phone: phone.clone(), at_s });
        }
        code.tries_left -= 1;
        let tries_left = code.tries_left;
        if tries_left == 0 {
            state.code = None;
        }
        Err(SmsError::Wrong { tries_left })
    }

    #[cfg(test)]
    pub(super) fn phones(&self) -> usize {
        self.phones.len()
    }

    fn session_mark(&self, session: &SessionId) -> [u8; SESSION_MARK_BYTES] {
        let tag = hmac::sign(&self.key, &[b"sms session", &session.0[..]].concat());
        *tag.as_ref().first_chunk().expect("it is longer")
    }

    fn code_mark(&self, session: &SessionId, phone: &Hash, digits: &str) -> [u8; CODE_MARK_BYTES] {
        let tag = hmac::sign(&self.key, &text(session, phone, digits));
        *tag.as_ref().first_chunk().expect("it is as long")
    }
}

fn text(session: &SessionId, phone: &Hash, digits: &str) -> Vec<u8> {
    [b"sms code", &session.0[..], &phone[..], digits.as_bytes()].concat()
}

/// A home or a firm has a whole /64 of IPv6, and may ask from any address of it.
fn network(client: IpAddr) -> u128 {
    match client.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits() >> 64 << 64,
    }
}

fn seconds(now_s: u64) -> u32 {
    u32::try_from(now_s).unwrap_or(u32::MAX)
}

impl std::fmt::Debug for SmsCodes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SmsCodes(…)")
    }
}
