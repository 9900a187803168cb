//! Signing in: the codes that a phone opens. A proven phone opens the codes whose holders have shown both phone and document within
//! [`PROVEN_DAYS`]; all others need the document again, because carriers give numbers to other people. Nothing here takes a name, and
//! nothing shows a person's data to a caller that knows only a document.

use policy::trajectory::{day_of, start_of};
use protocol::{Class, CodeId, Colour};
use registry::colours::CodeEntry;
use registry::departures::DepartureReason;
use registry::periods::{FORM_S_MAX, PROVEN_DAYS};
use registry::{DocumentNumber, Holder, Person, Phone, Registry, SignOut, kept_until};

use super::{Registrar, RegistrarError};
use crate::bounds;
use crate::sms::ProvenPhone;

/// The documents that may be tried with one phone in a day.
pub const DOCUMENT_TRIES_MAX: u32 = bounds::DOCUMENT_TRIES.max;
/// The codes of one phone: the guardian's and the wards'.
pub const CODES_PER_PHONE_MAX: usize = bounds::CODES_PHONE.entries();

/// The outcome of showing a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmed {
    /// Phone and document belong together: the code may be opened.
    Code(CodeId),
    /// No match. This reveals nothing about either: both may be registered, or none.
    No,
}

impl Registrar<'_> {
    /// Signs in: returns the codes that the phone opens, and renews its proofs for another [`PROVEN_DAYS`]. Without codes a document may
    /// open one, or the person applies; the answer is the same for every such phone.
    pub fn sign_in(&mut self, proven: &ProvenPhone, now_s: u64) -> Result<Vec<CodeId>, RegistrarError> {
        let phone = phone_of(proven, now_s)?;
        let (codes, retired) = self.registry.transaction::<_, RegistrarError>(|registry| {
            registry.renew_proofs(phone, proven_after(now_s), now_s)?;
            let codes = registry.proven_codes(phone, proven_after(now_s))?;
            let retired = retire_texts(registry, &codes)?;
            Ok((codes, retired))
        })?;
        self.put_all(retired);
        Ok(codes)
    }

    /// Records the sign-out of a session, or of every session of a phone.
    pub fn sign_out(&mut self, out: &SignOut, now_s: u64) -> Result<(), RegistrarError> {
        self.registry.transaction(|registry| Ok(registry.insert_sign_out(out, now_s)?))
    }

    /// Returns the codes that the phone opens.
    pub fn codes_of(&self, proven: &ProvenPhone, now_s: u64) -> Result<Vec<CodeId>, RegistrarError> {
        codes_of(self.registry, proven, now_s)
    }

    /// Returns the holders of the codes that the phone opens, wards last.
    pub fn holders(&self, proven: &ProvenPhone, now_s: u64) -> Result<Vec<Holder>, RegistrarError> {
        Ok(self.registry.holders_of(phone_of(proven, now_s)?, proven_after(now_s))?)
    }

    /// Returns the holder's data, for a phone that opens the code.
    pub fn person_of(
        &self,
        code: CodeId,
        proven: &ProvenPhone,
        now_s: u64,
    ) -> Result<Person, RegistrarError> {
        opened(self.registry, code, proven, now_s)
    }

    /// Opens the code of a holder who was imported or has not signed in for long, if phone and document belong to one person. The try
    /// counts also if they do not.
    pub(crate) fn confirm_document(
        &mut self,
        proven: &ProvenPhone,
        document: &DocumentNumber,
        now_s: u64,
    ) -> Result<Confirmed, RegistrarError> {
        let phone = phone_of(proven, now_s)?;
        let (confirmed, retired) = self.registry.transaction::<_, RegistrarError>(|registry| {
            let confirmed = confirm(registry, phone, document, now_s)?;
            let Confirmed::Code(code) = confirmed else { return Ok((confirmed, Vec::new())) };
            // With another own code of this phone, this one has to be shown as a ward's.
            let (own, _) = registry.own_codes(phone, proven_after(now_s))?;
            if registry.guardian_of(code)?.is_none() && !own.contains(&code) && !own.is_empty() {
                return Err(RegistrarError::OwnCode);
            }
            registry.set_proven(code, now_s)?;
            let retired = retire_texts(registry, &[code])?;
            Ok((confirmed, retired))
        })?;
        self.put_all(retired);
        Ok(confirmed)
    }

    /// Opens the code of a ward who has one with the same phone already, and makes its holder the guardian's ward; the code stays.
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
            registry.set_proven(code, now_s)?;
            Ok((confirmed, take_ward(registry, code, guardian)?.map(|entry| (code, entry))))
        })?;
        if let Some((code, entry)) = entry {
            self.put(code, entry);
        }
        Ok(confirmed)
    }

    /// Returns the wards of the holder of a code that the phone opens.
    pub fn wards(
        &self,
        guardian: CodeId,
        proven: &ProvenPhone,
        now_s: u64,
    ) -> Result<Vec<CodeId>, RegistrarError> {
        opened(self.registry, guardian, proven, now_s)?;
        Ok(self.registry.wards_of(guardian)?)
    }

    /// Moves a code to another phone: both have to be in the hand, proven since the form was opened. A guardian's wards come along; a ward
    /// that takes a phone of its own is a ward no more. A person who has lost the old number goes to an office: the number of a document is
    /// known to many, and is not enough.
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
            move_with_wards(registry, (code, person), phone, (now_s, now_s))
        })?;
        if let Some(entry) = entry {
            self.put(code, entry);
        }
        Ok(())
    }
}

