//! The order that moves a code to another phone.

use actors::registrar::Registrar;
use anyhow::{Context, bail};
use registry::Phone;
use registry::lookups::Lookup;
use registry::operator::Role;
use serde::{Deserialize, Serialize};

use super::{Whose, change};
use crate::operator::OperatorContext;
use crate::operator::orders::{Given, Order, Tell};
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

    fn perform(self, Given { context, by, .. }: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<Moved> {
        let Self { whose, phone, case } = self;
        let policy = context.policy()?;
        let phone = Phone::parse(&phone).context("that is no mobile number of the mainland")?;
        change(context, &whose, (Lookup::MovePhone, &case), by, |registry, code, asked| {
            if registry.guardian_of(code)?.is_some() {
                bail!("the code is a ward's: it goes where its guardian's goes");
            }
            let mut registrar = Registrar::new(registry, &context.codes, policy);
            registrar.move_phone::<anyhow::Error>(code, &phone, asked)?;
            Ok(Moved { code: code.get(), phone: phone.masked() })
        })
    }

    fn show(Moved { code, phone }: &Moved) -> anyhow::Result<()> {
        say!("Code {code} is {phone}'s from now on; its first sign-in asks for the document.");
        Ok(())
    }
}
