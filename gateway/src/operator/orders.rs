//! The signed orders: everything that changes something or shows people. An order is one JSON text with a signature for each
//! operator; it is checked and on record before anything is done. What can be ordered, what that takes and what is done stand in the
//! files below.

mod act;
mod backup;
mod between;
mod causes;
mod clock;
mod devices;
mod export;
mod first;
mod health;
mod import;
pub(crate) mod limits;
mod lines;
mod office;
mod people;
pub(crate) mod place;
mod places;
mod shifts;
mod stores;
mod takes;
mod tap;

use std::path::PathBuf;
use std::sync::Arc;

use actors::holders::ImportReport;
use anyhow::{Context, bail};
use policy::trajectory::day_of;
use policy::{CauseKind, Policy, PolicyDiff};
use protocol::CodeId;
use registry::lookups::Contact;
use registry::operator::{self, Accepted, Operator, Order, Role, Signature, Signed, Takes};
use registry::{OrderEnd, OrderEntry};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::operator::OperatorContext;
use crate::reload::Reloaded;

pub(crate) use act::OrderedAct;
pub(crate) use causes::{CauseSet, NewCause};
pub(crate) use devices::{ENROLMENT_S, Enrolled, EnrolsAt, NewDevice, twins};
pub(crate) use export::PunchFormat;
pub(crate) use lines::{AccessLine, AppealLine, DeviceLine, PassagesReport, WhyReport};
pub(crate) use office::{FoundLine, Whose};
pub(crate) use places::{PlaceAct, PlaceLine, RegionLine, UnitLine};
pub(crate) use shifts::{Invitation, ShiftAct, ShiftLine};
pub(crate) use tap::{SECONDS_MAX as TAP_SECONDS_MAX, TapAct, TapLine, Tapped};

/// The city's time: UTC+8, no daylight saving.
pub(crate) const CITY: jiff::tz::Offset = jiff::tz::offset(8);

/// A word on the way of a long act; not its end.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Progress {
    /// An order is accepted.
    OnRecord(OrderEntry),
    Importing(ImportReport),
    /// Lines of a file that were rejected, with the reasons.
    Rejects(String),
    /// Punches, as they were asked for.
    Exported(String),
    Tapped(Tapped),
}

/// The callback for progress; false once nobody listens any more.
pub(crate) type Tell<'a> = dyn FnMut(&Progress) -> bool + 'a;

/// The outcome of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ordered {
    Operator(Operator),
    Operators(Vec<Operator>),
    Devices(Vec<DeviceLine>),
    Token { device: u64, token: String, expires_s: u64, at: Option<EnrolsAt> },
    Enrolled { devices: Vec<Enrolled>, at: Option<EnrolsAt> },
    Revoked { device: u64 },
    Imported(ImportReport),
    Places(Vec<PlaceLine>),
    Units(Vec<UnitLine>),
    Invitation(Invitation),
    Shifts(Vec<ShiftLine>),
    Cause { cause: i64, code: u64, colour: String },
    Causes { causes: Vec<CauseSet>, dry_run: bool },
    Cleared { causes: usize, more: bool },
    Found(FoundLine),
    Moved { code: u64, phone: String },
    Seen { code: u64 },
    Appeals(Vec<AppealLine>),
    Answered { appeal: i64, code: u64, colour: String },
    Policy { version: String, diff: PolicyDiff },
    Why(WhyReport),
    Accesses(Vec<AccessLine>),
    Contact(Contact),
    Passages(PassagesReport),
    Exported { punches: u64 },
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
    admin: &OperatorContext,
    tell: &mut Tell<'_>,
) -> anyhow::Result<Ordered> {
    let act: OrderedAct = serde_json::from_str(&order.act).context("that is no order")?;
    let now_s = clock::of_order(&act);
    if let OrderedAct::AddOperator { .. } = &act
        && signatures.is_empty()
    {
        return first::add(act, admin);
    }
    if let OrderedAct::ImportHolders { .. } = &act {
        // What it takes stands in the file, and who may not order it learns nothing of a file.
        let takes = Takes { act: act.name(), role: Role::Health, operators: 1 };
        admin.read(|registry| Ok(operator::check(registry, order, signatures, takes, now_s).map(drop)?))?;
    }
    let takes = takes::takes(&act, admin)?;
    let (name, needed) = (act.name(), takes.operators);
    let on = (now_s, admin.keys.signing_pkcs8());
    let Accepted { by, entry } =
        admin.write(|registry| Ok(operator::accept(registry, order, signatures, takes, on)?))?;
    tracing::info!(operators = by.operators, act = name, entry = entry.number, head = entry.head, "order");
    tell(&Progress::OnRecord(entry.clone()));
    let ordered = carry_out(act, needed, &by, admin, tell);
    end(admin, &entry, ordered.is_ok());
    ordered
}

