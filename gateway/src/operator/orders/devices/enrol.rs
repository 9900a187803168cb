//! The order that enrols a device.

use actors::registrar::{Registrar, RegistryChange};
use protocol::DeviceId;
use registry::DeviceRow;
use registry::operator::Role;
use serde::{Deserialize, Serialize};

use super::{NewDevice, Token, show_token, token};
use crate::operator::OperatorContext;
use crate::operator::orders::{Given, Order, Ordered, Tell};

/// A new device; the reply is the token with which it fetches its certificate.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnrolDevice {
    pub(crate) class: String,
    pub(crate) name: String,
    pub(crate) regions: Vec<u16>,
    /// `None`: every place of its regions.
    pub(crate) places: Option<Vec<u32>>,
}

impl Order for EnrolDevice {
    const NAME: &'static str = "enrol-device";
    const REPLY: &'static str = "token";
    const ROLE: Role = Role::Admin;
    type Reply = Token;

    fn operators(&self, _: &OperatorContext) -> anyhow::Result<usize> {
        Ok(1)
    }

    fn perform(self, given: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<Token> {
        let Self { class, name, regions, places } = self;
        let device = given.change(NewDevice { line: 0, class, name, regions, places })?;
        given.context.follow_device(device)?;
        token(&given, device)
    }

    fn show(token: &Token) -> anyhow::Result<()> {
        show_token(token);
        Ok(())
    }
}

impl RegistryChange for Ordered<NewDevice> {
    type Reply = DeviceId;
    type Error = anyhow::Error;

    fn apply(self, registrar: &mut Registrar<'_>) -> anyhow::Result<DeviceId> {
        let registry = registrar.registry();
        let row = self.order.row(registry, &registry.regions()?)?;
        let id = DeviceId(registry.last_device()? + 1);
        registry.add_device(&DeviceRow { id, ..row })?;
        Ok(id)
    }
}
