//! This gateway as a member of a fleet: its registry applies what the leader sends, and devices, places, the policy and sign-outs in memory
//! follow. Who leads and what goes where is decided in the crate `fleet`.

mod answers;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use actors::judge::PlaceKinds;
use actors::registrar::{ApplySteps, FleetPosition, FollowAll, RegistrarError, TakeOffice};
use actors::session::Sessions;
use anyhow::Context;
use fleet::{Answer, Member, Pieces, PunchLog, Running, Trouble, Work};
use keys::Keys;
use ledger::{CopyProgress, LedgerHandle, Missing};
use protocol::{DeviceId, Epoch, PlaceId, Sequence};
use registry::Registry;
use registry::replication::{Applied, Step, StreamPlace};
use runtime::lock::lock;
use tokio::sync::Semaphore;

use crate::config::{self, Copying, Settings};
use crate::leading::Leading;
use crate::operator::OperatorContext;
use crate::portal::Pages;
use crate::reload::Reload;

/// Makes the registry a member of the fleet, if the settings name one; from then on it changes only with the fleet. The punch log is
/// copied, and the returned handle is the one to append by. `quic_port` is the port on which devices are served, which an address for
/// devices with the port 0 stands for.
///
/// # Errors
/// The settings name none and the registry is a member, or a key is missing.
pub(crate) fn join(
    settings: &Settings,
    keys: &Keys,
    registry: &mut Registry,
    (ledger, quic_port): (LedgerHandle, u16),
) -> anyhow::Result<(Option<fleet::Fleet>, LedgerHandle)> {
    let Some(section) = &settings.fleet else {
        config::Fleet::refuse_alone(registry)?;
        return Ok((None, ledger));
    };
    let mut config = section.open(&settings.data)?;
    if let Some(address) = config.device_address.as_mut().filter(|address| address.port() == 0) {
        *address = address.with_port(quic_port);
    }
    let part = fleet::Fleet::new(config, Keys::fleet(&settings.keys)?, keys)
        .context("reading the punches that wait for another gateway")?;
    registry.replicate_by(part.outbox())?;
    let (log, ledger) = copied(settings, &section.copying()?, ledger);
    Ok((Some(part.copying(log)), ledger))
}

/// Returns the log as it is copied, and the handle by which punches are appended.
fn copied(
    settings: &Settings,
    Copying { is_awaited, recovery }: &Copying,
    ledger: LedgerHandle,
) -> (PunchLog, LedgerHandle) {
    let log = PunchLog {
        ledger: ledger.clone(),
        directory: Settings::ledger_path(&settings.data),
        day_keys: Keys::days(&settings.keys),
        retention_days: settings.retention_days,
        recovery: recovery.clone(),
        progress: None,
    };
    if !is_awaited {
        return (log, ledger);
    }
    let (progress, copy) = CopyProgress::new();
    (PunchLog { progress: Some(progress), ..log }, ledger.awaiting(copy))
}

/// Starts the fleet's thread, which the watchdog watches. The pages' sessions follow it, if there are any, and
/// `leading` takes its word.
pub(crate) fn start(
    part: Option<fleet::Fleet>,
    (context, ledger): (&OperatorContext, LedgerHandle),
    pages: Option<&Pages>,
    reload: &Reload,
    leading: &Leading,
) -> std::io::Result<Option<Running>> {
    let sessions = pages.map(Pages::sessions);
    let gateway = || Arc::new(Gateway(Arc::new(Parts::new(context.clone(), ledger, sessions))));
    let running = part.map(|part| part.start(gateway())).transpose()?;
    reload.watch(running.as_ref().map(Running::pulse));
    leading.follow(running.as_ref().map(Running::standing));
    Ok(running)
}

const NOT_FOLLOWED: &str = "devices, places and sign-outs in memory do not follow";

/// The position of no step: another registry took the place of this one.
const REPLACED: u64 = u64::MAX;

struct Parts {
    context: OperatorContext,
    ledger: LedgerHandle,
    sessions: Option<Arc<Sessions>>,
    /// The permits of requests of other gateways that take a thread.
    threads: Arc<Semaphore>,
    /// The position from which on the memory may not have followed; `None` while it has. Written by the fleet's thread alone.
    behind: Mutex<Option<u64>>,
}

struct Gateway(Arc<Parts>);

impl Member for Gateway {
    fn position(&self) -> Answer<StreamPlace> {
        let parts = Arc::clone(&self.0);
        Box::pin(async move {
            parts.catch_up().await?;
            parts.context.registrar.act(FleetPosition).await.map_err(trouble)
        })
    }

    fn apply(&self, steps: Vec<Step>) -> Answer<()> {
        let parts = Arc::clone(&self.0);
        Box::pin(async move {
            parts.catch_up().await?;
            parts.note(steps.first().map(|step| step.after));
            let applied = parts.context.registrar.act(ApplySteps(steps)).await.map_err(trouble)?;
            // Many devices and places take their time, and the fleet's thread answers other gateways meanwhile.
            let beside = Arc::clone(&parts);
            aside(move || beside.follow(&applied)).await?;
            parts.note(None);
            Ok(())
        })
    }

