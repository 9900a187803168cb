//! The level of the log: what the command line says, or else what the configuration says, also while the process runs. Where lines go
//! is not decided here.

use std::sync::Arc;

use anyhow::Context;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::reload::Handle;

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// A filter such as `info`, or `info,gateway=debug`. A word that is no level would be a part of the program of that name, of which
/// everything is logged: a level that is misspelt, most of the time.
pub(crate) fn filter(level: &str) -> anyhow::Result<EnvFilter> {
    for part in level.split(',').map(str::trim) {
        let is_bare = !part.contains(['=', '[']);
        if is_bare && !LEVELS.iter().any(|known| part.eq_ignore_ascii_case(known)) {
            anyhow::bail!("{part:?} is no level; there are {}, and PART=LEVEL", LEVELS.join(", "));
        }
    }
    EnvFilter::try_new(level).with_context(|| format!("{level:?} is no filter of log lines"))
}

/// The level of the log from now on; clones set the same.
#[derive(Clone)]
pub(crate) struct LogLevel {
    flag: Option<String>,
    set: Arc<dyn Fn(EnvFilter) -> anyhow::Result<()> + Send + Sync>,
}

impl LogLevel {
    pub(super) fn new<S: Subscriber + 'static>(flag: Option<String>, handle: Handle<EnvFilter, S>) -> Self {
        Self { flag, set: Arc::new(move |filter| Ok(handle.reload(filter)?)) }
    }

    /// Returns the filter of the command line, which overrides the configuration.
    pub(crate) fn flag(&self) -> Option<&str> {
        self.flag.as_deref()
    }

    /// Logs what the configuration says, unless the command line says something.
    pub(crate) fn follow(&self, level: &str) -> anyhow::Result<()> {
        if self.flag.is_some() {
            return Ok(());
        }
        (self.set)(filter(level)?).context("setting what is logged")
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::{Registry, reload};

    use super::*;
    use crate::config::LOG_LEVEL;

    #[test]
    fn a_level_that_is_misspelt_is_refused() {
        for good in ["info", LOG_LEVEL, "WARN", "gateway=debug", "error,ledger=trace", "off"] {
            assert!(filter(good).is_ok(), "{good}");
        }
        for bad in ["inof", "info,verbose", "gateway=loud", "=", "info;debug"] {
            assert!(filter(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_configuration_is_followed_unless_the_command_line_says_something() {
        for (flag, expected) in [(None, true), (Some("warn"), false)] {
            let (layer, handle) = reload::Layer::new(filter(flag.unwrap_or("error")).unwrap());
            let subscriber = Registry::default().with(layer);
            let level = LogLevel::new(flag.map(str::to_owned), handle);
            tracing::subscriber::with_default(subscriber, || {
                assert!(!tracing::enabled!(Level::DEBUG));
                level.follow("debug").unwrap();
                assert_eq!(tracing::enabled!(Level::DEBUG), expected, "{flag:?}");
                assert_eq!(level.follow("inof").is_err(), expected);
                level.follow("error").unwrap();
                assert!(!tracing::enabled!(Level::DEBUG));
            });
            assert_eq!(level.flag(), flag);
        }
    }
}
