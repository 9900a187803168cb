//! The order for another token of a known device.

use protocol::DeviceId;
use registry::operator::Role;
use serde::{Deserialize, Serialize};

use super::{Token, show_token, token};
use crate::operator::OperatorContext;
use crate::operator::orders::{Given, Order, Tell};

/// The renewal of a known device: a token for another certificate; the old one is good until then.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RenewDevice {
    pub(crate) device: u64,
}

impl Order for RenewDevice {
    const NAME: &'static str = "renew-device";
    const REPLY: &'static str = "token";
    const ROLE: Role = Role::Admin;
    type Reply = Token;

    fn operators(&self, _: &OperatorContext) -> anyhow::Result<usize> {
        Ok(1)
    }

    fn perform(self, given: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<Token> {
        token(&given, DeviceId(self.device))
    }

    fn show(token: &Token) -> anyhow::Result<()> {
        show_token(token);
        Ok(())
    }
}
