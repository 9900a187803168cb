//! A registry in tests: acts that no gateway does.

use protocol::{Basis, Class, CodeId, Colour};
use registry::colours::{CodeEntry, Codes};
use registry::{Registry, RegistryError};

/// A registry in a test.
pub(crate) trait TestRegistry {
    /// Does all of the clock's work at that moment, seconds since 1970 UTC: colours whose time is over, and what is forgotten. Gives
    /// how many decisions were made.
    fn expire_due(&mut self, codes: &Codes, now_s: u32) -> Result<u64, RegistryError>;

    /// Adds so many red codes of nobody, whose time is over at that moment.
    fn insert_due(&mut self, count: u64, at_s: u32) -> Result<(), RegistryError>;
}

impl TestRegistry for Registry {
    fn expire_due(&mut self, codes: &Codes, now_s: u32) -> Result<u64, RegistryError> {
        let before = self.decided()?;
        while self.expire_some(codes, now_s)? {}
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
