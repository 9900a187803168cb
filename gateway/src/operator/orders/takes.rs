//! Which role an order takes, and how many operators with it. Nothing is done here.

use actors::holders;
use registry::operator::{self, Role, Takes};

use super::{OrderedAct, health, import, kind_of, policy};
use crate::operator::OperatorContext;
use crate::policies;

/// The table of who may do what: the role, and how many operators with it.
pub(super) fn takes(act: &OrderedAct, admin: &OperatorContext) -> anyhow::Result<Takes<'static>> {
    let (role, operators) = match act {
        OrderedAct::AddOperator { roles, .. } => {
            (Role::Admin, admin.read(|registry| Ok(operator::to_add(registry, roles)?))?)
        }
        // Two, as soon as there have been two.
        OrderedAct::AcceptStores { .. } => {
            (Role::Admin, admin.read(|registry| Ok(operator::to_add(registry, &[Role::Admin])?))?)
        }
        OrderedAct::RevokeOperator { name } => {
            (Role::Admin, admin.read(|registry| Ok(operator::to_revoke(registry, name)?))?)
        }
        OrderedAct::ListOperators
        | OrderedAct::ListDevices
        | OrderedAct::EnrolDevice { .. }
        | OrderedAct::EnrolDevices { .. }
        | OrderedAct::RenewDevice { .. }
        | OrderedAct::RevokeDevice { .. }
        | OrderedAct::Places { .. }
        | OrderedAct::Shifts { .. }
        | OrderedAct::Reload { .. }
        | OrderedAct::Backup { .. } => (Role::Admin, 1),
        OrderedAct::AddCause { kind, .. } => {
            (Role::Health, health::by_policy(&*policy(admin)?, kind_of(kind)?))
        }
        OrderedAct::ImportHolders { dry_run: true, .. } => (Role::Health, 1),
        OrderedAct::ImportHolders { csv, .. } => {
            let regions = admin.read(|registry| Ok(registry.regions()?))?;
            // Nobody turns somebody red alone, nor many at once from a file.
            (
                Role::Health,
                if holders::sets_colours(&import::readable(admin, csv)?, regions)? { 2 } else { 1 },
            )
        }
        OrderedAct::ActivatePolicy { file, text } => admin.read(|registry| {
            let new = policies::ordered(file, text, registry)?;
            Ok((Role::Health, new.operators_needed(&*policy(admin)?)))
        })?,
        OrderedAct::BelieveClock { .. } => (Role::Admin, 2),
        // Many at once, and whoever has somebody's code on their own phone is that person at every gate: never one alone.
        OrderedAct::ClearCauses { .. }
        | OrderedAct::AddCauses { dry_run: false, .. }
        | OrderedAct::MovePhone { .. } => (Role::Health, 2),
        OrderedAct::AddCauses { dry_run: true, .. }
        | OrderedAct::DocumentSeen { .. }
        | OrderedAct::ClearCause { .. }
        | OrderedAct::ListAppeals
        | OrderedAct::AnswerAppeal { .. } => (Role::Health, 1),
        OrderedAct::FindCode { .. }
        | OrderedAct::Why { .. }
        | OrderedAct::Accesses { .. }
        | OrderedAct::Contact { .. }
        | OrderedAct::Passages { .. }
        | OrderedAct::Tap { .. }
        | OrderedAct::ExportLedger { .. } => (Role::Records, 1),
    };
    Ok(Takes { act: act.name(), role, operators })
}
