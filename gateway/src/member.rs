//! This gateway as a member of a fleet: its registry applies what the leader sends, and devices, places, the policy and sign-outs in memory
//! follow. Who leads and what goes where is decided in the crate `fleet`.

use std::sync::Arc;

use actors::judge::PlaceKinds;
use actors::registrar::{ApplySteps, FleetPosition, RegistrarError, TakeOffice};
use actors::session::Sessions;
use fleet::{Answer, Member, Running, Trouble};
use keys::Keys;
use protocol::{DeviceId, PlaceId};
use registry::Registry;
use registry::replication::{Applied, Step, StreamPlace};

use crate::config::{self, Settings};
use crate::operator::OperatorContext;
use crate::reload::Reload;

/// Makes the registry a member of the fleet, if the settings name one; from then on it changes only with the fleet.
///
/// # Errors
/// The settings name none and the registry is a member, or a key is missing.
pub(crate) fn join(
    settings: &Settings,
    keys: &Keys,
    registry: &mut Registry,
) -> anyhow::Result<Option<fleet::Fleet>> {
    let Some(config) = &settings.fleet else {
        config::Fleet::refuse_alone(registry)?;
        return Ok(None);
    };
    let part = fleet::Fleet::new(config.open()?, Keys::fleet(&settings.keys)?, keys.ids());
    registry.replicate_by(part.outbox())?;
    Ok(Some(part))
}

/// Starts the fleet's thread, which the watchdog watches. `sessions` are those of the pages, if there are any.
pub(crate) fn start(
    part: Option<fleet::Fleet>,
    context: &OperatorContext,
    sessions: Option<Arc<Sessions>>,
    reload: &Reload,
) -> std::io::Result<Option<Running>> {
    let gateway = || Arc::new(Gateway(Arc::new(Parts { context: context.clone(), sessions })));
    let running = part.map(|part| part.start(gateway())).transpose()?;
    reload.watch(running.as_ref().map(Running::pulse));
    Ok(running)
}

struct Parts {
    context: OperatorContext,
    sessions: Option<Arc<Sessions>>,
}

struct Gateway(Arc<Parts>);

impl Member for Gateway {
    fn position(&self) -> Answer<StreamPlace> {
        let parts = Arc::clone(&self.0);
        Box::pin(async move { parts.context.registrar.act(FleetPosition).await.map_err(trouble) })
    }

    fn apply(&self, steps: Vec<Step>) -> Answer<()> {
        let parts = Arc::clone(&self.0);
        Box::pin(async move {
            let applied = parts.context.registrar.act(ApplySteps(steps)).await.map_err(trouble)?;
            parts.follow(&applied).map_err(|error| Trouble::Gateway(format!("{error:#}")))
        })
    }

    fn take_office(&self) -> Answer<()> {
        let parts = Arc::clone(&self.0);
        Box::pin(async move { parts.context.registrar.act(TakeOffice).await.map_err(trouble) })
    }
}

impl Parts {
    /// Has the memory follow what the registrar does not know of.
    fn follow(&self, applied: &Applied) -> anyhow::Result<()> {
        let Self { context, sessions } = self;
        if applied.whole {
            return self.follow_all();
        }
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
        let Self { context, sessions } = self;
        context.read(|registry| {
            follow_places(context, registry, |_| true)?;
            context.fleet.reload(registry.devices()?);
            sessions.iter().try_for_each(|sessions| sessions.load(registry))?;
            Ok(())
        })
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
