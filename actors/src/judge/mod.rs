//! The judge: the verdict on a scan. Pure: a few look-ups, no await, time is an argument. Keys and codes are given at the start; the advice
//! follows the policy in effect.

mod scanners;

use std::sync::Arc;

use dashmap::DashMap;
use foldhash::fast::RandomState;
use ledger::{PunchDigest, Record, ScanKind};
use policy::PlaceKind;
use policy::{PlaceAdvice, PolicyInEffect, strictness};
use protocol::legacy::LegacyKey;
use protocol::limits::{TOKEN_GOOD_FOR_S, TOKEN_SKEW_S};
use protocol::scanner;
use protocol::token::{TOKEN_BYTES, Token, TokenError, TokenKeys};
use protocol::{
    Advice, Basis, Class, CodeId, Colour, DeviceId, OfflineDecision, PlaceId, Punch, Reason, RegionId,
    Scanned, Verdict,
};
use registry::colours::{CodeEntry, Codes};

pub use scanners::Scanners;

/// The places that are no checkpoints, with their kinds; clones share them. Written by the order that changes the registry's places, read
/// once for each row of punches at one place.
#[derive(Clone, Default)]
pub struct PlaceKinds(Arc<DashMap<PlaceId, PlaceKind, RandomState>>);

impl PlaceKinds {
    /// Adds one place, or changes its kind. Judgements that read other places notice nothing.
    pub fn add(&self, place: PlaceId, kind: PlaceKind) {
        if kind == PlaceKind::Checkpoint {
            self.0.remove(&place);
        } else {
            self.0.insert(place, kind);
        }
    }

    fn of(&self, place: PlaceId) -> PlaceKind {
        self.0.get(&place).map_or(PlaceKind::Checkpoint, |kind| *kind)
    }
}

impl FromIterator<(PlaceId, PlaceKind)> for PlaceKinds {
    fn from_iter<I: IntoIterator<Item = (PlaceId, PlaceKind)>>(places: I) -> Self {
        let kinds = Self::default();
        places.into_iter().for_each(|(place, kind)| kinds.add(place, kind));
        kinds
    }
}

/// The judge of scans.
pub struct Judge {
    codes: Codes,
    tokens: TokenKeys,
    legacy: LegacyKey,
    gateway: u16,
    policy: PolicyInEffect,
    places: PlaceKinds,
    scanners: Scanners,
}

/// The judgement of one scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The verdict.
    pub verdict: Verdict,
    /// The code that was read, still good or not; `None` if none was.
    pub code: Option<CodeId>,
    /// The kind of the scan.
    pub kind: ScanKind,
}

impl Judge {
    /// Makes the judge of a process. `gateway` is the number under which the imported holders' texts were registered.
    pub fn new(
        codes: Codes,
        tokens: TokenKeys,
        legacy: LegacyKey,
        gateway: u16,
        policy: PolicyInEffect,
        places: PlaceKinds,
    ) -> Self {
        Self { codes, tokens, legacy, gateway, policy, places, scanners: Scanners::default() }
    }

    /// Returns the devices whose scanners change what they read.
    pub const fn scanners(&self) -> &Scanners {
        &self.scanners
    }

    /// Returns the kinds of places.
    pub const fn places(&self) -> &PlaceKinds {
        &self.places
    }

    /// Returns the codes in memory.
    pub const fn codes(&self) -> &Codes {
        &self.codes
    }

