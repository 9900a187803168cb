//! The encodings that a table may be in, and the decoding of a line. `survey` finds the encoding of a file.

use std::borrow::Cow;

/// The encoding of a table's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// UTF-8 without a byte order mark.
    Utf8,
    /// UTF-8 with a byte order mark.
    Utf8Marked,
    /// UTF-16, little-endian, with a byte order mark.
    Utf16Le,
    /// UTF-16, big-endian, with a byte order mark.
    Utf16Be,
    /// The encoding that Chinese systems use for text without a byte order mark.
    Gb18030,
}

impl Encoding {
    /// Returns the length of the byte order mark at the file's start.
    pub(crate) const fn begin(self) -> usize {
        match self {
            Self::Utf8 | Self::Gb18030 => 0,
            Self::Utf8Marked => 3,
            Self::Utf16Le | Self::Utf16Be => 2,
        }
    }

    /// Returns the length of a code unit.
    pub(super) const fn unit_bytes(self) -> usize {
        match self {
            Self::Utf8 | Self::Utf8Marked | Self::Gb18030 => 1,
            Self::Utf16Le | Self::Utf16Be => 2,
        }
    }

    /// Decodes a line; the units of UTF-16 are given little-endian in both of its encodings.
    pub(super) fn text(self, line: &[u8]) -> Option<Cow<'_, str>> {
        match self {
            Self::Utf8 | Self::Utf8Marked => std::str::from_utf8(line).ok().map(Cow::Borrowed),
            Self::Gb18030 => encoding_rs::GB18030.decode_without_bom_handling_and_without_replacement(line),
            Self::Utf16Le | Self::Utf16Be => {
                encoding_rs::UTF_16LE.decode_without_bom_handling_and_without_replacement(line)
            }
        }
    }
}
