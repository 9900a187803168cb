//! Shifts of staff: operators invite to them, list and revoke them. The token goes to whoever ordered it and is kept by its hash
//! alone.

use actors::residence::visible;
use anyhow::Context;
use protocol::PlaceId;
use registry::operator::Signed;
use registry::{ShiftId, ShiftRow};
use ring::rand::{SecureRandom, SystemRandom};
use runtime::clock;
use serde::{Deserialize, Serialize};

use super::{ENROLMENT_S, Ordered};
use crate::operator::OperatorContext;

/// The orders about shifts.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ShiftAct {
    Invite { place: u32, name: String },
    List,
    Revoke { shift: u64 },
}

/// A shift, for people and programs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ShiftLine {
    pub(crate) shift: u64,
    pub(crate) place: u32,
    pub(crate) place_name: String,
    pub(crate) name: String,
    /// Those who invited.
    pub(crate) operators: String,
    /// waiting, open, over or revoked.
    pub(crate) state: String,
    pub(crate) expires_s: u64,
}

/// An invitation. Its link opens the shift once.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Invitation {
    pub(crate) shift: u64,
    pub(crate) link: String,
    pub(crate) expires_s: u64,
}

/// The link is a secret until it is used.
impl std::fmt::Debug for Invitation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Invitation(shift {}, …)", self.shift)
    }
}

impl ShiftAct {
    /// For the log.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Invite { .. } => "invite-staff",
            Self::List => "list-shifts",
            Self::Revoke { .. } => "revoke-shift",
        }
    }
}

pub(super) fn carry_out(admin: &OperatorContext, act: ShiftAct, by: &Signed) -> anyhow::Result<Ordered> {
    let now_s = clock::now_ms() / 1000;
    match act {
        ShiftAct::Invite { place, name } => {
            let name = visible(&name).context("a shift's name is 1 to 64 characters that can be seen")?;
            let pages = admin.running.as_ref().and_then(|running| running.pages.as_ref());
            let pages = pages.context("this takes a running gateway with pages; start it and order again")?;
            let mut secret = [0; 16];
            let random = SystemRandom::new().fill(&mut secret);
            random.map_err(|_| anyhow::anyhow!("the system gives no random bytes"))?;
            let token = hex::encode(secret);
            let expires_s = now_s + ENROLMENT_S;
            let id = admin.write(|registry| {
                let (hash, times) = (registry::token_hash(&token), (now_s, expires_s));
                Ok(registry.invite_to_shift((PlaceId(place), &name), &by.operators, hash, times)?)
            })?;
            let link = format!("{pages}/staff/join/{token}");
            Ok(Ordered::Invitation(Invitation { shift: id.0, link, expires_s }))
        }
        ShiftAct::List => list(admin, now_s, |_| true),
        ShiftAct::Revoke { shift } => {
            admin.write(|registry| Ok(registry.revoke_shift(ShiftId(shift))?))?;
            list(admin, now_s, |row| row.id.0 == shift)
        }
    }
}

fn list(
    admin: &OperatorContext,
    now_s: u64,
    is_asked: impl Fn(&ShiftRow) -> bool,
) -> anyhow::Result<Ordered> {
    admin.read(|registry| {
        let mut lines = Vec::new();
        for row in registry.shifts()?.into_iter().filter(is_asked) {
            let place = registry.place(row.place)?.map_or_else(String::new, |place| place.name);
            lines.push(line(row, place, now_s));
        }
        Ok(Ordered::Shifts(lines))
    })
}

fn line(row: ShiftRow, place_name: String, now_s: u64) -> ShiftLine {
    let state = match (row.revoked, row.expires_s > now_s, row.joined_s) {
        (true, ..) => "revoked",
        (false, false, _) => "over",
        (false, true, None) => "waiting",
        (false, true, Some(_)) => "open",
    };
    ShiftLine {
        shift: row.id.0,
        place: row.place.0,
        place_name,
        name: row.name,
        operators: row.operators,
        state: state.to_owned(),
        expires_s: row.expires_s,
    }
}
