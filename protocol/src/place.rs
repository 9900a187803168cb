//! Place codes: the content of the QR code at a place's door, an https link that any scanner app opens.
//!
//! `https://HOST/p/XXXXXXXXXX`: ten characters of Crockford's base32, 50 random bits. It proves no presence, grants no access,
//! and is not the place's id.

/// The random part of a place's link, 50 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlaceCode(u64);

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CHARS: usize = 10;
const PATH: &str = "/p/";

impl PlaceCode {
    /// Takes the lower 50 of these random bits.
    pub const fn from_random(random: u64) -> Self {
        Self(random & ((1 << 50) - 1))
    }

    /// Returns the number, below 2^50.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Returns the ten characters.
    pub fn to_text(self) -> String {
        (0..CHARS)
            .rev()
            .map(|position| char::from(ALPHABET[(self.0 >> (5 * position) & 31) as usize]))
            .collect()
    }

    /// Reads the ten characters in any case, with O for 0 and I or L for 1.
    pub fn from_text(text: &str) -> Option<Self> {
        if text.len() != CHARS {
            return None;
        }
        let mut number = 0;
        for character in text.bytes() {
            let canonical = match character.to_ascii_uppercase() {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                other => other,
            };
            number = number << 5 | ALPHABET.iter().position(|&known| known == canonical)? as u64;
        }
        Some(Self(number))
    }

    /// Returns the link for a host such as `code.example`.
    pub fn to_link(self, host: &str) -> String {
        self.at(&format!("https://{host}"))
    }

    /// Returns the link for an origin such as `https://code.example`.
    pub fn at(self, origin: &str) -> String {
        format!("{origin}{PATH}{}", self.to_text())
    }

    /// Reads a link to any host, with `https`, `http` or no scheme, in any case.
    pub fn from_link(link: &str) -> Option<Self> {
        let link = link.trim().to_ascii_lowercase();
        let rest = match link.split_once("://") {
            Some(("https" | "http", rest)) => rest,
            Some(_) => return None,
            None => &link,
        };
        let (host, text) = rest.split_once(PATH)?;
        let is_host = !host.is_empty() && !host.contains(['/', ' ']) && !host.ends_with(':');
        is_host.then(|| Self::from_text(text)).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_code_reads_back_in_every_spelling() {
        let code = PlaceCode::from_random(0x2_0123_4567_89ab);
        assert_eq!(PlaceCode::from_link(&code.to_link("code.example")), Some(code));
        assert_eq!(
            PlaceCode::from_text(&code.to_text().to_lowercase().replace('0', "o").replace('1', "l")),
            Some(code)
        );
        for bad in ["", "012345678", "01234567U9", "https://code.example/q/0123456789"] {
            assert_eq!(PlaceCode::from_link(bad), None, "{bad}");
        }
    }
}
