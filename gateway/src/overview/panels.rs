//! The charts of the page: each panel with its title, description, unit and lines. A line is a column of the samples.

use protocol::Colour;

/// The unit of a panel's values.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    PerSecond,
    Seconds,
    Share,
    Cores,
}

impl Unit {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::PerSecond => "rate",
            Self::Seconds => "seconds",
            Self::Share => "share",
            Self::Cores => "cores",
        }
    }
}

/// The large number of a panel.
#[derive(Clone, Copy)]
pub(super) enum Large {
    /// The sum of all lines, which are stacked.
    Sum,
    /// The highest line.
    Most,
    /// This line.
    Line(&'static str),
}

impl Large {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Most => "most",
            Self::Line(column) => column,
        }
    }
}

/// One line: its column, its label, and its class in the style sheet, the same everywhere for the same thing.
pub(super) struct Line {
    pub(super) column: &'static str,
    pub(super) label: &'static str,
    pub(super) look: &'static str,
    /// The colour of the codes that it counts, whose mark it has.
    pub(super) colour: Option<Colour>,
}

/// One chart.
pub(super) struct Panel {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// The description, one sentence.
    pub(super) about: &'static str,
    pub(super) unit: Unit,
    pub(super) large: Large,
    pub(super) lines: &'static [Line],
}

const fn line(column: &'static str, label: &'static str, look: &'static str) -> Line {
    Line { column, label, look, colour: None }
}

const fn colour(column: &'static str, label: &'static str, look: &'static str, colour: Colour) -> Line {
    Line { column, label, look, colour: Some(colour) }
}

const PUNCHES: [Line; 4] = [
    colour("punches.green", "green", "green", Colour::Green),
    colour("punches.yellow", "yellow", "yellow", Colour::Yellow),
    colour("punches.red", "red", "red", Colour::Red),
    colour("punches.unknown", "unknown", "unknown", Colour::Unknown),
];
const VERIFIES: [Line; 4] = [
    colour("verifies.green", "green", "green", Colour::Green),
    colour("verifies.yellow", "yellow", "yellow", Colour::Yellow),
    colour("verifies.red", "red", "red", Colour::Red),
    colour("verifies.unknown", "unknown", "unknown", Colour::Unknown),
];

/// Every chart in the order of the page.
pub(super) const PANELS: [Panel; 8] = [
    Panel {
        id: "punches",
        title: "Punches",
        about: "People who passed and are on record, by the colour that was shown.",
        unit: Unit::PerSecond,
        large: Large::Sum,
        lines: &PUNCHES,
    },
    Panel {
        id: "verifies",
        title: "Verifies",
        about: "Codes that were looked at without a record, by the colour that was shown.",
        unit: Unit::PerSecond,
        large: Large::Sum,
        lines: &VERIFIES,
    },
    Panel {
        id: "punch-time",
        title: "Time of a punch, p99",
        about: "From reading a frame of punches until its durable answer was written, on a scale of decades.",
        unit: Unit::Seconds,
        large: Large::Line("punch.p99"),
        lines: &[line("punch.p99", "p99", "punch"), line("punch.p50", "p50", "punch-half")],
    },
    Panel {
        id: "verify-time",
        title: "Time of a verify, p99",
        about: "From reading a frame of scans until its answer was written, on a scale of decades.",
        unit: Unit::Seconds,
        large: Large::Line("verify.p99"),
        lines: &[line("verify.p99", "p99", "verify"), line("verify.p50", "p50", "verify-half")],
    },
    Panel {
        id: "errors",
        title: "Not served",
        about: "Told to wait, failed on, refused to devices; and scans that were no valid pass code.",
        unit: Unit::PerSecond,
        large: Large::Sum,
        lines: &[
            line("busy", "told to wait", "busy"),
            line("failed", "failed", "failed"),
            line("refused", "refused", "refused"),
            line("rejected", "no valid code", "rejected"),
        ],
    },
    Panel {
        id: "fullness",
        title: "How full",
        about: "What is in use of what may be: what is full answers Busy, or refuses.",
        unit: Unit::Share,
        large: Large::Most,
        lines: &[
            line("full.log", "log's queue", "log"),
            line("full.district", "fullest district", "punch"),
            line("full.connections", "connections", "devices"),
            line("full.handshakes", "handshakes", "rejected"),
        ],
    },
    Panel {
        id: "processor",
        title: "Processor",
        about: "Processor cores that the gateway uses.",
        unit: Unit::Cores,
        large: Large::Line("cpu"),
        lines: &[line("cpu", "cores", "cpu")],
    },
    Panel {
        id: "sync",
        title: "Sync of the log, p99",
        about: "Time of one data sync of the punch log: each punch waits for one. A scale of decades.",
        unit: Unit::Seconds,
        large: Large::Line("sync.p99"),
        lines: &[line("sync.p99", "p99", "log"), line("sync.p50", "p50", "log-half")],
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::History;
    use crate::overview::sample::sample;

    #[test]
    fn every_line_is_a_column_of_the_samples() {
        let columns: Vec<String> =
            sample(&History::default().since_last()).into_iter().map(|(name, _)| name).collect();
        for panel in &PANELS {
            for line in panel.lines {
                assert!(
                    columns.iter().any(|column| column == line.column),
                    "{} of {}",
                    line.column,
                    panel.id
                );
            }
            assert!(panel.about.ends_with('.'), "{}", panel.id);
            if let Large::Line(column) = panel.large {
                assert!(panel.lines.iter().any(|line| line.column == column), "{}", panel.id);
            }
        }
    }
}
