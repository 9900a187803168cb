//! The operator's own key: made at the operator's desk, stored in a file that only the operator can read, and used to sign
//! orders. The gateway knows only the public key.

use std::fmt;
use std::path::Path;

use keys::random::NoRandom;
use keys::{KeyError, read_secret};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Order, Signature};

/// An operator's private key.
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
    /// Creates a key for this operator; returns it with the text of its file.
    pub fn generate(name: &str) -> Result<(Self, Zeroizing<String>), KeyError> {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| NoRandom)?;
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).map_err(|_| NoRandom)?;
        let file = KeyFile { operator: name.to_owned(), key: hex::encode(pkcs8.as_ref()) };
        let text = serde_json::to_string(&file).expect("two texts");
        Ok((Self { name: name.to_owned(), pair }, Zeroizing::new(text + "\n")))
    }

    /// Reads a key file; returns an error if other users can read it.
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

    /// Returns the public key, in hexadecimal, as the registry stores it.
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
