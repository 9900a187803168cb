//! A reload: a running gateway takes new certificates, carriers, message service and log level without a restart. All named files are
//! read and opened before anything is put in effect, so that it is all or nothing. The report of what differs, and of what waits for a
//! restart, is in `changes`.

mod at_signal;
mod changes;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard};

use actors::carrier::{CarrierConfig, Carriers};
use actors::query::Queries;
use actors::sms::{HttpSmsConfig, Sms, SmsLimits, SmsSender};
use anyhow::{Context, bail};
use keys::Keys;
use protocol::metric;
use registry::Registry;
use runtime::arbiter::Pulse;
use runtime::lock::lock;
use runtime::thread::{self, StopToken, Thread};
use runtime::watchdog::Watchdog;

use crate::check;
use crate::config::Settings;
use crate::config::{self, Lines};
use crate::host::readiness::Readiness;
use crate::portal::TravelPages;
use crate::telemetry::{self, LogLevel};
use crate::tls::identities::{Files, InForce, Opened};

pub(crate) use at_signal::AtSignal;
use changes::At;
pub(crate) use changes::Reloaded;

/// The most sets of carriers that wait for their last query. Each takes a few seconds; more at once mean reloads in a loop.
const RETIRING_MAX: usize = 4;

/// The source that stands behind a process's settings.
pub(crate) struct Behind {
    pub(crate) source: Source,
    pub(crate) log: LogLevel,
}

/// The place where settings come from.
pub(crate) enum Source {
    /// A configuration file, read again as a whole.
    File(PathBuf),
    /// The program: only the files that the settings name can be read again.
    Made,
}

impl Source {
    /// The settings as they would be at a start now, and where each stands.
    fn read(&self, running: &Settings) -> anyhow::Result<(Settings, At)> {
        match self {
            Self::File(path) => {
                let config::Config { path, settings, lines } = check::load(path)?;
                Ok((settings, At(Some((path, lines)))))
            }
            Self::Made => Ok((running.clone(), At(None))),
        }
    }
}

/// The reach of a reload.
pub(crate) struct Parts {
    pub(crate) keys: Arc<Keys>,
    pub(crate) identities: Arc<InForce>,
    /// The endpoint of each front.
    pub(crate) endpoints: Vec<quinn::Endpoint>,
    pub(crate) queries: Queries,
    pub(crate) travel_pages: TravelPages,
    pub(crate) sms: Option<Sms>,
    /// Tells the service manager.
    pub(crate) readiness: Readiness,
}

/// The state in effect. Written by reloads alone, one at a time.
pub(crate) struct InEffect {
    pub(crate) settings: Settings,
    pub(crate) files: Files,
    pub(crate) configs: Vec<CarrierConfig>,
    pub(crate) messages: Option<HttpSmsConfig>,
    pub(crate) carriers: Carriers,
    pub(crate) watchdog: Watchdog,
}

impl InEffect {
    /// Returns the state that a gateway has been started with.
    pub(crate) fn new(
        settings: &Settings,
        files: Files,
        (configs, carriers): (Vec<CarrierConfig>, Carriers),
        watchdog: Watchdog,
    ) -> anyhow::Result<Self> {
        let messages = match &settings.sms {
            config::Sms::Service(service) => Some(service.config()?),
            config::Sms::Off | config::Sms::Development(_) => None,
        };
        Ok(Self { settings: settings.clone(), files, configs, messages, carriers, watchdog })
    }
}

/// A running gateway's way to read its files again.
pub(crate) struct Reload {
    behind: Behind,
    parts: Parts,
    state: Mutex<State>,
}

struct State {
    /// `None` once the gateway ends.
    in_effect: Option<InEffect>,
    /// Each ends the carriers of an earlier reload.
    retiring: Vec<Thread<()>>,
}

/// The rest to end in order.
pub(crate) struct Ended {
    pub(crate) carriers: Carriers,
    pub(crate) retiring: Vec<Thread<()>>,
    pub(crate) _watchdog: Watchdog,
}

/// Read and opened, and not in effect.
struct Fresh {
    settings: Settings,
    opened: Opened,
    configs: Vec<CarrierConfig>,
    /// The carriers, if they differ, and who ends those that leave.
    carriers: Option<(Carriers, Retiring)>,
    /// The message service, if it differs.
    sender: Option<(SmsSender, SmsLimits)>,
    messages: Option<HttpSmsConfig>,
    told: Reloaded,
}

