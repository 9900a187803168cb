//! Consent receipts: a citizen's screen shows one as a QR, and a device at a gate sends what it has read. Sealed by this gateway, good once
//! and for two minutes. A receipt holds a consent's number and no phone.

use protocol::CodeId;
use protocol::receipt::{self, RECEIPT_BYTES};
use registry::lookups::masked;
use registry::periods::FORM_S_MAX;
use registry::{Beneficiary, ConsentId, Detail, Flow, Phone, Registry};
use subtle::ConstantTimeEq;

use super::queries::QueryPermit;
use super::signin::proven_after;
use super::{Registrar, RegistrarError};

/// The seconds for which a receipt is good; the page draws a new one after that. A photograph taken at the gate is soon too old.
pub const RECEIPT_S_MAX: u64 = 120;

/// The bytes of a receipt; `protocol::receipt` has their layout.
pub type Receipt = [u8; RECEIPT_BYTES];

/// The owner of the phone that was asked for with a receipt. Staff compare it with the person whom they have scanned, because the receipt
/// can be a friend's.
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
    /// A query that was not made yet.
    Ask(QueryPermit),
    /// The answer that the citizen's page has, which staff see this once.
    Shown(ConsentId),
}

/// A consent to a query at a gate, as the citizen's page shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtGate {
    /// A receipt that staff may scan.
    Open(Receipt),
    /// The time when staff scanned one, seconds since 1970 UTC.
    Scanned(u64),
}

impl Registrar<'_> {
    /// Returns the owner of the phone that a query at a gate is about; `None` for a query for a form, or if the phone opens no code.
    pub(crate) fn giver(&self, permit: &QueryPermit, now_s: u64) -> Result<Option<Giver>, RegistrarError> {
        if permit.flow() != Flow::Scan {
            return Ok(None);
        }
        let holders = self.registry.holders_of(permit.phone(), proven_after(now_s))?;
        let codes = holders.iter().map(|holder| holder.code).collect();
        Ok(holders.first().map(|first| Giver { name: masked(&first.person.name), codes }))
    }

    /// Makes a receipt of a consent to a query at a gate, unless staff have scanned one already.
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

    /// Uses up a receipt: for one query, or to show the answer that the citizen's page has already.
    pub(crate) fn start_query_by_receipt(
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
        let permit = self.permit(consent, (Flow::Scan, Beneficiary::Owner), phone, detail, now_s)?;
        Ok(Receipted::Ask(permit))
    }
}

fn seal(registry: &Registry, receipt: &receipt::Receipt) -> [u8; receipt::RECEIPT_SEAL_BYTES] {
    registry.seal_of("consent-receipt", &receipt.sealed_bytes())
}
