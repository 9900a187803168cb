//! Person and paper tokens: the content of a pass code's QR code.
//!
//! 18 bytes: version, key id, and one AES-128 block under that key with the code id (63 bits), the time of issue (32 bits), the
//! class (8 bits) and 25 zero bits as a check. No phone, no name, no colour. Without the key, two tokens of one code cannot be
//! linked. As text: base45, 27 characters of QR's alphanumeric mode.

use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Block};
use zeroize::Zeroizing;

use crate::base45;
use crate::colour::Class;
use crate::ids::CodeId;

/// The length of a token.
pub const TOKEN_BYTES: usize = 18;
/// The length of a token key.
pub const TOKEN_KEY_BYTES: usize = 16;
/// The version that this crate issues and reads.
pub(crate) const TOKEN_VERSION: u8 = 1;
/// The lowest id of paper keys, which are long-lived and seal paper tokens only.
pub const PAPER_KEY_ID_MIN: u8 = 128;

/// Reports a key id whose tokens' texts begin with a space. Such keys are not made.
pub const fn begins_with_space(id: u8) -> bool {
    base45::begins_with_space(TOKEN_VERSION, id)
}

const CHECK_BITS: u32 = 25;
const CLASS_BITS: u32 = 8;
const ISSUED_BITS: u32 = 32;

/// The content of a genuine token. The caller checks its age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// The code.
    pub code: CodeId,
    /// The time of issue, seconds since 1970 UTC.
    pub issued_at_s: u32,
    /// The class of the code.
    pub class: Class,
}

/// The reason why 18 bytes are no token of this city.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// An unknown version, or no token.
    #[error("not a token of a known version")]
    Version,
    /// A key id that is not in the set: another city's key, or a retired one.
    #[error("sealed with an unknown key")]
    Key,
    /// Wrong check bits or an invalid field: forged, damaged, or sealed with another key of the same id.
    #[error("the seal is broken")]
    Seal,
}

/// One AES-128 key with its id.
pub struct TokenKey {
    id: u8,
    cipher: Aes128,
}

impl TokenKey {
    /// Makes the key with that id; ids from [`PAPER_KEY_ID_MIN`] on are for paper.
    pub fn new(id: u8, key: &Zeroizing<[u8; TOKEN_KEY_BYTES]>) -> Self {
        Self { id, cipher: Aes128::new(&(**key).into()) }
    }

    /// Returns the id, which every token carries in the clear.
    pub const fn id(&self) -> u8 {
        self.id
    }

    /// Seals a token.
    pub fn seal(&self, token: Token) -> [u8; TOKEN_BYTES] {
        let plain = u128::from(token.code.get()) << (ISSUED_BITS + CLASS_BITS + CHECK_BITS)
            | u128::from(token.issued_at_s) << (CLASS_BITS + CHECK_BITS)
            | u128::from(token.class.number()) << CHECK_BITS;
        let mut block = plain.to_be_bytes().into();
        self.cipher.encrypt_block(&mut block);
        let mut bytes = [0; TOKEN_BYTES];
        bytes[0] = TOKEN_VERSION;
        bytes[1] = self.id;
        bytes[2..].copy_from_slice(&block);
        bytes
    }
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenKey({})", self.id)
    }
}

/// The keys whose tokens are accepted: usually the current one, the previous one and the paper key.
#[derive(Debug)]
pub struct TokenKeys {
    by_id: Box<[Option<TokenKey>; 256]>,
}

impl TokenKeys {
    /// Makes the set; a later key replaces an earlier one of the same id.
    pub fn new(keys: impl IntoIterator<Item = TokenKey>) -> Self {
        let mut by_id = Box::new([const { None }; 256]);
        for key in keys {
            let id = usize::from(key.id);
            by_id[id] = Some(key);
        }
        Self { by_id }
    }

    /// Returns the key with that id.
    pub fn get(&self, id: u8) -> Option<&TokenKey> {
        self.by_id[usize::from(id)].as_ref()
    }

    /// Opens a token.
    pub fn open(&self, bytes: &[u8; TOKEN_BYTES]) -> Result<Token, TokenError> {
        let key = self.key_of(bytes)?;
        let mut block = block_of(bytes);
        key.cipher.decrypt_block(&mut block);
        unpack(key.id, block)
    }

    /// Opens tokens, with results in their order. Neighbouring tokens of one key are decrypted together, which is several times
    /// faster than one by one.
    pub fn open_all(&self, tokens: &[[u8; TOKEN_BYTES]]) -> Vec<Result<Token, TokenError>> {
        let mut blocks: Vec<Block> = tokens.iter().map(block_of).collect();
        let mut start = 0;
        let mut opened = Vec::with_capacity(tokens.len());
        for run in tokens.chunk_by(|one, other| one[..2] == other[..2]) {
            let blocks = &mut blocks[start..start + run.len()];
            start += run.len();
            match self.key_of(&run[0]) {
                Ok(key) => {
                    key.cipher.decrypt_blocks(blocks);
                    opened.extend(blocks.iter().map(|&block| unpack(key.id, block)));
                }
                Err(error) => opened.extend(run.iter().map(|_| Err(error))),
            }
        }
        opened
    }

