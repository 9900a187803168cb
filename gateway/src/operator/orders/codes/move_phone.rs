//! The order that moves a code to another phone.

use actors::registrar::{Registrar, RegistryChange};
use anyhow::{Context, bail};
use registry::Phone;
use registry::lookups::{Lookup, LookupRequest};
use registry::operator::Role;
use serde::{Deserialize, Serialize};

use super::{Whose, change};
use crate::operator::OperatorContext;
use crate::operator::orders::{Given, Order, Ordered, Tell};
use crate::out::say;

/// Another phone for a code and its wards', for a holder who has lost the old one.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MovePhone {
    pub(crate) whose: Whose,
    pub(crate) phone: String,
    pub(crate) case: String,
}

/// The code that is moved.
#[derive(Serialize, Deserialize)]
pub(crate) struct Moved {
    code: u64,
    /// Masked.
    phone: String,
}

impl Order for MovePhone {
    const NAME: &'static str = "move-phone";
    const REPLY: &'static str = "moved";
    const ROLE: Role = Role::Health;
    type Reply = Moved;

    /// Two: at a gate, the phone that shows a code stands for its person, so no operator moves a code alone.
    fn operators(&self, _: &OperatorContext) -> anyhow::Result<usize> {
        Ok(2)
    }

    fn perform(self, given: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<Moved> {
        given.context.running()?;
        given.change(self)?
    }

    fn show(Moved { code, phone }: &Moved) -> anyhow::Result<()> {
        say!("Code {code} is {phone}'s from now on; its first sign-in asks for the document.");
        Ok(())
    }
}

/// The reply is an error if only the search for the code is on record.
impl RegistryChange for Ordered<MovePhone> {
    type Reply = anyhow::Result<Moved>;
    type Error = anyhow::Error;

    fn apply(self, registrar: &mut Registrar<'_>) -> anyhow::Result<Self::Reply> {
        let Self { order: MovePhone { whose, phone, case }, by, now_s, .. } = self;
        let phone = Phone::parse(&phone).context("that is no mobile number of the mainland")?;
        let asked = LookupRequest { lookup: Lookup::MovePhone, by: &by, case: &case, now_s };
        change(registrar, &whose, &asked, |registrar, code| {
            if registrar.registry().guardian_of(code)?.is_some() {
                bail!("the code is a ward's: it goes where its guardian's goes");
            }
            registrar.move_phone::<anyhow::Error>(code, &phone, &asked)?;
            Ok(Moved { code: code.get(), phone: phone.masked() })
        })
    }
}
