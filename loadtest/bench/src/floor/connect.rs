//! The connections of a turn: one for each device, with `Hello` if the gateway is at the other end.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use device::clock;
use device::fleet::{Fleet, FleetDevice};
use device::wire::{self, Wire};
use protocol::message::{Answer, Hello, Request};
use protocol::{Epoch, FrameReader, RequestId, Sequence};
use tokio::task::JoinSet;

use super::client::{Client, Peer};

/// Limit of handshakes at a time.
const DIALLING_MAX: usize = 64;

/// Connects a client for each device, to the echo at that address or else to the gateway, with `Hello`.
pub(crate) async fn connect(
    fleet: &Fleet,
    devices: &[&FleetDevice],
    echo: Option<SocketAddr>,
) -> anyhow::Result<Vec<Client>> {
    let endpoint = wire::endpoint(fleet.quic[0])?;
    let mut clients = Vec::with_capacity(devices.len());
    for some in devices.chunks(DIALLING_MAX) {
        let mut dialling = JoinSet::new();
        for device in some {
            let config = wire::client_config(fleet, device)?;
            let address = echo.unwrap_or_else(|| fleet.address(device.id()));
            let (endpoint, name) = (endpoint.clone(), fleet.server_name.clone());
            let place = place(device)?;
            dialling.spawn(async move {
                let mut wire = Wire::connect(&endpoint, config, address, &name).await?;
                if echo.is_none() {
                    hello(&mut wire).await?;
                }
                anyhow::Ok((wire, place))
            });
        }
        while let Some(dialled) = dialling.join_next().await {
            let (wire, place) = dialled??;
            let peer =
                if echo.is_none() { Peer::Gateway(FrameReader::default()) } else { Peer::Echo { back: 0 } };
            clients.push(Client::new(wire, peer, place, clients.len()));
        }
    }
    Ok(clients)
}

fn place(device: &FleetDevice) -> anyhow::Result<(protocol::PlaceId, protocol::RegionId)> {
    device.places().next().context("a device without places")
}

async fn hello(wire: &mut Wire) -> anyhow::Result<()> {
    let hello = Hello { epoch: Epoch(clock::now_s()), acknowledged: Sequence(0) };
    let (_, answer) = wire.ask(RequestId(0), &Request::Hello(hello)).await?;
    let Answer::Welcome(_) = answer else {
        bail!("the gateway does not welcome a device: {answer:?}");
    };
    Ok(())
}
