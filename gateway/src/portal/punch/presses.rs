//! Presses of the check-in button. A page carries a nonce that is good for one punch of one code at one place in one session; what came
//! of it is remembered here until the nonce is worthless, so that a reload or a double press shows the same and records nothing. Kept
//! in memory only: after a restart earlier nonces are refused, because it is unknown if they were used.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard};

use actors::bounds;
use actors::sms::SessionId;
use keys::random;
use metrics::{Counter, Gauge};
use protocol::{CodeId, PlaceId, Verdict};
use ring::hmac;
use runtime::lock::lock;
use tokio::sync::watch;

use crate::portal::http::paths::PressId;

/// A page that is older is loaded again before it punches.
pub(crate) const GOOD_S: u64 = 600;
/// Presses that are remembered at most; further ones are refused until the oldest nonces have ended. The share of one code is counted
/// before.
const PRESSES_MAX: usize = bounds::PRESSES.entries();
const BOOT: usize = 8;
const TIME: usize = BOOT + 4;
const SEALED: usize = TIME + 16;
const NONCE_BYTES: usize = SEALED + 32;

/// The recorded punch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) code: CodeId,
    pub(crate) place: PlaceId,
    /// Milliseconds since 1970 UTC.
    pub(crate) at_ms: u64,
    pub(crate) verdict: Verdict,
}

/// The outcome of a press.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum PressOutcome {
    /// It is not known yet.
    Waiting,
    /// It is durable.
    Recorded(Recorded),
    /// It is not, and may be pressed again.
    Refused,
    /// The punch log failed meanwhile: it may be found there by the next process, or not.
    Unsure,
}

/// Why a nonce is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NonceError {
    /// Made before this process started: whether it was used is not known.
    Restarted,
    /// Too old.
    Late,
    /// Another session's, another place's, a code's that the phone does not open, or none at all.
    Foreign,
}

/// The session, place and code of a press.
#[derive(Clone, Copy)]
pub(crate) struct Presser {
    pub(crate) session: SessionId,
    pub(crate) place: PlaceId,
    pub(crate) code: CodeId,
}

/// The fate of a press.
pub(crate) enum Claim {
    /// It is the first: the caller makes the punch.
    First(watch::Receiver<PressOutcome>),
    /// It came before.
    Again(watch::Receiver<PressOutcome>),
    /// Too many are remembered.
    Full,
}

struct Press {
    session: SessionId,
    came: watch::Sender<PressOutcome>,
}

#[derive(Default)]
struct Remembered {
    presses: HashMap<PressId, Press>,
    /// The end of each press, seconds since 1970 UTC, in the order of the presses.
    until: VecDeque<(u64, PressId)>,
}

/// The presses of this process.
pub(crate) struct Presses {
    boot: [u8; BOOT],
    key: hmac::Key,
    remembered: Mutex<Remembered>,
    limited: Counter,
    used: Gauge,
}

impl Presses {
    /// Makes a key that ends with the process.
    ///
    /// # Panics
    /// If the system gives no random bytes: nothing may be sealed with guessable ones.
    pub(crate) fn new() -> Self {
        let boot = random::bytes().expect("the system gives random bytes");
        let key: [u8; 32] = random::bytes().expect("the system gives random bytes");
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let (limited, used) = (bounds::PRESSES.limited(), bounds::PRESSES.used());
        Self { boot, key, remembered: Mutex::default(), limited, used }
    }

    /// The nonce for a page that is shown now. Hexadecimal.
    ///
    /// # Panics
    /// If the system gives no random bytes.
    pub(crate) fn nonce(&self, presser: Presser, now_s: u64) -> String {
        let mut bytes = [0; NONCE_BYTES];
        bytes[..BOOT].copy_from_slice(&self.boot);
        bytes[BOOT..TIME].copy_from_slice(&u32::try_from(now_s).unwrap_or(u32::MAX).to_le_bytes());
        random::fill(&mut bytes[TIME..SEALED]).expect("the system gives random bytes");
        let seal = hmac::sign(&self.key, &sealed(&bytes[..SEALED], presser));
        bytes[SEALED..].copy_from_slice(seal.as_ref());
        hex::encode(bytes)
    }