/// Returns the time before which proofs are too old, seconds since 1970 UTC.
pub(super) const fn proven_after(now_s: u64) -> u64 {
    now_s.saturating_sub(PROVEN_DAYS * 86_400)
}

pub(super) fn phone_of(proven: &ProvenPhone, now_s: u64) -> Result<&Phone, RegistrarError> {
    proven.phone(now_s).ok_or(RegistrarError::NotProven)
}

fn codes_of(registry: &Registry, proven: &ProvenPhone, now_s: u64) -> Result<Vec<CodeId>, RegistrarError> {
    Ok(registry.proven_codes(phone_of(proven, now_s)?, proven_after(now_s))?)
}

/// Returns the holder of a code that the phone opens. The error does not tell whether there is another code of that number.
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

/// Checks that a guardian has an own code that the phone opens, and is not a ward.
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

/// Checks that a phone may get an own code: it has one at most. An own code that the phone no longer opens is a former holder's, whose
/// number was given to another person; it stands in the way only while it is red or yellow.
pub(super) fn check_own(
    registry: &Registry,
    phone: &Phone,
    document: &DocumentNumber,
    now_s: u64,
) -> Result<(), RegistrarError> {
    let (opened, others) = registry.own_codes(phone, proven_after(now_s))?;
    let mut taken = !opened.is_empty() || registry.is_left_by_another(phone, document, now_s)?;
    for code in others {
        let colour = registry.code(code)?.map(CodeEntry::colour);
        taken |= matches!(colour, Some(Colour::Red | Colour::Yellow));
    }
    if taken { Err(RegistrarError::OwnCode) } else { Ok(()) }
}

/// Retires the texts of imported holders, which never change: from the first sign-in on, which gives a code that is renewed each half
/// minute, they are no longer good. Returns the entries for memory.
fn retire_texts(registry: &Registry, codes: &[CodeId]) -> Result<Vec<(CodeId, CodeEntry)>, RegistrarError> {
    let mut retired = Vec::new();
    for &code in codes {
        if registry.code(code)?.is_some_and(|entry| entry.class() == Class::Imported) {
            let class = if registry.guardian_of(code)?.is_some() { Class::Ward } else { Class::Person };
            retired.push((code, registry.set_class(code, class)?));
        }
    }
    Ok(retired)
}

/// Makes the holder of the code the guardian's ward; returns the entry for memory if it has changed.
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
    let class = registry.code(code)?.map(CodeEntry::class);
    let is_other = matches!(class, Some(Class::Person | Class::Imported));
    Ok(if is_other { Some(registry.set_class(code, Class::Ward)?) } else { None })
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
    Ok(registry.code_of_both(phone, document)?.map_or(Confirmed::No, Confirmed::Code))
}

/// Moves a code and those of its holder's wards to that phone, proven at `proven_s`; returns the entry for memory if it has changed.
pub(super) fn move_with_wards(
    registry: &Registry,
    (code, person): (CodeId, Person),
    phone: &Phone,
    (now_s, proven_s): (u64, u64),
) -> Result<Option<CodeEntry>, RegistrarError> {
    let wards = registry.wards_of(code)?;
    if registry.codes_of_phone(phone)?.len() + wards.len() >= CODES_PER_PHONE_MAX {
        return Err(RegistrarError::PhoneFull);
    }
    if person.phone != *phone {
        check_own(registry, phone, &person.document, now_s)?;
    }
    move_to(registry, (code, person), phone, (now_s, proven_s))?;
    for ward in wards {
        let person = registry.person(ward)?.ok_or(RegistrarError::NotYours)?;
        move_to(registry, (ward, person), phone, (now_s, proven_s))?;
    }
    if registry.guardian_of(code)?.is_none() {
        return Ok(None);
    }
    registry.set_guardian(code, None)?;
    let is_ward = registry.code(code)?.is_some_and(|entry| entry.class() == Class::Ward);
    Ok(if is_ward { Some(registry.set_class(code, Class::Person)?) } else { None })
}

fn move_to(
    registry: &Registry,
    (code, person): (CodeId, Person),
    phone: &Phone,
    (now_s, proven_s): (u64, u64),
) -> Result<(), RegistrarError> {
    registry.tie_stay(code, &person, now_s)?;
    // Without this, another document would make the number that is left one without a cause.
    if let Some(until_s) = registry.causes_until(code, now_s)? {
        let (phone_until_s, until_s_max) = kept_until(now_s);
        registry.insert_departure(
            &person,
            DepartureReason::NewPhone,
            (until_s.min(until_s_max), phone_until_s),
        )?;
    }
    registry.update_person(code, &Person { phone: phone.clone(), ..person })?;
    Ok(registry.set_proven(code, proven_s)?)
}
