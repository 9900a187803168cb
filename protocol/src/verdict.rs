//! Verdicts: the colour, the advice and the reason that a device shows.

use bincode::{Decode, Encode};

use crate::colour::{Basis, Colour};

wire_numbered! {
    /// The advice to staff. A device treats an unknown number as [`Advice::AskStaff`].
    pub enum Advice {
        /// Let the person pass.
        Pass = 1 => "pass",
        /// Do not let the person pass.
        Stop = 2 => "stop",
        /// Compare the person's document with the code.
        CheckDocument = 3 => "check-document",
        /// A human has to decide.
        AskStaff = 4 => "ask-staff",
        /// The scanned text is no valid pass code: ask for another one. Never displayed as red.
        NotAPassCode = 5 => "not-a-pass-code",
    }
}

wire_numbered! {
    /// The reason for a verdict. A device shows only the advice for an unknown number.
    pub enum Reason {
        /// No active cause.
        Clear = 1 => "clear",
        /// An active cause makes the code yellow.
        Caution = 2 => "caution",
        /// An active cause makes the code red.
        ActiveCause = 3 => "active-cause",
        /// The code is registered, its colour is not known.
        ColourUnknown = 4 => "colour-unknown",
        /// The gateway is still loading its codes.
        NotLoaded = 5 => "not-loaded",
        /// The code's class requires a document: a printed code, or a ward's.
        DocumentClass = 6 => "document-class",
        /// The token is genuine, its code is not registered, or no longer.
        NotRegistered = 7 => "not-registered",
        /// Neither a token nor an imported holder's text.
        NotACode = 8 => "not-a-code",
        /// A token, but not sealed with a key of this city.
        BadSeal = 9 => "bad-seal",
        /// The token has expired: the person refreshes the page.
        Expired = 10 => "expired",
        /// The token's time of issue is in the future.
        NotYetValid = 11 => "not-yet-valid",
        /// A place's code, not a person's.
        PlaceCode = 12 => "place-code",
        /// Nothing was shown: a person without phone or paper.
        NothingShown = 13 => "nothing-shown",
        /// The device's offline decision, recorded as made.
        DecidedOffline = 14 => "decided-offline",
        /// The gateway failed to judge this punch and recorded it without a judgement.
        NotJudged = 15 => "not-judged",
        /// Neither a token nor an imported holder's text, and with characters that scanners add: the scanner is misconfigured.
        ScannerAdds = 16 => "scanner-adds",
    }
}

/// The verdict on one scan: four bytes on the wire. Sequence and time are sent once per run, in [`crate::message::Verdicts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Verdict {
    /// The code's colour; `Unknown` without a code.
    pub colour: Colour,
    /// The advice.
    pub advice: Advice,
    /// The basis of the colour.
    pub basis: Basis,
    /// The reason.
    pub reason: Reason,
}

impl Verdict {
    /// Returns the four wire numbers.
    pub const fn to_bytes(self) -> [u8; 4] {
        [self.colour.number(), self.advice.number(), self.basis.number(), self.reason.number()]
    }

    /// Reads four wire numbers; `None` if one of them is unknown.
    pub fn from_bytes([colour, advice, basis, reason]: [u8; 4]) -> Option<Self> {
        Some(Self {
            colour: Colour::from_number(colour)?,
            advice: Advice::from_number(advice)?,
            basis: Basis::from_number(basis)?,
            reason: Reason::from_number(reason)?,
        })
    }

    /// Builds the verdict on a scan that is no valid pass code.
    pub const fn not_a_pass_code(reason: Reason) -> Self {
        Self { colour: Colour::Unknown, advice: Advice::NotAPassCode, basis: Basis::Nothing, reason }
    }

    /// Builds the verdict that leaves the decision to staff.
    pub const fn ask_staff(reason: Reason) -> Self {
        Self { colour: Colour::Unknown, advice: Advice::AskStaff, basis: Basis::Nothing, reason }
    }
}
