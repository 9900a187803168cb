//! What a scan is answered: pure, a few lookups, no await. Time is an argument; keys and codes are given at start.

use protocol::legacy::LegacyKey;
use protocol::limits::{TOKEN_GOOD_FOR_S, TOKEN_SKEW_S};
use protocol::place::PlaceCode;
use protocol::token::{self, TOKEN_BYTES, Token, TokenError, TokenKeys};
use protocol::{Advice, Basis, Class, CodeId, Colour, OfflineDecision, Punch, Reason, Scanned, Verdict};

use crate::codes::{CodeEntry, Codes};
use crate::record::{Record, ScanKind};

/// Judges scans.
pub struct Judge {
    codes: Codes,
    tokens: TokenKeys,
    legacy: LegacyKey,
    gateway: u16,
}

/// A scan, judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// What is answered.
    pub verdict: Verdict,
    /// Whose code it was, if it was one, whether or not it is still good.
    pub code: Option<CodeId>,
    /// What was scanned.
    pub kind: ScanKind,
}

impl Judge {
    /// `gateway` is the one under whose number the imported holders' texts were registered.
    pub const fn new(codes: Codes, tokens: TokenKeys, legacy: LegacyKey, gateway: u16) -> Self {
        Self { codes, tokens, legacy, gateway }
    }

    /// The codes it reads.
    pub const fn codes(&self) -> &Codes {
        &self.codes
    }

    /// Judges a scan at that time.
    pub fn judge(&self, scanned: &Scanned, now_ms: u64) -> Judged {
        let read = self.read(scanned, now_ms);
        let entry = read.code().and_then(|code| self.codes.get(code));
        self.judged(read, entry)
    }

