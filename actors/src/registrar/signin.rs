//! Who may open which code. A phone in the hand opens the codes whose holders have shown both phone and document within
//! [`PROVEN_DAYS`]; all others need the document again, because numbers are given to somebody else. Nothing here takes a name, and
//! nothing shows a person to somebody who only knows a document.

use protocol::{Class, CodeId};

use super::{FORM_S_MAX, Registrar, RegistrarError};
use crate::codes::CodeEntry;
use crate::registry::{DocumentNumber, Holder, Person, Phone, Registry};
use crate::sms::ProvenPhone;
use crate::trajectory::{day_of, start_of};

/// A number is given to somebody else 90 days after it was given up at the earliest: a proof that is as old proves nothing.
pub const PROVEN_DAYS: u64 = 90;
/// Documents that may be tried with one phone in a day.
pub const DOCUMENT_TRIES_MAX: u32 = 5;
/// Codes of one phone: a guardian's and the wards'.
pub const CODES_PER_PHONE_MAX: usize = 16;

/// What came of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmed {
    /// Phone and document belong together: the code may be opened.
    Code(CodeId),
    /// They do not, which says nothing about anybody: neither may be known, or both.
    No,
}

impl Registrar<'_> {
    /// A sign-in: the codes that the phone opens, and they stay open for another [`PROVEN_DAYS`]. There may be none, and then a
    /// document may open one, or the person applies; the answer is the same for every phone.
    pub fn sign_in(&mut self, proven: &ProvenPhone, now_s: u64) -> Result<Vec<CodeId>, RegistrarError> {
        let phone = phone_of(proven, now_s)?;
        self.registry.transaction(|registry| {
            registry.renew_proofs(phone, proven_after(now_s), now_s)?;
            Ok(registry.proven_codes(phone, proven_after(now_s))?)
        })
    }

    /// The codes that the phone opens.
    pub fn codes_of(&self, proven: &ProvenPhone, now_s: u64) -> Result<Vec<CodeId>, RegistrarError> {
        codes_of(self.registry, proven, now_s)
    }

    /// The holders of the codes that the phone opens, wards last: what a page of one's own begins with.
    pub fn holders(&self, proven: &ProvenPhone, now_s: u64) -> Result<Vec<Holder>, RegistrarError> {
        Ok(self.registry.holders_of(phone_of(proven, now_s)?, proven_after(now_s))?)
    }

    /// What is known of the holder, for whoever may open the code.
    pub fn person_of(
        &self,
        code: CodeId,
        proven: &ProvenPhone,
        now_s: u64,
    ) -> Result<Person, RegistrarError> {
        opened(self.registry, code, proven, now_s)
    }

    /// The first sign-in of somebody who was imported, or the first after a long time: phone and document of one person. An act
    /// that says no is an act: the try counts.
    pub fn confirm_document(
        &mut self,
        proven: &ProvenPhone,
        document: &DocumentNumber,
        now_s: u64,
    ) -> Result<Confirmed, RegistrarError> {
        let phone = phone_of(proven, now_s)?;
        self.registry.transaction(|registry| confirm(registry, phone, document, now_s))
    }

    /// A guardian shows the document of a ward who has a code with the same phone already. The code stays the one it is.
    pub fn confirm_ward(
        &mut self,
        guardian: CodeId,
        proven: &ProvenPhone,
        document: &DocumentNumber,
        now_s: u64,
    ) -> Result<Confirmed, RegistrarError> {
        let phone = phone_of(proven, now_s)?;
        let (confirmed, entry) = self.registry.transaction::<_, RegistrarError>(|registry| {
            check_guardian(registry, guardian, proven, now_s)?;
            let confirmed = confirm(registry, phone, document, now_s)?;
            let Confirmed::Code(code) = confirmed else { return Ok((confirmed, None)) };
            Ok((confirmed, take_ward(registry, code, guardian)?.map(|entry| (code, entry))))
        })?;
        if let Some((code, entry)) = entry {
            self.put(code, entry);
        }
        Ok(confirmed)
    }

    /// The wards of the holder of a code that the phone opens.
    pub fn wards(
        &self,
        guardian: CodeId,
        proven: &ProvenPhone,
        now_s: u64,
    ) -> Result<Vec<CodeId>, RegistrarError> {
        opened(self.registry, guardian, proven, now_s)?;
        Ok(self.registry.wards_of(guardian)?)
    }

    /// Another number for the code: both must be in the hand now, proven since this form was opened. A guardian's wards come along; a
    /// ward that takes a phone of its own is a ward no more. Who has lost the old number goes to an office: a document's number
    /// is known to many, and must not be enough.
    pub fn change_phone(
        &mut self,
        code: CodeId,
        old: &ProvenPhone,
        new: &ProvenPhone,
        now_s: u64,
    ) -> Result<(), RegistrarError> {
        let phone = phone_of(new, now_s)?;
        if [old, new].iter().any(|proven| now_s.saturating_sub(proven.at_s()) > FORM_S_MAX) {
            return Err(RegistrarError::NotProven);
        }
        let entry = self.registry.transaction::<_, RegistrarError>(|registry| {
            let person = opened(registry, code, old, now_s)?;
            let wards = registry.wards_of(code)?;
            if registry.codes_of_phone(phone)?.len() + wards.len() >= CODES_PER_PHONE_MAX {
                return Err(RegistrarError::PhoneFull);
            }
            move_to(registry, code, person, phone, now_s)?;
            for ward in wards {
                let person = registry.person(ward)?.ok_or(RegistrarError::NotYours)?;
                move_to(registry, ward, person, phone, now_s)?;
            }
            if registry.guardian_of(code)?.is_none() {
                return Ok(None);
            }
            registry.set_guardian(code, None)?;
            let is_ward = registry.code(code)?.is_some_and(|entry| entry.class() == Class::Ward);
            Ok(if is_ward { Some(registry.set_class(code, Class::Person)?) } else { None })
        })?;
        if let Some(entry) = entry {
            self.put(code, entry);
        }
        Ok(())
    }
}

