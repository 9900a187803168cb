//! From a consent to what came of its query. One consent is one query; the types leave no way to ask without one. Who asks the
//! carriers is elsewhere: this only says who may, and keeps what may be kept.

use jiff::civil::Date;
use policy::trajectory::{CarrierAnswer, Days, Unavailable, day_of, days_after, start_of};
use policy::{CauseKind, QueryOutcome};
use registry::periods::FORM_S_MAX;
use registry::{
    Attempt, Beneficiary, ConsentId, ConsentRow, ConsentState, ConsentTerms, Detail, Flow, Phone,
};
use runtime::clock;

use super::signin::phone_of;
use super::{Registrar, RegistrarError};
use crate::sms::ProvenPhone;

/// A page shows fifty: seven weeks of somebody who is asked once a day.
const CONSENTS_SHOWN_MAX: usize = 50;
/// Words that a consent may name are versions, not texts.
const CONSENT_TEXT_CHARS_MAX: usize = 32;

/// The right to one query, from a consent that has been used up for it. There is no other way to come by one, and asking takes it.
#[derive(Debug)]
pub struct QueryPermit {
    consent: ConsentId,
    flow: Flow,
    beneficiary: Beneficiary,
    phone: Phone,
    days: Days,
    /// The day on which it was given: its window is that day's, also when the answer comes after midnight.
    asked: Date,
    detail: Detail,
}

impl QueryPermit {
    /// Which consent it comes from.
    pub const fn consent(&self) -> ConsentId {
        self.consent
    }

    #[cfg(test)]
    pub(crate) fn for_tests(consent: ConsentId, flow: Flow, phone: Phone, days: Days) -> Self {
        Self {
            consent,
            flow,
            beneficiary: Beneficiary::Owner,
            phone,
            days,
            asked: days_after(days.last, 1),
            detail: Detail::Stay,
        }
    }

    /// Says what the query is for.
    pub const fn flow(&self) -> Flow {
        self.flow
    }

    /// Says how much of the answer staff may see.
    pub const fn detail(&self) -> Detail {
        self.detail
    }

    /// Whose number may be asked for.
    pub const fn phone(&self) -> &Phone {
        &self.phone
    }

    /// The days that may be asked for.
    pub const fn days(&self) -> Days {
        self.days
    }
}

impl Registrar<'_> {
    /// The citizen agrees to one query, with the phone in hand.
    pub fn consent(
        &mut self,
        proven: &ProvenPhone,
        agreed: ConsentTerms<'_>,
        now_s: u64,
    ) -> Result<ConsentId, RegistrarError> {
        let phone = phone_of(proven, now_s)?;
        if agreed.text.is_empty() || agreed.text.chars().count() > CONSENT_TEXT_CHARS_MAX {
            return Err(RegistrarError::Consent);
        }
        self.registry.transaction(|registry| Ok(registry.insert_consent(phone, agreed, now_s)?))
    }

    /// Uses the consent up for one query.
    pub fn start_query(
        &mut self,
        consent: ConsentId,
        phone: &Phone,
        now_s: u64,
    ) -> Result<QueryPermit, RegistrarError> {
        let from_s = now_s.saturating_sub(FORM_S_MAX);
        let used = self.registry.transaction::<_, RegistrarError>(|registry| {
            Ok(registry.use_consent(consent, phone, (from_s, now_s))?)
        })?;
        let (flow, beneficiary) = used.ok_or(RegistrarError::Consent)?;
        Ok(self.permit(consent, (flow, beneficiary), phone.clone(), Detail::Cities, now_s))
    }

    pub(super) fn permit(
        &self,
        consent: ConsentId,
        (flow, beneficiary): (Flow, Beneficiary),
        phone: Phone,
        detail: Detail,
        now_s: u64,
    ) -> QueryPermit {
        let asked = day_of(now_s);
        QueryPermit { consent, flow, beneficiary, phone, days: self.policy.window(asked), asked, detail }
    }

    /// Takes the answer. Of a query from a punch page nothing of it is kept; of one whose consent was withdrawn meanwhile neither; of one
    /// for a ward's form nothing but for this form, because the phone's owner has not agreed for their own.
    pub fn finish_query(
        &mut self,
        permit: &QueryPermit,
        answer: &CarrierAnswer,
        attempts: &[Attempt],
        now_s: u64,
    ) -> Result<QueryOutcome, RegistrarError> {
        let outcome = self.policy.outcome(answer, permit.asked);
        let came = if matches!(outcome, QueryOutcome::Unavailable(_)) { "unavailable" } else { "answered" };
        let days = self.policy.rule(CauseKind::Trajectory).map_or(0, |rule| i32::from(rule.days));
        let kept = self.registry.transaction::<_, RegistrarError>(|registry| {
            if !registry.answered(permit.consent, came, attempts, now_s)? {
                return Ok(false);
            }
            if permit.flow == Flow::Scan {
                return Ok(true);
            }
            registry.set_outcome(permit.consent, &outcome)?;
            if let (QueryOutcome::Stay(stay), Beneficiary::Owner) = (&outcome, permit.beneficiary) {
                registry.keep_stay(&permit.phone, stay, start_of(days_after(stay.last_day, days + 1)))?;
            }
            Ok(true)
        })?;
        if kept { Ok(outcome) } else { Err(RegistrarError::Consent) }
    }

    /// The citizen takes a consent back: an answer still under way is not kept. A stay that was answered before stays until its
    /// time is over, or taking back would be a way to shake it off.
    pub fn withdraw_consent(&mut self, consent: ConsentId, phone: &Phone) -> Result<(), RegistrarError> {
        let known = self
            .registry
            .transaction::<_, RegistrarError>(|registry| Ok(registry.withdraw_consent(consent, phone)?))?;
        if known { Ok(()) } else { Err(RegistrarError::Consent) }
    }

    /// The consents that the phone has given, the newest first; older ones than [`CONSENTS_SHOWN_MAX`] are not shown.
    pub fn consents_of(&self, proven: &ProvenPhone, now_s: u64) -> Result<Vec<ConsentRow>, RegistrarError> {
        Ok(self.registry.consents_of(phone_of(proven, now_s)?, CONSENTS_SHOWN_MAX)?)
    }

    /// Says what the form's field rests on: for the phone's owner a stay that is kept of that phone, whether or not it was asked for again;
    /// else what came of the consent, which is good for nobody but whom it was given for.
    pub fn outcome(
        &self,
        consent: Option<ConsentId>,
        (phone, beneficiary): (&Phone, Beneficiary),
        now_s: u64,
    ) -> Result<QueryOutcome, RegistrarError> {
        let kept =
            if beneficiary == Beneficiary::Owner { self.registry.stay_of(phone, now_s)? } else { None };
        if let Some(stay) = kept.filter(|stay| self.policy.still_counts(stay, clock::certain_s(now_s))) {
            return Ok(QueryOutcome::Stay(stay));
        }
        let Some(consent) = consent else { return Ok(QueryOutcome::NotAsked) };
        let found =
            self.registry.consent_of(consent, (phone, beneficiary), now_s.saturating_sub(FORM_S_MAX))?;
        match found.ok_or(RegistrarError::Consent)? {
            (ConsentState::Used, Some(outcome)) => Ok(outcome),
            // The citizen did not wait for the answer, or it never came.
            (ConsentState::Used, None) => Ok(QueryOutcome::Unavailable(Unavailable::TimedOut)),
            (ConsentState::Given | ConsentState::Withdrawn, _) => Ok(QueryOutcome::NotAsked),
        }
    }
}