    /// Judges a device's scans in a region at `now_ms`, together, which costs a fraction of judging one by one. Scans without a record name
    /// no place; they are judged as at a checkpoint.
    pub fn judge<'a>(
        &self,
        (region, device): (RegionId, DeviceId),
        scans: impl Iterator<Item = &'a Scanned>,
        now_ms: u64,
    ) -> Vec<Judged> {
        let policy = self.policy.load();
        let here = policy.advice(region, PlaceKind::Checkpoint);
        self.judge_all(device, scans, std::iter::repeat(here), now_ms)
    }

    /// Judges a device's punches in a region at `now_ms`: one record for each, in order. A decision that the device made while it was
    /// offline is recorded as made: to judge it again now would rewrite what happened at the gate.
    pub fn records(
        &self,
        (region, device): (RegionId, DeviceId),
        punches: &[Punch],
        now_ms: u64,
    ) -> Vec<Record> {
        let policy = self.policy.load();
        let mut last = None;
        let here = punches.iter().map(|punch| match last {
            Some((place, here)) if place == punch.place => here,
            Some(_) | None => {
                last.insert((punch.place, policy.advice(region, self.places.of(punch.place)))).1
            }
        });
        let judged = self.judge_all(device, punches.iter().map(|punch| &punch.scanned), here, now_ms);
        let record = |(punch, judged): (&Punch, Judged)| Record {
            code: judged.code,
            kind: judged.kind,
            direction: punch.direction,
            place: punch.place,
            device_time_ms: punch.device_time_ms,
            offline: punch.offline.is_some(),
            verdict: punch.offline.map_or(judged.verdict, as_made),
            digest: Some(PunchDigest::of(punch)),
        };
        punches.iter().zip(judged).map(record).collect()
    }

    /// Judges scans, with the advice of each scan's place in `here`. All codes are looked up together.
    fn judge_all<'a, 'b>(
        &self,
        device: DeviceId,
        scans: impl Iterator<Item = &'a Scanned>,
        here: impl Iterator<Item = &'b PlaceAdvice>,
        now_ms: u64,
    ) -> Vec<Judged> {
        let scans: Vec<&Scanned> = scans.collect();
        let mut added = 0;
        let reads = self.read_all(&scans, now_ms, &mut added);
        self.scanners.note(device, added);
        let codes: Vec<CodeId> = reads.iter().filter_map(ReadScan::code).collect();
        let mut entries = self.codes.get_many(&codes).into_iter();
        let judged = |(read, here): (ReadScan, &PlaceAdvice)| {
            let entry = if read.code().is_some() { entries.next().flatten() } else { None };
            self.judged(read, entry, here)
        };
        reads.into_iter().zip(here).map(judged).collect()
    }

    /// Reads scans; `added` counts the texts that a scanner changed.
    fn read_all(&self, scans: &[&Scanned], now_ms: u64, added: &mut u64) -> Vec<ReadScan> {
        let token =
            |scanned: &&Scanned| if let Scanned::Token(bytes) = scanned { Some(*bytes) } else { None };
        let tokens: Vec<[u8; TOKEN_BYTES]> = scans.iter().filter_map(token).collect();
        let mut opened = self.tokens.open_all(&tokens).into_iter();
        let mut read = |scanned: &&Scanned| match token(scanned).and_then(|_| opened.next()) {
            Some(opened) => self.read_opened(opened, now_ms),
            None => self.read(scanned, now_ms, added),
        };
        scans.iter().map(&mut read).collect()
    }

    fn read(&self, scanned: &Scanned, now_ms: u64, added: &mut u64) -> ReadScan {
        match scanned {
            Scanned::Token(bytes) => self.read_opened(self.tokens.open(bytes), now_ms),
            Scanned::Text(text) => {
                let (read, is_added_to) = self.read_text(text, now_ms);
                *added += u64::from(is_added_to);
                read
            }
            Scanned::SignedIn(code) => {
                ReadScan::Code { code: *code, kind: ScanKind::SignedIn, shown_as: Class::Person }
            }
            Scanned::Nothing => {
                ReadScan::Judged(Judged { verdict: NOTHING_SHOWN, code: None, kind: ScanKind::Nothing })
            }
        }
    }

    /// Reads a text; true if a scanner changed it. A text that opens as a token is one. An imported holder's text may look like a token by
    /// chance, so a token that does not open is looked up as a text, too. What scanners add is removed only from a text that is nothing
    /// as it is.
    fn read_text(&self, text: &str, now_ms: u64) -> (ReadScan, bool) {
        let token = scanner::read_token(text);
        let mut is_added_to = token.is_some_and(|(_, put_right)| put_right);
        let reason = match token.map(|(bytes, _)| self.tokens.open(&bytes)) {
            Some(Ok(token)) => return (self.read_token(token, now_ms), is_added_to),
            Some(Err(error)) => reason_of(error),
            None if scanner::place_of(text).is_some() => {
                return (ReadScan::Judged(rejected(Reason::PlaceCode)), false);
            }
            None if scanner::has_additions(text) => Reason::ScannerAdds,
            None => Reason::NotACode,
        };
        is_added_to |= reason == Reason::ScannerAdds;
        match self.legacy_code(text) {
            Some((code, is_its_own)) => {
                (ReadScan::Legacy { code, otherwise: reason }, is_added_to && !is_its_own)
            }
            None => (ReadScan::Judged(rejected(reason)), is_added_to),
        }
    }

    /// Finds the code of an imported holder's text: the text as scanned if that is registered, otherwise without what scanners add, and
    /// without more than that only if the rest is registered. True if what looks added belongs to the text.
    fn legacy_code(&self, text: &str) -> Option<(CodeId, bool)> {
        let code = |text: &str| self.legacy.code(self.gateway, text);
        let is_registered = |code: &CodeId| self.codes.get(*code).is_some();
        let (plain, scanned) = (scanner::plain(text), code(text)?);
        let bare = scanner::bare(&plain);
        if bare == text {
            return Some((scanned, false));
        }
        let plainly = if plain == text { scanned } else { code(&plain)? };
        if is_registered(&scanned) {
            return Some((scanned, plainly != scanned));
        }
        if bare == plain || is_registered(&plainly) {
            return Some((plainly, false));
        }
        Some((code(bare).filter(is_registered).unwrap_or(plainly), false))
    }

    /// Finds the code of a text and the class that was shown; `None` if it is not good at `now_ms`.
    pub fn holder_of(&self, text: &str, now_ms: u64) -> Option<(CodeId, Class)> {
        let class = |code| self.codes.get(code).map(CodeEntry::class);
        match self.read_text(text, now_ms).0 {
            ReadScan::Judged(_) => None,
            ReadScan::Code { code, shown_as: Class::Paper, .. } => class(code).map(|_| (code, Class::Paper)),
            ReadScan::Code { code, .. } => class(code).map(|class| (code, class)),
            ReadScan::Legacy { code, .. } => {
                class(code).filter(|&class| class == Class::Imported).map(|class| (code, class))
            }
        }
    }

    fn read_opened(&self, opened: Result<Token, TokenError>, now_ms: u64) -> ReadScan {
        match opened {
            Ok(token) => self.read_token(token, now_ms),
            Err(error) => ReadScan::Judged(rejected(reason_of(error))),
        }
    }

    fn read_token(&self, token: Token, now_ms: u64) -> ReadScan {
        let withdrawn =
            || token.class == Class::Paper && self.codes.is_paper_withdrawn(token.code, token.issued_at_s);
        match out_of_time(token, now_ms).or_else(|| withdrawn().then_some(Reason::Expired)) {
            Some(reason) => ReadScan::Judged(Judged {
                verdict: Verdict::not_a_pass_code(reason),
                code: Some(token.code),
                kind: ScanKind::Token,
            }),
            None => ReadScan::Code { code: token.code, kind: ScanKind::Token, shown_as: token.class },
        }
    }

    fn judged(&self, read: ReadScan, entry: Option<CodeEntry>, here: &PlaceAdvice) -> Judged {
        let (code, kind) = match read {
            ReadScan::Judged(judged) => return judged,
            ReadScan::Code { code, kind, .. } => (Some(code), kind),
            ReadScan::Legacy { code, .. } => (Some(code), ScanKind::Legacy),
        };
        if !self.codes.is_loaded() {
            return Judged { verdict: Verdict::ask_staff(Reason::NotLoaded), code, kind };
        }
        let verdict = match (read, entry) {
            (ReadScan::Code { shown_as, .. }, Some(entry)) => {
                verdict_of(entry, goes_with_a_document(shown_as), here)
            }
            // A text that never changes does not prove who shows it.
            (ReadScan::Legacy { .. }, Some(entry)) if entry.class() == Class::Imported => {
                verdict_of(entry, true, here)
            }
            (ReadScan::Legacy { otherwise, .. }, _) => return rejected(otherwise),
            (ReadScan::Code { .. } | ReadScan::Judged(_), _) => {
                Verdict::not_a_pass_code(Reason::NotRegistered)
            }
        };
        Judged { verdict, code, kind }
    }
}

