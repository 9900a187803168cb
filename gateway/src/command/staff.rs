//! `changtong staff`: shifts of staff who scan with a phone's browser. The invitation is a link and its QR, to be scanned from the
//! operator's screen by the phone that will work with it.

use std::process::ExitCode;

use anyhow::{Context, bail};
use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};

use super::desk::{Desk, show_json};
use crate::operator::orders::{Invitation, Ordered, OrderedAct, ShiftAct, ShiftLine};
use crate::out::say;

#[derive(clap::Subcommand)]
pub(crate) enum Staff {
    /// Invites to a shift: a link and its QR, good once and for 15 minutes.
    Invite {
        /// The place's number.
        #[arg(long)]
        place: u32,
        /// The name of the shift, for example "North gate, morning".
        #[arg(long)]
        name: String,
        #[command(flatten)]
        desk: Desk,
    },
    /// Lists all shifts.
    List {
        #[command(flatten)]
        desk: Desk,
    },
    /// Ends a shift; its phone's next scan is refused.
    Revoke {
        /// Its number.
        shift: u64,
        #[command(flatten)]
        desk: Desk,
    },
}

impl Staff {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let (desk, act) = match self {
            Self::Invite { place, name, desk } => (desk, ShiftAct::Invite { place, name }),
            Self::List { desk } => (desk, ShiftAct::List),
            Self::Revoke { shift, desk } => (desk, ShiftAct::Revoke { shift }),
        };
        let Some(ordered) = desk.call(&OrderedAct::Shifts { act })? else { return Ok(ExitCode::SUCCESS) };
        if desk.json {
            show_json(&ordered)?;
        } else {
            show(&ordered)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

pub(super) fn show(ordered: &Ordered) -> anyhow::Result<()> {
    if let Ordered::Invitation(invitation) = ordered {
        return show_invitation(invitation);
    }
    let Ordered::Shifts(shifts) = ordered else { bail!("that is no answer to a staff command") };
    show_shifts(shifts);
    Ok(())
}

fn show_invitation(invitation: &Invitation) -> anyhow::Result<()> {
    let code = QrCode::with_error_correction_level(&invitation.link, EcLevel::L);
    let code = code.context("drawing the link")?;
    // Terminals write light on dark: what is drawn are the light modules and the quiet zone.
    let picture = code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
    say!("{picture}");
    say!("Shift {}: scan it with the phone that will work, or open", invitation.shift);
    say!("  {}", invitation.link);
    say!("It opens the shift once, within 15 minutes.");
    Ok(())
}

fn show_shifts(shifts: &[ShiftLine]) {
    say!("{} shift(s)", shifts.len());
    for shift in shifts {
        let ShiftLine { shift, place, place_name, name, operators, state, .. } = shift;
        say!("  shift {shift:<6}place {place:<7}{state:<9}by {operators}  {name}, {place_name}");
    }
}
