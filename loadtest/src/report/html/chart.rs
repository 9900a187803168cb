//! Line charts as inline SVG that fit any width: lines are stretched, letters and strokes are not. `figures.rs` decides the contents,
//! the style sheet the look.

use maud::{Markup, html};

/// The limit of points of one line after thinning: more than are visible across a page.
pub(super) const POINTS_MAX: usize = 240;
/// The width and height of the drawing in its own coordinates.
const SIDE: f64 = 1000.0;
/// The share of the width that a letter of a band's name takes in a chart of half a page, and of a whole one.
const LETTER_SHARES: (f64, f64) = (0.018, 0.008);
/// The limit of bands in one chart; if there are more, the table of stages has the names.
pub(super) const BANDS_MAX: usize = 20;

/// A chart.
pub(super) struct Chart {
    /// Unique on the page.
    pub(super) id: String,
    /// Its title, short.
    pub(super) title: String,
    /// The description for screen readers.
    pub(super) about: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) lines: Vec<Line>,
    pub(super) bands: Vec<Band>,
    pub(super) marks: Vec<Mark>,
    /// Limits drawn as lines: the value and its words.
    pub(super) limits: Vec<(f64, String)>,
    /// True if it has the page's whole width on a wide screen.
    pub(super) wide: bool,
    /// Height, pixels.
    pub(super) height: u32,
}

/// An axis.
pub(super) struct Axis {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) log: bool,
    pub(super) ticks: Vec<(f64, String)>,
    /// The measured quantity, with its unit.
    pub(super) name: String,
}

/// A line. Its style is a class of the style sheet, `l0` and so on; each has its own dashes as well.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) look: u8,
    /// The points; `None` if there was nothing to measure.
    pub(super) points: Vec<(f64, Option<f64>)>,
}

/// A part of the horizontal axis with a name.
pub(super) struct Band {
    pub(super) name: String,
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) muted: bool,
}

/// An event, by a letter that a list explains.
pub(super) struct Mark {
    pub(super) letter: String,
    pub(super) from: f64,
    pub(super) to: Option<f64>,
}

impl Axis {
    /// Makes a linear axis from zero to a round value not below the highest.
    pub(super) fn linear(name: &str, high: f64, label: impl Fn(f64) -> String) -> Self {
        let step = round_step(if high > 0.0 { high } else { 1.0 } / 4.0);
        let steps = (high / step).ceil().max(1.0);
        let ticks = (0..=steps as u32).map(|n| f64::from(n) * step);
        let ticks = ticks.map(|value| (value, label(value))).collect();
        Self { low: 0.0, high: steps * step, log: false, ticks, name: name.to_owned() }
    }

    /// Makes a logarithmic axis of whole powers of ten around the values.
    pub(super) fn log(name: &str, low: f64, high: f64, label: impl Fn(f64) -> String) -> Self {
        let first = low.max(1e-3).log10().floor() as i32;
        let last = (high.max(1e-3).log10().ceil() as i32).max(first + 1);
        let ticks = (first..=last).map(|power| 10f64.powi(power));
        let ticks = ticks.map(|value| (value, label(value))).collect();
        Self { low: 10f64.powi(first), high: 10f64.powi(last), log: true, ticks, name: name.to_owned() }
    }

    /// Makes an axis of a run's seconds with round ticks, at most `steps_max` and one.
    pub(super) fn time(seconds: f64, steps_max: f64) -> Self {
        const STEPS: [f64; 14] =
            [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0];
        let high = if seconds > 0.0 { seconds } else { 1.0 };
        let step = STEPS
            .into_iter()
            .find(|step| high / step <= steps_max)
            .unwrap_or_else(|| round_step(high / steps_max));
        let ticks = (0..=(high / step) as u32).map(|n| f64::from(n) * step);
        let ticks = ticks.map(|at| (at, super::words::time(at))).collect();
        Self { low: 0.0, high, log: false, ticks, name: "time".to_owned() }
    }

    /// Returns the position of a value, 0 to 1.
    fn part(&self, value: f64) -> f64 {
        let part = if self.log {
            (value.max(self.low).ln() - self.low.ln()) / (self.high.ln() - self.low.ln())
        } else {
            (value - self.low) / (self.high - self.low)
        };
        part.clamp(0.0, 1.0)
    }
}

impl Chart {
    /// Draws the chart with its legend below, if there is more than one line.
    pub(super) fn draw(&self) -> Markup {
        let (title, about) = (format!("{}-t", self.id), format!("{}-d", self.id));
        html! {
            figure.chart {
                figcaption { (self.title) }
                p.unit { (self.y.name) }
                div.plot {
                    svg role="img" aria-labelledby={ (title) " " (about) } width="100%" height=(self.height) {
                        title id=(title) { (self.title) }
                        desc id=(about) { (self.about) }
                        (self.bands())
                        (self.grid())
                        (self.limits())
                        (self.marks())
                        svg width="100%" height="100%" viewBox="0 0 1000 1000" preserveAspectRatio="none" {
                            @for line in &self.lines {
                                path class={ "line l" (line.look) } d=(self.path(line)) {}
                            }
                        }
                    }
                }
                @if self.lines.len() > 1 { (legend(&self.lines)) }
            }
        }
    }

