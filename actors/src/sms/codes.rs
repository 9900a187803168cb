//! The rules of one-time codes: how long a code is good, how often it may be tried, and how many may be asked for. Pure: time and
//! randomness are arguments. A phone is kept as a keyed hash, a code as a keyed hash that is compared in constant time.

use std::net::IpAddr;

use hashlink::LruCache;
use keys::Keys;
use protocol::typed_text;
use registry::periods::PROVEN_S_MAX;
use registry::{Hash, Hasher, Phone};
use ring::hmac;

use super::SmsError;
use crate::bounds::{self, Net, Rate, near, wide};

/// The seconds for which a code is good.
pub(super) const CODE_S_MAX: u32 = 5 * 60;
/// The tries for which a code is good.
pub const TRIES_MAX: u8 = 5;
/// The seconds between two codes that one network asks for one phone.
const APART_S: u32 = 60;
/// Codes of one network for one phone that are good at once: the newest, and the one before it, whose message may have come late.
const KEPT: usize = 2;
const CODE_DIGITS: usize = 6;
/// The part of a session's keyed hash that is kept. Of a code's keyed hash all is kept, for the comparison in constant time.
const SESSION_MARK_BYTES: usize = 8;
const CODE_MARK_BYTES: usize = 32;

const _: () = assert!(APART_S < CODE_S_MAX);
// Requests of unknown browsers, however many, remove no good code before its time.
const _: () = assert!(
    bounds::SMS_OUT.max as u64
        > bounds::SMS_ALL.max as u64 * (1 + CODE_S_MAX as u64 / bounds::SMS_ALL.within_s)
);

/// The configured limits; the other bounds keep their proportion to these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmsLimits {
    /// Codes for one phone in a day, for browsers that have never proven it.
    pub per_phone_day_max: u16,
    /// Codes for one client address in an hour; for IPv6, for one /64. Carriers put many phones behind one address: a gateway whose
    /// citizens come from such addresses needs a higher number.
    pub per_client_hour_max: u16,
}

impl Default for SmsLimits {
    fn default() -> Self {
        let usual = |bound: &bounds::Bound| u16::try_from(bound.max).unwrap_or(u16::MAX);
        Self { per_phone_day_max: usual(&bounds::SMS_PHONE), per_client_hour_max: usual(&bounds::SMS_CLIENT) }
    }
}

/// The number of a browser session: random, chosen by the pages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SessionId(pub [u8; 16]);

/// Hidden: the number opens the session.
impl std::fmt::Debug for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionId(…)")
    }
}

/// The visitor who asks for a code or types one.
#[derive(Clone, Copy, Debug)]
pub struct Asker {
    /// The browser session.
    pub session: SessionId,
    /// The address that the visitor comes from.
    pub client: IpAddr,
    /// True if this browser has proven this phone before; it is then not refused for what strangers ask for.
    pub known: bool,
}

/// The proof that a phone is in the caller's hand. Only [`SmsCodes::check`] makes one; a session's seal keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct ProvenPhone {
    phone: Phone,
    at_s: u64,
}

impl ProvenPhone {
    /// Returns the phone; `None` if the proof is too old at `now_s`.
    pub fn phone(&self, now_s: u64) -> Option<&Phone> {
        (now_s.saturating_sub(self.at_s) <= PROVEN_S_MAX).then_some(&self.phone)
    }

    /// Returns the time of the proof, seconds since 1970 UTC.
    pub const fn at_s(&self) -> u64 {
        self.at_s
    }

    /// Restores the proof of a sealed session, which was made from a code.
    pub(crate) fn from_session(phone: &Phone, at_s: u64) -> Self {
        Self { phone: phone.clone(), at_s }
    }

    /// Makes a proof as if a code had been typed.
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

/// A code that has to be sent now.
pub struct CodeToSend {
    phone: Phone,
    digits: String,
}

impl CodeToSend {
    /// Returns the phone that it goes to.
    pub const fn phone(&self) -> &Phone {
        &self.phone
    }

    /// Returns the six digits, for the message and nothing else.
    pub fn digits(&self) -> &str {
        &self.digits
    }
}

impl std::fmt::Debug for CodeToSend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CodeToSend(…)")
    }
}

/// The origin of a code among those of one phone; each origin has two at a time at most.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    /// A browser that has proven the phone before.
    Known,
    /// Any other browser, by its network.
    Stranger(Net),
}

impl From {
    fn of(asker: Asker) -> Self {
        if asker.known { Self::Known } else { Self::Stranger(wide(asker.client)) }
    }
}

#[derive(Clone, Copy)]
struct Outstanding {
    from: From,
    sent_s: u32,
    tries_left: u8,
    session: [u8; SESSION_MARK_BYTES],
    code: [u8; CODE_MARK_BYTES],
}

