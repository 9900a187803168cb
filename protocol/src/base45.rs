//! Base45 (RFC 9285): bytes as text of QR's alphanumeric mode.

const ALPHABET: &[u8; 45] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

/// Encodes bytes: two bytes as three characters, a last single byte as two.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(2) * 3);
    for pair in bytes.chunks(2) {
        let (number, digits) = match *pair {
            [high, low] => (usize::from(high) * 256 + usize::from(low), 3),
            [single] => (usize::from(single), 2),
            _ => continue,
        };
        for digit in [number % 45, number / 45 % 45, number / 2025].iter().take(digits) {
            text.push(char::from(ALPHABET[*digit]));
        }
    }
    text
}

/// Reports first bytes whose text begins with a space. Scanners and keyboards drop a leading space.
pub(crate) const fn begins_with_space(first: u8, second: u8) -> bool {
    ALPHABET[(first as usize * 256 + second as usize) % 45] == b' '
}

/// Decodes the text of exactly `N` bytes; `None` for any other text.
pub(crate) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != N / 2 * 3 + N % 2 * 2 {
        return None;
    }
    let mut bytes = [0; N];
    for (pair, digits) in bytes.chunks_mut(2).zip(text.as_bytes().chunks(3)) {
        let mut number = 0;
        for &digit in digits.iter().rev() {
            number = number * 45 + ALPHABET.iter().position(|&known| known == digit)?;
        }
        match pair {
            [single] => *single = u8::try_from(number).ok()?,
            pair => pair.copy_from_slice(&u16::try_from(number).ok()?.to_be_bytes()),
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_the_rfc() {
        assert_eq!(encode(b"AB"), "BB8");
        assert_eq!(encode(b"Hello!!"), "%69 VD92EX0");
        assert_eq!(encode(b"base-45"), "UJCLQE7W581");
        assert_eq!(decode("QED8WEX0"), Some(*b"ietf!"));
        assert_eq!(decode::<2>("FGW"), Some([0xff, 0xff]));
        for bad in ["GGW", ":::", "BB", "BB8B", "bb8"] {
            assert_eq!(decode::<2>(bad), None, "{bad}");
        }
        assert_eq!(decode::<1>(":5"), None, "one byte ends at 255");
    }

    proptest! {
        #[test]
        fn what_was_written_reads_back(even: [u8; 18], odd: [u8; 31]) {
            prop_assert_eq!(decode(&encode(&even)), Some(even));
            prop_assert_eq!(decode(&encode(&odd)), Some(odd));
        }
    }
}
