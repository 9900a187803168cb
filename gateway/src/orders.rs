//! What operators sign: everything that changes something or shows people. An order is one JSON text with a signature for each
//! operator; which role it takes, and how many, stands here, and nothing is done before it is checked. What is done stands in the
//! files below.

mod backup;
mod between;
mod clock;
mod devices;
mod first;
mod health;
mod lines;
mod people;
mod places;
mod shifts;
mod stores;
mod tap;

use std::path::PathBuf;
use std::sync::Arc;

use actors::holders::{self, Allowed, ImportReport};
use actors::lookups::Contact;
use actors::operators::{self, Operator, Order, Role, Signature, Signed};
use actors::policy::{CauseKind, Policy, PolicyDiff};
use actors::trajectory::day_of;
use anyhow::Context;
use protocol::CodeId;
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::admin::{Done, Tell, reader};
use crate::policies;
use crate::process::Admin;
use crate::reload::Reloaded;
pub(crate) use devices::ENROLMENT_S;
pub(crate) use lines::{AccessLine, AppealLine, DeviceLine, PassagesReport, WhyReport};
pub(crate) use places::{PlaceAct, PlaceLine, UnitLine};
pub(crate) use shifts::{Invitation, ShiftAct, ShiftLine};
pub(crate) use tap::{SECONDS_MAX as TAP_SECONDS_MAX, TapAct, TapLine, Tapped};

/// What can be ordered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum OrderedAct {
    AddOperator {
        name: String,
        authority: String,
        roles: Vec<Role>,
        public_key: String,
    },
    RevokeOperator {
        name: String,
    },
    ListOperators,
    /// Every device.
    ListDevices,
    /// A new device, and a token with which it fetches its certificate.
    EnrolDevice {
        class: String,
        name: String,
        regions: Vec<u16>,
        places: Option<Vec<u32>>,
    },
    /// A token with which a known device fetches another certificate; the old one is good until then.
    RenewDevice {
        device: u64,
    },
    /// The device's certificate is good no more, and its connection is closed.
    RevokeDevice {
        device: u64,
    },
    /// People who already hold a code, from a file on the gateway's machine: the one with that digest and no other.
    ImportHolders {
        csv: PathBuf,
        sha256: String,
        rejects: PathBuf,
    },
    /// Places and units.
    Places {
        act: PlaceAct,
    },
    /// Staff who scan with a phone's browser.
    Shifts {
        act: ShiftAct,
    },
    AddCause {
        code: u64,
        kind: String,
        /// The last day on which it counts.
        until: jiff::civil::Date,
    },
    ClearCause {
        cause: i64,
    },
    /// Every cause by hand that the operators' authority set in that time, seconds since 1970 UTC.
    ClearCauses {
        set: (u64, u64),
    },
    ActivatePolicy {
        /// What errors name.
        file: String,
        text: String,
    },
    /// The open appeals that went to the operator's authority.
    ListAppeals,
    AnswerAppeal {
        appeal: i64,
        granted: bool,
        text: String,
    },
    Why {
        code: u64,
        case: String,
    },
    /// Who looked at a code.
    Accesses {
        code: u64,
        case: String,
    },
    /// Name and phone of a code's holder.
    Contact {
        code: u64,
        case: String,
    },
    /// Who passed a place in a stretch of time, milliseconds since 1970 UTC.
    Passages {
        place: u32,
        from_ms: u64,
        to_ms: u64,
        case: String,
    },
    /// Everybody's passages are about to be read from the punch log.
    ExportLedger {
        case: String,
    },
    /// The gateway reads its files again: the configuration that is named, if one is, has to be its own.
    Reload {
        file: Option<PathBuf>,
    },
    /// A copy of the punch log and the registry, in a directory of the gateway's machine.
    Backup {
        out: PathBuf,
        case: String,
    },
    /// The punch log and the registry are taken as they are, though they do not vouch for each other.
    AcceptStores {
        case: String,
    },
    /// Verdicts are shown while they are given, with nobody in them.
    Tap {
        act: TapAct,
        case: String,
    },
    /// The gateway's clock is right, whatever is on record: it is that time, seconds since 1970 UTC.
    BelieveClock {
        time_s: u64,
    },
}

