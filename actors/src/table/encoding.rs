//! The encodings that a table may be in, and how a line of each is read. Which one a file is in is `survey`'s.

use std::borrow::Cow;

/// The encoding of a table's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8 without its mark.
    Utf8,
    /// UTF-8 with its mark.
    Utf8Marked,
    /// UTF-16, little end first, with its mark.
    Utf16Le,
    /// UTF-16, big end first, with its mark.
    Utf16Be,
    /// The encoding that Chinese systems take for text without a mark.
    Gb18030,
}

impl Encoding {
    /// Bytes of the mark in front.
    pub const fn begin(self) -> usize {
        match self {
            Self::Utf8 | Self::Gb18030 => 0,
            Self::Utf8Marked => 3,
            Self::Utf16Le | Self::Utf16Be => 2,
        }
    }

    /// Bytes of the smallest part of a text.
    pub(super) const fn unit_bytes(self) -> usize {
        match self {
            Self::Utf8 | Self::Utf8Marked | Self::Gb18030 => 1,
            Self::Utf16Le | Self::Utf16Be => 2,
        }
    }

    /// Reads a line; of UTF-16 its units come with the little end first.
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
