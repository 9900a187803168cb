//! A dashboard: a name, rows of panels, and the variables that its queries name.

use protocol::metric;
use serde_json::{Value, json};

use super::layout::{Row, lay_out};
use super::panel::{Panel, RUNBOOKS, datasource};
use super::query::NARROWED;

/// The value of a variable when everything is chosen.
const ALL: &str = ".*";
/// The mark of our dashboards, for the links between them.
const TAG: &str = "changtong";

/// A dashboard.
pub(super) struct Dashboard {
    /// The file's name, and the end of the address.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) description: &'static str,
    /// The time range that it shows at first.
    from: &'static str,
    pub(super) rows: Vec<Row>,
}

impl Dashboard {
    pub(super) const fn new(name: &'static str, title: &'static str, description: &'static str) -> Self {
        Self { name, title, description, from: "now-1h", rows: Vec::new() }
    }

    /// Sets the time range that it shows at first.
    pub(super) fn from(self, from: &'static str) -> Self {
        Self { from, ..self }
    }

    pub(super) fn row(mut self, title: &'static str, panels: impl IntoIterator<Item = Panel>) -> Self {
        self.rows.push(Row { title, panels: panels.into_iter().collect() });
        self
    }

    pub(super) fn panels(&self) -> impl Iterator<Item = &Panel> {
        self.rows.iter().flat_map(|row| &row.panels)
    }

    /// Returns the file's text.
    pub(super) fn text(&self, runbooks: &str) -> String {
        let text = serde_json::to_string_pretty(&self.json(runbooks)).expect("texts and numbers");
        text + "\n"
    }

    fn json(&self, runbooks: &str) -> Value {
        json!({
            "uid": format!("{TAG}-{}", self.name),
            "title": format!("Changtong / {}", self.title),
            "description": self.description,
            "tags": [TAG],
            "schemaVersion": 39,
            "version": 1,
            "editable": false,
            "refresh": "10s",
            "time": { "from": self.from, "to": "now" },
            "timezone": "browser",
            "links": [links()],
            "templating": { "list": self.variables(runbooks) },
            "panels": lay_out(&self.rows),
        })
    }

    fn variables(&self, runbooks: &str) -> Vec<Value> {
        let mut variables = vec![
            json!({
                "name": "datasource",
                "label": "Prometheus",
                "type": "datasource",
                "query": "prometheus",
                "refresh": 1,
            }),
            choice("instance", "Gateway", metric::BUILD_INFO, ""),
        ];
        let sources = [metric::PERMITS_MAX, metric::CARRIER_PERMITS_MAX];
        for ((label, name), source) in NARROWED.iter().zip(["Region", "Carrier"]).zip(sources) {
            if self.names(label) {
                variables.push(choice(label, name, source, "{instance=~\"$instance\"}"));
            }
        }
        variables.push(json!({
            "name": RUNBOOKS,
            "label": "Runbooks",
            "type": "constant",
            "query": runbooks,
            "hide": 2,
        }));
        variables
    }

    /// Reports whether a query names the variable.
    fn names(&self, variable: &str) -> bool {
        let variable = format!("\"${variable}\"");
        self.panels().flat_map(|panel| &panel.targets).any(|target| target.expr.0.contains(&variable))
    }
}

/// Returns the links from each dashboard to the others, which keep the chosen values.
fn links() -> Value {
    json!({
        "type": "dashboards",
        "title": "Changtong",
        "tags": [TAG],
        "asDropdown": true,
        "includeVars": true,
        "keepTime": true,
    })
}

/// Returns a variable with the values of a label; all of them are chosen at first.
fn choice(label: &str, name: &str, source: &str, matchers: &str) -> Value {
    let query = format!("label_values({source}{matchers}, {label})");
    json!({
        "name": label,
        "label": name,
        "type": "query",
        "datasource": datasource(),
        "definition": query,
        "query": { "query": query, "refId": "A" },
        "refresh": 2,
        "sort": 1,
        "includeAll": true,
        "multi": true,
        "allValue": ALL,
        "current": { "text": "All", "value": "$__all" },
    })
}
