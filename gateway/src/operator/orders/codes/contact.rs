//! The order for name and phone of a code's holder.

use registry::lookups::{self, Lookup};
use registry::operator::Role;
use serde::{Deserialize, Serialize};

use super::{asked, code_of};
use crate::operator::OperatorContext;
use crate::operator::alarms;
use crate::operator::orders::{Given, Order, Tell};
use crate::out::say;

/// A look-up of name and phone of a code's holder.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contact {
    pub(crate) code: u64,
    pub(crate) case: String,
}

impl Order for Contact {
    const NAME: &'static str = "contact";
    const REPLY: &'static str = "contact";
    const ROLE: Role = Role::Records;
    type Reply = lookups::Contact;

    fn operators(&self, _: &OperatorContext) -> anyhow::Result<usize> {
        Ok(1)
    }

    fn perform(
        self,
        Given { context, by, .. }: Given<'_>,
        _: &mut Tell<'_>,
    ) -> anyhow::Result<lookups::Contact> {
        let code = code_of(self.code)?;
        context.write(|registry| {
            let asked = asked(Lookup::Contact, &self.case, by);
            let contact = asked.contact(registry, code)?;
            alarms::tell(registry, asked.now_s)?;
            Ok(contact)
        })
    }

    fn show(contact: &lookups::Contact) -> anyhow::Result<()> {
        say!("{}, {}", contact.name, contact.phone);
        Ok(())
    }
}
