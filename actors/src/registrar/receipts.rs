//! Consent receipts: what a citizen's screen shows as a QR and a device at a gate brings. Sealed by this gateway, good once and for
//! two minutes; it holds a consent's number, never a phone.

use protocol::CodeId;
use protocol::receipt::{self, RECEIPT_BYTES};
use registry::lookups::masked;
use registry::periods::FORM_S_MAX;
use registry::{Beneficiary, ConsentId, Detail, Flow, Phone, Registry};
use subtle::ConstantTimeEq;

use super::queries::QueryPermit;
use super::signin::proven_after;
use super::{Registrar, RegistrarError};

/// A QR that is older is drawn anew: somebody who photographs it at the gate comes too late with it.
pub const RECEIPT_S_MAX: u64 = 120;

/// A receipt as it travels; `protocol::receipt` has its layout.
pub type Receipt = [u8; RECEIPT_BYTES];

/// The owner of the phone that was asked for with a receipt: staff compare it with whom they have scanned, because a receipt can be a
/// friend's.
#[derive(Clone, PartialEq, Eq)]
pub struct Giver {
    /// The first character of the name.
    pub name: String,
    /// The codes that the phone opens: its owner's and the wards'.
    pub codes: Vec<CodeId>,
}

impl std::fmt::Debug for Giver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Giver(…)")
    }
}

/// The use of a receipt.
#[derive(Debug)]
pub enum Receipted {
    /// A query that nobody has made yet.
    Ask(QueryPermit),
    /// The answer that the citizen's page has, shown to staff this once.
    Shown(ConsentId),
}

/// The view of the citizen's page of a consent to a query at a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtGate {
    /// Staff may scan this.
    Open(Receipt),
    /// They did, then, seconds since 1970 UTC.
    Scanned(u64),
}

impl Registrar<'_> {
    /// Gives whose phone a query at a gate is about; `None` of one for a form, or if no code goes with the phone.
    pub fn giver(&self, permit: &QueryPermit, now_s: u64) -> Result<Option<Giver>, RegistrarError> {
        if permit.flow() != Flow::Scan {
            return Ok(None);
        }
        let holders = self.registry.holders_of(permit.phone(), proven_after(now_s))?;
        let codes = holders.iter().map(|holder| holder.code).collect();
        Ok(holders.first().map(|first| Giver { name: masked(&first.person.name), codes }))
    }

    /// A receipt of a consent to a query at a gate, unless staff have scanned one already.
    pub fn receipt(&self, consent: ConsentId, phone: &Phone, now_s: u64) -> Result<AtGate, RegistrarError> {
        let from_s = now_s.saturating_sub(FORM_S_MAX);
        let found = self.registry.gate_consent(consent, phone, from_s)?;
        let (detail, scanned_s) = found.ok_or(RegistrarError::Consent)?;
        if let Some(scanned_s) = scanned_s {
            return Ok(AtGate::Scanned(scanned_s));
        }
        let mut receipt = receipt::Receipt {
            consent: consent.0 as u64,
            expires_s: u32::try_from(now_s + RECEIPT_S_MAX).unwrap_or(u32::MAX),
            flow: receipt::Flow::Scan,
            detail: match detail {
                Detail::Stay => receipt::Detail::Stay,
                Detail::Cities => receipt::Detail::Cities,
            },
            seal: Default::default(),
        };
        receipt.seal = seal(self.registry, &receipt);
        Ok(AtGate::Open(receipt.pack()))
    }

    /// Uses the receipt up: for one query, or to show what the citizen's page has asked already.
    pub fn start_query_by_receipt(
        &mut self,
        bytes: &Receipt,
        now_s: u64,
    ) -> Result<Receipted, RegistrarError> {
        let receipt = receipt::Receipt::unpack(bytes).ok_or(RegistrarError::Receipt)?;
        let genuine = bool::from(seal(self.registry, &receipt).ct_eq(&receipt.seal));
        if !genuine || receipt.flow != receipt::Flow::Scan {
            return Err(RegistrarError::Receipt);
        }
        if now_s > u64::from(receipt.expires_s) {
            return Err(RegistrarError::ReceiptExpired);
        }
        let consent = ConsentId(receipt.consent as i64);
        let from_s = now_s.saturating_sub(FORM_S_MAX);
        let used = self.registry.transaction::<_, RegistrarError>(|registry| {
            match registry.use_receipt(consent, (from_s, now_s))? {
                Some(used) => Ok(Some(used)),
                None if registry.show_receipt(consent, (from_s, now_s))? => Ok(None),
                None => Err(RegistrarError::Consent),
            }
        })?;
        let Some((phone, detail)) = used else { return Ok(Receipted::Shown(consent)) };
        Ok(Receipted::Ask(self.permit(consent, (Flow::Scan, Beneficiary::Owner), phone, detail, now_s)))
    }
}

fn seal(registry: &Registry, receipt: &receipt::Receipt) -> [u8; receipt::RECEIPT_SEAL_BYTES] {
    registry.seal_of("consent-receipt", &receipt.sealed_bytes())
}