/// Proofs made before that moment are too old.
pub(super) const fn proven_after(now_s: u64) -> u64 {
    now_s.saturating_sub(PROVEN_DAYS * 86_400)
}

pub(super) fn phone_of(proven: &ProvenPhone, now_s: u64) -> Result<&Phone, RegistrarError> {
    proven.phone(now_s).ok_or(RegistrarError::NotProven)
}

fn codes_of(registry: &Registry, proven: &ProvenPhone, now_s: u64) -> Result<Vec<CodeId>, RegistrarError> {
    Ok(registry.proven_codes(phone_of(proven, now_s)?, proven_after(now_s))?)
}

/// The holder of a code that the phone opens; of every other code it is not said whether there is one.
pub(super) fn opened(
    registry: &Registry,
    code: CodeId,
    proven: &ProvenPhone,
    now_s: u64,
) -> Result<Person, RegistrarError> {
    if !codes_of(registry, proven, now_s)?.contains(&code) {
        return Err(RegistrarError::NotYours);
    }
    registry.person(code)?.ok_or(RegistrarError::NotYours)
}

/// A guardian has an own code that the phone opens, and is nobody's ward.
pub(super) fn check_guardian(
    registry: &Registry,
    guardian: CodeId,
    proven: &ProvenPhone,
    now_s: u64,
) -> Result<(), RegistrarError> {
    opened(registry, guardian, proven, now_s)?;
    match registry.guardian_of(guardian)? {
        None => Ok(()),
        Some(_) => Err(RegistrarError::Ward),
    }
}

/// Makes the holder of the code the guardian's ward; gives the entry for memory if it has changed. An imported holder's code keeps
/// its class: the printed text works by it.
pub(super) fn take_ward(
    registry: &Registry,
    code: CodeId,
    guardian: CodeId,
) -> Result<Option<CodeEntry>, RegistrarError> {
    let others = registry.guardian_of(code)?.is_some_and(|known| known != guardian);
    if code == guardian || others || !registry.wards_of(code)?.is_empty() {
        return Err(RegistrarError::Ward);
    }
    registry.set_guardian(code, Some(guardian))?;
    let is_person = registry.code(code)?.is_some_and(|entry| entry.class() == Class::Person);
    Ok(if is_person { Some(registry.set_class(code, Class::Ward)?) } else { None })
}

fn confirm(
    registry: &Registry,
    phone: &Phone,
    document: &DocumentNumber,
    now_s: u64,
) -> Result<Confirmed, RegistrarError> {
    let day = start_of(day_of(now_s));
    if !registry.take_document_try(phone, day, DOCUMENT_TRIES_MAX)? {
        return Err(RegistrarError::Tries);
    }
    let Some(code) = registry.code_of_both(phone, document)? else { return Ok(Confirmed::No) };
    registry.set_proven(code, now_s)?;
    Ok(Confirmed::Code(code))
}

fn move_to(
    registry: &Registry,
    code: CodeId,
    person: Person,
    phone: &Phone,
    now_s: u64,
) -> Result<(), RegistrarError> {
    registry.tie_stay(&person, now_s)?;
    registry.update_person(code, &Person { phone: phone.clone(), ..person })?;
    Ok(registry.set_proven(code, now_s)?)
}
