//! A panel: what it shows, in which unit, and where its runbook is. How it is written for Grafana stands here too; where it stands on
//! the page is the layout's.

use serde_json::{Value, json};

use super::query::Expr;
use super::runbook::Runbook;

/// The datasource of every panel: the one that is chosen above.
pub(super) const DATASOURCE: &str = "${datasource}";
/// Grafana's own spelling.
const HUE: &str = concat!("col", "or");
const HUE_MODE: &str = concat!("col", "orMode");
const FIXED_HUE: &str = concat!("fixedCol", "or");
/// Well, to be looked at, not well: never the colours of codes.
const WELL: &str = "blue";
const ODD: &str = "orange";
const ILL: &str = "purple";
/// The note of a panel over time whose query picks the largest.
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

/// The way in which it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// One number.
    Stat,
    /// One bar for each series, as things stand now.
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
    pub(super) runbook: Runbook,
    pub(super) targets: Vec<Target>,
    shape: Shape,
    /// From where on which hue holds; the first holds from below.
    limits: Vec<(Option<f64>, &'static str)>,
    /// True if its series are colours of codes.
    pub(super) shows_codes: bool,
    wide: bool,
    /// Digits behind the point, if Grafana's own choice hides what matters.
    decimals: Option<u32>,
}

/// One number.
pub(super) fn stat(title: &'static str, unit: Unit, runbook: Runbook) -> Panel {
    Panel::new(Shape::Stat, title, unit, runbook)
}

/// One bar for each series, as things stand now.
pub(super) fn bars(title: &'static str, unit: Unit, runbook: Runbook) -> Panel {
    Panel::new(Shape::Bars, title, unit, runbook)
}

/// Lines over time.
pub(super) fn lines(title: &'static str, unit: Unit, runbook: Runbook) -> Panel {
    Panel::new(Shape::Lines, title, unit, runbook)
}

/// Parts of a whole over time.
pub(super) fn stack(title: &'static str, unit: Unit, runbook: Runbook) -> Panel {
    Panel::new(Shape::Stack, title, unit, runbook)
}

impl Panel {
    fn new(shape: Shape, title: &'static str, unit: Unit, runbook: Runbook) -> Self {
        let description = String::new();
        let (targets, limits) = (Vec::new(), vec![(None, WELL)]);
        let (shows_codes, wide, decimals) = (false, false, None);
        Self { title, description, unit, runbook, targets, shape, limits, shows_codes, wide, decimals }
    }

    /// Says what it shows, in a sentence or two.
    pub(super) fn about(self, description: impl Into<String>) -> Self {
        Self { description: description.into(), ..self }
    }

    /// Shows this, too.
    pub(super) fn show(mut self, legend: &'static str, expr: Expr) -> Self {
        self.targets.push(Target { expr, legend });
        self
    }

    /// From `odd` on somebody should look, from `ill` on it is wrong; the other way round if `ill` is the smaller one.
    pub(super) fn limits(self, odd: f64, ill: f64) -> Self {
        let limits = match odd <= ill {
            true => vec![(None, WELL), (Some(odd), ODD), (Some(ill), ILL)],
            false => vec![(None, ILL), (Some(ill), ODD), (Some(odd), WELL)],
        };
        Self { limits, ..self }
    }

    /// From that value on it is wrong.
    pub(super) fn ill_from(self, value: f64) -> Self {
        Self { limits: vec![(None, WELL), (Some(value), ILL)], ..self }
    }

    /// Below that value it is wrong.
    pub(super) fn well_from(self, value: f64) -> Self {
        Self { limits: vec![(None, ILL), (Some(value), WELL)], ..self }
    }

    /// Its series are colours of codes and are drawn in them.
    pub(super) fn in_colours_of_codes(self) -> Self {
        Self { shows_codes: true, ..self }
    }

    /// It takes the whole width.
    pub(super) fn wide(self) -> Self {
        Self { wide: true, ..self }
    }

    /// It shows that many digits behind the point.
    pub(super) fn decimals(self, decimals: u32) -> Self {
        Self { decimals: Some(decimals), ..self }
    }

    /// Says whether it shows how things stand now, and not how they went: then Prometheus is asked for one moment only. A value that has
    /// gone since, as that of a gateway that is gone, is then not shown.
    pub(super) const fn is_of_now(&self) -> bool {
        matches!(self.shape, Shape::Stat | Shape::Bars)
    }

    /// Says what it shows, with what a reader of `topk` over time has to know.
    fn said(&self) -> String {
        let changing = !self.is_of_now() && self.targets.iter().any(|target| target.expr.0.contains("topk("));
        let more = if changing { ANEW } else { "" };
        format!("{}{more}", self.description)
    }

    /// Width and height on Grafana's grid of 24 columns.
    pub(super) const fn size(&self) -> (u32, u32) {
        match self.shape {
            Shape::Stat => (4, 4),
            Shape::Lines | Shape::Stack if self.wide => (24, 9),
            Shape::Bars | Shape::Lines | Shape::Stack => (12, 8),
        }
    }

    /// As Grafana reads it; `place` is where it stands.
    pub(super) fn json(&self, id: u32, place: &Value) -> Value {
        json!({
            "id": id,
            "type": self.shape.grafana(),
            "title": self.title,
            "description": self.said(),
            "datasource": datasource(),
            "gridPos": place,
            "links": [{ "title": "Runbook", "url": self.runbook.url(), "targetBlank": true }],
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
        defaults[HUE] = json!({ "mode": mode });
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
        let steps = self.limits.iter().map(|(value, hue)| json!({ "value": value, HUE: hue }));
        json!({ "mode": "absolute", "steps": steps.collect::<Vec<_>>() })
    }

    fn overrides(&self) -> Vec<Value> {
        if !self.shows_codes {
            return Vec::new();
        }
        let override_of = |(name, hue): &(&str, &str)| {
            let fixed = json!({ "mode": "fixed", FIXED_HUE: hue });
            json!({
                "matcher": { "id": "byName", "options": name },
                "properties": [{ "id": HUE, "value": fixed }],
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
                    HUE_MODE: "value",
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

/// Says what every panel and query asks.
pub(super) fn datasource() -> Value {
    json!({ "type": "prometheus", "uid": DATASOURCE })
}
