//! Printed codes, units that apply for a code of their own, and people who withdraw their data.

use policy::PlaceKind;
use protocol::CodeId;
use protocol::token::{TOKEN_BYTES, Token, TokenKey};
use registry::{RetainedData, UnitRow, UnitState};

use super::signin::opened;
use super::{Registrar, RegistrarError};
use crate::bounds;
use crate::residence::visible;
use crate::sms::ProvenPhone;

/// The open applications for units that one person may have.
const UNITS_OPEN_MAX: usize = bounds::UNITS_OPEN.entries();

/// The right to print a code, from which the paper key makes a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paper {
    code: CodeId,
    issued_at_s: u32,
}

impl Paper {
    /// Seals the token to print. `key` is a key for paper.
    pub fn seal(self, key: &TokenKey) -> [u8; TOKEN_BYTES] {
        let Self { code, issued_at_s } = self;
        key.seal(Token { code, issued_at_s, class: protocol::Class::Paper })
    }
}

impl Registrar<'_> {
    /// Grants a printed code to the holder, or to the guardian of a ward. It is good until it is withdrawn.
    pub fn paper(&self, code: CodeId, proven: &ProvenPhone, now_s: u64) -> Result<Paper, RegistrarError> {
        opened(self.registry, code, proven, now_s)?;
        let issued_at_s = seconds(now_s).max(self.registry.paper_from(code)?);
        Ok(Paper { code, issued_at_s })
    }

    /// Withdraws every printed code of the holder that was made until now: the paper was lost, or seen by others.
    pub(crate) fn withdraw_papers(
        &mut self,
        code: CodeId,
        proven: &ProvenPhone,
        now_s: u64,
    ) -> Result<(), RegistrarError> {
        let good_from_s = seconds(now_s).saturating_add(1);
        self.registry.transaction::<_, RegistrarError>(|registry| {
            opened(registry, code, proven, now_s)?;
            Ok(registry.set_paper_from(code, good_from_s)?)
        })?;
        // If the group does not become durable, memory refuses a paper that the holder wanted refused.
        self.codes.set_paper_from(code, good_from_s);
        Ok(())
    }

    /// Takes the application of a signed-in person for a unit's code; returns its number.
    pub(crate) fn apply_for_unit(
        &mut self,
        applicant: CodeId,
        proven: &ProvenPhone,
        unit: (protocol::RegionId, PlaceKind, &str),
        now_s: u64,
    ) -> Result<i64, RegistrarError> {
        let name = visible(unit.2)
            .ok_or(RegistrarError::Person("a unit's name is 1 to 64 characters that can be seen"))?;
        if !unit.1.is_unit() {
            return Err(RegistrarError::Person(
                "only a workplace, compound, village, building or vehicle applies",
            ));
        }
        self.registry.transaction(|registry| {
            opened(registry, applicant, proven, now_s)?;
            let open =
                registry.units_of(applicant)?.iter().filter(|unit| unit.state == UnitState::Open).count();
            if open >= UNITS_OPEN_MAX {
                return Err(RegistrarError::Person("as many applications are open as one person may have"));
            }
            Ok(registry.insert_unit(applicant, (unit.0, unit.1, &name), now_s)?)
        })
    }

    /// Returns the units for which that person has applied.
    pub fn units_of(
        &self,
        applicant: CodeId,
        proven: &ProvenPhone,
        now_s: u64,
    ) -> Result<Vec<UnitRow>, RegistrarError> {
        opened(self.registry, applicant, proven, now_s)?;
        Ok(self.registry.units_of(applicant)?)
    }

    /// Withdraws a holder: deletes the personal data and ends the registration of the code. Returns what stays.
    pub(crate) fn withdraw_person(
        &mut self,
        code: CodeId,
        proven: &ProvenPhone,
        now_s: u64,
    ) -> Result<RetainedData, RegistrarError> {
        let remains = self.registry.transaction::<_, RegistrarError>(|registry| {
            let person = opened(registry, code, proven, now_s)?;
            if !registry.wards_of(code)?.is_empty() {
                return Err(RegistrarError::HasWards);
            }
            Ok(registry.remove_person(code, &person, now_s)?)
        })?;
        self.forget(code);
        Ok(remains)
    }
}

fn seconds(now_s: u64) -> u32 {
    u32::try_from(now_s).unwrap_or(u32::MAX)
}