/// A scan as far as it can be judged without its code's entry.
#[derive(Clone, Copy)]
enum ReadScan {
    Judged(Judged),
    Code {
        code: CodeId,
        kind: ScanKind,
        shown_as: Class,
    },
    /// A text that may be an imported holder's; `otherwise` is the reason if it is not registered as one.
    Legacy {
        code: CodeId,
        otherwise: Reason,
    },
}

impl ReadScan {
    const fn code(&self) -> Option<CodeId> {
        match self {
            Self::Judged(_) => None,
            Self::Code { code, .. } | Self::Legacy { code, .. } => Some(*code),
        }
    }
}

const NOTHING_SHOWN: Verdict = Verdict {
    colour: Colour::Unknown,
    advice: Advice::CheckDocument,
    basis: Basis::Nothing,
    reason: Reason::NothingShown,
};

const fn rejected(reason: Reason) -> Judged {
    Judged { verdict: Verdict::not_a_pass_code(reason), code: None, kind: ScanKind::NotACode }
}

const fn reason_of(error: TokenError) -> Reason {
    match error {
        TokenError::Version => Reason::NotACode,
        TokenError::Key | TokenError::Seal => Reason::BadSeal,
    }
}

/// Returns the reason for which a token is not good at that time. A printed token is good until its key or its code is withdrawn; no token
/// is good before it was made.
const fn out_of_time(token: Token, now_ms: u64) -> Option<Reason> {
    let now_s = now_ms / 1000;
    let issued_s = token.issued_at_s as u64;
    if issued_s > now_s + TOKEN_SKEW_S as u64 {
        return Some(Reason::NotYetValid);
    }
    let good_until_s = match token.class {
        Class::Paper => return None,
        Class::Person | Class::Ward | Class::Imported => issued_s + (TOKEN_GOOD_FOR_S + TOKEN_SKEW_S) as u64,
    };
    if now_s > good_until_s { Some(Reason::Expired) } else { None }
}

