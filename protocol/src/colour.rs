//! Colours, their bases, and the classes of codes.

wire_numbered! {
    /// A code's colour: the most severe of its active causes. There is no default; unknown is a value of its own.
    pub enum Colour {
        /// No active cause.
        Green = 1 => "green",
        /// An active cause for caution, as the policy defines it.
        Yellow = 2 => "yellow",
        /// An active cause to stop the person.
        Red = 3 => "red",
        /// Not known to the gateway. Never displayed as green or red.
        Unknown = 4 => "unknown",
    }
}

wire_numbered! {
    /// The evidence that a colour is based on. `Declared` alone is never a reason to stop a person.
    pub enum Basis {
        /// A carrier's answer, or an authority's decision.
        Verified = 1 => "verified",
        /// The person's own declaration.
        Declared = 2 => "declared",
        /// No basis, because there is no colour.
        Nothing = 3 => "nothing",
    }
}

wire_numbered! {
    /// The class of a code.
    pub enum Class {
        /// A rotating code on the person's phone.
        Person = 1 => "person",
        /// A printed code; requires a document.
        Paper = 2 => "paper",
        /// A ward's code on a guardian's phone; requires a document.
        Ward = 3 => "ward",
        /// The existing QR text of a holder of the earlier electronic access code.
        Imported = 4 => "imported",
    }
}