    /// Reads a nonce: its press, and the code, one of those that the phone opens.
    pub(crate) fn read(
        &self,
        nonce: &str,
        (session, place): (SessionId, PlaceId),
        codes: &[CodeId],
        now_s: u64,
    ) -> Result<(PressId, CodeId), NonceError> {
        let bytes = hex::decode(nonce).map_err(|_| NonceError::Foreign)?;
        let bytes: [u8; NONCE_BYTES] = bytes.try_into().map_err(|_| NonceError::Foreign)?;
        if bytes[..BOOT] != self.boot {
            return Err(NonceError::Restarted);
        }
        let is_for = |&code: &CodeId| {
            let presser = Presser { session, place, code };
            hmac::verify(&self.key, &sealed(&bytes[..SEALED], presser), &bytes[SEALED..]).is_ok()
        };
        let code = codes.iter().copied().find(is_for).ok_or(NonceError::Foreign)?;
        let shown_s = u32::from_le_bytes(*bytes[BOOT..].first_chunk().expect("four bytes of the time"));
        if now_s > u64::from(shown_s) + GOOD_S {
            return Err(NonceError::Late);
        }
        let id = bytes[TIME..SEALED].try_into().expect("sixteen bytes of the press");
        Ok((PressId(id), code))
    }

    /// Takes a press whose nonce was read as good.
    pub(crate) fn claim(&self, id: PressId, session: SessionId, now_s: u64) -> Claim {
        let mut remembered = self.lock();
        let Remembered { presses, until } = &mut *remembered;
        while let Some(&(until_s, old)) = until.front()
            && until_s < now_s
        {
            until.pop_front();
            presses.remove(&old);
        }
        if let Some(press) = presses.get(&id) {
            let refused = *press.came.borrow() == PressOutcome::Refused;
            if refused {
                press.came.send_replace(PressOutcome::Waiting);
                return Claim::First(press.came.subscribe());
            }
            return Claim::Again(press.came.subscribe());
        }
        self.used.set(presses.len() as f64);
        if presses.len() >= PRESSES_MAX {
            self.limited.increment(1);
            return Claim::Full;
        }
        let (sender, came) = watch::channel(PressOutcome::Waiting);
        // The nonce was shown before it was pressed, so it is worthless by then.
        until.push_back((now_s + GOOD_S, id));
        presses.insert(id, Press { session, came: sender });
        Claim::First(came)
    }

    /// Sets the outcome of a press, for those who wait for it and those who ask later.
    pub(crate) fn land(&self, id: PressId, came: PressOutcome) {
        if let Some(press) = self.lock().presses.get(&id) {
            press.came.send_replace(came);
        }
    }

    /// Returns the outcome of a press of that session.
    pub(crate) fn came(&self, id: PressId, session: SessionId) -> Option<PressOutcome> {
        let remembered = self.lock();
        let press = remembered.presses.get(&id).filter(|press| press.session == session)?;
        Some(*press.came.borrow())
    }

    fn lock(&self) -> MutexGuard<'_, Remembered> {
        lock(&self.remembered)
    }
}

