//! Closed enums with explicit numbers from 1. Zero is never a value, so that zeroed memory decodes to nothing. A number is
//! never reused.

/// Declares a one-byte enum: its numbers, its names and conversions from both. Each variant is `Name = number => "name"`, with
/// numbers in ascending order.
#[macro_export]
macro_rules! numbered {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$vmeta:meta])* $variant:ident = $number:literal => $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        $vis enum $name { $($(#[$vmeta])* $variant = $number,)+ }

        impl $name {
            /// Every value, in the order of its number.
            $vis const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Returns the number on the wire and on disk.
            $vis const fn number(self) -> u8 {
                self as u8
            }

            /// Returns the position in [`Self::ALL`], from 0: an index for arrays with one element per value.
            $vis const fn index(self) -> usize {
                enum Position { $($variant,)+ }
                match self { $(Self::$variant => Position::$variant as usize,)+ }
            }

            /// Returns the value with that number; `None` for an unknown number.
            $vis const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)+ _ => None }
            }

            /// Returns the name used in exports, metric labels and on the command line.
            $vis const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// Returns the value with that name; `None` for an unknown name.
            $vis fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

/// Declares a [`numbered!`] enum with its wire codec: one byte, and an unknown number is an error.
macro_rules! wire_numbered {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$vmeta:meta])* $variant:ident = $number:literal => $text:literal,)+ }) => {
        numbered! {
            $(#[$meta])*
            pub enum $name { $($(#[$vmeta])* $variant = $number => $text,)+ }
        }

        impl bincode::Encode for $name {
            fn encode<E: bincode::enc::Encoder>(&self, encoder: &mut E) -> Result<(), bincode::error::EncodeError> {
                self.number().encode(encoder)
            }
        }

        impl<C> bincode::Decode<C> for $name {
            fn decode<D: bincode::de::Decoder<Context = C>>(decoder: &mut D) -> Result<Self, bincode::error::DecodeError> {
                let number = u8::decode(decoder)?;
                Self::from_number(number).ok_or(bincode::error::DecodeError::Other(concat!("unknown ", stringify!($name))))
            }
        }

        bincode::impl_borrow_decode!($name);
    };
}