impl Reload {
    /// A gateway's, and who calls it at a signal.
    pub(crate) fn start(
        behind: Behind,
        parts: Parts,
        in_effect: InEffect,
    ) -> std::io::Result<(Arc<Self>, AtSignal)> {
        for outcome in ["applied", "refused"] {
            metrics::counter!(metric::RELOADS, "outcome" => outcome).absolute(0);
        }
        metrics::gauge!(metric::RELOAD_FAILED).set(0.0);
        let state = Mutex::new(State { in_effect: Some(in_effect), retiring: Vec::new() });
        let reload = Arc::new(Self { behind, parts, state });
        let at_signal = AtSignal::start(Arc::clone(&reload))?;
        Ok((reload, at_signal))
    }

    /// Returns the certificates that handshakes over TCP use.
    pub(crate) fn identities(&self) -> Arc<InForce> {
        Arc::clone(&self.parts.identities)
    }

    /// Reads everything again. `file` is the configuration that was meant; it has to be the one that this gateway runs with.
    ///
    /// # Errors
    /// Everything that is wrong, with its place; then nothing has changed.
    pub(crate) fn again(&self, file: Option<&Path>) -> anyhow::Result<Reloaded> {
        let mut state = self.lock();
        let _told = self.parts.readiness.reloading();
        let fresh = self.meant(file).and_then(|()| self.open(&mut state));
        let told = fresh.map(|fresh| self.put_in_effect(&mut state, fresh));
        drop(state);
        let (outcome, failed) = if told.is_ok() { ("applied", 0.0) } else { ("refused", 1.0) };
        metrics::counter!(metric::RELOADS, "outcome" => outcome).increment(1);
        metrics::gauge!(metric::RELOAD_FAILED).set(failed);
        match &told {
            Ok(Reloaded { changed, restart, notes, .. }) => {
                tracing::info!(?changed, ?restart, "reloaded");
                notes.iter().for_each(|note| tracing::warn!(note, "to be known of a reload"));
            }
            Err(error) => {
                tracing::error!(
                    error = format!("{error:#}"),
                    "a reload is refused; everything stays as it was"
                )
            }
        }
        told.context("the reload is refused and nothing has changed")
    }

    /// Watches these threads as well.
    pub(crate) fn watch(&self, pulses: impl IntoIterator<Item = Pulse>) {
        if let Some(in_effect) = &self.lock().in_effect {
            in_effect.watchdog.watch(pulses.into_iter().collect());
        }
    }

    /// No more reloads: the gateway ends. `None` if it has been told before.
    pub(crate) fn end(&self) -> Option<Ended> {
        let mut state = self.lock();
        let InEffect { carriers, watchdog, .. } = state.in_effect.take()?;
        Some(Ended { carriers, retiring: std::mem::take(&mut state.retiring), _watchdog: watchdog })
    }

    fn meant(&self, file: Option<&Path>) -> anyhow::Result<()> {
        let really = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        match (&self.behind.source, file) {
            (Source::Made, Some(_)) => bail!("this gateway runs without a configuration file"),
            (Source::File(own), Some(file)) if really(own) != really(file) => {
                bail!("this gateway runs with {}, not with {}", own.display(), file.display())
            }
            (Source::Made, None) | (Source::File(_), _) => Ok(()),
        }
    }

    /// Whatever can fail.
    fn open(&self, state: &mut State) -> anyhow::Result<Fresh> {
        for ended in state.retiring.extract_if(.., |thread| thread.is_finished()) {
            join(ended);
        }
        let running = state.in_effect.as_ref().context("the gateway is ending")?;
        let (read, at) = self.behind.source.read(&running.settings)?;
        let mut told = Reloaded::default();
        let settings = changes::take(&running.settings, read, &at, &mut told);
        let opened = Opened::read(&settings, &self.parts.keys)?;
        changes::files(&running.files, &opened.files, &mut told);
        telemetry::filter(&settings.log)?;
        changes::log(&running.settings.log, &settings.log, self.behind.log.flag(), &mut told);
        let configs =
            settings.carriers.iter().map(config::Carrier::open).collect::<anyhow::Result<Vec<_>>>()?;
        changes::carriers(&running.configs, &configs, &mut told);
        let (messages, sender) = messages(running, &settings, &mut told)?;
        self.policy(&settings, &mut told)?;
        if matches!(self.behind.source, Source::Made) {
            told.notes
                .push("carriers, addresses and the log level of this gateway stand in no file".to_owned());
        }
        let carriers = match configs == running.configs {
            true => None,
            false => {
                let retiring = Retiring::start(state.retiring.len())?;
                Some((running.carriers.renew(&configs)?, retiring))
            }
        };
        Ok(Fresh { settings, opened, configs, carriers, sender, messages, told })
    }