impl Outstanding {
    const fn is_good(&self, now_s: u32) -> bool {
        now_s.saturating_sub(self.sent_s) < CODE_S_MAX
    }
}

/// The standing of one session's codes for one phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// True if one of them is good.
    pub is_out: bool,
    /// The seconds until another may be asked for.
    pub wait_s: u32,
}

/// The rates at which codes are asked for and typed.
struct Rates {
    client: Rate<Net>,
    network: Rate<Net>,
    phone: Rate<Hash>,
    phone_network: Rate<(Hash, Net)>,
    known: Rate<Hash>,
    all: Rate<()>,
    typed_client: Rate<Net>,
    typed_network: Rate<Net>,
    wrong_all: Rate<()>,
}

impl Rates {
    fn new(limits: SmsLimits) -> Self {
        let mut rates = Self {
            client: Rate::new(&bounds::SMS_CLIENT),
            network: Rate::new(&bounds::SMS_NETWORK),
            phone: Rate::new(&bounds::SMS_PHONE),
            phone_network: Rate::new(&bounds::SMS_PHONE_NETWORK),
            known: Rate::new(&bounds::SMS_KNOWN),
            all: Rate::new(&bounds::SMS_ALL),
            typed_client: Rate::new(&bounds::TYPED_CLIENT),
            typed_network: Rate::new(&bounds::TYPED_NETWORK),
            wrong_all: Rate::new(&bounds::WRONG_ALL),
        };
        rates.limit_by(limits);
        rates
    }

    fn limit_by(&mut self, limits: SmsLimits) {
        let (phone, client) = (limits.per_phone_day_max.into(), limits.per_client_hour_max.into());
        self.phone.renew(phone);
        self.phone_network.renew(bounds::SMS_PHONE_NETWORK.beside(&bounds::SMS_PHONE, phone));
        self.client.renew(client);
        self.network.renew(bounds::SMS_NETWORK.beside(&bounds::SMS_CLIENT, client));
        self.typed_client.renew(bounds::TYPED_CLIENT.beside(&bounds::SMS_CLIENT, client));
        self.typed_network.renew(bounds::TYPED_NETWORK.beside(&bounds::SMS_CLIENT, client));
    }

    /// Takes a code for a stranger from the rates: its own first, so that a stranger above its share takes nothing from others.
    fn stranger_asks(&mut self, phone: Hash, network: Net, now_s: u64) -> Result<(), SmsError> {
        self.phone_network.take(&(phone, network), now_s).map_err(too_many)?;
        self.phone.take(&phone, now_s).map_err(too_many)?;
        self.all.take(&(), now_s).map_err(|_| SmsError::Busy)
    }
}

fn too_many(retry_after_s: u32) -> SmsError {
    SmsError::TooMany { retry_after_s }
}

/// The codes that were sent, and the rates of those who asked.
pub struct SmsCodes {
    hasher: Hasher,
    key: hmac::Key,
    rates: Rates,
    /// The codes by the phone's hash, the phone that was asked for longest ago first.
    out: LruCache<Hash, Vec<Outstanding>>,
}

impl SmsCodes {
    /// Starts without codes.
    pub fn new(keys: &Keys, limits: SmsLimits) -> Self {
        Self {
            hasher: Hasher::new(keys.pepper()),
            key: hmac::Key::new(hmac::HMAC_SHA256, keys.pepper()),
            rates: Rates::new(limits),
            out: LruCache::new(bounds::SMS_OUT.entries()),
        }
    }

    /// Changes the limits; what was asked before counts against them.
    pub(super) fn limit_by(&mut self, limits: SmsLimits) {
        self.rates.limit_by(limits);
    }

    /// Makes a new code for the phone, good in this session only. The one before it from the same network stays good until one of the two
    /// is used. Codes from other networks stay as they are, so that asking for a code takes none from its owner.
    pub fn request(
        &mut self,
        asker: Asker,
        phone: &Phone,
        random: u64,
        now_s: u64,
    ) -> Result<CodeToSend, SmsError> {
        let (at_s, now_s) = (now_s, seconds(now_s));
        self.forget(now_s);
        let (hash, network, from) = (self.hasher.phone(phone), wide(asker.client), From::of(asker));
        if from != From::Known {
            self.rates.client.take(&near(asker.client), at_s).map_err(too_many)?;
            self.rates.network.take(&network, at_s).map_err(too_many)?;
        }
        let wait_s = self.wait_s(&hash, from, now_s);
        if wait_s > 0 {
            return Err(too_many(wait_s));
        }
        match from {
            From::Known => self.rates.known.take(&hash, at_s).map_err(too_many)?,
            From::Stranger(network) => self.rates.stranger_asks(hash, network, at_s)?,
        }
        let digits = format!("{:0CODE_DIGITS$}", random % 1_000_000);
        let code = self.code_mark(&asker.session, &hash, &digits);
        let session = self.session_mark(&asker.session);
        self.keep(hash, Outstanding { from, sent_s: now_s, tries_left: TRIES_MAX, session, code });
        Ok(CodeToSend { phone: phone.clone(), digits })
    }

