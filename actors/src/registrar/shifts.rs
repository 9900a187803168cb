//! Shifts of staff as the pages use them: opened once with an operator's token, looked at with each request, and the little that
//! staff see of whom they have scanned. Who may invite and revoke is for orders.

use protocol::CodeId;

use super::{Registrar, RegistrarError};
use crate::lookups;
use crate::registry::{Shift, ShiftId};

/// A shift ends after this long, whoever forgets to end it.
pub const SHIFT_S: u64 = 12 * 3600;

impl Registrar<'_> {
    /// Opens the shift that the token of that hash stands for; `None` if it is good for none (any more).
    pub fn join_shift(
        &mut self,
        token_hash: [u8; 32],
        now_s: u64,
    ) -> Result<Option<ShiftId>, RegistrarError> {
        Ok(self.registry.join_shift(token_hash, now_s, now_s + SHIFT_S)?)
    }

    /// The shift, if it is good now.
    pub fn shift(&self, id: ShiftId, now_s: u64) -> Result<Option<Shift>, RegistrarError> {
        Ok(self.registry.shift(id, now_s)?)
    }

    /// Whoever works in the shift has ended it.
    pub fn end_shift(&mut self, id: ShiftId) -> Result<(), RegistrarError> {
        Ok(self.registry.revoke_shift(id)?)
    }

    /// The first character of the holder's name: enough to hold a document beside it.
    pub fn masked_name(&self, code: CodeId) -> Result<Option<String>, RegistrarError> {
        Ok(self.registry.person(code)?.map(|person| lookups::masked(&person.name)))
    }
}