/// What became of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ordered {
    Operator { name: String },
    Operators(Vec<Operator>),
    Devices(Vec<DeviceLine>),
    Token { device: u64, token: String, expires_s: u64 },
    Revoked { device: u64 },
    Imported(ImportReport),
    Places(Vec<PlaceLine>),
    Units(Vec<UnitLine>),
    Invitation(Invitation),
    Shifts(Vec<ShiftLine>),
    Cause { cause: i64, code: u64, colour: String },
    Cleared { causes: usize, more: bool },
    Appeals(Vec<AppealLine>),
    Answered { appeal: i64, code: u64, colour: String },
    Policy { version: String, diff: PolicyDiff },
    Why(WhyReport),
    Accesses(Vec<AccessLine>),
    Contact(Contact),
    Passages(PassagesReport),
    OnRecord,
    Tapped { shown: u64, dropped: u64 },
    Reloaded(Reloaded),
    Backup { out: PathBuf, lsn: u64, decisions: u64, files: usize, bytes: u64 },
    Stores { accepted: Option<String> },
    Believed { step_s: i64 },
}

/// Carries out an order, if enough operators signed it that may. `tell` hears how far an import is, and what a tap shows.
pub(crate) fn perform(
    order: &Order,
    signatures: &[Signature],
    admin: &Admin,
    tell: &mut Tell<'_>,
) -> anyhow::Result<Ordered> {
    let act: OrderedAct = serde_json::from_str(&order.act).context("that is no order")?;
    let now_s = clock::of_order(&act);
    if let OrderedAct::AddOperator { .. } = &act
        && signatures.is_empty()
    {
        return first::add(act, admin);
    }
    let (role, needed) = needed(&act, admin)?;
    let signed = admin
        .write(|registry| Ok(operators::accept(registry, order, signatures, (role, needed), now_s)?))
        .inspect(|signed| tracing::info!(operators = signed.operators, act = act.name(), "order"))?;
    carry_out(act, needed, &signed, admin, tell)
}

/// The table of who may do what: the role, and how many operators with it.
fn needed(act: &OrderedAct, admin: &Admin) -> anyhow::Result<(Role, usize)> {
    Ok(match act {
        // Or one admin would add the second signature that everything else takes.
        OrderedAct::AddOperator { roles, .. } if roles.iter().any(|role| *role != Role::Records) => {
            (Role::Admin, two_admins(admin)?)
        }
        OrderedAct::AcceptStores { .. } => (Role::Admin, two_admins(admin)?),
        OrderedAct::AddOperator { .. }
        | OrderedAct::RevokeOperator { .. }
        | OrderedAct::ListOperators
        | OrderedAct::ListDevices
        | OrderedAct::EnrolDevice { .. }
        | OrderedAct::RenewDevice { .. }
        | OrderedAct::RevokeDevice { .. }
        | OrderedAct::Places { .. }
        | OrderedAct::Shifts { .. }
        | OrderedAct::Reload { .. }
        | OrderedAct::Backup { .. } => (Role::Admin, 1),
        OrderedAct::AddCause { kind, .. } => {
            (Role::Health, health::by_policy(&*policy(admin)?, kind_of(kind)?))
        }
        OrderedAct::ImportHolders { csv, .. } => {
            let regions = admin.read(|registry| Ok(registry.regions()?))?;
            // Nobody turns somebody red alone, nor many at once from a file.
            (Role::Health, if holders::sets_colours(csv, regions)? { 2 } else { 1 })
        }
        OrderedAct::ActivatePolicy { file, text } => {
            let new = admin.read(|registry| policies::ordered(file, text, registry))?;
            let diff = policies::diff(&new, &reader(admin)?)?;
            (Role::Health, new.operators_needed(&*policy(admin)?, &diff))
        }
        OrderedAct::BelieveClock { .. } => (Role::Admin, 2),
        OrderedAct::ClearCauses { .. } => (Role::Health, 2),
        OrderedAct::ClearCause { .. } | OrderedAct::ListAppeals | OrderedAct::AnswerAppeal { .. } => {
            (Role::Health, 1)
        }
        OrderedAct::Why { .. }
        | OrderedAct::Accesses { .. }
        | OrderedAct::Contact { .. }
        | OrderedAct::Passages { .. }
        | OrderedAct::Tap { .. }
        | OrderedAct::ExportLedger { .. } => (Role::Records, 1),
    })
}

