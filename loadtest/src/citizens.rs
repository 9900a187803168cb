//! Citizens.

use std::time::Duration;

use crate::fleet::Fleet;
use crate::queries::Receipt;
use crate::scenario::Kind;

/// Who visits pages.
pub struct Citizens;

/// Why not.
pub enum Refusal {
    /// Away.
    Connection,
}

impl Refusal {
    /// Name.
    pub fn name(self) -> &'static str {
        "connection"
    }
}

impl Citizens {
    /// Makes them.
    pub async fn prepare(_: &Fleet, _: u32, _: u32, _: u64, _: &dyn Fn(&str)) -> anyhow::Result<Self> {
        Ok(Self)
    }

    /// A visit.
    pub async fn visit(&self, _: Kind, _: u32, _: u64, _: Duration) -> Result<(), Refusal> {
        Err(Refusal::Connection)
    }

    /// A receipt.
    pub fn take_receipt(&self) -> Option<Receipt> {
        None
    }

    /// What must be nowhere.
    pub fn canaries(&self) -> Vec<String> {
        Vec::new()
    }
}