/// Puts on record how it ended. It has happened; that its end is not on record is told to whoever reads the log.
fn end(admin: &OperatorContext, entry: &OrderEntry, done: bool) {
    let end = if done { OrderEnd::Done } else { OrderEnd::Refused };
    let on = (runtime::clock::now_ms() / 1000, admin.keys.signing_pkcs8());
    if let Err(error) = admin.write(|registry| Ok(registry.record_end(entry, end, on)?)) {
        tracing::error!(
            error = format!("{error:#}"),
            entry = entry.number,
            "an order's end is not on record"
        );
    }
}

fn carry_out(
    act: OrderedAct,
    needed: usize,
    by: &Signed,
    admin: &OperatorContext,
    tell: &mut Tell<'_>,
) -> anyhow::Result<Ordered> {
    match act {
        OrderedAct::AddOperator { name, authority, roles, public_key } => {
            let operator = Operator { name, authority, roles, public_key, revoked: false };
            admin.write(|registry| {
                // Another admin may have come since the signatures were counted.
                if operator::to_add(registry, &operator.roles)? > needed {
                    bail!("there are two admins by now, and this takes both; order again");
                }
                Ok(operator::add(registry, &operator)?)
            })?;
            Ok(Ordered::Operator(operator))
        }
        OrderedAct::RevokeOperator { name } => admin.write(|registry| {
            operator::revoke(registry, &name)?;
            let operator = registry.operator(&name)?;
            operator.map(Ordered::Operator).with_context(|| format!("there is no operator {name}"))
        }),
        OrderedAct::ListOperators => admin.read(|registry| Ok(Ordered::Operators(registry.operators()?))),
        OrderedAct::ListDevices => devices::list(admin),
        OrderedAct::EnrolDevice { class, name, regions, places } => {
            devices::enrol(admin, NewDevice { line: 0, class, name, regions, places })
        }
        OrderedAct::EnrolDevices { devices, check } => devices::enrol_all(admin, &devices, check),
        OrderedAct::RenewDevice { device } => devices::token(admin, protocol::DeviceId(device)),
        OrderedAct::RevokeDevice { device } => devices::revoke(admin, protocol::DeviceId(device)),
        OrderedAct::ImportHolders { csv, sha256, dry_run } => {
            import::run(admin, &csv, (sha256, needed > 1 || dry_run, dry_run), tell)
        }
        OrderedAct::Places { act } => places::carry_out(admin, act, by),
        OrderedAct::Shifts { act } => shifts::carry_out(admin, act, by),
        OrderedAct::AddCause { code, kind, until } => {
            health::add_cause(admin, code_of(code)?, (kind_of(&kind)?, until), needed, by)
        }
        OrderedAct::AddCauses { causes, case, dry_run } => causes::add(admin, &causes, (&case, dry_run), by),
        OrderedAct::FindCode { whose, case } => office::find(admin, &whose, &case, by),
        OrderedAct::MovePhone { whose, phone, case } => {
            office::move_phone(admin, &whose, (&phone, &case), by)
        }
        OrderedAct::DocumentSeen { whose, case } => office::document_seen(admin, &whose, &case, by),
        OrderedAct::ClearCause { cause } => health::clear_cause(admin, cause, by),
        OrderedAct::ClearCauses { set } => health::clear_causes(admin, set, by),
        OrderedAct::ActivatePolicy { file, text } => health::activate_policy(admin, &file, &text, needed, by),
        OrderedAct::ListAppeals => health::appeals(admin, by),
        OrderedAct::AnswerAppeal { appeal, granted, text } => {
            health::answer(admin, appeal, granted, &text, by)
        }
        OrderedAct::Why { code, case } => people::why(admin, code_of(code)?, &case, by),
        OrderedAct::Accesses { code, case } => people::accesses(admin, code_of(code)?, &case, by),
        OrderedAct::Contact { code, case } => people::contact(admin, code_of(code)?, &case, by),
        OrderedAct::Passages { place, from_ms, to_ms, case } => {
            let stretch = ledger::Stretch { place: protocol::PlaceId(place), from_ms, to_ms };
            people::passages(admin, &stretch, &case, by)
        }
        OrderedAct::ExportLedger { case, format, from_ms, to_ms } => {
            let received_ms = from_ms.unwrap_or(0)..=to_ms.unwrap_or(u64::MAX);
            export::run(admin, (format, &case), &received_ms, by, tell)
        }
        OrderedAct::Reload { file } => Ok(Ordered::Reloaded(admin.running()?.reload.again(file.as_deref())?)),
        OrderedAct::Backup { out, case } => backup::take(admin, &out, &case, by),
        OrderedAct::AcceptStores { case } => stores::accept(admin, &case, by),
        OrderedAct::Tap { act, case } => tap::run(admin, &act, &case, by, tell),
        OrderedAct::BelieveClock { time_s } => clock::believe(admin, time_s, by),
    }
}

