//! `changtong staff`: shifts of staff who scan with a phone's browser.

use std::process::ExitCode;

use crate::command::desk::Desk;
use crate::operator::orders::{InviteStaff, ListShifts, RevokeShift};

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
        match self {
            Self::Invite { place, name, desk } => desk.give(InviteStaff { place, name }),
            Self::List { desk } => desk.give(ListShifts),
            Self::Revoke { shift, desk } => desk.give(RevokeShift { shift }),
        }
    }
}
