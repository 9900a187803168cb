//! A panel: its queries, unit, limits and runbook, and its JSON for Grafana.

use alerts::link;
use serde_json::{Value, json};

use super::query::Expr;

/// The datasource of every panel: the one that is chosen above.
pub(super) const DATASOURCE: &str = "${datasource}";
/// The variable of every dashboard that holds the place of the runbooks.
pub(super) const RUNBOOKS: &str = "runbooks";
/// The colours of values that are good, doubtful, bad: never those of codes.
const WELL: &str = "blue";
const ODD: &str = "orange";
const ILL: &str = "purple";
/// The remark on a panel over time whose query picks the largest.
const ANEW: &str = " At each moment they are chosen anew.";
/// Colours of codes, where a panel shows those.
const CODES: [(&str, &str); 4] =
    [("green", "green"), ("yellow", "yellow"), ("red", "red"), ("unknown", "gray")];

/// The unit of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Things.
    Count,
    /// Things a second.
    PerSecond,
    Seconds,
    /// Seconds that are days.
    Duration,
    Bytes,
    BytesPerSecond,
    /// From 0 to 1.
    Ratio,
    /// The rest of a budget: 1 is all of it, and it can be overdrawn.
    Budget,
    /// A factor.
    Times,
    /// 1 for yes.
    Flag,
    /// Processor cores.
    Cores,
}

impl Unit {
    const fn grafana(self) -> &'static str {
        match self {
            Self::Count => "short",
            Self::PerSecond => "cps",
            Self::Seconds => "s",
            Self::Duration => "dtdurations",
            Self::Bytes => "bytes",
            Self::BytesPerSecond => "Bps",
            Self::Ratio | Self::Budget => "percentunit",
            Self::Times => "suffix: ×",
            Self::Flag => "bool_yes_no",
            Self::Cores => "none",
        }
    }
}

/// The form of a panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// One number.
    Stat,
    /// One bar for each series, with its value now.
    Bars,
    Lines,
    /// Areas on top of each other: the parts of a whole.
    Stack,
}

impl Shape {
    const fn grafana(self) -> &'static str {
        match self {
            Self::Stat => "stat",
            Self::Bars => "bargauge",
            Self::Lines | Self::Stack => "timeseries",
        }
    }
}

/// A query with its legend.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) expr: Expr,
    pub(super) legend: &'static str,
}

/// A panel.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    pub(super) title: &'static str,
    pub(super) description: String,
    pub(super) unit: Unit,
    /// The alert whose section of the runbooks it links to.
    pub(super) runbook: &'static str,
    pub(super) targets: Vec<Target>,
    shape: Shape,
    /// The colours, each from its limit on; the first has no limit.
    limits: Vec<(Option<f64>, &'static str)>,
    /// True if its series are colours of codes.
    pub(super) shows_codes: bool,
    wide: bool,
    /// Digits behind the point, if Grafana's own choice hides relevant ones.
    decimals: Option<u32>,
}

/// Creates a panel with one number.
pub(super) fn stat(title: &'static str, unit: Unit, alert: &'static str) -> Panel {
    Panel::new(Shape::Stat, title, unit, alert)
}

/// Creates a panel with a bar for each series, with its value now.
pub(super) fn bars(title: &'static str, unit: Unit, alert: &'static str) -> Panel {
    Panel::new(Shape::Bars, title, unit, alert)
}

/// Creates a panel with lines over time.
pub(super) fn lines(title: &'static str, unit: Unit, alert: &'static str) -> Panel {
    Panel::new(Shape::Lines, title, unit, alert)
}

/// Creates a panel with the parts of a whole over time.
pub(super) fn stack(title: &'static str, unit: Unit, alert: &'static str) -> Panel {
    Panel::new(Shape::Stack, title, unit, alert)
}

impl Panel {
    fn new(shape: Shape, title: &'static str, unit: Unit, alert: &'static str) -> Self {
        let description = String::new();
        let (targets, limits) = (Vec::new(), vec![(None, WELL)]);
        let (shows_codes, wide, decimals) = (false, false, None);
        Self { title, description, unit, runbook: alert, targets, shape, limits, shows_codes, wide, decimals }
    }

    /// Sets the description, one or two sentences.
    pub(super) fn about(self, description: impl Into<String>) -> Self {
        Self { description: description.into(), ..self }
    }

    /// Adds a query.
    pub(super) fn show(mut self, legend: &'static str, expr: Expr) -> Self {
        self.targets.push(Target { expr, legend });
        self
    }

    /// Sets the limits from which a value is doubtful and bad; below which, if `ill` is the smaller one.
    pub(super) fn limits(self, odd: f64, ill: f64) -> Self {
        let limits = match odd <= ill {
            true => vec![(None, WELL), (Some(odd), ODD), (Some(ill), ILL)],
            false => vec![(None, ILL), (Some(ill), ODD), (Some(odd), WELL)],
        };
        Self { limits, ..self }
    }

    /// Sets the limit from which a value is bad.
    pub(super) fn ill_from(self, value: f64) -> Self {
        Self { limits: vec![(None, WELL), (Some(value), ILL)], ..self }
    }

