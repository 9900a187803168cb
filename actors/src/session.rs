//! Sessions of visitors on the pages. A session is one sealed cookie, so that a restart of the gateway signs out no visitor and no table of
//! sessions grows. The cookie holds the session's number, the phone with the time of its proof or the shift that staff work in, and the
//! view; without the key it cannot be read. Sign-outs are kept in the registry, and in memory for each page to check.

use std::collections::HashMap;
use std::sync::RwLock;

use keys::{Keys, random};
use registry::periods::PROVEN_S_MAX;
use registry::{Phone, Registry, RegistryError, ShiftId, SignOut};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use runtime::lock::{read, write};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::sms::{ProvenPhone, SessionId};

/// The lifetime of a session without a proven phone: long enough to wait for a message and to fill in a form.
const UNPROVEN_S_MAX: u64 = 24 * 3600;
/// The length of the token by which a form shows that it comes from a page of this gateway.
const FORM_TOKEN_BYTES: usize = 16;
const VERSION: u8 = 2;
const PHONE_DIGITS: usize = 11;
const PLAIN_BYTES: usize = 1 + 16 + 8 + 8 + 8 + 1 + PHONE_DIGITS;

/// The session of one visitor.
#[derive(Clone)]
pub struct Session {
    id: SessionId,
    made_s: u64,
    /// The phone that a code was asked for, proven or not.
    pub phone: Option<Phone>,
    /// The proof, from the time when the code was typed.
    pub proven: Option<ProvenPhone>,
    /// The shift that staff have joined, which may have ended since: the registry knows. `None` for a citizen.
    pub staff: Option<ShiftId>,
    /// Larger text and targets.
    pub elder: bool,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Session(…)")
    }
}

impl Session {
    /// Returns the session's number, to which codes by SMS are bound.
    pub const fn id(&self) -> SessionId {
        self.id
    }

    /// Returns the session of the same visitor, signed in, under a new number: a cookie that was planted before the sign-in opens nothing
    /// after it.
    pub fn signed_in(self, before: &Self, phone: Phone, proven: ProvenPhone) -> Self {
        Self { phone: Some(phone), proven: Some(proven), elder: before.elder, ..self }
    }

    /// Returns the session of staff at work, under a new number: a citizen who was signed in before is so no more.
    pub fn on_shift(self, before: &Self, shift: ShiftId) -> Self {
        Self { staff: Some(shift), elder: before.elder, ..self }
    }

    /// Returns the proof, if it is good at `now_s`, seconds since 1970 UTC.
    pub fn proven(&self, now_s: u64) -> Option<&ProvenPhone> {
        self.proven.as_ref().filter(|proven| proven.phone(now_s).is_some())
    }
}

/// Seals and opens sessions.
pub struct Sessions {
    cookie: LessSafeKey,
    forms: hmac::Key,
    /// The sign-outs, as in the registry, by mark: proofs before that time are no longer good. Kept as long as a proof is good.
    ended: RwLock<HashMap<[u8; FORM_TOKEN_BYTES], u64>>,
}

