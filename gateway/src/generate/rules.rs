//! Prometheus rules, written as YAML. Which rules there are stands in `alerts` and `objectives`.

use std::fmt::Write;

use super::{alerts, objectives};

/// The file's name.
pub(super) const FILE: &str = "changtong.yml";

const HEAD: &str = "# Written by `changtong generate rules` from gateway/src/generate: change it there. Recording rules of the objectives,
# then what a person must act on; each alert leads to a section of dashboards/runbooks, and rule-tests proves it.
groups:
";

/// The one who is told, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    /// Somebody is woken.
    Page,
    /// Somebody looks within the working day.
    Ticket,
    /// Nobody: for the one alert whose silence is the alarm.
    Heartbeat,
}

impl Severity {
    const fn name(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Ticket => "ticket",
            Self::Heartbeat => "heartbeat",
        }
    }
}

/// A series that is computed once, for alerts and dashboards.
pub(super) struct Record {
    pub(super) name: String,
    pub(super) expr: String,
}

/// Something that a person must act on.
pub(super) struct Alert {
    /// Its section in the runbooks: small letters and hyphens, never changed once released.
    pub(super) id: &'static str,
    severity: Severity,
    expr: String,
    held: Option<&'static str>,
    window: Option<&'static str>,
    summary: &'static str,
    description: String,
}

impl Alert {
    pub(super) fn new(id: &'static str, severity: Severity, expr: impl Into<String>) -> Self {
        let (held, window, summary, description) = (None, None, "", String::new());
        Self { id, severity, expr: expr.into(), held, window, summary, description }
    }

    /// Says how long it has to be so before somebody is told.
    pub(super) fn held(self, time: &'static str) -> Self {
        Self { held: Some(time), ..self }
    }

    /// Which of several windows of one objective it looks at.
    pub(super) fn window(self, window: &'static str) -> Self {
        Self { window: Some(window), ..self }
    }

    /// Says what is wrong where, and what it means to people at the gates. Both may hold Prometheus's own templates.
    pub(super) fn says(self, summary: &'static str, description: impl Into<String>) -> Self {
        Self { summary, description: description.into(), ..self }
    }

    /// Says who is told, as the label has it.
    pub(super) const fn severity(&self) -> &'static str {
        self.severity.name()
    }

    /// Its name in Prometheus: the id in another spelling.
    fn name(&self) -> String {
        let capital = |word: &str| {
            let (first, rest) = word.split_at(1);
            first.to_uppercase() + rest
        };
        "Changtong".to_owned() + &self.id.split('-').map(capital).collect::<String>()
    }
}

/// Alerts of one runbook, with the series that they rest on.
pub(super) struct Group {
    /// The runbook's file name without its ending.
    pub(super) runbook: &'static str,
    pub(super) records: Vec<Record>,
    pub(super) alerts: Vec<Alert>,
}

/// The whole file. `runbooks` is what links begin with.
pub(super) fn text(runbooks: &str) -> String {
    let mut text = HEAD.to_owned();
    for group in std::iter::once(objectives::group()).chain(alerts::groups()) {
        group.write(runbooks, &mut text).expect("a string takes everything");
    }
    text
}

impl Group {
    fn write(&self, runbooks: &str, out: &mut String) -> std::fmt::Result {
        writeln!(out, "  - name: changtong-{}\n    rules:", self.runbook)?;
        for Record { name, expr } in &self.records {
            writeln!(out, "      - record: {name}")?;
            write_expr(expr, out)?;
        }
        for alert in &self.alerts {
            writeln!(out, "      - alert: {}", alert.name())?;
            write_expr(&alert.expr, out)?;
            if let Some(held) = alert.held {
                writeln!(out, "        for: {held}")?;
            }
            let window = alert.window.map(|window| format!(", window: {window}")).unwrap_or_default();
            writeln!(out, "        labels: {{severity: {}{window}}}", alert.severity.name())?;
            writeln!(out, "        annotations:")?;
            let url = format!("{}/{}.md#{}", runbooks.trim_end_matches('/'), self.runbook, alert.id);
            for (name, text) in
                [("summary", alert.summary), ("description", &alert.description), ("runbook_url", &url)]
            {
                writeln!(out, "          {name}: {}", quoted(text))?;
            }
        }
        Ok(())
    }
}

fn write_expr(expr: &str, out: &mut String) -> std::fmt::Result {
    writeln!(out, "        expr: |")?;
    expr.lines().try_for_each(|line| writeln!(out, "          {line}"))
}

/// YAML takes JSON's strings for its own.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::generate::runbook;

    #[test]
    fn the_rules_that_are_checked_in_are_those_that_are_written() {
        let checked_in = include_str!("../../../dashboards/rules/changtong.yml");
        let written = text(runbook::BASE);
        let differs = checked_in.lines().zip(written.lines()).find(|(one, other)| one != other);
        assert!(checked_in == written, "run `changtong generate rules`; the first difference: {differs:?}");
    }

    #[test]
    fn an_id_is_a_name_in_another_spelling_and_every_alert_says_what_it_means() {
        let alert = Alert::new("punches-lost", Severity::Page, "up == 0");
        assert_eq!(alert.name(), "ChangtongPunchesLost");
        let mut seen = BTreeSet::new();
        for group in std::iter::once(objectives::group()).chain(alerts::groups()) {
            for alert in group.alerts {
                let id = alert.id;
                assert!(id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{id}");
                assert!(seen.insert((id, alert.severity.name(), alert.window)), "{id} is there twice");
                assert!(
                    !alert.summary.is_empty() && !alert.summary.ends_with('.'),
                    "{id}: {}",
                    alert.summary
                );
                assert!(alert.description.ends_with('.'), "{id}: {}", alert.description);
            }
        }
    }

    #[test]
    fn links_lead_where_the_runbooks_are_published() {
        let text = text("https://runbooks.example/changtong/");
        assert!(text.contains("\"https://runbooks.example/changtong/punches.md#punches-lost\""), "{text}");
    }
}