/// Two, once there are two.
fn two_admins(admin: &Admin) -> anyhow::Result<usize> {
    let operators = admin.read(|registry| Ok(registry.operators()?))?;
    let admins = operators.iter().filter(|one| !one.revoked && one.roles.contains(&Role::Admin));
    Ok(admins.count().clamp(1, 2))
}

impl OrderedAct {
    /// For the log, which names neither codes nor cases.
    const fn name(&self) -> &'static str {
        match self {
            Self::AddOperator { .. } => "add-operator",
            Self::RevokeOperator { .. } => "revoke-operator",
            Self::ListOperators => "list-operators",
            Self::ListDevices => "list-devices",
            Self::EnrolDevice { .. } => "enrol-device",
            Self::RenewDevice { .. } => "renew-device",
            Self::RevokeDevice { .. } => "revoke-device",
            Self::ImportHolders { .. } => "import-holders",
            Self::Places { act } => act.name(),
            Self::Shifts { act } => act.name(),
            Self::AddCause { .. } => "add-cause",
            Self::ClearCause { .. } => "clear-cause",
            Self::ClearCauses { .. } => "clear-causes",
            Self::ActivatePolicy { .. } => "activate-policy",
            Self::ListAppeals => "list-appeals",
            Self::AnswerAppeal { .. } => "answer-appeal",
            Self::Why { .. } => "why",
            Self::Accesses { .. } => "accesses",
            Self::Contact { .. } => "contact",
            Self::Passages { .. } => "passages",
            Self::ExportLedger { .. } => "export-ledger",
            Self::Reload { .. } => "reload",
            Self::Backup { .. } => "backup",
            Self::AcceptStores { .. } => "accept-stores",
            Self::Tap { .. } => "tap",
            Self::BelieveClock { .. } => "believe-clock",
        }
    }
}

