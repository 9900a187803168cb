//! The alerts of a gateway as data: the condition with its thresholds, the severity, the meaning, the first step, and the runbook. Evaluating
//! a condition is not done here: `dashboards` writes it for Prometheus, the gateway compares its own metrics with it.

mod actors;
mod carriers;
mod condition;
mod gateway;
mod objective;
mod objectives;
mod people;
mod punches;

pub use actors::COLOURS_AGE_PAGE_S;
pub use condition::{Condition, Least, Over};
pub use gateway::{CERTIFICATE_PAGE_S, CERTIFICATE_TICKET_S};
pub use objective::{BAD_MIN, BURNS, Bad, Burn, Objective, bucket};

/// The folder of the runbooks in this repository, with which links to them begin.
pub const RUNBOOKS: &str = "dashboards/runbooks";
/// The runbook of the doctor's checks that are no alerts.
const CHECKS: &str = "checks";

/// The urgency of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Wakes a person.
    Page,
    /// Waits for the working day.
    Ticket,
    /// Always fires; only its absence is reported, by a dead man's switch.
    Heartbeat,
}

impl Severity {
    /// Returns the value of the label `severity`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Ticket => "ticket",
            Self::Heartbeat => "heartbeat",
        }
    }
}

/// The places besides Prometheus where an alert is shown.
#[derive(Clone, Copy, Debug)]
pub enum Shown {
    /// On the gateway's own overview; the first step for the operator.
    Overview(&'static str),
    /// On the overview and by `changtong doctor`.
    Doctor {
        /// The doctor's sentence while the alert is not raised.
        well: &'static str,
        /// The first step for the operator.
        action: &'static str,
        /// True if the doctor reports a failure, false if a warning.
        fails: bool,
    },
    /// By Prometheus only; the reason.
    Nowhere(&'static str),
}

impl Shown {
    /// Returns the first step for the operator; empty if only Prometheus shows the alert.
    #[must_use]
    pub const fn action(self) -> &'static str {
        match self {
            Self::Overview(action) | Self::Doctor { action, .. } => action,
            Self::Nowhere(_) => "",
        }
    }
}

/// A state that a person must act on.
#[derive(Clone, Copy, Debug)]
pub struct Alert {
    /// The heading of its section in the runbooks: small letters and hyphens, never changed once released.
    pub id: &'static str,
    /// The urgency.
    pub severity: Severity,
    /// The state.
    pub condition: Condition,
    /// Seconds for which the state must last before Prometheus raises the alert.
    pub held_s: u32,
    /// One sentence without a full stop. `{instance}` and other labels of the metric stand for their values; `{value}`, `{value:number}`,
    /// `{value:share}`, `{value:time}` for the measured value.
    pub summary: &'static str,
    /// The consequence for people at the gates and on the pages.
    pub meaning: &'static str,
    /// The places where it is shown.
    pub shown: Shown,
}

const fn page(id: &'static str, condition: Condition) -> Alert {
    Alert::new(id, Severity::Page, condition)
}

const fn ticket(id: &'static str, condition: Condition) -> Alert {
    Alert::new(id, Severity::Ticket, condition)
}

const fn heartbeat(id: &'static str, condition: Condition) -> Alert {
    Alert::new(id, Severity::Heartbeat, condition)
}

impl Alert {
    const fn new(id: &'static str, severity: Severity, condition: Condition) -> Self {
        Self { id, severity, condition, held_s: 0, summary: "", meaning: "", shown: Shown::Nowhere("") }
    }

    const fn held(self, held_s: u32) -> Self {
        Self { held_s, ..self }
    }

    const fn says(self, summary: &'static str, meaning: &'static str) -> Self {
        Self { summary, meaning, ..self }
    }

    const fn overview(self, action: &'static str) -> Self {
        Self { shown: Shown::Overview(action), ..self }
    }

    const fn doctor_fails(self, well: &'static str, action: &'static str) -> Self {
        Self { shown: Shown::Doctor { well, action, fails: true }, ..self }
    }

    const fn doctor_warns(self, well: &'static str, action: &'static str) -> Self {
        Self { shown: Shown::Doctor { well, action, fails: false }, ..self }
    }

    const fn nowhere(self, reason: &'static str) -> Self {
        Self { shown: Shown::Nowhere(reason), ..self }
    }
}

/// The alerts of one runbook.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// The runbook's file name without its ending.
    pub runbook: &'static str,
    /// The alerts in the order of their sections.
    pub alerts: &'static [Alert],
    text: &'static str,
}

/// Every alert, by runbook.
pub const GROUPS: [Group; 6] = [
    Group {
        runbook: "objectives",
        alerts: objectives::ALERTS,
        text: include_str!("../../runbooks/objectives.md"),
    },
    Group { runbook: "gateway", alerts: gateway::ALERTS, text: include_str!("../../runbooks/gateway.md") },
    Group { runbook: "punches", alerts: punches::ALERTS, text: include_str!("../../runbooks/punches.md") },
    Group { runbook: "actors", alerts: actors::ALERTS, text: include_str!("../../runbooks/actors.md") },
    Group { runbook: "carriers", alerts: carriers::ALERTS, text: include_str!("../../runbooks/carriers.md") },
    Group { runbook: "people", alerts: people::ALERTS, text: include_str!("../../runbooks/people.md") },
];

/// Returns every alert. One id may stand for two alerts of different severity, the more severe first.
pub fn all() -> impl Iterator<Item = &'static Alert> {
    GROUPS.iter().flat_map(|group| group.alerts)
}

/// Returns the alert with that id, the more severe one if there are two.
#[must_use]
pub fn find(id: &str) -> Option<&'static Alert> {
    all().find(|alert| alert.id == id)
}

/// Returns the file name, without its ending, of the runbook that has the section `id`: that of the alert, else that of the checks.
#[must_use]
pub fn runbook(id: &str) -> &'static str {
    group(id).map_or(CHECKS, |group| group.runbook)
}

/// Returns the link to the section of an alert or check; `base` is the place of the runbooks.
#[must_use]
pub fn link(base: &str, id: &str) -> String {
    format!("{}/{}.md#{id}", base.trim_end_matches('/'), runbook(id))
}

/// Returns the section of an alert in its runbook, from its heading on.
#[must_use]
pub fn section(id: &str) -> Option<&'static str> {
    let text = group(id)?.text;
    let heading = format!("## {id}\n");
    let rest = &text[text.find(&heading)?..];
    let end = rest[heading.len()..].find("\n## ").map_or(rest.len(), |end| heading.len() + end + 1);
    Some(rest[..end].trim_end())
}

fn group(id: &str) -> Option<&'static Group> {
    GROUPS.iter().find(|group| group.alerts.iter().any(|alert| alert.id == id))
}

#[cfg(test)]
mod tests;
