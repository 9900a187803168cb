//! The words to a device: the colour, what to do, and why.

use bincode::{Decode, Encode};

use crate::colour::{Basis, Colour};

numbered! {
    /// The advice to staff. A device that meets a number it does not know treats it as [`Advice::AskStaff`].
    pub enum Advice {
        /// Let the person pass.
        Pass = 1 => "pass",
        /// Do not let the person pass.
        Stop = 2 => "stop",
        /// Compare the person's document with what is known.
        CheckDocument = 3 => "check-document",
        /// A human has to decide.
        AskStaff = 4 => "ask-staff",
        /// The scanned text is no valid pass code: ask for another. Never drawn like a red person.
        NotAPassCode = 5 => "not-a-pass-code",
    }
}

numbered! {
    /// Why. A device that meets a number it does not know shows the advice alone.
    pub enum Reason {
        /// No active cause.
        Clear = 1 => "clear",
        /// An active cause makes the code yellow.
        Caution = 2 => "caution",
        /// An active cause makes the code red.
        ActiveCause = 3 => "active-cause",
        /// The code is known and its colour is not.
        ColourUnknown = 4 => "colour-unknown",
        /// The gateway is still loading its codes.
        NotLoaded = 5 => "not-loaded",
        /// A code of a class that goes with a document: printed, or a ward's.
        DocumentClass = 6 => "document-class",
        /// The token is genuine, its code is not (or no longer) registered.
        NotRegistered = 7 => "not-registered",
        /// Neither a token nor an imported holder's text.
        NotACode = 8 => "not-a-code",
        /// A token, but not sealed with a key of this city.
        BadSeal = 9 => "bad-seal",
        /// The token's time is over: the person refreshes the page.
        Expired = 10 => "expired",
        /// The token is from the future.
        NotYetValid = 11 => "not-yet-valid",
        /// A place's code, not a person's.
        PlaceCode = 12 => "place-code",
        /// Nothing was shown: a person without phone or paper.
        NothingShown = 13 => "nothing-shown",
        /// The device's own decision, recorded as made.
        DecidedOffline = 14 => "decided-offline",
        /// The gateway failed to judge this punch; it is recorded all the same.
        NotJudged = 15 => "not-judged",
        /// Neither a token nor an imported holder's text, and with characters that a scanner adds: the scanner is set wrong.
        ScannerAdds = 16 => "scanner-adds",
    }
}

/// The answer to one scan: four bytes on the wire. Sequence and time stand once per run, in [`crate::message::Verdicts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Verdict {
    /// The code's colour, `Unknown` if there is none.
    pub colour: Colour,
    /// The advice.
    pub advice: Advice,
    /// The basis of the colour.
    pub basis: Basis,
    /// Why.
    pub reason: Reason,
}

impl Verdict {
    /// A verdict in its four wire numbers.
    pub const fn to_bytes(self) -> [u8; 4] {
        [self.colour.number(), self.advice.number(), self.basis.number(), self.reason.number()]
    }

    /// Reads [`Self::to_bytes`] back.
    pub fn from_bytes([colour, advice, basis, reason]: [u8; 4]) -> Option<Self> {
        Some(Self {
            colour: Colour::from_number(colour)?,
            advice: Advice::from_number(advice)?,
            basis: Basis::from_number(basis)?,
            reason: Reason::from_number(reason)?,
        })
    }

    /// For anything that is no valid pass code: colour unknown, whatever the reason.
    pub const fn not_a_pass_code(reason: Reason) -> Self {
        Self { colour: Colour::Unknown, advice: Advice::NotAPassCode, basis: Basis::Nothing, reason }
    }

    /// For what only a human can decide.
    pub const fn ask_staff(reason: Reason) -> Self {
        Self { colour: Colour::Unknown, advice: Advice::AskStaff, basis: Basis::Nothing, reason }
    }
}