    /// Sets the limit below which a value is bad.
    pub(super) fn well_from(self, value: f64) -> Self {
        Self { limits: vec![(None, ILL), (Some(value), WELL)], ..self }
    }

    /// Draws each series in the colour of codes that is its name.
    pub(super) fn in_colours_of_codes(self) -> Self {
        Self { shows_codes: true, ..self }
    }

    /// Gives it the whole width.
    pub(super) fn wide(self) -> Self {
        Self { wide: true, ..self }
    }

    /// Sets the number of digits behind the point.
    pub(super) fn decimals(self, decimals: u32) -> Self {
        Self { decimals: Some(decimals), ..self }
    }

    /// Reports whether the panel shows only current values, and not values over time. A value that no longer exists, for example that of a
    /// gateway that is gone, is then not shown.
    pub(super) const fn is_of_now(&self) -> bool {
        matches!(self.shape, Shape::Stat | Shape::Bars)
    }

    /// Returns the description, with a remark if `topk` is shown over time.
    fn said(&self) -> String {
        let changing = !self.is_of_now() && self.targets.iter().any(|target| target.expr.0.contains("topk("));
        let more = if changing { ANEW } else { "" };
        format!("{}{more}", self.description)
    }

    /// Returns width and height on Grafana's grid of 24 columns.
    pub(super) const fn size(&self) -> (u32, u32) {
        match self.shape {
            Shape::Stat => (4, 4),
            Shape::Lines | Shape::Stack if self.wide => (24, 9),
            Shape::Bars | Shape::Lines | Shape::Stack => (12, 8),
        }
    }

    /// Returns its JSON for Grafana at that place of the grid.
    pub(super) fn json(&self, id: u32, place: &Value) -> Value {
        json!({
            "id": id,
            "type": self.shape.grafana(),
            "title": self.title,
            "description": self.said(),
            "datasource": datasource(),
            "gridPos": place,
            "links": [{ "title": "Runbook", "url": link(&format!("${{{RUNBOOKS}}}"), self.runbook), "targetBlank": true }],
            "fieldConfig": { "defaults": self.defaults(), "overrides": self.overrides() },
            "options": self.options(),
            "targets": self.queries(),
        })
    }

    fn queries(&self) -> Vec<Value> {
        let of_now = self.is_of_now();
        let query = |(index, target): (usize, &Target)| {
            json!({
                "refId": char::from(b'A' + u8::try_from(index).unwrap_or(0)).to_string(),
                "datasource": datasource(),
                "expr": target.expr.0,
                "legendFormat": target.legend,
                "instant": of_now,
                "range": !of_now,
            })
        };
        self.targets.iter().enumerate().map(query).collect()
    }

    fn defaults(&self) -> Value {
        let mut defaults = json!({ "unit": self.unit.grafana(), "thresholds": self.thresholds() });
        if !matches!(self.unit, Unit::Seconds | Unit::Duration | Unit::Budget) {
            defaults["min"] = 0.into();
        }
        if self.unit == Unit::Ratio {
            defaults["max"] = 1.into();
        }
        if let Some(decimals) = self.decimals {
            defaults["decimals"] = decimals.into();
        }
        let mode = if self.is_of_now() { "thresholds" } else { "palette-classic-by-name" };
        defaults["color"] = json!({ "mode": mode });
        if !self.is_of_now() {
            let stacking = if self.shape == Shape::Stack { "normal" } else { "none" };
            let fill = if self.shape == Shape::Stack { 40 } else { 0 };
            let limits = if self.limits.len() > 1 { "dashed" } else { "off" };
            defaults["custom"] = json!({
                "fillOpacity": fill,
                "showPoints": "never",
                "stacking": { "group": "A", "mode": stacking },
                "thresholdsStyle": { "mode": limits },
            });
        }
        defaults
    }

    fn thresholds(&self) -> Value {
        let steps = self.limits.iter().map(|(value, hue)| json!({ "value": value, "color": hue }));
        json!({ "mode": "absolute", "steps": steps.collect::<Vec<_>>() })
    }

    fn overrides(&self) -> Vec<Value> {
        if !self.shows_codes {
            return Vec::new();
        }
        let override_of = |(name, hue): &(&str, &str)| {
            let fixed = json!({ "mode": "fixed", "fixedColor": hue });
            json!({
                "matcher": { "id": "byName", "options": name },
                "properties": [{ "id": "color", "value": fixed }],
            })
        };
        CODES.iter().map(override_of).collect()
    }

    fn options(&self) -> Value {
        match self.shape {
            Shape::Stat => {
                let named = self.targets.iter().any(|target| target.legend.contains('{'));
                json!({
                    "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
                    "textMode": if named { "value_and_name" } else { "auto" },
                    "graphMode": "none",
                    "colorMode": "value",
                })
            }
            Shape::Bars => json!({
                "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
                "displayMode": "basic",
                "orientation": "horizontal",
            }),
            Shape::Lines | Shape::Stack => json!({
                "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true },
                "tooltip": { "mode": "multi", "sort": "desc" },
            }),
        }
    }
}

/// Returns the datasource of every panel and query.
pub(super) fn datasource() -> Value {
    json!({ "type": "prometheus", "uid": DATASOURCE })
}