fn sealed(nonce: &[u8], presser: Presser) -> Vec<u8> {
    let Presser { session, place, code } = presser;
    [nonce, &session.0, &place.0.to_le_bytes(), &code.get().to_le_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: SessionId = SessionId([1; 16]);
    const OTHER: SessionId = SessionId([2; 16]);

    fn code(number: u64) -> CodeId {
        CodeId::from_u64(number).unwrap()
    }

    fn presser(session: SessionId, place: u32, of: u64) -> Presser {
        Presser { session, place: PlaceId(place), code: code(of) }
    }

    fn recorded() -> PressOutcome {
        let verdict = Verdict::ask_staff(protocol::Reason::NotLoaded);
        PressOutcome::Recorded(Recorded { code: code(7), place: PlaceId(1), at_ms: 5, verdict })
    }

    #[test]
    fn a_nonce_is_its_sessions_places_codes_and_times() {
        let presses = Presses::new();
        let nonce = presses.nonce(presser(ME, 1, 7), 1_000);
        let codes = [code(6), code(7)];
        let read = |session, place, codes: &[CodeId], now_s| {
            presses.read(&nonce, (session, PlaceId(place)), codes, now_s).map(|(_, code)| code)
        };
        assert_eq!(read(ME, 1, &codes, 1_000 + GOOD_S), Ok(code(7)));
        assert_eq!(read(ME, 1, &codes, 1_001 + GOOD_S), Err(NonceError::Late));
        assert_eq!(
            read(OTHER, 1, &codes, 1_000),
            Err(NonceError::Foreign),
            "another session of the same phone"
        );
        assert_eq!(read(ME, 2, &codes, 1_000), Err(NonceError::Foreign), "another place");
        assert_eq!(read(ME, 1, &codes[..1], 1_000), Err(NonceError::Foreign), "another's code");
        assert_eq!(read(ME, 1, &[], 1_000), Err(NonceError::Foreign));
        let restarted = Presses::new();
        let read = restarted.read(&nonce, (ME, PlaceId(1)), &codes, 1_000);
        assert_eq!(read, Err(NonceError::Restarted));
        for bad in ["", "00", "zz", &nonce[1..], &format!("{nonce}00")] {
            assert_eq!(
                presses.read(bad, (ME, PlaceId(1)), &codes, 1_000).err(),
                Some(NonceError::Foreign),
                "{bad}"
            );
        }
        for at in (2 * BOOT..nonce.len()).step_by(5) {
            let mut changed = nonce.clone().into_bytes();
            changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(
                presses.read(&changed, (ME, PlaceId(1)), &codes, 1_000).err(),
                Some(NonceError::Foreign)
            );
        }
    }

    #[test]
    fn the_first_press_punches_and_all_others_see_what_came_of_it() {
        let presses = Presses::new();
        let id = PressId([9; 16]);
        let Claim::First(came) = presses.claim(id, ME, 100) else { panic!("the first") };
        let Claim::Again(same) = presses.claim(id, ME, 100) else { panic!("a double press") };
        assert!(
            *came.borrow() == PressOutcome::Waiting && presses.came(id, ME) == Some(PressOutcome::Waiting)
        );
        presses.land(id, recorded());
        assert!(*came.borrow() == recorded() && *same.borrow() == recorded());
        assert!(matches!(presses.claim(id, ME, 100 + GOOD_S), Claim::Again(_)));
        assert!(presses.came(id, ME) == Some(recorded()) && presses.came(id, OTHER).is_none());
    }

    #[test]
    fn a_press_that_was_not_recorded_may_be_pressed_again() {
        let presses = Presses::new();
        let id = PressId([9; 16]);
        assert!(matches!(presses.claim(id, ME, 100), Claim::First(_)));
        presses.land(id, PressOutcome::Refused);
        let Claim::First(came) = presses.claim(id, ME, 101) else { panic!("once more") };
        assert!(*came.borrow() == PressOutcome::Waiting);
        assert!(matches!(presses.claim(id, ME, 101), Claim::Again(_)));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_nothing_that_is_still_good_is_forgotten() {
        let presses = Presses::new();
        let id = |number: u128| PressId(number.to_le_bytes());
        for number in 0..PRESSES_MAX as u128 {
            assert!(matches!(presses.claim(id(number), ME, 100), Claim::First(_)));
        }
        assert!(matches!(presses.claim(id(u128::MAX), ME, 100 + GOOD_S), Claim::Full));
        assert!(matches!(presses.claim(id(0), ME, 100 + GOOD_S), Claim::Again(_)));
        assert!(matches!(presses.claim(id(u128::MAX), ME, 101 + GOOD_S), Claim::First(_)));
        assert_eq!(presses.lock().presses.len(), 1);
    }
}
