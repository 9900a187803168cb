//! The order that makes a device's certificate worthless.

use actors::registrar::{Registrar, RegistryChange};
use anyhow::Context;
use protocol::DeviceId;
use registry::operator::Role;
use serde::{Deserialize, Serialize};

use super::check_outside;
use crate::operator::OperatorContext;
use crate::operator::orders::{Given, Order, Ordered, Tell};
use crate::out::say;

/// The revocation of a device: its certificate is good no more, and its connection is closed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RevokeDevice {
    pub(crate) device: u64,
}

/// The device that is revoked.
#[derive(Serialize, Deserialize)]
pub(crate) struct Revoked {
    device: u64,
}

impl Order for RevokeDevice {
    const NAME: &'static str = "revoke-device";
    const REPLY: &'static str = "revoked";
    const ROLE: Role = Role::Admin;
    type Reply = Revoked;

    fn operators(&self, _: &OperatorContext) -> anyhow::Result<usize> {
        Ok(1)
    }

    fn perform(self, given: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<Revoked> {
        let device = DeviceId(self.device);
        check_outside(device)?;
        let revoked = given.change(self);
        // Whatever the answer is: the registrar may have failed after it was durable.
        given.context.follow_device(device)?;
        revoked?;
        Ok(Revoked { device: device.0 })
    }

    fn show(Revoked { device }: &Revoked) -> anyhow::Result<()> {
        say!("device {device} is revoked");
        Ok(())
    }
}

impl RegistryChange for Ordered<RevokeDevice> {
    type Reply = ();
    type Error = anyhow::Error;

    fn apply(self, registrar: &mut Registrar<'_>) -> anyhow::Result<()> {
        let (registry, device) = (registrar.registry(), DeviceId(self.order.device));
        registry.device(device)?.with_context(|| format!("there is no device {device}"))?;
        Ok(registry.revoke_device(device)?)
    }
}
