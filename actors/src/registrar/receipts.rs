//! Consent receipts: what a citizen's screen shows as a QR and a device at a gate brings. Sealed by this gateway, good once and for
//! two minutes; it holds a consent's number, never a phone.

use subtle::ConstantTimeEq;

use super::queries::{FORM_S_MAX, QueryPermit};
use super::{Registrar, RegistrarError};
use crate::registry::{ConsentId, Detail, Flow, Phone, Registry};

/// A receipt's length.
pub const RECEIPT_BYTES: usize = 31;
/// A QR that is older is drawn anew: somebody who photographs it at the gate comes too late with it.
pub const RECEIPT_S_MAX: u64 = 120;

const VERSION: u8 = 1;
const SEALED: usize = RECEIPT_BYTES - 16;

/// A receipt, as bytes: version, consent `u64`, end `u32`, flow, detail, seal. Little-endian.
pub type Receipt = [u8; RECEIPT_BYTES];

impl Registrar<'_> {
    /// A receipt of an open consent to a query at a gate.
    pub fn receipt(&self, consent: ConsentId, phone: &Phone, now_s: u64) -> Result<Receipt, RegistrarError> {
        let from_s = now_s.saturating_sub(FORM_S_MAX);
        let detail = self.registry.open_receipt(consent, phone, from_s)?.ok_or(RegistrarError::Consent)?;
        let mut receipt = [0; RECEIPT_BYTES];
        receipt[0] = VERSION;
        receipt[1..9].copy_from_slice(&(consent.0 as u64).to_le_bytes());
        let until_s = u32::try_from(now_s + RECEIPT_S_MAX).unwrap_or(u32::MAX);
        receipt[9..13].copy_from_slice(&until_s.to_le_bytes());
        receipt[13] = Flow::Scan as u8;
        receipt[14] = detail as u8;
        let seal = seal(self.registry, &receipt);
        receipt[SEALED..].copy_from_slice(&seal);
        Ok(receipt)
    }

    /// Uses the receipt's consent up for one query.
    pub fn start_query_by_receipt(
        &mut self,
        receipt: &Receipt,
        now_s: u64,
    ) -> Result<QueryPermit, RegistrarError> {
        let genuine = receipt[0] == VERSION
            && receipt[13] == Flow::Scan as u8
            && bool::from(seal(self.registry, receipt).ct_eq(&receipt[SEALED..]));
        if !genuine {
            return Err(RegistrarError::Receipt);
        }
        let number = |range: std::ops::Range<usize>| {
            receipt[range].iter().rev().fold(0u64, |number, &byte| number << 8 | u64::from(byte))
        };
        if now_s > number(9..13) {
            return Err(RegistrarError::ReceiptExpired);
        }
        let consent = ConsentId(number(1..9) as i64);
        let from_s = now_s.saturating_sub(FORM_S_MAX);
        let used = self.registry.transaction::<_, RegistrarError>(|registry| {
            Ok(registry.use_receipt(consent, (from_s, now_s))?)
        })?;
        let (phone, detail): (Phone, Detail) = used.ok_or(RegistrarError::Consent)?;
        Ok(self.permit(consent, Flow::Scan, phone, detail, now_s))
    }
}

fn seal(registry: &Registry, receipt: &Receipt) -> [u8; 16] {
    registry.seal_of("consent-receipt", &receipt[..SEALED])
}
