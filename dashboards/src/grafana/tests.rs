//! Checks of every dashboard: it is the one that is checked in, each panel says what it shows, and each query asks for it the
//! way its metric has to be asked.

use std::collections::BTreeSet;
use std::path::Path;

use protocol::metric::{self, Kind, Metric};
use serde_json::Value;

use super::dashboard::Dashboard;
use super::panel::{DATASOURCE, Panel, RUNBOOKS, Unit};
use super::{boards, files};

/// A legend that is longer pushes the others away.
const LEGEND_CHARS_MAX: usize = 22;
/// Labels that Prometheus itself gives.
const SCRAPED: [&str; 2] = ["instance", "le"];

fn check(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}

/// Every panel, with its dashboard.
fn each_panel(mut visit: impl FnMut(&Dashboard, &Panel)) {
    for dashboard in boards::all() {
        dashboard.panels().for_each(|panel| visit(&dashboard, panel));
    }
}

/// Every query, with where it is.
fn queries() -> Vec<(String, String)> {
    let mut queries = Vec::new();
    each_panel(|dashboard, panel| {
        let at = format!("{} / {}", dashboard.name, panel.title);
        queries.extend(panel.targets.iter().map(|target| (at.clone(), target.expr.0.clone())));
    });
    queries
}

/// Each metric in a query, with what stands before it and what follows.
fn metrics_in(query: &str) -> Vec<(&'static Metric, &str, &str, &str)> {
    let mut found = Vec::new();
    for (at, _) in query.match_indices("changtong_") {
        let name =
            query[at..].split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().expect("one part");
        let rest = &query[at + name.len()..];
        let is_it = |metric: &&Metric| match metric.kind {
            Kind::Counter | Kind::Gauge => metric.name == name,
            Kind::Histogram => {
                ["_bucket", "_sum", "_count"].iter().any(|end| name.strip_suffix(end) == Some(metric.name))
            }
        };
        let metric =
            metric::ALL.iter().find(is_it).unwrap_or_else(|| panic!("no such metric: {name} in {query}"));
        found.push((metric, name, &query[..at], rest));
    }
    found
}

#[test]
fn what_is_checked_in_is_what_would_be_written() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("grafana");
    let again = "run `cargo run -p dashboards -- grafana` and look at what has changed";
    let files = files(alerts::RUNBOOKS);
    for (path, text) in &files {
        let there = std::fs::read_to_string(home.join(path)).unwrap_or_default();
        assert!(there == *text, "dashboards/grafana/{path} is not what would be written: {again}");
    }
    for entry in std::fs::read_dir(home.join("dashboards")).expect("the dashboards") {
        let name = entry.expect("a file").file_name().into_string().expect("a plain name");
        let known = files.iter().any(|(path, _)| *path == format!("dashboards/{name}"));
        assert!(known, "dashboards/grafana/dashboards/{name} is written by nobody: delete it");
    }
}

#[test]
fn every_panel_says_what_it_shows() {
    let mut findings = Vec::new();
    let mut names = BTreeSet::new();
    for dashboard in boards::all() {
        let about = dashboard.description;
        if !names.insert(dashboard.name) || !about.ends_with('.') || dashboard.title.is_empty() {
            findings.push(format!(
                "{}: its name is another's, or it has no title or description",
                dashboard.name
            ));
        }
        for row in &dashboard.rows {
            let mut titles = BTreeSet::new();
            let twice = row.panels.iter().filter(|panel| !titles.insert(panel.title));
            findings
                .extend(twice.map(|panel| format!("{} / {}: twice in a row", dashboard.name, panel.title)));
        }
    }
    each_panel(|dashboard, panel| {
        let at = format!("{} / {}", dashboard.name, panel.title);
        if panel.title.is_empty() || !panel.description.ends_with('.') || panel.description.len() < 20 {
            findings.push(format!("{at}: no title or description"));
        }
        if alerts::find(panel.runbook).is_none() {
            findings.push(format!("{at}: {} is no alert", panel.runbook));
        }
        if panel.targets.is_empty() {
            findings.push(format!("{at}: shows nothing"));
        }
        for target in &panel.targets {
            let legend = target.legend.chars().count();
            if !(1..=LEGEND_CHARS_MAX).contains(&legend) {
                findings.push(format!("{at}: a legend of {legend} characters"));
            }
        }
    });
    check("panels", &findings);
}

