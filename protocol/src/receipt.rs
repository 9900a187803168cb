//! Consent receipts: QR codes on a citizen's page that permit one device one query. This module has the layout only; the gateway
//! makes and verifies the seal with a key of its own.
//!
//! 31 bytes: version, consent (u64), expiry (u32), flow, detail, and a seal of 16 bytes over the bytes before it;
//! little-endian. As text: base45, 47 characters of QR's alphanumeric mode. No phone, no name, no code.

use crate::base45;

/// The length of a receipt.
pub const RECEIPT_BYTES: usize = 31;
/// The number of bytes that the seal covers.
const RECEIPT_SEALED_BYTES: usize = 15;
/// The length of the seal.
pub const RECEIPT_SEAL_BYTES: usize = 16;
/// The version that this crate writes and reads.
pub(crate) const RECEIPT_VERSION: u8 = 1;

const _: () = assert!(RECEIPT_SEALED_BYTES + RECEIPT_SEAL_BYTES == RECEIPT_BYTES);

wire_numbered! {
    /// The purpose of a consent.
    pub enum Flow {
        /// A first application.
        Apply = 1 => "apply",
        /// A modification.
        Modify = 2 => "modify",
        /// A punch page, or staff at a checkpoint: the answer is displayed and changes no colour.
        Scan = 3 => "scan",
    }
}

wire_numbered! {
    /// The part of the answer that the citizen discloses to staff.
    pub enum Detail {
        /// Yes, no or unknown, with the reason.
        Stay = 1 => "stay",
        /// The same, with the cities and countries.
        Cities = 2 => "cities",
    }
}

/// The content of a receipt. The registrar checks its seal, its expiry and whether it was used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The number of the consent.
    pub consent: u64,
    /// The time of expiry, seconds since 1970 UTC.
    pub expires_s: u32,
    /// The purpose.
    pub flow: Flow,
    /// The disclosed part of the answer.
    pub detail: Detail,
    /// The gateway's seal over the rest.
    pub seal: [u8; RECEIPT_SEAL_BYTES],
}

/// Hides the receipt: its bytes are enough to use it.
impl std::fmt::Debug for Receipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Receipt(…)")
    }
}

impl Receipt {
    /// Returns the bytes that the seal covers.
    pub fn sealed_bytes(&self) -> [u8; RECEIPT_SEALED_BYTES] {
        let mut bytes = [0; RECEIPT_SEALED_BYTES];
        bytes[0] = RECEIPT_VERSION;
        bytes[1..9].copy_from_slice(&self.consent.to_le_bytes());
        bytes[9..13].copy_from_slice(&self.expires_s.to_le_bytes());
        bytes[13] = self.flow.number();
        bytes[14] = self.detail.number();
        bytes
    }

    /// Encodes the receipt with its seal.
    pub fn pack(&self) -> [u8; RECEIPT_BYTES] {
        let mut bytes = [0; RECEIPT_BYTES];
        bytes[..RECEIPT_SEALED_BYTES].copy_from_slice(&self.sealed_bytes());
        bytes[RECEIPT_SEALED_BYTES..].copy_from_slice(&self.seal);
        bytes
    }

    /// Decodes a receipt; `None` for an unknown version, flow or detail. Does not verify the seal.
    pub fn unpack(bytes: &[u8; RECEIPT_BYTES]) -> Option<Self> {
        let (&[version, rest @ ..], seal) = bytes.split_first_chunk::<RECEIPT_SEALED_BYTES>()?;
        let (consent, rest) = rest.split_first_chunk::<8>()?;
        let (expires_s, rest) = rest.split_first_chunk::<4>()?;
        let &[flow, detail] = rest else { return None };
        if version != RECEIPT_VERSION {
            return None;
        }
        Some(Self {
            consent: u64::from_le_bytes(*consent),
            expires_s: u32::from_le_bytes(*expires_s),
            flow: Flow::from_number(flow)?,
            detail: Detail::from_number(detail)?,
            seal: seal.try_into().ok()?,
        })
    }
}

/// Reports a consent number whose receipt text begins with a space. Such numbers are not assigned.
pub const fn begins_with_space(consent: u64) -> bool {
    base45::begins_with_space(RECEIPT_VERSION, consent as u8)
}

/// Returns a receipt as the text of its QR code (base45, RFC 9285).
pub fn to_text(receipt: &[u8; RECEIPT_BYTES]) -> String {
    base45::encode(receipt)
}

/// Reads the text of a receipt; `None` for any other text, such as a pass code's.
pub fn from_text(text: &str) -> Option<[u8; RECEIPT_BYTES]> {
    base45::decode(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token;
    use proptest::prelude::*;
    use proptest::sample::select;

    proptest! {
        #[test]
        fn a_receipt_comes_back_from_its_bytes_and_its_text(
            (consent, expires_s, seal) in any::<(u64, u32, [u8; RECEIPT_SEAL_BYTES])>(),
            (flow, detail) in (select(Flow::ALL), select(Detail::ALL)),
        ) {
            let receipt = Receipt { consent, expires_s, flow, detail, seal };
            let bytes = receipt.pack();
            prop_assert_eq!(Receipt::unpack(&bytes), Some(receipt));
            let text = to_text(&bytes);
            prop_assert_eq!(text.len(), 47);
            prop_assert_eq!(text.starts_with(' '), begins_with_space(consent));
            prop_assert!(!text.ends_with(' '));
            prop_assert_eq!(from_text(&text), Some(bytes));
            prop_assert_eq!(token::from_text(&text), None, "a receipt is no pass code");
        }

        #[test]
        fn any_bytes_are_a_receipt_that_packs_to_them_or_none(bytes: [u8; RECEIPT_BYTES]) {
            if let Some(receipt) = Receipt::unpack(&bytes) {
                prop_assert_eq!(receipt.pack(), bytes);
            }
        }
    }

    #[test]
    fn an_unknown_version_flow_or_detail_is_no_receipt() {
        let good = Receipt {
            consent: 7,
            expires_s: 9,
            flow: Flow::Scan,
            detail: Detail::Stay,
            seal: [5; RECEIPT_SEAL_BYTES],
        };
        for (at, value) in [(0, 0), (0, 2), (13, 0), (13, 4), (14, 0), (14, 3)] {
            let mut bytes = good.pack();
            bytes[at] = value;
            assert_eq!(Receipt::unpack(&bytes), None, "byte {at} is {value}");
        }
        assert_eq!(format!("{good:?}"), "Receipt(…)");
    }
}