    fn path(&self, line: &Line) -> String {
        let mut path = String::new();
        let mut open = false;
        for (at, value) in &line.points {
            let Some(value) = value.filter(|value| value.is_finite()) else {
                open = false;
                continue;
            };
            let (x, y) = (self.x.part(*at) * SIDE, (1.0 - self.y.part(value)) * SIDE);
            // A point alone is a line of no length with round ends: a dot.
            path += &if open { format!(" {x:.0},{y:.0}") } else { format!("M{x:.0},{y:.0}h0L{x:.0},{y:.0}") };
            open = true;
        }
        path
    }

    fn grid(&self) -> Markup {
        html! {
            @for (value, label) in &self.y.ticks {
                @let y = percent(1.0 - self.y.part(*value));
                line.grid x1="0" x2="100%" y1=(y) y2=(y) {}
                text.tick x="-6" y=(y) dy=".35em" text-anchor="end" { (label) }
            }
            @for (value, label) in &self.x.ticks {
                @let part = self.x.part(*value);
                // The last one ends at the page's edge instead of beyond it.
                @let (anchor, dx) = if part > 0.99 { ("end", "18") } else { ("middle", "0") };
                text.tick x=(percent(part)) dx=(dx) y="100%" dy="1.5em" text-anchor=(anchor) { (label) }
            }
            line.axis x1="0" x2="100%" y1="100%" y2="100%" {}
        }
    }

    fn bands(&self) -> Markup {
        let letter = if self.wide { LETTER_SHARES.1 } else { LETTER_SHARES.0 };
        html! {
            @for (number, band) in self.bands.iter().enumerate() {
                @let (from, to) = (self.x.part(band.from), self.x.part(band.to));
                svg x=(percent(from)) width=(percent(to - from)) height="100%" {
                    @let look = if band.muted { "band muted" } else if number % 2 == 0 { "band even" } else { "band" };
                    rect class=(look) width="100%" height="100%" {}
                    @if to - from >= band.name.chars().count() as f64 * letter { text.band x="5" y="14" { (band.name) } }
                }
            }
        }
    }

    fn limits(&self) -> Markup {
        html! {
            @for (value, words) in &self.limits {
                @let part = self.y.part(*value);
                @let y = percent(1.0 - part);
                line.limit x1="0" x2="100%" y1=(y) y2=(y) {}
                @let dy = if part > 0.85 { "1.2em" } else { "-.4em" };
                text.limit x="100%" dx="-4" y=(y) dy=(dy) text-anchor="end" { (words) }
            }
        }
    }

    /// Draws the events: a line down from a letter, and a bar on top for its length.
    fn marks(&self) -> Markup {
        html! {
            @for mark in &self.marks {
                @let (from, to) = (self.x.part(mark.from), mark.to.map(|to| self.x.part(to)));
                @if let Some(to) = to {
                    rect.mark x=(percent(from)) width=(percent(to - from)) y="-3" height="3" {}
                }
                line.mark x1=(percent(from)) x2=(percent(from)) y1="-3" y2="100%" {}
                text.mark x=(percent(from)) y="-7" text-anchor="middle" { (mark.letter) }
            }
        }
    }
}

fn legend(lines: &[Line]) -> Markup {
    html! {
        ul.legend {
            @for line in lines {
                li {
                    svg width="30" height="10" aria-hidden="true" {
                        path class={ "line l" (line.look) } d="M1,5L29,5" {}
                    }
                    " " (line.name)
                }
            }
        }
    }
}

fn percent(part: f64) -> String {
    format!("{:.2}%", part * 100.0)
}

/// Returns 1, 2 or 5 times a power of ten, not below `least`.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|one| one * power)
        .find(|step| *step >= least * 0.999)
        .unwrap_or(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<(f64, Option<f64>)>) -> Chart {
        let line = Line { name: "a".to_owned(), look: 0, points };
        Chart {
            id: "a".to_owned(),
            title: String::new(),
            about: String::new(),
            x: Axis::time(10.0, 6.0),
            y: Axis::linear("", 100.0, |value| value.to_string()),
            lines: vec![line],
            bands: Vec::new(),
            marks: Vec::new(),
            limits: Vec::new(),
            wide: true,
            height: 100,
        }
    }

    #[test]
    fn where_nothing_was_measured_the_line_has_a_gap() {
        let chart = chart(vec![
            (0.0, Some(0.0)),
            (5.0, Some(50.0)),
            (6.0, None),
            (10.0, Some(f64::NAN)),
            (10.0, Some(100.0)),
        ]);
        assert_eq!(chart.path(&chart.lines[0]), "M0,1000h0L0,1000 500,500M1000,0h0L1000,0");
    }

    #[test]
    fn axes_end_on_round_values() {
        for (high, end) in [(0.0, 1.0), (0.7, 0.8), (1.0, 1.5), (900.0, 1000.0), (1001.0, 1500.0)] {
            let axis = Axis::linear("", high, |value| value.to_string());
            assert!(axis.high >= high && axis.ticks.len() <= 6, "{high}: {} of {end}", axis.high);
        }
        let axis = Axis::log("", 0.4, 60.0, |value| value.to_string());
        assert_eq!((axis.low, axis.ticks.len()), (0.1, 4));
        let times: Vec<_> = Axis::time(3600.0, 6.0).ticks.into_iter().map(|(_, label)| label).collect();
        assert_eq!(times, ["0 s", "10 min", "20 min", "30 min", "40 min", "50 min", "1 h"]);
    }
}