    /// Judges scans together, which costs a fraction of one by one: the codes are looked up side by side.
    pub fn judge_all<'a>(&self, scans: impl Iterator<Item = &'a Scanned>, now_ms: u64) -> Vec<Judged> {
        let scans: Vec<&Scanned> = scans.collect();
        let reads = self.read_all(&scans, now_ms);
        let codes: Vec<CodeId> = reads.iter().filter_map(Read::code).collect();
        let mut entries = self.codes.get_many(&codes).into_iter();
        let judged = |read: Read| {
            let entry = if read.code().is_some() { entries.next().flatten() } else { None };
            self.judged(read, entry)
        };
        reads.into_iter().map(judged).collect()
    }

    /// Judges punches. What a device decided while it was offline is kept as made: to judge it again now would rewrite what
    /// happened at the gate.
    pub fn records(&self, punches: &[Punch], now_ms: u64) -> Vec<Record> {
        let judged = self.judge_all(punches.iter().map(|punch| &punch.scanned), now_ms);
        let record = |(punch, judged): (&Punch, Judged)| Record {
            code: judged.code,
            kind: judged.kind,
            direction: punch.direction,
            place: punch.place,
            device_time_ms: punch.device_time_ms,
            offline: punch.offline.is_some(),
            verdict: punch.offline.map_or(judged.verdict, as_made),
        };
        punches.iter().zip(judged).map(record).collect()
    }

    fn read_all(&self, scans: &[&Scanned], now_ms: u64) -> Vec<Read> {
        let token =
            |scanned: &&Scanned| if let Scanned::Token(bytes) = scanned { Some(*bytes) } else { None };
        let tokens: Vec<[u8; TOKEN_BYTES]> = scans.iter().filter_map(token).collect();
        let mut opened = self.tokens.open_all(&tokens).into_iter();
        let read = |scanned: &&Scanned| match token(scanned).and_then(|_| opened.next()) {
            Some(opened) => self.read_opened(opened, now_ms),
            None => self.read(scanned, now_ms),
        };
        scans.iter().map(read).collect()
    }

    fn read(&self, scanned: &Scanned, now_ms: u64) -> Read {
        match scanned {
            Scanned::Token(bytes) => self.read_opened(self.tokens.open(bytes), now_ms),
            Scanned::Text(text) => self.read_text(text, now_ms),
            Scanned::SignedIn(code) => {
                Read::Code { code: *code, kind: ScanKind::SignedIn, shown_as: Class::Person }
            }
            Scanned::Nothing => {
                Read::Judged(Judged { verdict: NOTHING_SHOWN, code: None, kind: ScanKind::Nothing })
            }
        }
    }

    /// A text that reads as a token is one; an imported holder's text may look like a token by chance, so those that do not
    /// open are looked up as well.
    fn read_text(&self, text: &str, now_ms: u64) -> Read {
        let opened = token::from_text(text).map(|bytes: [u8; TOKEN_BYTES]| self.tokens.open(&bytes));
        let reason = match opened {
            Some(Ok(token)) => return self.read_token(token, now_ms),
            Some(Err(error)) => reason_of(error),
            None if PlaceCode::from_link(text).is_some() => return Read::Judged(rejected(Reason::PlaceCode)),
            None => Reason::NotACode,
        };
        match self.legacy.code(self.gateway, text) {
            Some(code) => Read::Legacy { code, otherwise: reason },
            None => Read::Judged(rejected(reason)),
        }
    }

    fn read_opened(&self, opened: Result<Token, TokenError>, now_ms: u64) -> Read {
        match opened {
            Ok(token) => self.read_token(token, now_ms),
            Err(error) => Read::Judged(rejected(reason_of(error))),
        }
    }

    fn read_token(&self, token: Token, now_ms: u64) -> Read {
        let withdrawn =
            || token.class == Class::Paper && self.codes.is_paper_withdrawn(token.code, token.issued_at_s);
        match out_of_time(token, now_ms).or_else(|| withdrawn().then_some(Reason::Expired)) {
            Some(reason) => Read::Judged(Judged {
                verdict: Verdict::not_a_pass_code(reason),
                code: Some(token.code),
                kind: ScanKind::Token,
            }),
            None => Read::Code { code: token.code, kind: ScanKind::Token, shown_as: token.class },
        }
    }

    fn judged(&self, read: Read, entry: Option<CodeEntry>) -> Judged {
        let (code, kind) = match read {
            Read::Judged(judged) => return judged,
            Read::Code { code, kind, .. } => (Some(code), kind),
            Read::Legacy { code, .. } => (Some(code), ScanKind::Legacy),
        };
        if !self.codes.is_loaded() {
            return Judged { verdict: Verdict::ask_staff(Reason::NotLoaded), code, kind };
        }
        let verdict = match (read, entry) {
            (Read::Code { shown_as, .. }, Some(entry)) => verdict_of(entry, shown_as),
            (Read::Legacy { .. }, Some(entry)) if entry.class() == Class::Imported => {
                verdict_of(entry, Class::Imported)
            }
            (Read::Legacy { otherwise, .. }, _) => return rejected(otherwise),
            (Read::Code { .. } | Read::Judged(_), _) => Verdict::not_a_pass_code(Reason::NotRegistered),
        };
        Judged { verdict, code, kind }
    }
}

/// A scan as far as it can be judged without its code's entry.
#[derive(Clone, Copy)]
enum Read {
    Judged(Judged),
    Code {
        code: CodeId,
        kind: ScanKind,
        shown_as: Class,
    },
    /// A text that is an imported holder's, if it is registered as one.
    Legacy {
        code: CodeId,
        otherwise: Reason,
    },
}

impl Read {
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

/// Printed tokens are good until their key or their code is withdrawn; nobody's token is good before it was made.
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

fn verdict_of(entry: CodeEntry, shown_as: Class) -> Verdict {
    let with_document = goes_with_a_document(entry.class()) || goes_with_a_document(shown_as);
    let (advice, reason) = match entry.colour() {
        Colour::Green if with_document => (Advice::CheckDocument, Reason::DocumentClass),
        Colour::Green => (Advice::Pass, Reason::Clear),
        Colour::Yellow => (Advice::AskStaff, Reason::Caution),
        Colour::Red => (Advice::Stop, Reason::ActiveCause),
        Colour::Unknown => (Advice::AskStaff, Reason::ColourUnknown),
    };
    Verdict { colour: entry.colour(), advice, basis: entry.basis(), reason }
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
