//! The devices of a run, chosen from the city's, and their connections. One more may be left over to look for changed colours.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use device::Device;
use device::clock;
use device::fleet::{Fleet, FleetDevice};
use device::state::DeviceState;
use protocol::{DeviceClass, Epoch};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::scenario::{PostClass, Posts, Scenario};

/// Deadline for connecting all devices.
const CONNECT_MAX: Duration = Duration::from_secs(60);
/// Limit of handshakes at a time.
const DIALLING_MAX: usize = 64;

/// A device of the fleet and its group in the scenario.
pub(super) type Chosen<'a> = (&'a FleetDevice, &'a Posts);

/// Chooses the devices of a scenario, in its order, and one that is left over.
pub(super) fn choose<'a>(
    fleet: &'a Fleet,
    scenario: &'a Scenario,
) -> anyhow::Result<(Vec<Chosen<'a>>, Option<&'a FleetDevice>)> {
    let mut left: Vec<&FleetDevice> = fleet.devices.iter().collect();
    let mut chosen = Vec::new();
    for posts in &scenario.fleet {
        for _ in 0..posts.count {
            let fits = |device: &&FleetDevice| fits(device, posts);
            let at = left.iter().position(fits).with_context(|| {
                format!("the city has too few devices of class {:?} there: start one with more", posts.class)
            })?;
            chosen.push((left.remove(at), posts));
        }
    }
    // Gates are the most common; whatever is left looks for colours as well.
    Ok((chosen, left.first().copied()))
}

fn fits(device: &FleetDevice, posts: &Posts) -> bool {
    let class = match posts.class {
        PostClass::Gate => DeviceClass::Gate,
        PostClass::Handheld => DeviceClass::Handheld,
        PostClass::Concentrator => DeviceClass::Concentrator,
    };
    let mut regions = device.places().map(|(_, region)| region.0);
    device.class() == class && (posts.regions.is_empty() || regions.all(|own| posts.regions.contains(&own)))
}

/// Connects all of them, in their order, to the gateways in turn.
pub(super) async fn connect(
    endpoint: &quinn::Endpoint,
    fleets: &[Fleet],
    rows: &[&FleetDevice],
) -> anyhow::Result<Vec<Device>> {
    let epoch = Epoch(clock::now_s());
    let permits = Arc::new(Semaphore::new(DIALLING_MAX));
    let mut connecting = JoinSet::new();
    for (index, row) in rows.iter().enumerate() {
        let mut device = Device::new(endpoint, &fleets[index % fleets.len()], row, DeviceState::new(epoch))?;
        let permits = Arc::clone(&permits);
        connecting.spawn_local(async move {
            let _permit = permits.acquire_owned().await;
            (index, device.connect_afresh().await.map(|_| device))
        });
    }
    let mut devices: Vec<Option<Device>> = rows.iter().map(|_| None).collect();
    let all = async {
        while let Some(joined) = connecting.join_next().await {
            let (index, device) = joined?;
            devices[index] = Some(device.context("connecting a device")?);
        }
        anyhow::Ok(())
    };
    match tokio::time::timeout(CONNECT_MAX, all).await {
        Ok(connected) => connected?,
        Err(_) => bail!("the city at {} does not welcome its devices; is it running?", fleets[0].quic[0]),
    }
    let devices: Vec<_> = devices.into_iter().flatten().collect();
    ensure!(devices.len() == rows.len(), "a device got lost on its way");
    Ok(devices)
}