fn policy(admin: &OperatorContext) -> anyhow::Result<Arc<Policy>> {
    Ok(admin.running()?.policy.get())
}

fn kind_of(name: &str) -> anyhow::Result<CauseKind> {
    let manual: Vec<&str> =
        CauseKind::ALL.iter().filter(|kind| kind.is_manual()).map(|kind| kind.name()).collect();
    CauseKind::from_name(name)
        .filter(|kind| kind.is_manual())
        .with_context(|| format!("a cause by hand is one of {}", manual.join(", ")))
}

fn code_of(number: u64) -> anyhow::Result<CodeId> {
    CodeId::from_u64(number).with_context(|| format!("{number} is no code's number: those are 1 to 2^63 − 1"))
}

/// An order for that gateway, given now.
pub(crate) fn order(act: &OrderedAct, gateway: String) -> anyhow::Result<Order> {
    order_of(serde_json::to_string(act)?, gateway)
}

/// An order given now, of an act that no running gateway does.
pub(crate) fn order_of(act: String, gateway: String) -> anyhow::Result<Order> {
    let mut nonce = [0; 16];
    SystemRandom::new().fill(&mut nonce).map_err(|_| anyhow::anyhow!("the system gives no random bytes"))?;
    Ok(Order { gateway, act, at_s: runtime::clock::now_ms() / 1000, nonce: hex::encode(nonce) })
}

/// A day, for people.
pub(crate) fn day(at_s: u64) -> String {
    if at_s >= i64::MAX as u64 { "–".to_owned() } else { day_of(at_s).to_string() }
}

/// A minute of the city's time, for people.
pub(crate) fn time(at_s: u64) -> String {
    let at = i64::try_from(at_s).ok().and_then(|at_s| jiff::Timestamp::from_second(at_s).ok());
    at.map_or("–".to_owned(), |at| CITY.to_datetime(at).strftime("%Y-%m-%d %H:%M").to_string())
}
