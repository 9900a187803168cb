//! Appeals against decisions. An appeal is about one decision on the citizen's own code, and is answered once, by a human of the authority
//! that set its cause. To grant it clears that cause, and every other that rests on the same evidence.

use protocol::CodeId;
use registry::appeals::{AppealAnswer, NewAppeal};
use registry::audit::{Checkpoint, Growth, Receipt};
use registry::operator::Signers;
use registry::{AccessRow, AppealRow, RegistryError};

use super::by_hand::by_hand;
use super::counts::Appealed;
use super::forms::{CARRIER, CITIZEN};
use super::{Registrar, RegistrarError};
use crate::bounds;

/// The days within which an appeal has to be answered: the decision may keep a person at home meanwhile.
pub const APPEAL_DAYS: u64 = 3;
/// The longest text of an appeal or an answer.
pub const APPEAL_CHARS_MAX: usize = 1_000;
/// The appeals against one decision, one after the other: a refused one may be made again with more to say.
const APPEALS_MAX: usize = bounds::APPEALS.entries();
const DAY_S: u64 = 86_400;
/// The authority that answers for causes that no human set: those of a carrier's answer, the citizen's form, or the former system.
const ANSWERS_FOR_MACHINES: &str = "cdc";

/// Returns the authority that answers an appeal against a cause of that authority, and may clear the cause.
fn answers_for(authority: &str) -> &str {
    if [CARRIER, CITIZEN, registry::INHERITED].contains(&authority) {
        ANSWERS_FOR_MACHINES
    } else {
        authority
    }
}

/// An operator's answer to an appeal.
#[derive(Clone, Copy)]
pub struct Verdict<'a> {
    /// True if the appeal is granted, which clears the cause.
    pub granted: bool,
    /// The text for the citizen.
    pub text: &'a str,
}

impl Registrar<'_> {
    /// Takes a citizen's appeal against a decision on their own code; returns its number.
    pub fn appeal(
        &mut self,
        code: CodeId,
        decision: i64,
        text: &str,
        now_s: u64,
    ) -> Result<i64, RegistrarError> {
        let text = words(text)?;
        let id = self.registry.transaction::<_, RegistrarError>(|registry| {
            let row = registry.decision_of(code, decision)?;
            let row = row.ok_or(RegistrarError::Appeal("there is no such decision about this code"))?;
            let cause = row.cause.map(|id| registry.cause(id)).transpose()?.flatten();
            let nothing =
                RegistrarError::Appeal("no cause was set by this decision: there is nothing to clear");
            let (_, cause) = cause.ok_or(nothing)?;
            let made = registry.appeals_of(code)?.into_iter().filter(|appeal| appeal.decision == decision);
            let made: Vec<AppealRow> = made.collect();
            if made.iter().any(|appeal| appeal.answer.is_none()) {
                return Err(RegistrarError::Appeal("this decision is under appeal already"));
            }
            if made.len() >= APPEALS_MAX {
                return Err(RegistrarError::Appeal(
                    "this decision was appealed against as often as it can be",
                ));
            }
            Ok(registry.insert_appeal(&NewAppeal {
                code,
                decision,
                authority: answers_for(&cause.authority),
                text,
                made_s: now_s,
                due_s: now_s + APPEAL_DAYS * DAY_S,
            })?)
        })?;
        Appealed::Made.count();
        Ok(id)
    }

    /// Returns the appeals on the code with their answers, for its holder.
    pub fn appeals(&self, code: CodeId) -> Result<Vec<AppealRow>, RegistrarError> {
        Ok(self.registry.appeals_of(code)?)
    }

    /// Returns the code's last decision with the proof that it is on record, for its holder; `None` if there is none that is signed.
    pub fn decision_receipt(&self, code: CodeId) -> Result<Option<Receipt>, RegistrarError> {
        Ok(self.registry.signed_receipt(code)?)
    }

    /// Returns the signed checkpoint of the decisions and the order log, for the public; `None` if nothing is signed yet.
    pub fn checkpoint(&self) -> Result<Option<Checkpoint>, RegistrarError> {
        Ok(self.registry.checkpoint_to_keep()?)
    }

    /// Returns the proof that the decisions begin with those of a checkpoint over the first `since`, for any holder of that checkpoint.
    pub fn growth(&self, since: u64) -> Result<Option<Growth>, RegistrarError> {
        Ok(self.registry.growth(since)?)
    }

    /// Returns the record of who looked at the data of the code, for its holder.
    pub fn accesses(&self, code: CodeId) -> Result<Vec<AccessRow>, RegistrarError> {
        Ok(self.registry.accesses(code)?)
    }

    /// Answers an appeal in the name of the authority that it went to; returns the code that it is about.
    pub fn answer_appeal(
        &mut self,
        id: i64,
        verdict: Verdict<'_>,
        by: &Signers,
        now_s: u64,
    ) -> Result<CodeId, RegistrarError> {
        let text = words(verdict.text)?;
        let policy = self.policy()?;
        let (code, entries) = self.registry.transaction::<_, RegistrarError>(|registry| {
            let appeal = registry.appeal(id)?.ok_or_else(|| RegistryError::missing("appeal", id))?;
            if appeal.authority != by.authority {
                return Err(RegistrarError::Appeal("only the authority that an appeal went to answers it"));
            }
            let (by_name, granted) = (by.operators.clone(), verdict.granted);
            let answer = AppealAnswer { at_s: now_s, by: by_name, granted, text: text.to_owned() };
            if !registry.set_answer(id, &answer)? {
                return Err(RegistrarError::Appeal("this appeal is answered already"));
            }
            let cause = registry.cause_of_decision(appeal.decision)?;
            let (code, row) = cause.ok_or(RegistryError::Damaged { what: "appeal" })?;
            if !granted || !row.is_in_force(now_s) {
                return Ok((code, Vec::new()));
            }
            let mut settled = Vec::new();
            for (code, row) in registry.refute(code, &row, now_s)?.into_iter().chain([(code, row)]) {
                registry.clear_cause(row.id, now_s)?;
                // A holder who withdrew gets no colour; the cause does not come back.
                if registry.code(code)?.is_some() {
                    settled.push((code, registry.settle(code, &by_hand(row.id, by, &policy), now_s)?));
                }
            }
            Ok((code, settled))
        })?;
        self.put_all(entries);
        if verdict.granted { Appealed::Granted } else { Appealed::Refused }.count();
        Ok(code)
    }
}

fn words(text: &str) -> Result<&str, RegistrarError> {
    let text = text.trim();
    let hidden = |c: char| c.is_control() && c != '\n';
    if text.is_empty() || text.chars().count() > APPEAL_CHARS_MAX || text.chars().any(hidden) {
        return Err(RegistrarError::Appeal("an appeal and its answer have 1 to 1000 characters"));
    }
    Ok(text)
}