    /// Nothing here can fail.
    fn put_in_effect(&self, state: &mut State, fresh: Fresh) -> Reloaded {
        let Fresh { settings, opened, configs, carriers, sender, messages, mut told } = fresh;
        let Some(running) = &mut state.in_effect else { return told };
        if opened.files != running.files {
            for endpoint in &self.parts.endpoints {
                endpoint.set_server_config(Some(opened.quic.clone()));
            }
            self.parts.identities.take(&opened);
            opened.tell();
            running.files = opened.files;
        }
        if let Err(error) = self.behind.log.follow(&settings.log) {
            told.notes.push(format!("{error:#}"));
        }
        if let (Some(sms), Some((sender, limits))) = (&self.parts.sms, sender) {
            sms.renew(limits, sender);
        }
        if let Some((carriers, retiring)) = carriers {
            running.watchdog.watch(carriers.pulses_beside(&running.carriers));
            self.parts.queries.ask_others(carriers.clone());
            self.parts.travel_pages.store(Arc::new(settings.travel_pages()));
            let old = std::mem::replace(&mut running.carriers, carriers.clone());
            state.retiring.push(retiring.retire(old, carriers));
        }
        (running.settings, running.configs, running.messages) = (settings, configs, messages);
        told
    }

    /// The policy is put into effect by operators and not by a file: what is said here is how.
    fn policy(&self, settings: &Settings, told: &mut Reloaded) -> anyhow::Result<()> {
        let path = Settings::registry_path(&settings.data);
        let all = Registry::open_to_read(&path, &self.parts.keys)?.policies()?;
        Ok(changes::policy(&all, &settings.policy, told)?)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

type Sender = Option<(SmsSender, SmsLimits)>;

/// The message service as its files have it, and another sender if that is needed.
fn messages(
    running: &InEffect,
    settings: &Settings,
    told: &mut Reloaded,
) -> anyhow::Result<(Option<HttpSmsConfig>, Sender)> {
    let config::Sms::Service(service) = &settings.sms else { return Ok((None, None)) };
    let before = match &running.settings.sms {
        config::Sms::Service(before) => Some(before.limits()),
        config::Sms::Off | config::Sms::Development(_) => None,
    };
    let (config, limits) = (service.config()?, service.limits());
    let same = running.messages.as_ref() == Some(&config) && before == Some(limits);
    told.found(same, "the message service");
    let sender = if same { None } else { Some((config::Service::sender(&config)?, limits)) };
    Ok((Some(config), sender))
}

/// A thread that waits to be told which carriers leave, and ends them after their last query.
struct Retiring {
    order: SyncSender<(Carriers, Carriers)>,
    thread: Thread<()>,
}

impl Retiring {
    fn start(others: usize) -> anyhow::Result<Self> {
        if others >= RETIRING_MAX {
            bail!("the carriers of {others} reloads are still ending; try again in half a minute");
        }
        let (order, ordered) = sync_channel::<(Carriers, Carriers)>(1);
        let work = move |_: &StopToken| {
            let Ok((old, next)) = ordered.recv() else { return };
            if let Err(error) = old.retire(&next) {
                tracing::error!(error, "a carrier that is asked no more ended badly");
            }
        };
        let thread = thread::spawn("retiring", work);
        Ok(Self { order, thread: thread.context("starting the thread that ends carriers")? })
    }

    fn retire(self, old: Carriers, next: Carriers) -> Thread<()> {
        self.order.send((old, next)).expect("the thread waits for its one order");
        self.thread
    }
}

pub(crate) fn join(thread: Thread<()>) {
    if let Err(error) = thread.join() {
        tracing::error!(%error, "a thread of the reload ended badly");
    }
}

/// The state of each key of a file, for those who name it.
impl At {
    fn of(&self, key: &str) -> String {
        match &self.0 {
            Some((path, lines)) => place(path, lines, key),
            None => format!("`{key}`"),
        }
    }
}

fn place(path: &Path, lines: &Lines, key: &str) -> String {
    format!("{}:{}: `{key}`", path.display(), lines.of(key))
}
