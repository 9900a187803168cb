//! Colours, what they rest on, and what kind of code carries them.

numbered! {
    /// A code's colour: the worst of its active causes. There is no default, and unknown is a value of its own.
    pub enum Colour {
        /// No active cause.
        Green = 1 => "green",
        /// A cause for care, as the policy says.
        Yellow = 2 => "yellow",
        /// An active cause to stop the person.
        Red = 3 => "red",
        /// The gateway does not know: never drawn as green, never as red.
        Unknown = 4 => "unknown",
    }
}

numbered! {
    /// The basis of a colour. Nobody is stopped only because their basis is `declared`.
    pub enum Basis {
        /// An answer of a carrier, or an authority's decision.
        Verified = 1 => "verified",
        /// The person's own declaration.
        Declared = 2 => "declared",
        /// There is no colour to rest on anything.
        Nothing = 3 => "nothing",
    }
}

numbered! {
    /// The kind of code was shown.
    pub enum Class {
        /// A phone's own rotating code.
        Person = 1 => "person",
        /// A printed code: the document is to be checked.
        Paper = 2 => "paper",
        /// A ward's code on a guardian's phone: the document is to be checked.
        Ward = 3 => "ward",
        /// A holder of the earlier electronic access code, whose existing QR text keeps working.
        Imported = 4 => "imported",
    }
}