    fn copy(&self, to: PathBuf) -> Answer<StreamPlace> {
        let context = self.0.context.clone();
        aside(move || Ok(context.reader()?.snapshot_to(&to)?))
    }

    fn may_join(&self) -> Answer<()> {
        let context = self.0.context.clone();
        aside(move || Ok(context.reader()?.may_join()?))
    }

    fn adopt(&self, from: PathBuf, place: StreamPlace) -> Answer<u64> {
        self.0.note(Some(REPLACED));
        let context = self.0.context.clone();
        aside(move || Ok(context.reader()?.adopt(&from, &place)?))
    }

    fn take_office(&self) -> Answer<()> {
        let parts = Arc::clone(&self.0);
        Box::pin(async move { parts.context.registrar.act(TakeOffice).await.map_err(trouble) })
    }

    fn marks(&self, of: Vec<(DeviceId, Epoch)>) -> Answer<Vec<Sequence>> {
        let ledger = self.0.ledger.clone();
        Box::pin(async move { ledger.marks(of).await.ok_or_else(busy) })
    }

    fn miss(&self, missing: Missing) -> Answer<()> {
        let ledger = self.0.ledger.clone();
        Box::pin(async move { ledger.miss(missing).await.then_some(()).ok_or_else(busy) })
    }

    fn answer(&self, from: String, request: Vec<u8>, pieces: Pieces) -> Work {
        let Parts { context, threads, .. } = &*self.0;
        Box::pin(answers::answer((context.clone(), Arc::clone(threads)), from, request, pieces))
    }
}

/// Works on the registry's file beside its writer and the fleet's thread.
fn aside<T: Send + 'static>(work: impl FnOnce() -> anyhow::Result<T> + Send + 'static) -> Answer<T> {
    Box::pin(async {
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(anyhow::Error::from).flatten().map_err(|error| Trouble::Gateway(format!("{error:#}")))
    })
}

fn busy() -> Trouble {
    Trouble::Gateway("the punch log is busy".to_owned())
}

impl Parts {
    fn new(context: OperatorContext, ledger: LedgerHandle, sessions: Option<Arc<Sessions>>) -> Self {
        let threads = Arc::new(Semaphore::new(answers::THREADS_MAX));
        Self { context, ledger, sessions, threads, behind: Mutex::new(None) }
    }

    fn note(&self, behind: Option<u64>) {
        *lock(&self.behind) = behind;
    }

    /// Makes the memory anew from the registry if steps were applied that it did not follow.
    async fn catch_up(self: &Arc<Self>) -> Result<(), Trouble> {
        let Some(from) = *lock(&self.behind) else { return Ok(()) };
        let place = self.context.registrar.act(FleetPosition).await.map_err(trouble)?;
        if place.position != from {
            tracing::warn!(from, position = place.position, "the memory is made anew from the registry");
            self.context.registrar.act(FollowAll).await.map_err(trouble)?;
            let beside = Arc::clone(self);
            aside(move || beside.follow_all()).await?;
        }
        self.note(None);
        Ok(())
    }

    /// Has the memory follow what the registrar does not know of.
    fn follow(&self, applied: &Applied) -> anyhow::Result<()> {
        self.follow_parts(applied).context(NOT_FOLLOWED)
    }

    fn follow_parts(&self, applied: &Applied) -> anyhow::Result<()> {
        let Self { context, sessions, .. } = self;
        if !applied.places.is_empty() {
            context.read(|registry| {
                follow_places(context, registry, |place| applied.places.contains(&i64::from(place.0)))
            })?;
        }
        for &device in &applied.devices {
            if let Ok(device) = u64::try_from(device) {
                context.follow_device(DeviceId(device))?;
            }
        }
        match sessions {
            Some(sessions) if applied.sign_outs => context.read(|registry| Ok(sessions.load(registry)?)),
            Some(_) | None => Ok(()),
        }
    }

    fn follow_all(&self) -> anyhow::Result<()> {
        let Self { context, sessions, .. } = self;
        context
            .read(|registry| {
                follow_places(context, registry, |_| true)?;
                context.fleet.reload(registry.devices()?);
                sessions.iter().try_for_each(|sessions| sessions.load(registry))?;
                Ok(())
            })
            .context(NOT_FOLLOWED)
    }
}

fn follow_places(
    context: &OperatorContext,
    registry: &Registry,
    concerns: impl Fn(PlaceId) -> bool,
) -> anyhow::Result<()> {
    for (place, region, _) in registry.places()?.into_iter().filter(|(place, ..)| concerns(*place)) {
        context.fleet.add_place(place, region);
    }
    let kinds: &PlaceKinds = &context.place_kinds;
    for (place, kind) in registry.place_kinds()?.into_iter().filter(|(place, _)| concerns(*place)) {
        kinds.add(place, kind);
    }
    Ok(())
}

fn trouble(error: RegistrarError) -> Trouble {
    Trouble::Gateway(error.to_string())
}

#[cfg(test)]
mod tests;