    fn key_of(&self, bytes: &[u8; TOKEN_BYTES]) -> Result<&TokenKey, TokenError> {
        if bytes[0] != TOKEN_VERSION {
            return Err(TokenError::Version);
        }
        self.get(bytes[1]).ok_or(TokenError::Key)
    }
}

fn block_of(bytes: &[u8; TOKEN_BYTES]) -> Block {
    let [_, _, block @ ..] = *bytes;
    block.into()
}

fn unpack(id: u8, block: Block) -> Result<Token, TokenError> {
    let plain = u128::from_be_bytes(block.into());
    if plain & ((1 << CHECK_BITS) - 1) != 0 {
        return Err(TokenError::Seal);
    }
    let class = Class::from_number((plain >> CHECK_BITS) as u8).ok_or(TokenError::Seal)?;
    let issued_at_s = (plain >> (CLASS_BITS + CHECK_BITS)) as u32;
    let code = CodeId::from_u64((plain >> (ISSUED_BITS + CLASS_BITS + CHECK_BITS)) as u64)
        .ok_or(TokenError::Seal)?;
    if (class == Class::Paper) != (id >= PAPER_KEY_ID_MIN) {
        return Err(TokenError::Seal);
    }
    Ok(Token { code, issued_at_s, class })
}

/// Returns a token as the text of its QR code (base45, RFC 9285).
pub fn to_text(token: &[u8; TOKEN_BYTES]) -> String {
    base45::encode(token)
}

/// Reads the text of a token; `None` for any other text.
pub fn from_text(text: &str) -> Option<[u8; TOKEN_BYTES]> {
    base45::decode(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys() -> TokenKeys {
        TokenKeys::new([1u8, 128].map(|id| TokenKey::new(id, &Zeroizing::new([id; 16]))))
    }

    proptest! {
        #[test]
        fn a_sealed_token_opens_to_what_was_sealed(code in 1u64..1 << 63, issued_at_s: u32, paper: bool) {
            let (id, class) = if paper { (128, Class::Paper) } else { (1, Class::Person) };
            let token = Token { code: CodeId::from_u64(code).expect("in range"), issued_at_s, class };
            let sealed = keys().get(id).expect("present").seal(token);
            prop_assert_eq!(keys().open(&sealed), Ok(token));
            prop_assert_eq!(from_text(&to_text(&sealed)), Some(sealed));
        }

        #[test]
        fn tokens_open_together_as_one_by_one(tokens: Vec<(u8, u64, bool)>) {
            let keys = keys();
            let tokens: Vec<_> = tokens
                .into_iter()
                .map(|(kind, number, whole)| {
                    let (id, class) = if kind % 2 == 0 { (1, Class::Person) } else { (128, Class::Paper) };
                    let code = CodeId::from_u64(number >> 1 | 1).expect("in range");
                    let mut bytes =
                        keys.get(id).expect("present").seal(Token { code, issued_at_s: 1, class });
                    if !whole {
                        bytes[usize::from(kind) % TOKEN_BYTES] ^= kind | 1;
                    }
                    bytes
                })
                .collect();
            let expected: Vec<_> = tokens.iter().map(|bytes| keys.open(bytes)).collect();
            prop_assert_eq!(keys.open_all(&tokens), expected);
        }

        #[test]
        fn any_text_reads_as_a_token_or_not_without_a_panic(text in "\\PC{0,40}") {
            if let Some(token) = from_text(&text) {
                prop_assert_eq!(to_text(&token), text);
            }
        }
    }

    #[test]
    fn a_text_begins_with_a_space_by_its_keys_id_alone_and_never_ends_with_one() {
        for id in 0..=u8::MAX {
            for sealed in [[0; 16], [0xff; 16], [id; 16]] {
                let token = [&[TOKEN_VERSION, id], &sealed[..]].concat().try_into().expect("18 bytes");
                let text = to_text(&token);
                assert_eq!(text.starts_with(' '), begins_with_space(id), "{id}: {text:?}");
                assert!(!text.ends_with(' '), "{id}: {text:?}");
            }
        }
    }

    #[test]
    fn a_token_of_another_key_version_or_class_does_not_open() {
        let token =
            Token { code: CodeId::issue(1, 7).expect("in range"), issued_at_s: 1, class: Class::Person };
        let sealed = TokenKey::new(1, &Zeroizing::new([9; 16])).seal(token);
        assert_eq!(keys().open(&sealed), Err(TokenError::Seal));
        assert_eq!(
            keys().open(&TokenKey::new(2, &Zeroizing::new([1; 16])).seal(token)),
            Err(TokenError::Key)
        );
        assert_eq!(
            keys().open(&TokenKey::new(128, &Zeroizing::new([128; 16])).seal(token)),
            Err(TokenError::Seal)
        );
        let mut other = sealed;
        other[0] = 2;
        assert_eq!(keys().open(&other), Err(TokenError::Version));
    }
}