#[test]
fn every_metric_is_asked_for_as_its_kind_has_to_be() {
    let mut findings = Vec::new();
    for (at, query) in queries() {
        for (metric, name, before, rest) in metrics_in(&query) {
            // What is lost counts from when a process starts, above 0 if it knows of some by then: its growth would be 0.
            let reached = before.ends_with("max_over_time(") && metric.name == metric::LOST;
            let grown = ["rate(", "increase("].iter().any(|function| before.ends_with(function));
            let rated = reached || (grown && metric.name != metric::LOST);
            if rated == (metric.kind == Kind::Gauge) {
                findings.push(format!("{at}: {name} is a {:?}: {query}", metric.kind));
            }
            let Some((matchers, rest)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) else {
                findings.push(format!("{at}: {name} of every gateway there is: {query}"));
                continue;
            };
            if !matchers.contains("instance=~\"$instance\"") {
                findings.push(format!("{at}: {name} is not of the chosen gateways: {query}"));
            }
            let window =
                rest.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(window, _)| window);
            let expected: &[Option<&str>] = match () {
                () if before.ends_with("rate(") => &[Some("$__rate_interval")],
                () if before.ends_with("increase(") || reached => &[Some("$__range")],
                () => &[None],
            };
            if !expected.contains(&window) {
                findings.push(format!("{at}: {name} over {window:?}: {query}"));
            }
            let labels = matchers.split(", ").filter_map(|matcher| matcher.split(['=', '!']).next());
            let unknown = labels.filter(|label| !SCRAPED.contains(label) && !metric.labels.contains(label));
            findings.extend(unknown.map(|label| format!("{at}: {name} has no label {label}: {query}")));
        }
    }
    check("queries", &findings);
}

/// The units in which what a query gives may be shown.
fn units_of(query: &str) -> &'static [Unit] {
    let name =
        query.split_once("changtong_").map_or("", |(_, rest)| rest.split(['{', '[']).next().unwrap_or(""));
    let times: &[Unit] = &[Unit::Seconds, Unit::Duration];
    // A quantile or a mean is what a histogram's samples are.
    if query.contains("_sum{") || query.contains("histogram_quantile(") {
        return if name.contains("_seconds") { times } else { &[Unit::Count] };
    }
    match () {
        () if query.contains(" / (") => &[Unit::Ratio, Unit::Budget, Unit::Times],
        () if query.contains("increase(") || query.contains("max_over_time(") => &[Unit::Count],
        () if query.contains("rate(") && name.ends_with("_bytes_total") => &[Unit::BytesPerSecond],
        () if query.contains("rate(") => &[Unit::PerSecond],
        () if name.ends_with("_seconds") => times,
        () if name.ends_with("_bytes") => &[Unit::Bytes],
        () if name.ends_with("_cores") => &[Unit::Cores],
        () => &[Unit::Count, Unit::Flag],
    }
}

#[test]
fn a_unit_is_what_the_metric_is_measured_in() {
    let mut findings = Vec::new();
    each_panel(|dashboard, panel| {
        for target in &panel.targets {
            let (query, unit) = (&target.expr.0, panel.unit);
            if !units_of(query).contains(&unit) {
                findings.push(format!("{} / {}: {unit:?} of {query}", dashboard.name, panel.title));
            }
        }
    });
    check("units", &findings);
}

#[test]
fn numbers_and_bars_are_of_now_and_only_they_are_of_all_that_is_shown() {
    let mut findings = Vec::new();
    each_panel(|dashboard, panel| {
        let at = format!("{} / {}", dashboard.name, panel.title);
        let json = panel.json(1, &Value::Null);
        for target in json["targets"].as_array().expect("queries") {
            let of_now = (target["instant"] == true, target["range"] == true);
            if of_now != (panel.is_of_now(), !panel.is_of_now()) {
                findings.push(format!("{at}: {target}"));
            }
            let query = target["expr"].as_str().expect("a text");
            if query.contains("$__range]") && !panel.is_of_now() {
                findings.push(format!("{at}: the same window at each moment: {query}"));
            }
            let said = json["description"].as_str().expect("a text");
            if query.contains("topk(") && !panel.is_of_now() && !said.contains("chosen anew") {
                findings.push(format!("{at}: does not say that they are others at each moment"));
            }
        }
    });
    check("moments", &findings);
}

