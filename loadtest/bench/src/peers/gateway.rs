//! The gateway and raw QUIC as peers: clients of the floor in this run's shape. A development city has few devices that may send
//! large batches, so the frames in flight are spread over these.

use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::ensure;
use device::clock;
use device::fleet::{Fleet, FleetDevice};
use protocol::limits::window_punches_max;
use protocol::{DeviceClass, Scanned};

use super::dial::Connected;
use super::lane::Lane;
use super::{Setup, Shape};
use crate::floor;

/// Limit of tokens made for a turn.
const TOKENS_MAX: usize = 1 << 21;

/// Returns the devices that carry this shape.
///
/// # Errors
/// The city has too few devices.
pub(super) fn devices<'a>(fleet: &'a Fleet, shape: &Shape) -> anyhow::Result<Vec<&'a FleetDevice>> {
    let class = shape.class();
    let devices: Vec<_> = fleet.of_class(class).take(shape.devices as usize).collect();
    let window = (window_punches_max(class) / shape.batch) as usize;
    let is_enough = match class {
        DeviceClass::Gate | DeviceClass::Handheld => devices.len() == shape.devices as usize,
        DeviceClass::Concentrator | DeviceClass::Portal => devices.len() * window >= shape.frames(),
    };
    ensure!(
        is_enough,
        "the city has {} devices of class {class} for {shape}; start it with more, or choose another --shape",
        devices.len()
    );
    Ok(devices)
}

/// Connects clients to the echo at that address, or else to the gateway, for one turn.
pub(super) async fn connect(
    setup: &Setup<'_>,
    shape: Shape,
    echo: Option<SocketAddr>,
) -> anyhow::Result<Connected<Lane>> {
    let devices = devices(setup.fleet, &shape)?;
    let clients = floor::connect(setup.fleet, &devices, echo).await?;
    let (connections, frames) = (clients.len(), shape.frames());
    // Fresh for each turn: tokens run out.
    let (people, now_s) = (setup.tokens.people(), clock::now_s());
    let tokens: Rc<Vec<Scanned>> =
        Rc::new(people.iter().take(TOKENS_MAX).map(|person| setup.tokens.scan(person, now_s)).collect());
    let mut connected = Connected { connections, ..Connected::none() };
    for (number, client) in clients.into_iter().enumerate() {
        let most = share(frames, connections, number);
        connected.lanes.push(Lane::Quic { client: Box::new(client), tokens: Rc::clone(&tokens), most });
    }
    Ok(connected)
}

/// Returns the frames of the client with that number, so that all together have `frames`.
fn share(frames: usize, clients: usize, number: usize) -> usize {
    frames / clients + usize::from(number < frames % clients)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_under_way_is_spread_evenly_and_stays_the_same() {
        for (frames, clients) in [(16, 10), (1000, 1000), (16, 16), (5, 2)] {
            let shares: Vec<_> = (0..clients).map(|number| share(frames, clients, number)).collect();
            assert_eq!(shares.iter().sum::<usize>(), frames);
            assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1, "{shares:?}");
        }
    }
}
