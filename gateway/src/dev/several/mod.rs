//! `changtong dev --fleet`: several gateways of one development city with their brokers, all on this machine. It tells who leads and what to
//! kill, and starts again what dies. What a gateway does in a fleet is decided in the crate `fleet`.

mod brokers;
mod gateways;
mod process;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{anyhow, bail};
use brokers::Brokers;
use gateways::Gateway;
use runtime::clock;
use tokio::signal::unix::{Signal, SignalKind, signal};
use watch::Watch;

use super::{Dev, PORTS};
use crate::out::note;

/// The number of gateways that a development fleet may have.
pub(super) const GATEWAYS: std::ops::RangeInclusive<u64> = 2..=gateways::NAMES.len() as u64;
/// The place of a fleet if none is given; a city with one gateway has another one.
const DATA: &str = "./changtong-fleet";
/// The time within which the first gateway has to lead: brokers elect among themselves first.
const BEGIN: Duration = Duration::from_secs(60);
/// The interval of looks at processes and at who leads.
const LOOK: Duration = Duration::from_millis(200);
/// A gateway ends within its own deadline, which is shorter.
const GATEWAY_END: Duration = Duration::from_secs(35);
const BROKER_END: Duration = Duration::from_secs(10);

/// Runs the fleet until it is told to end.
pub(super) fn run(dev: &Dev, count: usize) -> anyhow::Result<ExitCode> {
    let program = brokers::find(dev.nats.as_deref())?;
    let is_default = dev.data == Dev::default().data;
    let root = if is_default { PathBuf::from(DATA) } else { dev.data.clone() };
    let root = gateways::refuse_other(&root)?;
    // Before a city is built, which takes a while.
    let plan = gateways::plan(dev, &root, count).map_err(|error| anyhow!("{error:#}; {PORTS}"))?;
    gateways::prepare(dev, &root, count)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let mut stop = Stop::listen()?;
        let brokers = Brokers::start(&program, &root)?;
        let mut watch = Watch::new(root.clone(), brokers);
        let lived = tokio::select! {
            lived = live(plan, &mut watch) => lived,
            () = stop.told() => Ok(()),
        };
        watch.end(GATEWAY_END, BROKER_END).await?;
        lived
    });
    // A gateway that does not answer holds up nothing.
    runtime.shutdown_background();
    ended.map(|()| ExitCode::SUCCESS)
}

/// Starts the gateways, the one with the people first, and watches them; returns only with an error.
async fn live(plan: Vec<Dev>, watch: &mut Watch) -> anyhow::Result<()> {
    note!("starting {} gateways and their brokers in {} …", plan.len(), watch.root.display());
    for (index, dev) in plan.into_iter().enumerate() {
        watch.gateways.push(Gateway::start(dev, &watch.brokers.servers)?);
        wait_for_a_place(watch, index).await?;
    }
    watch.tell();
    loop {
        watch.look().await?;
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until that gateway leads or follows.
async fn wait_for_a_place(watch: &mut Watch, index: usize) -> anyhow::Result<()> {
    let began = clock::now();
    loop {
        let gateway = &mut watch.gateways[index];
        let standing = gateway.standing().await;
        if standing.as_ref().is_some_and(|standing| !standing.is_adrift() && standing.lag() == 0) {
            return Ok(());
        }
        let log = gateway.process.log().to_string();
        for process in watch.brokers.processes.iter_mut().chain([&mut gateway.process]) {
            if let Some(how) = process.death()? {
                bail!("{} ended at its start, {how}: see {}", process.name(), process.log());
            }
        }
        if clock::since(began) > BEGIN {
            let wrong =
                standing.and_then(|standing| standing.trouble).unwrap_or_else(|| "no word".to_owned());
            bail!("{} neither leads nor follows: {wrong}; see {log}", gateway.process.name());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The signals that end the fleet.
struct Stop([Signal; 3]);

impl Stop {
    fn listen() -> std::io::Result<Self> {
        let [interrupt, terminate, hangup] =
            [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
        Ok(Self([interrupt?, terminate?, hangup?]))
    }

    async fn told(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
