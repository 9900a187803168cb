//! Changes of the registry as named messages to its one writer. Those here are pages', queries' and the process's; operators' orders and
//! imports implement [`RegistryChange`] beside what they do.

use policy::PlaceKind;
use protocol::{CodeId, RegionId};
use registry::replication::NotNow;
use registry::{
    ConsentId, ConsentTerms, DocumentKind, DocumentNumber, Phone, RetainedData, ShiftId, SignOut, UnitState,
};

use super::state::RegistryChange;
use super::{AtGate, Confirmed, Form, QueryPermit, Receipt, Receipted, Registrar, RegistrarError, Taken};
use crate::sms::ProvenPhone;

/// Makes messages that a method of the registrar carries out; `local` ones on each gateway of a fleet.
macro_rules! changes {
    (@is_local local) => { true };
    (@is_local) => { false };
    ($(
        $(#[$doc:meta])*
        $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* } -> $reply:ty $(, $local:ident)? = |$registrar:ident| $work:expr;
    )+) => {$(
        $(#[$doc])*
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl RegistryChange for $name {
            type Reply = $reply;
            type Error = RegistrarError;

            fn apply(self, $registrar: &mut Registrar<'_>) -> Result<$reply, RegistrarError> {
                let Self { $($field,)* } = self;
                $work
            }

            fn stays(error: &RegistrarError) -> bool {
                error.leaves_a_try()
            }

            fn is_local() -> bool {
                changes!(@is_local $($local)?)
            }
        }
    )+};
}

changes! {
    /// [`Registrar::submit`].
    SubmitForm { form: Form, now_s: u64, } -> Taken = |registrar| registrar.submit(&form, now_s);

    /// [`Registrar::sign_in`].
    SignIn { proven: ProvenPhone, now_s: u64, } -> Vec<CodeId> = |registrar| registrar.sign_in(&proven, now_s);

    /// [`Registrar::sign_out`].
    NoteSignOut { out: SignOut, now_s: u64, } -> () = |registrar| registrar.sign_out(&out, now_s);

    /// [`Registrar::confirm_document`].
    ConfirmDocument { proven: ProvenPhone, document: DocumentNumber, now_s: u64, } -> Confirmed =
        |registrar| registrar.confirm_document(&proven, &document, now_s);

    /// [`Registrar::consent`].
    GiveConsent { proven: ProvenPhone, agreed: ConsentTerms<'static>, now_s: u64, } -> ConsentId =
        |registrar| registrar.consent(&proven, agreed, now_s);

    /// [`Registrar::withdraw_consent`].
    WithdrawConsent { consent: ConsentId, phone: Phone, } -> () =
        |registrar| registrar.withdraw_consent(consent, &phone);

    /// [`Registrar::receipt`]. Writes nothing; comes after what was sent before it.
    OpenReceipt { consent: ConsentId, phone: Phone, now_s: u64, } -> AtGate =
        |registrar| registrar.receipt(consent, &phone, now_s);

    /// [`Registrar::start_query`].
    StartQuery { consent: ConsentId, phone: Phone, now_s: u64, } -> QueryPermit =
        |registrar| registrar.start_query(consent, &phone, now_s);

    /// [`Registrar::start_query_by_receipt`].
    StartQueryByReceipt { receipt: Receipt, now_s: u64, } -> Receipted =
        |registrar| registrar.start_query_by_receipt(&receipt, now_s);

    /// [`Registrar::join_shift`].
    JoinShift { token_hash: [u8; 32], now_s: u64, } -> Option<ShiftId> =
        |registrar| registrar.join_shift(token_hash, now_s);

    /// [`Registrar::end_shift`].
    EndShift { shift: ShiftId, } -> () = |registrar| registrar.end_shift(shift);

    /// [`Registrar::document_for`].
    LookAtDocument { code: CodeId, now_s: u64, } -> Option<(DocumentKind, String)> =
        |registrar| registrar.document_for(code, now_s);

    /// [`Registrar::appeal`].
    MakeAppeal { code: CodeId, decision: i64, text: String, now_s: u64, } -> i64 =
        |registrar| registrar.appeal(code, decision, &text, now_s);

    /// [`Registrar::withdraw_papers`].
    WithdrawPapers { code: CodeId, proven: ProvenPhone, now_s: u64, } -> () =
        |registrar| registrar.withdraw_papers(code, &proven, now_s);

    /// [`Registrar::withdraw_person`].
    WithdrawPerson { code: CodeId, proven: ProvenPhone, now_s: u64, } -> RetainedData =
        |registrar| registrar.withdraw_person(code, &proven, now_s);

    /// [`Registrar::apply_for_unit`], unless the same application is open already.
    ApplyForUnit {
        applicant: CodeId,
        proven: ProvenPhone,
        region: RegionId,
        kind: PlaceKind,
        name: String,
        now_s: u64,
    } -> () = |registrar| {
        let open = registrar.units_of(applicant, &proven, now_s)?;
        let is_it = |unit: &registry::UnitRow| {
            unit.state == UnitState::Open && (unit.region, unit.kind, &unit.name) == (region, kind, &name)
        };
        if !open.iter().any(is_it) {
            registrar.apply_for_unit(applicant, &proven, (region, kind, &name), now_s)?;
        }
        Ok(())
    };

    /// [`Registrar::revise_some`].
    ReviseCodes { now_s: u64, } -> bool = |registrar| registrar.revise_some(now_s);

    /// Fills the codes in memory from the registry; returns their number. Changes wait for it, so that none is overtaken. Refused before the
    /// registry has joined its fleet: a code that is missing would count as not registered.
    LoadCodes {} -> u64, local = |registrar| {
        if !registrar.registry.has_joined()? {
            return Err(NotNow::NoLeader.into());
        }
        Ok(registrar.registry.load_codes(registrar.codes)?)
    };

    /// Records a time that has certainly been reached, for the next start.
    NoteTime { at_ms: u64, } -> (), local = |registrar| Ok(registrar.registry.note_ms(at_ms)?);
}

/// A change that a test makes up.
#[cfg(test)]
#[derive(Clone)]
pub(crate) struct TestChange<F>(F);

/// Makes a change of a function.
#[cfg(test)]
pub(crate) fn test_change<F, T>(work: F) -> TestChange<F>
where
    F: FnOnce(&mut Registrar<'_>) -> Result<T, RegistrarError>,
{
    TestChange(work)
}

#[cfg(test)]
impl<F, T> RegistryChange for TestChange<F>
where
    F: FnOnce(&mut Registrar<'_>) -> Result<T, RegistrarError> + Send + 'static,
    T: Send + 'static,
{
    type Reply = T;
    type Error = RegistrarError;

    fn apply(self, registrar: &mut Registrar<'_>) -> Result<T, RegistrarError> {
        (self.0)(registrar)
    }

    fn stays(error: &RegistrarError) -> bool {
        error.leaves_a_try()
    }
}
