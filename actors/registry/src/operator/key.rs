//! An operator's own key: made at their own desk, kept in a file that only they may read, and what they sign orders with. The
//! gateway knows the public half alone.

use std::fmt;
use std::path::Path;

use keys::{KeyError, read_secret};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Order, Signature};

/// An operator's own key, in a file that only they may read.
pub struct OperatorKey {
    name: String,
    pair: Ed25519KeyPair,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    operator: String,
    /// PKCS#8, hexadecimal.
    key: String,
}

impl OperatorKey {
    /// Makes a key for that operator, and the text of its file.
    pub fn generate(name: &str) -> Result<(Self, Zeroizing<String>), KeyError> {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| KeyError::Random)?;
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).map_err(|_| KeyError::Random)?;
        let file = KeyFile { operator: name.to_owned(), key: hex::encode(pkcs8.as_ref()) };
        let text = serde_json::to_string(&file).expect("two texts");
        Ok((Self { name: name.to_owned(), pair }, Zeroizing::new(text + "\n")))
    }

    /// Reads a key's file. Refuses one that others may read.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let malformed = || KeyError::Malformed {
            path: path.to_owned(),
            expected: "an operator's key, as `changtong operator key` makes it".to_owned(),
        };
        let file: KeyFile = serde_json::from_str(&read_secret(path)?).map_err(|_| malformed())?;
        let pkcs8 = Zeroizing::new(hex::decode(file.key).map_err(|_| malformed())?);
        let pair = Ed25519KeyPair::from_pkcs8(&pkcs8).map_err(|_| malformed())?;
        Ok(Self { name: file.operator, pair })
    }

    /// Says what the registry knows the operator by, hexadecimal.
    pub fn public_key(&self) -> String {
        hex::encode(self.pair.public_key().as_ref())
    }

    /// Signs an order.
    pub fn sign(&self, order: &Order) -> Signature {
        let signature = hex::encode(self.pair.sign(&order.bytes()).as_ref());
        Signature { operator: self.name.clone(), signature }
    }
}

impl fmt::Debug for OperatorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OperatorKey({})", self.name)
    }
}
