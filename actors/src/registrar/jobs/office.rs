//! The changes that an office makes for a person who is present with their document. Each is put on record, for person and wards, in the
//! transaction that does it: what has not happened is not on record.

use protocol::CodeId;
use registry::lookups::{LookupError, LookupRequest, Subjects};
use registry::{Phone, Registry, RegistryError};

use super::signin::move_with_wards;
use super::{Registrar, RegistrarError};

impl Registrar<'_> {
    /// Moves the code of a person who no longer has the old number to a new one. The new number is not proven: the first sign-in with it
    /// asks for the document.
    pub fn move_phone<E>(&mut self, code: CodeId, phone: &Phone, asked: &LookupRequest<'_>) -> Result<(), E>
    where
        E: From<RegistryError> + From<RegistrarError> + From<LookupError>,
    {
        let mut codes = self.registry.wards_of(code)?;
        codes.insert(0, code);
        let entry = self.on_record::<_, E>(asked, &codes, |registry| {
            let person = registry.person(code)?.ok_or(RegistrarError::NotYours)?;
            move_with_wards(registry, (code, person), phone, (asked.now_s, 0))
        })?;
        if let Some(entry) = entry {
            self.put(code, entry);
        }
        Ok(())
    }

    /// Records that an office has seen the document of a code's holder: from then on a scan of the code does not ask for it.
    pub fn see_document<E>(&mut self, code: CodeId, asked: &LookupRequest<'_>) -> Result<(), E>
    where
        E: From<RegistryError> + From<RegistrarError> + From<LookupError>,
    {
        let entry = self.on_record::<_, E>(asked, &[code], |registry| Ok(registry.set_seen(code)?))?;
        self.put(code, entry);
        Ok(())
    }

    /// Does `act` on these codes and puts it on record: both, or neither.
    fn on_record<T, E>(
        &mut self,
        asked: &LookupRequest<'_>,
        codes: &[CodeId],
        act: impl FnOnce(&Registry) -> Result<T, RegistrarError>,
    ) -> Result<T, E>
    where
        E: From<RegistryError> + From<RegistrarError> + From<LookupError>,
    {
        self.registry.group(|registry| {
            registry.step("office", |registry| {
                let done = act(registry)?;
                asked.record(registry, &Subjects::Codes(codes.to_vec()))?;
                Ok(done)
            })
        })?
    }
}