/// Returns the verdict on a registered code; `with_document` if what was shown proves the holder only together with a document.
fn verdict_of(entry: CodeEntry, with_document: bool, here: &PlaceAdvice) -> Verdict {
    let (colour, basis) = (entry.colour(), entry.basis());
    let with_document = with_document || entry.is_unverified() || goes_with_a_document(entry.class());
    let reason = match colour {
        Colour::Green if with_document => Reason::DocumentClass,
        Colour::Green => Reason::Clear,
        Colour::Yellow => Reason::Caution,
        Colour::Red => Reason::ActiveCause,
        Colour::Unknown => Reason::ColourUnknown,
    };
    let advised = here.of(colour, basis);
    let too_mild = with_document && strictness(advised) < strictness(Advice::CheckDocument);
    let advice = if too_mild { Advice::CheckDocument } else { advised };
    Verdict { colour, advice, basis, reason }
}

const fn goes_with_a_document(class: Class) -> bool {
    match class {
        Class::Paper | Class::Ward => true,
        Class::Person | Class::Imported => false,
    }
}

const fn as_made(decision: OfflineDecision) -> Verdict {
    Verdict {
        colour: decision.colour,
        advice: decision.advice,
        basis: Basis::Nothing,
        reason: Reason::DecidedOffline,
    }
}

#[cfg(test)]
mod tests;
