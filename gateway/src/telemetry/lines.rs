//! The format of a log line: for people, for the journal, which notes the time itself and reads the level from the line's start, or as
//! JSON. What is logged, and where it goes, is elsewhere.

use std::fmt;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::{self, Format, Full, Json, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object each.
    Json,
}

pub(super) struct Lines {
    shape: Shape,
    journal: bool,
}

enum Shape {
    Text(Format<Full>),
    Untimed(Format<Full, ()>),
    Json(Format<Json>),
}

impl Lines {
    pub(super) fn new(format: LogFormat, journal: bool) -> Self {
        let plain = format::format().with_target(false);
        let shape = match format {
            LogFormat::Text if journal => Shape::Untimed(plain.without_time()),
            LogFormat::Text => Shape::Text(plain),
            LogFormat::Json => {
                let json = plain.json().flatten_event(true);
                Shape::Json(json.with_current_span(false).with_span_list(false))
            }
        };
        Self { shape, journal }
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if self.journal {
            write!(writer, "<{}>", priority(*event.metadata().level()))?;
        }
        match &self.shape {
            Shape::Text(format) => format.format_event(context, writer, event),
            Shape::Untimed(format) => format.format_event(context, writer, event),
            Shape::Json(format) => format.format_event(context, writer, event),
        }
    }
}

/// The journal's number for a level; `journalctl -p err` shows what a person must act on.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}
