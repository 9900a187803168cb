//! Shifts of staff as the pages use them: opened once with an operator's token and checked with each request; and the little that staff see
//! of a person whom they have scanned. Operators' orders invite to shifts and revoke them.

use policy::trajectory::{day_of, start_of};
use protocol::{CodeId, metric};
use registry::lookups::{self, Lookup};
use registry::{AccessRow, DocumentKind, Shift, ShiftId};

use super::{Registrar, RegistrarError};

/// The name under which a look at the end of a document's number is recorded.
const CHECKPOINT_STAFF: &str = "查验岗位人员 staff of a checkpoint";
/// The seconds after which a shift ends by itself.
pub const SHIFT_S: u64 = 12 * 3600;

impl Registrar<'_> {
    /// Opens the shift of the token with that hash; `None` if the token is not good (any more).
    pub(crate) fn join_shift(
        &mut self,
        token_hash: [u8; 32],
        now_s: u64,
    ) -> Result<Option<ShiftId>, RegistrarError> {
        Ok(self.registry.join_shift(token_hash, now_s, now_s + SHIFT_S)?)
    }

    /// Returns the shift; `None` if it is not good now.
    pub fn shift(&self, id: ShiftId, now_s: u64) -> Result<Option<Shift>, RegistrarError> {
        Ok(self.registry.shift(id, now_s)?)
    }

    /// Ends the shift, by its own staff.
    pub(crate) fn end_shift(&mut self, id: ShiftId) -> Result<(), RegistrarError> {
        Ok(self.registry.revoke_shift(id)?)
    }

    /// Returns the first character of the holder's name; `None` for a code without a holder.
    pub fn masked_name(&self, code: CodeId) -> Result<Option<String>, RegistrarError> {
        Ok(self.registry.person(code)?.map(|person| lookups::masked(&person.name)))
    }

    /// Returns the kind of the holder's document and its number's last four characters, for staff to compare; `None` for a code without a
    /// holder. The look is on record when this is durable, and the holder sees it. The record outlives the passage, which is forgotten:
    /// it names the day, and neither the second nor the place.
    pub(crate) fn document_for(
        &mut self,
        code: CodeId,
        now_s: u64,
    ) -> Result<Option<(DocumentKind, String)>, RegistrarError> {
        let Some(person) = self.registry.person(code)? else { return Ok(None) };
        let access = AccessRow {
            at_s: start_of(day_of(now_s)),
            operators: CHECKPOINT_STAFF.to_owned(),
            act: Lookup::Document.name().to_owned(),
            case: "scan".to_owned(),
        };
        self.registry.insert_access(self.registry.subject(code), &access)?;
        metrics::counter!(metric::LOOKUPS, "lookup" => Lookup::Document.name()).increment(1);
        Ok(Some((person.document.kind(), person.document.tail().to_owned())))
    }
}
