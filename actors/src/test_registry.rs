//! Calls of a registry that tests need and a gateway never makes.

use protocol::{Basis, Class, CodeId, Colour};
use registry::colours::{CodeEntry, Codes};
use registry::{Registry, RegistryError};

/// A registry in a test.
pub(crate) trait TestRegistry {
    /// Does all chores of the clock at `now_s`, seconds since 1970 UTC: ends colours and forgets data. Returns the number of decisions
    /// that were made.
    fn expire_due(&mut self, codes: &Codes, now_s: u32) -> Result<u64, RegistryError>;

    /// Adds so many red codes without a holder whose colour ends at `at_s`, seconds since 1970 UTC.
    fn insert_due(&mut self, count: u64, at_s: u32) -> Result<(), RegistryError>;
}

impl TestRegistry for Registry {
    fn expire_due(&mut self, codes: &Codes, now_s: u32) -> Result<u64, RegistryError> {
        let before = self.decided()?;
        while self.end_due_causes(codes, now_s)? {}
        while self.forget_some(u64::from(now_s))? {}
        Ok(self.decided()? - before)
    }

    fn insert_due(&mut self, count: u64, at_s: u32) -> Result<(), RegistryError> {
        let entry = CodeEntry::new(Colour::Red, Basis::Declared, Class::Imported, at_s, 1);
        self.transaction(|registry| {
            let issue = |n| CodeId::issue(1, n).ok_or(RegistryError::Damaged { what: "code" });
            (1..=count).try_for_each(|n| registry.insert_code(issue(n)?, entry).map(|_| ()))
        })
    }
}
