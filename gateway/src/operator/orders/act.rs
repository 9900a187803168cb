//! Acts that can be ordered, as they are signed. Only a backup's names a place to write to: all else that the gateway writes, it
//! names itself.

use std::path::PathBuf;

use registry::operator::Role;
use serde::{Deserialize, Serialize};

use super::{NewCause, NewDevice, PlaceAct, PunchFormat, ShiftAct, TapAct, Whose};

/// An act that can be ordered.
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
    /// Several devices: all of them, or none.
    EnrolDevices {
        devices: Vec<NewDevice>,
        /// Everything is read and nothing written.
        #[serde(default)]
        check: bool,
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
        /// Everything is read and nothing written.
        #[serde(default)]
        dry_run: bool,
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
    /// Causes from a table: all of them, or none.
    AddCauses {
        causes: Vec<NewCause>,
        /// Those found by their documents see it.
        case: String,
        /// Everything is read and nothing set.
        #[serde(default)]
        dry_run: bool,
    },
    ClearCause {
        cause: i64,
    },
    /// The code of a document's holder.
    FindCode {
        whose: Whose,
        case: String,
    },
    /// Another phone for the code of somebody who has lost the old one and stands there with their document.
    MovePhone {
        whose: Whose,
        phone: String,
        case: String,
    },
    /// An office has seen the document of a code's holder.
    DocumentSeen {
        whose: Whose,
        case: String,
    },
    /// Every cause by hand that the operators' authority set in that time, seconds since 1970 UTC.
    ClearCauses {
        set: (u64, u64),
    },
    ActivatePolicy {
        /// The name in errors.
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
    /// The one who looked at a code.
    Accesses {
        code: u64,
        case: String,
    },
    /// Name and phone of a code's holder.
    Contact {
        code: u64,
        case: String,
    },
    /// The people who passed a place in a stretch of time, milliseconds since 1970 UTC.
    Passages {
        place: u32,
        from_ms: u64,
        to_ms: u64,
        case: String,
    },
    /// Everybody's passages, out of the punch log: those received in that time, milliseconds since 1970 UTC.
    ExportLedger {
        case: String,
        format: PunchFormat,
        #[serde(default)]
        from_ms: Option<u64>,
        #[serde(default)]
        to_ms: Option<u64>,
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

impl OrderedAct {
    /// For the log, which names neither codes nor cases.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::AddOperator { .. } => "add-operator",
            Self::RevokeOperator { .. } => "revoke-operator",
            Self::ListOperators => "list-operators",
            Self::ListDevices => "list-devices",
            Self::EnrolDevice { .. } => "enrol-device",
            Self::EnrolDevices { check: false, .. } => "enrol-devices",
            Self::EnrolDevices { check: true, .. } => "check-devices",
            Self::RenewDevice { .. } => "renew-device",
            Self::RevokeDevice { .. } => "revoke-device",
            Self::ImportHolders { dry_run: false, .. } => "import-holders",
            Self::ImportHolders { dry_run: true, .. } => "check-holders",
            Self::Places { act } => act.name(),
            Self::Shifts { act } => act.name(),
            Self::AddCause { .. } => "add-cause",
            Self::AddCauses { dry_run: false, .. } => "add-causes",
            Self::AddCauses { dry_run: true, .. } => "plan-causes",
            Self::FindCode { .. } => "find-code",
            Self::MovePhone { .. } => "move-phone",
            Self::DocumentSeen { .. } => "document-seen",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_order_says_where_the_gateway_writes_what_it_rejects() {
        let import = |more: &str| {
            let act = format!(
                r#"{{"order":"import-holders","csv":"/holders.csv","sha256":"{}"{more}}}"#,
                "a".repeat(64)
            );
            serde_json::from_str::<OrderedAct>(&act).map(drop)
        };
        import("").unwrap();
        import(r#","rejects":"/keys/days/2020-02-20.key""#).unwrap_err();
    }
}
