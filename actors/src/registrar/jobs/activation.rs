//! The activation of a policy: one transaction puts it into effect, then the codes with open causes follow, a part at a time. After a crash
//! the registrar goes on where it was: how far the codes follow is durable with them.

use policy::{CauseKind, Policy};
use registry::RegistryError;
use runtime::clock;

use super::super::state::stored;
use super::{Registrar, RegistrarError};

impl Registrar<'_> {
    /// Puts `policy` into effect, whose text is `text`. The policy in memory is replaced once this is durable; the codes follow by
    /// [`Self::revise_some`].
    pub fn activate(
        &mut self,
        policy: Policy,
        text: &str,
        operators: &str,
        now_s: u64,
    ) -> Result<(), RegistrarError> {
        let days =
            |policy: &Policy| policy.rule(CauseKind::Trajectory).map_or(0, |rule| i64::from(rule.days));
        let more_days = days(&policy) - days(&*self.policy()?);
        let version = policy.version();
        self.registry.transaction::<_, RegistrarError>(|registry| {
            if registry.policy_cursor()?.is_some() {
                return Err(RegistrarError::PolicyUnderWay);
            }
            match registry.insert_policy(version, text, operators, now_s) {
                Err(RegistryError::Exists { .. }) => {
                    return Err(RegistrarError::PolicyVersion { version: version.to_owned() });
                }
                result => result?,
            }
            registry.outdate_answers(more_days)?;
            Ok(registry.set_policy_cursor(Some(i64::MIN))?)
        })?;
        self.replace_policy(policy);
        Ok(())
    }

    /// Applies the newest policy to some codes. Returns true until it is applied to all.
    pub(crate) fn revise_some(&mut self, now_s: u64) -> Result<bool, RegistrarError> {
        if self.registry.policy_cursor()?.is_none() {
            return Ok(false);
        }
        let Some(newest) = self.registry.newest_policy()? else { return Ok(false) };
        let policy = stored(&newest.version, &newest.text)?;
        // A stay is not too old by a clock that is not believed.
        let now_s = clock::certain_s(now_s);
        let revised = self.registry.transaction::<_, RegistrarError>(|registry| {
            Ok(registry.revise_some(&policy, &newest.operators, now_s)?)
        })?;
        let Some(revised) = revised else { return Ok(false) };
        for (code, entry) in revised {
            self.put(code, entry);
        }
        Ok(true)
    }
}