    fn keep(&mut self, phone: Hash, code: Outstanding) {
        let mut codes = self.out.remove(&phone).unwrap_or_default();
        codes.retain(|other| other.is_good(code.sent_s));
        let mut earlier = codes.iter().filter(|other| other.from == code.from).count();
        codes.retain(|other| {
            let goes = other.from == code.from && earlier >= KEPT;
            earlier -= usize::from(goes);
            !goes
        });
        if codes.len() >= bounds::SMS_OUT_PHONE.entries() {
            let strangers = codes.iter().position(|other| other.from != From::Known);
            codes.remove(strangers.unwrap_or(0));
        }
        codes.push(code);
        self.out.insert(phone, codes);
    }

    /// Returns the seconds until the next code may be asked for.
    fn wait_s(&self, phone: &Hash, from: From, now_s: u32) -> u32 {
        let codes = self.out.peek(phone).map_or(&[][..], Vec::as_slice);
        let last = codes.iter().rev().find(|code| code.from == from);
        last.map_or(0, |code| APART_S.saturating_sub(now_s.saturating_sub(code.sent_s)))
    }

    /// Returns the standing of this session's codes for the phone.
    pub fn standing(&self, asker: Asker, phone: &Phone, now_s: u64) -> Standing {
        let (hash, session, now_s) =
            (self.hasher.phone(phone), self.session_mark(&asker.session), seconds(now_s));
        let codes = self.out.peek(&hash).map_or(&[][..], Vec::as_slice);
        let is_out = codes.iter().any(|code| code.session == session && code.is_good(now_s));
        Standing { is_out, wait_s: self.wait_s(&hash, From::of(asker), now_s) }
    }

    /// Removes the codes of phones that have no good one left.
    fn forget(&mut self, now_s: u32) {
        let is_over = |codes: &[Outstanding]| codes.iter().all(|code| !code.is_good(now_s));
        while self.out.iter().next().is_some_and(|(_, codes)| is_over(codes)) {
            self.out.remove_lru();
        }
    }

    /// Compares what was typed with the session's codes. The right code uses all of them up; an incomplete one costs no try.
    pub fn check(
        &mut self,
        asker: Asker,
        phone: &Phone,
        typed: &str,
        now_s: u64,
    ) -> Result<ProvenPhone, SmsError> {
        let (at_s, now_s) = (now_s, seconds(now_s));
        let (hash, known) = (self.hasher.phone(phone), asker.known);
        let typed = typed_text::digits(typed);
        let session = self.session_mark(&asker.session);
        // A session that has not asked has no try, and takes none from others.
        let codes = self.out.peek_mut(&hash).ok_or(SmsError::Gone)?;
        let is_mine = |code: &Outstanding| code.session == session && code.is_good(now_s);
        if !codes.iter().any(is_mine) {
            return Err(SmsError::Gone);
        }
        if typed.len() != CODE_DIGITS || !typed.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(SmsError::Incomplete);
        }
        if !known {
            self.rates.typed_client.take(&near(asker.client), at_s).map_err(too_many)?;
            self.rates.typed_network.take(&wide(asker.client), at_s).map_err(too_many)?;
        }
        let text = text(&asker.session, &hash, &typed);
        let is_right = |code: &Outstanding| hmac::verify(&self.key, &text, &code.code).is_ok();
        if codes.iter().any(|code| is_mine(code) && is_right(code)) {
            codes.retain(|code| code.session != session);
            return Ok(ProvenPhone { phone: phone.clone(), at_s });
        }
        // While more wrong codes come than a city mistypes, a stranger's first wrong try ends its code.
        let braked = !known && self.rates.wrong_all.take(&(), at_s).is_err();
        // It was compared with each of them, so it is a try of each.
        for code in codes.iter_mut().filter(|code| is_mine(code)) {
            code.tries_left = if braked { 0 } else { code.tries_left - 1 };
        }
        codes.retain(|code| code.tries_left > 0);
        let tries_left = codes.iter().filter(|code| is_mine(code)).map(|code| code.tries_left).max();
        Err(SmsError::Wrong { tries_left: tries_left.unwrap_or(0) })
    }

    #[cfg(test)]
    pub(super) fn phones(&self) -> usize {
        self.out.len()
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

fn seconds(now_s: u64) -> u32 {
    u32::try_from(now_s).unwrap_or(u32::MAX)
}

impl std::fmt::Debug for SmsCodes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SmsCodes(…)")
    }
}