fn carry_out(
    act: OrderedAct,
    operators: usize,
    by: &Signed,
    admin: &Admin,
    tell: &mut Tell<'_>,
) -> anyhow::Result<Ordered> {
    match act {
        OrderedAct::AddOperator { name, authority, roles, public_key } => {
            let operator = Operator { name: name.clone(), authority, roles, public_key, revoked: false };
            admin.write(|registry| Ok(operators::add(registry, &operator)?))?;
            Ok(Ordered::Operator { name })
        }
        OrderedAct::RevokeOperator { name } => {
            admin.write(|registry| Ok(registry.revoke_operator(&name)?))?;
            Ok(Ordered::Operator { name })
        }
        OrderedAct::ListOperators => admin.read(|registry| Ok(Ordered::Operators(registry.operators()?))),
        OrderedAct::ListDevices => devices::list(admin),
        OrderedAct::EnrolDevice { class, name, regions, places } => {
            devices::enrol(admin, &class, &name, &regions, places.as_deref())
        }
        OrderedAct::RenewDevice { device } => devices::token(admin, protocol::DeviceId(device)),
        OrderedAct::RevokeDevice { device } => devices::revoke(admin, protocol::DeviceId(device)),
        OrderedAct::ImportHolders { csv, sha256, rejects } => {
            let allowed = Allowed { sha256, colours: operators > 1 };
            let files = (csv.as_path(), rejects.as_path());
            let mut turns = between::Between(admin);
            let mut progress = |report: &ImportReport| {
                tell(&Done::Importing(*report));
            };
            let report =
                holders::import(&mut turns, &admin.keys, &admin.codes, files, &allowed, &mut progress)?;
            Ok(Ordered::Imported(report))
        }
        OrderedAct::Places { act } => places::carry_out(admin, act, by),
        OrderedAct::Shifts { act } => shifts::carry_out(admin, act, by),
        OrderedAct::AddCause { code, kind, until } => {
            health::add_cause(admin, code_of(code)?, (kind_of(&kind)?, until), operators, by)
        }
        OrderedAct::ClearCause { cause } => health::clear_cause(admin, cause, by),
        OrderedAct::ClearCauses { set } => health::clear_causes(admin, set, by),
        OrderedAct::ActivatePolicy { file, text } => {
            health::activate_policy(admin, &file, &text, operators, by)
        }
        OrderedAct::ListAppeals => health::appeals(admin, by),
        OrderedAct::AnswerAppeal { appeal, granted, text } => {
            health::answer(admin, appeal, granted, &text, by)
        }
        OrderedAct::Why { code, case } => people::why(admin, code_of(code)?, &case, by),
        OrderedAct::Accesses { code, case } => people::accesses(admin, code_of(code)?, &case, by),
        OrderedAct::Contact { code, case } => people::contact(admin, code_of(code)?, &case, by),
        OrderedAct::Passages { place, from_ms, to_ms, case } => {
            let stretch = actors::ledger::Stretch { place: protocol::PlaceId(place), from_ms, to_ms };
            people::passages(admin, &stretch, &case, by)
        }
        OrderedAct::ExportLedger { case } => people::export(admin, &case, by),
        OrderedAct::Reload { file } => {
            let reload =
                admin.reload.as_ref().context("no gateway runs; it reads everything when it starts")?;
            Ok(Ordered::Reloaded(reload.again(file.as_deref())?))
        }
        OrderedAct::Backup { out, case } => backup::take(admin, &out, &case, by),
        OrderedAct::AcceptStores { case } => stores::accept(admin, &case, by),
        OrderedAct::Tap { act, case } => tap::run(admin, &act, &case, by, tell),
        OrderedAct::BelieveClock { time_s } => clock::believe(admin, time_s, by),
    }
}

fn policy(admin: &Admin) -> anyhow::Result<Arc<Policy>> {
    let policy = admin.policy.as_ref();
    Ok(policy.context("this takes a running gateway; start it and order again")?.get())
}

fn kind_of(name: &str) -> anyhow::Result<CauseKind> {
    let manual: Vec<&str> =
        CauseKind::ALL.iter().filter(|kind| kind.is_manual()).map(|kind| kind.name()).collect();
    CauseKind::from_name(name)
        .filter(|kind| kind.is_manual())
        .with_context(|| format!("a cause by hand is one of {}", manual.join(", ")))
}

fn code_of(number: u64) -> anyhow::Result<CodeId> {
    CodeId::from_u64(number).context("that is no code's number")
}

/// An order given now.
pub(crate) fn order(act: &OrderedAct) -> anyhow::Result<Order> {
    order_of(serde_json::to_string(act)?)
}

/// An order given now, of an act that no running gateway does.
pub(crate) fn order_of(act: String) -> anyhow::Result<Order> {
    let mut nonce = [0; 8];
    SystemRandom::new().fill(&mut nonce).map_err(|_| anyhow::anyhow!("the system gives no random bytes"))?;
    Ok(Order { act, at_s: actors::clock::now_ms() / 1000, nonce: u64::from_le_bytes(nonce) })
}

/// A day, for people.
pub(crate) fn day(at_s: u64) -> String {
    if at_s >= i64::MAX as u64 { "–".to_owned() } else { day_of(at_s).to_string() }
}
