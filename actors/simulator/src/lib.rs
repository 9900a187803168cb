//! Simulated carriers, for development, tests and load tests, over real HTTPS. The real carriers publish no interface: the one
//! spoken here is ours, and nothing here shows how a real carrier behaves. They answer made-up numbers alone and refuse every
//! number that could be somebody's. How a gateway asks is not here.

mod carrier;
pub mod city;
mod control;
mod demo;
mod draws;
mod fault;
mod line;
mod numbers;
mod server;
mod subscriber;
mod trajectory;
mod travel_page;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;

use carrier::{Carrier, Consents};
use control::{Controlled, Panel};
use line::{Line, Port};
use runtime::front::FrontHandle;
use subscriber::World;
use tokio::sync::{mpsc, watch};
use wire::Gate;
use zeroize::Zeroizing;

pub use carrier::CarrierCounts;
pub use control::{CarrierState, SimulatorState};
pub(crate) use demo::BLOCK_FIRST;
pub use demo::{DemoPerson, Expected, demo_people};
pub use fault::{Fault, FaultError, FaultKind, FaultOrder, Latency};
pub use numbers::SimulatedCarrier;

/// Switches that wait for a carrier.
const SWITCHES_MAX: usize = 16;

/// A certificate with its key, both PEM.
#[derive(Clone)]
pub struct TlsIdentity {
    /// The chain, the host's own first.
    pub certificate: String,
    /// Its private key.
    pub key: Zeroizing<String>,
}

/// One carrier to simulate.
#[derive(Clone)]
pub struct SimulatedConfig {
    /// Which.
    pub carrier: SimulatedCarrier,
    /// The place where it listens; loopback, port 0 for any.
    pub address: SocketAddr,
    /// The name of the key that gateways sign with.
    pub key_id: String,
    /// That key.
    pub secret: Zeroizing<Vec<u8>>,
    /// Its duration.
    pub latency: Latency,
}

/// The simulated carriers, one row each of [`SimulatedCarrier::ALL`].
#[derive(Clone)]
pub struct SimulatorConfig {
    /// The seed that subscribers and trajectories are made from.
    pub seed: u64,
    /// The place where the control interface listens; loopback, port 0 for any.
    pub control: SocketAddr,
    /// For `localhost` and 127.0.0.1.
    pub tls: TlsIdentity,
    /// For another host, of the same authority: what the fault `wrong-name` shows.
    pub other_host: TlsIdentity,
    /// The carriers.
    pub carriers: [SimulatedConfig; SimulatedCarrier::ALL.len()],
}

/// Why the simulators do not start.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// Simulators and their control are for this machine alone.
    #[error("{address} is not a loopback address: simulated carriers and their control stay on this machine")]
    NotLoopback {
        /// The given addresses.
        address: SocketAddr,
    },
    /// The carriers are not one row each.
    #[error("the simulated carriers are not one of each, in their order")]
    Carriers,
    /// A port in use, most of the time.
    #[error(
        "binding TCP {address} for simulated carriers; if a city runs there, choose another address or end it"
    )]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// Certificate or key do not read, or do not belong together.
    #[error("the simulated carriers' certificate: {text}")]
    Certificate {
        /// The fault.
        text: String,
    },
    /// No thread, or no server on it.
    #[error("starting the simulated carriers")]
    Start {
        /// Why not.
        source: std::io::Error,
    },
}

/// The running carriers. They end with the value.
pub struct Simulators {
    front: Option<FrontHandle>,
    stop: watch::Sender<bool>,
    panel: Panel,
    control: SocketAddr,
}

impl Simulators {
    /// Starts them; every port is open when this returns.
    pub fn start(config: SimulatorConfig) -> Result<Self, SimulatorError> {
        if config.carriers.iter().map(|row| row.carrier).ne(SimulatedCarrier::ALL) {
            return Err(SimulatorError::Carriers);
        }
        let tls = [line::certified(&config.tls)?, line::certified(&config.other_host)?];
        let control = Port::bind(config.control)?;
        let consents = Arc::new(Consents::default());
        let world = Arc::new(World::new(config.seed));
        let (mut lines, mut carriers) = (Vec::new(), Vec::new());
        for row in config.carriers {
            let port = Port::bind(row.address)?;
            let gate = Gate::new(&row.key_id, &row.secret);
            let world = (config.seed, Arc::clone(&world));
            let carrier =
                Arc::new(Carrier::new(row.carrier, world, row.latency, Arc::clone(&consents), gate));
            let (switches, orders) = mpsc::channel(SWITCHES_MAX);
            let url = format!("https://localhost:{}", port.address.port());
            carriers.push(Controlled { carrier: Arc::clone(&carrier), url, switches });
            lines.push(Line { carrier, port, tls: tls.clone(), orders });
        }
        let panel = Panel { carriers: Arc::new(carriers), consents };
        let (stop, stopped) = watch::channel(false);
        let address = control.address;
        let front = line::run(lines, control, panel.clone(), stopped)?;
        Ok(Self { front: Some(front), stop, panel, control: address })
    }

    /// Says where a carrier answers: the base of its interface.
    pub fn url(&self, carrier: SimulatedCarrier) -> &str {
        &self.panel.carriers[carrier.index()].url
    }

    /// Says where the control interface answers.
    pub fn control(&self) -> SocketAddr {
        self.control
    }

    /// Says what `GET /carriers` shows.
    pub fn state(&self) -> SimulatorState {
        self.panel.state()
    }

    /// Says what a carrier has seen.
    pub fn counts(&self, carrier: SimulatedCarrier) -> CarrierCounts {
        self.panel.carriers[carrier.index()].carrier.counts()
    }

    /// Switches a fault; it is in effect when this returns.
    pub async fn set_fault(&self, carrier: SimulatedCarrier, fault: Fault) -> std::io::Result<()> {
        self.panel.switch(carrier, fault).await
    }

    /// Ends them and waits for their threads.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.send_replace(true);
        if let Some(Err(error)) = self.front.take().map(FrontHandle::join) {
            tracing::error!(error, "the simulated carriers ended");
        }
    }
}

impl Drop for Simulators {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests;
