//! The order that invites staff to a shift. The token is returned to the operator, and only its hash is kept; its link is also printed
//! as a QR code, which the phone that will work with it scans from the operator's screen.

use actors::registrar::{Registrar, RegistryChange};
use actors::residence::visible;
use anyhow::Context;
use protocol::PlaceId;
use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};
use registry::ShiftId;
use registry::operator::Role;
use serde::{Deserialize, Serialize};

use super::ShiftAct;
use crate::operator::OperatorContext;
use crate::operator::orders::{AnyOrder, Given, Order, Ordered, Tell, devices::ENROLMENT_S, random_hex};
use crate::out::say;

/// An invitation of staff to a shift at a place.
#[derive(Serialize, Deserialize)]
pub(crate) struct InviteStaff {
    pub(crate) place: u32,
    pub(crate) name: String,
}

/// An invitation. Its link opens the shift once, and is a secret until then.
#[derive(Serialize, Deserialize)]
pub(crate) struct Invitation {
    shift: u64,
    link: String,
    expires_s: u64,
}

impl From<InviteStaff> for AnyOrder {
    fn from(order: InviteStaff) -> Self {
        ShiftAct::Invite(order).into()
    }
}

impl Order for InviteStaff {
    const NAME: &'static str = "invite-staff";
    const REPLY: &'static str = "invitation";
    const ROLE: Role = Role::Admin;
    type Reply = Invitation;

    fn operators(&self, _: &OperatorContext) -> anyhow::Result<usize> {
        Ok(1)
    }

    fn perform(self, given: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<Invitation> {
        let name = visible(&self.name).context("a shift's name is 1 to 64 characters that can be seen")?;
        let pages = given.context.running.as_ref().and_then(|running| running.pages.as_ref());
        let pages = pages.context("this takes a running gateway with pages; start it and order again")?;
        let token = random_hex()?;
        let (place, name, token_hash) =
            (PlaceId(self.place), name.into_owned(), registry::token_hash(&token));
        let (shift, expires_s) = given.change(NewShift { place, name, token_hash })?;
        Ok(Invitation { shift: shift.0, link: format!("{pages}/staff/join/{token}"), expires_s })
    }

    fn show(Invitation { shift, link, .. }: &Invitation) -> anyhow::Result<()> {
        let code = QrCode::with_error_correction_level(link, EcLevel::L).context("drawing the link")?;
        // Terminals write light on dark: what is drawn are the light modules and the quiet zone.
        let picture =
            code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
        say!("{picture}");
        say!("Shift {shift}: scan it with the phone that will work, or open");
        say!("  {link}");
        say!("It opens the shift once, within 15 minutes.");
        Ok(())
    }
}

/// A shift that waits for its staff. The reply has it with the time until which the invitation is good.
struct NewShift {
    place: PlaceId,
    name: String,
    token_hash: [u8; 32],
}

impl RegistryChange for Ordered<NewShift> {
    type Reply = (ShiftId, u64);
    type Error = anyhow::Error;

    fn apply(self, registrar: &mut Registrar<'_>) -> anyhow::Result<(ShiftId, u64)> {
        let Self { order: NewShift { place, name, token_hash }, by, now_s, .. } = self;
        let expires_s = now_s + ENROLMENT_S;
        let (registry, times) = (registrar.registry(), (now_s, expires_s));
        Ok((registry.invite_to_shift((place, &name), &by.operators, token_hash, times)?, expires_s))
    }
}
