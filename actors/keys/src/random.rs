//! Random bytes of the operating system, for keys, nonces, tokens and ids.

use ring::rand::{SecureRandom, SystemRandom};

/// The operating system gives no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random bytes")]
pub struct NoRandom;

/// Fills `bytes` with random bytes.
pub fn fill(bytes: &mut [u8]) -> Result<(), NoRandom> {
    SystemRandom::new().fill(bytes).map_err(|_| NoRandom)
}

/// Returns `N` random bytes. For secrets that are wiped on drop, use [`fill`] on their buffer.
pub fn bytes<const N: usize>() -> Result<[u8; N], NoRandom> {
    let mut bytes = [0; N];
    fill(&mut bytes)?;
    Ok(bytes)
}
