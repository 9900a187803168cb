//! Consents and their queries. One consent is one query; the types leave no way to ask without one. `carrier` asks the carriers; here is
//! decided that it may, and what is kept of the answer.

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

/// The consents that a page shows: seven weeks of a person who is asked once a day.
const CONSENTS_SHOWN_MAX: usize = 50;
/// The longest version of the text that a consent names.
const CONSENT_TEXT_CHARS_MAX: usize = 32;

/// The right to one query, made of a consent that is used up for it. There is no other way to get one, and to ask consumes it.
#[derive(Debug)]
pub struct QueryPermit {
    consent: ConsentId,
    flow: Flow,
    beneficiary: Beneficiary,
    phone: Phone,
    days: Days,
    /// The day on which it was made: the window is that day's, also when the answer comes after midnight.
    asked: Date,
    detail: Detail,
}

impl QueryPermit {
    /// Returns the consent that it was made of.
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

    /// Returns the flow that the query belongs to.
    pub const fn flow(&self) -> Flow {
        self.flow
    }

    /// Returns the share of the answer that staff may see.
    pub const fn detail(&self) -> Detail {
        self.detail
    }

    /// Returns the phone that may be asked for.
    pub const fn phone(&self) -> &Phone {
        &self.phone
    }

    /// Returns the days that may be asked for.
    pub const fn days(&self) -> Days {
        self.days
    }
}

impl Registrar<'_> {
    /// Records a citizen's consent to one query, with the phone in hand.
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

    /// Uses up the consent for one query.
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
        self.permit(consent, (flow, beneficiary), phone.clone(), Detail::Cities, now_s)
    }

    pub(super) fn permit(
        &self,
        consent: ConsentId,
        (flow, beneficiary): (Flow, Beneficiary),
        phone: Phone,
        detail: Detail,
        now_s: u64,
    ) -> Result<QueryPermit, RegistrarError> {
        let asked = day_of(now_s);
        let days = self.policy()?.window(asked);
        Ok(QueryPermit { consent, flow, beneficiary, phone, days, asked, detail })
    }

    /// Takes the answer to a query. Nothing of it is kept if the query came from a punch page, or if the consent was withdrawn meanwhile.
    /// The answer for a ward's form is kept for this form alone, because the phone's owner has not agreed for their own.
    ///
    /// # Errors
    /// [`RegistrarError::Consent`] if the consent was withdrawn meanwhile.
    pub fn finish_query(
        &mut self,
        permit: &QueryPermit,
        answer: &CarrierAnswer,
        attempts: &[Attempt],
        now_s: u64,
    ) -> Result<QueryOutcome, RegistrarError> {
        let policy = self.policy()?;
        let outcome = policy.outcome(answer, permit.asked);
        let came = if matches!(outcome, QueryOutcome::Unavailable(_)) { "unavailable" } else { "answered" };
        let days = policy.rule(CauseKind::Trajectory).map_or(0, |rule| i32::from(rule.days));
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

    /// Withdraws a consent: an answer under way is not kept. A stay that was found before is kept until its time is over, so that a
    /// withdrawal is no way to get rid of it.
    pub fn withdraw_consent(&mut self, consent: ConsentId, phone: &Phone) -> Result<(), RegistrarError> {
        let known = self
            .registry
            .transaction::<_, RegistrarError>(|registry| Ok(registry.withdraw_consent(consent, phone)?))?;
        if known { Ok(()) } else { Err(RegistrarError::Consent) }
    }

    /// Returns the newest [`CONSENTS_SHOWN_MAX`] consents of the phone, the newest first.
    pub fn consents_of(&self, proven: &ProvenPhone, now_s: u64) -> Result<Vec<ConsentRow>, RegistrarError> {
        Ok(self.registry.consents_of(phone_of(proven, now_s)?, CONSENTS_SHOWN_MAX)?)
    }

    /// Finds the outcome that a form's field rests on: for the phone's owner a stay that is kept of that phone, whether it was asked for
    /// again or not; otherwise the outcome of the consent, which is good only for the person that it was given for.
    pub fn outcome(
        &self,
        consent: Option<ConsentId>,
        (phone, beneficiary): (&Phone, Beneficiary),
        now_s: u64,
    ) -> Result<QueryOutcome, RegistrarError> {
        let kept =
            if beneficiary == Beneficiary::Owner { self.registry.stay_of(phone, now_s)? } else { None };
        let policy = self.policy()?;
        if let Some(stay) = kept.filter(|stay| policy.still_counts(stay, clock::certain_s(now_s))) {
            return Ok(QueryOutcome::Stay(stay));
        }
        let Some(consent) = consent else { return Ok(QueryOutcome::NotAsked) };
        let found =
            self.registry.consent_of(consent, (phone, beneficiary), now_s.saturating_sub(FORM_S_MAX))?;
        match found.ok_or(RegistrarError::Consent)? {
            (ConsentState::Used, Some(outcome)) => Ok(outcome),
            // The citizen did not wait for the answer, or none came.
            (ConsentState::Used, None) => Ok(QueryOutcome::Unavailable(Unavailable::TimedOut)),
            (ConsentState::Given | ConsentState::Withdrawn, _) => Ok(QueryOutcome::NotAsked),
        }
    }
}
