//! The answers to operators, for people and programs: plain rows of texts and numbers. How they come about stands beside the
//! orders.

use actors::registrar::Why;
use registry::audit::Receipt;
use registry::{AccessRow, AppealRow, CauseRow, DecisionRow};
use serde::{Deserialize, Serialize};

/// A device.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DeviceLine {
    pub(crate) device: u64,
    pub(crate) class: String,
    pub(crate) name: String,
    pub(crate) regions: Vec<u16>,
    pub(crate) region_names: Vec<String>,
    /// None: every place of its regions.
    pub(crate) places: Option<Vec<u32>>,
    /// enrolled, waiting, revoked, or built-in: the gateway's own pages.
    pub(crate) state: String,
    /// Of its certificate, seconds since 1970 UTC.
    pub(crate) not_after_s: u64,
    /// Texts since the process began to which its scanner added something, or in which it changed letters.
    pub(crate) scanner_adds: u64,
    /// `None` where no gateway runs.
    #[serde(default)]
    pub(crate) connected: Option<bool>,
    /// When it was, as far as the process remembers, milliseconds since 1970 UTC.
    #[serde(default)]
    pub(crate) seen_ms: Option<u64>,
}

/// Why a code has its colour.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WhyReport {
    pub(crate) colour: String,
    pub(crate) basis: String,
    /// Seconds since 1970 UTC.
    pub(crate) next_change_s: Option<u64>,
    pub(crate) causes: Vec<CauseLine>,
    pub(crate) decisions: Vec<DecisionLine>,
    pub(crate) accesses: usize,
    /// For the citizen: the last decision, and the proof that it is on record.
    pub(crate) receipt: Option<Receipt>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CauseLine {
    pub(crate) cause: i64,
    pub(crate) kind: String,
    pub(crate) colour: String,
    pub(crate) authority: String,
    pub(crate) policy: String,
    pub(crate) from_s: u64,
    pub(crate) until_s: u64,
    pub(crate) cleared_s: Option<u64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DecisionLine {
    pub(crate) decision: i64,
    pub(crate) at_s: u64,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) authority: String,
    pub(crate) operators: String,
}

/// Somebody looked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AccessLine {
    pub(crate) at_s: u64,
    pub(crate) operators: String,
    pub(crate) lookup: String,
    pub(crate) case: String,
}

/// An open appeal. Its words are a person's: not shown by `Debug`.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct AppealLine {
    pub(crate) appeal: i64,
    pub(crate) decision: i64,
    pub(crate) made_s: u64,
    pub(crate) due_s: u64,
    pub(crate) text: String,
}

impl std::fmt::Debug for AppealLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AppealLine({})", self.appeal)
    }
}

/// Somebody passed.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct PassageLine {
    pub(crate) code: u64,
    /// The first character and a star.
    pub(crate) name: String,
    pub(crate) at_ms: u64,
    pub(crate) direction: String,
    pub(crate) colour: String,
    pub(crate) offline: bool,
}

impl std::fmt::Debug for PassageLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PassageLine(…)")
    }
}

/// The people who passed a place.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PassagesReport {
    pub(crate) people: usize,
    pub(crate) passages: Vec<PassageLine>,
    pub(crate) without_code: u64,
    /// Part of that time is forgotten already.
    pub(crate) forgotten: bool,
}

/// The report on a code.
pub(super) fn why(why: Why, accesses: usize, receipt: Option<Receipt>) -> WhyReport {
    let Why { entry, causes, decisions } = why;
    let cause = |row: CauseRow| CauseLine {
        cause: row.id,
        kind: row.cause.kind.name().to_owned(),
        colour: row.cause.colour.name().to_owned(),
        authority: row.authority,
        policy: row.policy,
        from_s: row.cause.from_s,
        until_s: row.cause.until_s,
        cleared_s: row.cleared_s,
    };
    let decision = |row: DecisionRow| DecisionLine {
        decision: row.id,
        at_s: row.at_s,
        from: row.from.name().to_owned(),
        to: row.to.name().to_owned(),
        authority: row.authority,
        operators: row.operators,
    };
    WhyReport {
        colour: entry.colour().name().to_owned(),
        basis: entry.basis().name().to_owned(),
        next_change_s: Some(u64::from(entry.next_change_s())).filter(|&at_s| at_s > 0),
        causes: causes.into_iter().map(cause).collect(),
        decisions: decisions.into_iter().map(decision).collect(),
        accesses,
        receipt,
    }
}

impl From<AccessRow> for AccessLine {
    fn from(row: AccessRow) -> Self {
        Self { at_s: row.at_s, operators: row.operators, lookup: row.act, case: row.case }
    }
}

impl From<AppealRow> for AppealLine {
    fn from(row: AppealRow) -> Self {
        let AppealRow { id, decision, made_s, due_s, text, .. } = row;
        Self { appeal: id, decision, made_s, due_s, text }
    }
}