impl Sessions {
    /// Derives the sessions' keys from the gateway's.
    pub fn new(keys: &Keys) -> Self {
        let made = |purpose: &[u8]| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, keys.field());
            Zeroizing::new(*hmac::sign(&key, purpose).as_ref().first_chunk::<32>().expect("32 bytes"))
        };
        let cookie = UnboundKey::new(&AES_256_GCM, &*made(b"session cookies")).expect("32 bytes are a key");
        let forms = hmac::Key::new(hmac::HMAC_SHA256, &*made(b"form tokens"));
        let (cookie, ended) = (LessSafeKey::new(cookie), RwLock::default());
        Self { cookie, forms, ended }
    }

    /// Loads the sign-outs of before this process began.
    pub fn load(&self, registry: &Registry) -> Result<(), RegistryError> {
        registry.for_each_sign_out(|out| self.end(&out, 0))
    }

    /// Makes a sign-out of this session and all copies of its cookie; `everywhere` of all sessions that have proven its phone until now.
    /// The caller records it in the registry and then calls [`Self::end`].
    pub fn sign_out(&self, session: &Session, everywhere: bool, now_s: u64) -> SignOut {
        match &session.phone {
            // The session itself may have been proven in this second.
            Some(phone) if everywhere => {
                let proven_s = session.proven.as_ref().map_or(0, ProvenPhone::at_s);
                SignOut { mark: self.mark_of_phone(phone), good_from_s: now_s.max(proven_s + 1) }
            }
            Some(_) | None => SignOut { mark: self.mark_of_session(session), good_from_s: now_s },
        }
    }

    /// Ends the sessions that were signed out. Forgets sign-outs that are older than any proof that is still good.
    pub fn end(&self, out: &SignOut, now_s: u64) {
        let mut ended = write(&self.ended);
        if ended.len() == ended.capacity() {
            ended.retain(|_, good_from_s| *good_from_s + PROVEN_S_MAX >= now_s);
        }
        let good_from_s = ended.entry(out.mark).or_default();
        *good_from_s = out.good_from_s.max(*good_from_s);
    }

    fn is_ended(&self, session: &Session) -> bool {
        let ended = read(&self.ended);
        if ended.is_empty() {
            return false;
        }
        let good_from_s = session.phone.as_ref().and_then(|phone| ended.get(&self.mark_of_phone(phone)));
        let proven_s = session.proven.as_ref().map(ProvenPhone::at_s);
        let by_phone =
            proven_s.zip(good_from_s).is_some_and(|(proven_s, good_from_s)| proven_s < *good_from_s);
        by_phone || ended.contains_key(&self.mark_of_session(session))
    }

    fn mark_of_phone(&self, phone: &Phone) -> [u8; FORM_TOKEN_BYTES] {
        self.mark_out(b"signed out phone", phone.reveal().as_bytes())
    }

    fn mark_of_session(&self, session: &Session) -> [u8; FORM_TOKEN_BYTES] {
        self.mark_out(b"signed out session", &session.id.0)
    }

    fn mark_out(&self, kind: &[u8], of: &[u8]) -> [u8; FORM_TOKEN_BYTES] {
        let tag = hmac::sign(&self.forms, &[kind, of].concat());
        *tag.as_ref().first_chunk().expect("the mark is shorter")
    }

    /// Makes the session of a new visitor.
    ///
    /// # Panics
    /// The system gives no random bytes: a guessable number must not open anything.
    pub fn fresh(&self, now_s: u64) -> Session {
        let id = random::bytes().expect("the system gives random bytes");
        Session { id: SessionId(id), made_s: now_s, phone: None, proven: None, staff: None, elder: false }
    }

    /// Seals a session as a cookie's value, hexadecimal.
    ///
    /// # Panics
    /// The system gives no random bytes.
    pub fn seal(&self, session: &Session) -> String {
        let mut plain = Zeroizing::new(Vec::with_capacity(PLAIN_BYTES));
        plain.push(VERSION);
        plain.extend_from_slice(&session.id.0);
        plain.extend_from_slice(&session.made_s.to_le_bytes());
        plain.extend_from_slice(&session.proven.as_ref().map_or(0, ProvenPhone::at_s).to_le_bytes());
        plain.extend_from_slice(&session.staff.map_or(0, |shift| shift.0).to_le_bytes());
        plain.push(u8::from(session.elder));
        let phone = session.phone.as_ref().map_or("-----------", Phone::reveal);
        plain.extend_from_slice(phone.as_bytes());
        let nonce = random::bytes::<NONCE_LEN>().expect("the system gives random bytes");
        let sealed = Nonce::assume_unique_for_key(nonce);
        let tag = self.cookie.seal_in_place_separate_tag(sealed, Aad::empty(), &mut plain);
        let tag = tag.expect("a session is short enough to be sealed");
        hex::encode([&nonce[..], plain.as_slice(), tag.as_ref()].concat())
    }

    /// Opens a cookie's value at `now_s`; `None` if it was not sealed here, is damaged, or has ended.
    pub fn open(&self, value: &str, now_s: u64) -> Option<Session> {
        let bytes = hex::decode(value).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain: &[u8] = self.cookie.open_in_place(nonce, Aad::empty(), &mut sealed).ok()?;
        let (&[VERSION], plain) = plain.split_first_chunk::<1>()? else { return None };
        let (id, plain) = plain.split_first_chunk::<16>()?;
        let (made_s, plain) = plain.split_first_chunk::<8>()?;
        let (proven_s, plain) = plain.split_first_chunk::<8>()?;
        let (staff, plain) = plain.split_first_chunk::<8>()?;
        let (&[elder], digits) = plain.split_first_chunk::<1>()?;
        let (made_s, proven_s) = (u64::from_le_bytes(*made_s), u64::from_le_bytes(*proven_s));
        let phone = std::str::from_utf8(digits).ok().and_then(Phone::parse);
        let proven = match (&phone, proven_s) {
            (None, _) | (Some(_), 0) => None,
            (Some(phone), at_s) => Some(ProvenPhone::from_session(phone, at_s)),
        };
        let staff = Some(u64::from_le_bytes(*staff)).filter(|&number| number != 0).map(ShiftId);
        let session = Session { id: SessionId(*id), made_s, phone, proven, staff, elder: elder == 1 };
        let over = session.proven(now_s).is_none() && now_s.saturating_sub(made_s) > UNPROVEN_S_MAX;
        (!over && !self.is_ended(&session)).then_some(session)
    }

    /// Returns the token in the session's forms, hexadecimal: another site cannot know it.
    pub fn form_token(&self, session: &Session) -> String {
        hex::encode(&hmac::sign(&self.forms, &session.id.0).as_ref()[..FORM_TOKEN_BYTES])
    }

    /// Returns the mark that stands in the session's forms for a number that must not be seen; hexadecimal, without use in another session.
    pub fn mark(&self, session: &Session, of: u64) -> String {
        let named = [&session.id.0[..], b"mark", &of.to_le_bytes()].concat();
        hex::encode(&hmac::sign(&self.forms, &named).as_ref()[..FORM_TOKEN_BYTES])
    }

    /// Returns true if `mark` is the session's mark for that number.
    pub fn is_mark_of(&self, session: &Session, of: u64, mark: &str) -> bool {
        self.mark(session, of).as_bytes().ct_eq(mark.as_bytes()).into()
    }

    /// Returns true if `token` is that of the session's forms.
    pub fn is_form_of(&self, session: &Session, token: &str) -> bool {
        self.form_token(session).as_bytes().ct_eq(token.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions() -> (tempfile::TempDir, Sessions) {
        let directory = tempfile::tempdir().unwrap();
        Keys::init(&directory.path().join("keys")).unwrap();
        let sessions = Sessions::new(&Keys::load(&directory.path().join("keys")).unwrap());
        (directory, sessions)
    }

    #[test]
    fn a_cookie_opens_to_what_was_sealed_and_hides_it() {
        let (_directory, sessions) = sessions();
        let phone = Phone::parse("16300000007").unwrap();
        let mut session = sessions.fresh(1_000);
        session.phone = Some(phone.clone());
        session.proven = Some(ProvenPhone::for_tests(&phone, 2_000));
        session.elder = true;
        let value = sessions.seal(&session);
        assert_ne!(
            value,
            sessions.seal(&session),
            "two cookies of one session cannot be told to belong together"
        );
        assert!(!value.contains(&hex::encode("16300000007")));
        let read = sessions.open(&value, 3_000).unwrap();
        assert_eq!((read.id(), read.elder), (session.id(), true));
        assert!(read.phone == Some(phone) && read.proven == session.proven);
        assert!(read.proven(2_000 + PROVEN_S_MAX).is_some() && read.proven(2_001 + PROVEN_S_MAX).is_none());
    }

    #[test]
    fn a_copied_cookie_is_worth_nothing_after_a_sign_out() {
        let (directory, sessions) = sessions();
        let keys = Keys::load(&directory.path().join("keys")).unwrap();
        let registry = &mut Registry::open(&directory.path().join("registry.db"), &keys).unwrap();
        let phone = Phone::parse("16300000007").unwrap();
        let signed_in = |at_s| {
            let proven = ProvenPhone::for_tests(&phone, at_s);
            sessions.fresh(at_s).signed_in(&sessions.fresh(at_s), phone.clone(), proven)
        };
        let (here, there) = (signed_in(2_000), signed_in(2_500));
        let [copied, other] = [&here, &there].map(|session| sessions.seal(session));
        let out = |sessions: &Sessions, registry: &mut Registry, everywhere, now_s| {
            let out = sessions.sign_out(&here, everywhere, now_s);
            registry.insert_sign_out(&out, now_s).unwrap();
            sessions.end(&out, now_s);
        };
        out(&sessions, registry, false, 3_000);
        assert!(sessions.open(&copied, 3_000).is_none(), "the copy");
        assert!(sessions.open(&other, 3_000).is_some(), "another browser stays signed in");
        out(&sessions, registry, true, 3_100);
        assert!(sessions.open(&other, 3_100).is_none(), "everywhere");
        let again = sessions.seal(&signed_in(3_100));
        assert!(sessions.open(&again, 3_100).is_some(), "who proves the phone again is signed in");

        let restarted = Sessions::new(&keys);
        restarted.load(registry).unwrap();
        assert!(restarted.open(&copied, 3_200).is_none() && restarted.open(&other, 3_200).is_none());
        assert!(restarted.open(&again, 3_200).is_some());
        registry.insert_sign_out(&restarted.sign_out(&here, false, 9_000_000), 9_000_000).unwrap();
        let mut kept = 0;
        registry.for_each_sign_out(|_| kept += 1).unwrap();
        assert_eq!(kept, 1, "what no proof can outlive is forgotten");
    }

    #[test]
    fn whoever_joins_a_shift_or_signs_in_leaves_the_other_behind() {
        let (_directory, sessions) = sessions();
        let phone = Phone::parse("16300000007").unwrap();
        let proven = ProvenPhone::for_tests(&phone, 2_000);
        let citizen = sessions.fresh(1_000).signed_in(&sessions.fresh(1_000), phone.clone(), proven.clone());
        let joined = sessions.fresh(3_000).on_shift(&citizen, ShiftId(7));
        let staff = sessions.open(&sessions.seal(&joined), 3_000).unwrap();
        assert_eq!(staff.staff, Some(ShiftId(7)));
        assert!(staff.proven(3_000).is_none() && staff.phone.is_none() && staff.id() != citizen.id());
        let back = sessions.fresh(4_000).signed_in(&staff, phone, proven);
        let citizen = sessions.open(&sessions.seal(&back), 4_000).unwrap();
        assert!(citizen.staff.is_none() && citizen.proven(4_000).is_some());
    }

    #[test]
    fn a_cookie_that_is_foreign_changed_or_over_opens_nothing() {
        let (_directory, sessions) = sessions();
        let (_other, others) = self::sessions();
        let value = sessions.seal(&sessions.fresh(1_000));
        assert!(others.open(&value, 1_000).is_none(), "another gateway's");
        assert!(sessions.open(&value, 1_001 + UNPROVEN_S_MAX).is_none(), "over");
        for at in (0..value.len()).step_by(7) {
            let mut changed = value.clone().into_bytes();
            changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
            assert!(sessions.open(std::str::from_utf8(&changed).unwrap(), 1_000).is_none(), "byte {at}");
            assert!(sessions.open(&value[..at], 1_000).is_none(), "cut at {at}");
        }
    }

    #[test]
    fn a_forms_token_is_its_sessions() {
        let (_directory, sessions) = sessions();
        let (mine, other) = (sessions.fresh(1), sessions.fresh(1));
        let token = sessions.form_token(&mine);
        assert!(sessions.is_form_of(&mine, &token));
        assert!(!sessions.is_form_of(&other, &token) && !sessions.is_form_of(&mine, ""));
    }

    #[test]
    fn a_mark_is_its_sessions_and_things() {
        let (_directory, sessions) = sessions();
        let (mine, other) = (sessions.fresh(1), sessions.fresh(1));
        let mark = sessions.mark(&mine, 7);
        assert_eq!(mark, sessions.mark(&mine, 7));
        assert!(mark != sessions.mark(&mine, 8) && mark != sessions.mark(&other, 7));
        assert!(mark != sessions.form_token(&mine));
        assert!(sessions.is_mark_of(&mine, 7, &mark) && !sessions.is_mark_of(&other, 7, &mark));
    }
}