#[test]
fn legends_and_sums_name_labels_that_the_metrics_have() {
    let mut findings = Vec::new();
    each_panel(|dashboard, panel| {
        let at = format!("{} / {}", dashboard.name, panel.title);
        for target in &panel.targets {
            let query = &target.expr.0;
            let kept: BTreeSet<&str> = query
                .split("by (")
                .skip(1)
                .filter_map(|rest| rest.split(')').next())
                .flat_map(|labels| labels.split(", "))
                .collect();
            for label in &kept {
                let known = metrics_in(query).iter().any(|(metric, ..)| metric.labels.contains(label));
                if !known && !SCRAPED.contains(label) {
                    findings.push(format!("{at}: by {label}: {query}"));
                }
            }
            let named = target.legend.split("{{").skip(1).filter_map(|rest| rest.split("}}").next());
            findings.extend(
                named
                    .filter(|label| !kept.contains(label))
                    .map(|label| format!("{at}: legend {label}: {query}")),
            );
        }
    });
    check("labels", &findings);
}

#[test]
fn every_metric_is_on_a_dashboard() {
    let queries = queries();
    let shown: BTreeSet<&str> =
        queries.iter().flat_map(|(_, query)| metrics_in(query)).map(|(metric, ..)| metric.name).collect();
    let missing: Vec<_> = metric::ALL.iter().map(|metric| metric.name.to_owned()).collect();
    let missing: Vec<_> = missing.into_iter().filter(|name| !shown.contains(name.as_str())).collect();
    check("a metric that nobody looks at", &missing);
}

#[test]
fn grafana_reads_what_it_needs() {
    for dashboard in boards::all() {
        let json: Value = serde_json::from_str(&dashboard.text("https://example.org/")).expect("JSON");
        let name = dashboard.name;
        let variables = json["templating"]["list"].as_array().expect("variables");
        let variable = |wanted: &str| variables.iter().find(|variable| variable["name"] == wanted);
        assert!(variable("datasource").is_some() && variable("instance").is_some(), "{name}");
        assert_eq!(variable(RUNBOOKS).expect("a base for links")["query"], "https://example.org/");
        let text = json.to_string();
        for narrowed in super::query::NARROWED {
            let used = text.contains(&format!("=~\\\"${narrowed}\\\""));
            assert_eq!(variable(narrowed).is_some(), used, "{name}: {narrowed}");
        }
        let panels = json["panels"].as_array().expect("panels");
        let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().expect("a number")).collect();
        assert_eq!(ids.len(), panels.len(), "{name}: each panel has an id of its own");
        for panel in panels.iter().filter(|panel| panel["type"] != "row") {
            let title = format!("{name} / {}", panel["title"]);
            assert_eq!(panel["datasource"]["uid"], DATASOURCE, "{title}");
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title}");
            let link = panel["links"][0]["url"].as_str().unwrap_or_default();
            assert!(link.starts_with("${runbooks}/") && link.contains(".md#"), "{title}: {link}");
            for target in panel["targets"].as_array().expect("queries") {
                assert_eq!(target["datasource"]["uid"], DATASOURCE, "{title}");
            }
            let place = &panel["gridPos"];
            let right = place["x"].as_u64().zip(place["w"].as_u64()).map(|(x, w)| x + w);
            assert!(right.is_some_and(|right| right <= 24), "{title}: {place}");
        }
    }
}

#[test]
fn colours_of_codes_are_only_those_of_codes() {
    each_panel(|dashboard, panel| {
        let text = panel.json(1, &Value::Null).to_string();
        let drawn = ["\"green\"", "\"yellow\"", "\"red\""].iter().any(|colour| text.contains(colour));
        assert_eq!(drawn, panel.shows_codes, "{} / {}", dashboard.name, panel.title);
        let by_colour = panel.targets.iter().any(|target| target.legend == "{{colour}}");
        assert_eq!(by_colour, panel.shows_codes, "{} / {}", dashboard.name, panel.title);
    });
}
