//! The order for name and phone of a code's holder.

use actors::registrar::{Registrar, RegistryChange};
use registry::lookups::{self, Lookup, LookupRequest};
use registry::operator::Role;
use serde::{Deserialize, Serialize};

use super::code_of;
use crate::operator::OperatorContext;
use crate::operator::orders::{Given, Order, Ordered, Tell};
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

    fn perform(self, given: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<lookups::Contact> {
        given.change(self)
    }

    fn show(contact: &lookups::Contact) -> anyhow::Result<()> {
        say!("{}, {}", contact.name, contact.phone);
        Ok(())
    }
}

impl RegistryChange for Ordered<Contact> {
    type Reply = lookups::Contact;
    type Error = anyhow::Error;

    fn apply(self, registrar: &mut Registrar<'_>) -> anyhow::Result<lookups::Contact> {
        let Self { order: Contact { code, case }, by, now_s, .. } = self;
        let asked = LookupRequest { lookup: Lookup::Contact, by: &by, case: &case, now_s };
        Ok(asked.contact(registrar.registry(), code_of(code)?)?)
    }
}
