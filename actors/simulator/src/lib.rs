//! Simulated carriers over real HTTPS, for development, tests and load tests. The real carriers publish no interface: this one is
//! ours and says nothing about how a real carrier behaves. Only made-up numbers are answered; every number that could be real is
//! refused. The gateway's client is in `actors`.

mod carrier;
pub mod city;
mod control;
mod demo;
mod draws;
mod fault;
mod numbers;
mod server;
mod service;
mod subscriber;
mod trajectory;
mod travel_page;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;

use carrier::{Carrier, Consents};
use control::{ControlledCarrier, Panel};
use runtime::arbiter::ArbiterThread;
use service::{CarrierService, Port};
use subscriber::World;
use tokio::sync::{mpsc, watch};
use wire::RequestVerifier;
use zeroize::Zeroizing;

pub use carrier::CarrierCounts;
pub use control::{CarrierState, SimulatorState};
pub(crate) use demo::BLOCK_FIRST;
pub use demo::{DemoPerson, Expected, demo_people};
pub use fault::{CarrierFault, FaultError, FaultKind, FaultOrder, Latency};
pub use numbers::SimulatedCarrier;

/// The most orders that wait for a carrier.
const SWITCHES_MAX: usize = 16;

/// A certificate with its key, both in PEM.
#[derive(Clone)]
pub struct TlsIdentity {
    /// The chain, the host's own certificate first.
    pub certificate: String,
    /// The private key.
    pub key: Zeroizing<String>,
}

/// The configuration of one simulated carrier.
#[derive(Clone)]
pub struct SimulatedConfig {
    /// The carrier.
    pub carrier: SimulatedCarrier,
    /// The address to listen on: loopback, port 0 for any.
    pub address: SocketAddr,
    /// The id of the key that gateways sign with.
    pub key_id: String,
    /// The secret key that gateways sign with.
    pub secret: Zeroizing<Vec<u8>>,
    /// The latency without a fault.
    pub latency: Latency,
}

/// The configuration of the simulators.
#[derive(Clone)]
pub struct SimulatorConfig {
    /// The seed of subscribers and trajectories.
    pub seed: u64,
    /// The address of the control interface: loopback, port 0 for any.
    pub control: SocketAddr,
    /// The certificate for `localhost` and 127.0.0.1.
    pub tls: TlsIdentity,
    /// The certificate for another host, of the same authority, for the fault `wrong-name`.
    pub other_host: TlsIdentity,
    /// The carriers, in the order of [`SimulatedCarrier::ALL`].
    pub carriers: [SimulatedConfig; SimulatedCarrier::ALL.len()],
}

/// Errors of [`Simulators::start`].
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// An address is not loopback.
    #[error("{address} is not a loopback address: simulated carriers and their control stay on this machine")]
    NotLoopback {
        /// The configured address.
        address: SocketAddr,
    },
    /// The carriers are not one of each, in order.
    #[error("each simulated carrier must be configured once, in order")]
    Carriers,
    /// The port cannot be opened, in most cases because it is in use.
    #[error(
        "opening TCP port {address} for simulated carriers; if another city uses it, stop that city or choose another address"
    )]
    Bind {
        /// The configured address.
        address: SocketAddr,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// Certificate or key cannot be read, or they do not belong together.
    #[error("the simulated carriers' certificate: {text}")]
    Certificate {
        /// The error's text.
        text: String,
    },
    /// A thread or a server did not start.
    #[error("starting the simulated carriers")]
    Start {
        /// The operating system's error.
        source: std::io::Error,
    },
}

/// The running simulators; dropping the value stops them.
pub struct Simulators {
    front: Option<ArbiterThread>,
    stop: watch::Sender<bool>,
    panel: Panel,
    control: SocketAddr,
}

impl Simulators {
    /// Starts the simulators; every port is open when this returns.
    pub fn start(config: SimulatorConfig) -> Result<Self, SimulatorError> {
        if config.carriers.iter().map(|row| row.carrier).ne(SimulatedCarrier::ALL) {
            return Err(SimulatorError::Carriers);
        }
        let tls = [service::certified(&config.tls)?, service::certified(&config.other_host)?];
        let control = Port::bind(config.control)?;
        let consents = Arc::new(Consents::default());
        let world = Arc::new(World::new(config.seed));
        let (mut services, mut carriers) = (Vec::new(), Vec::new());
        for row in config.carriers {
            let port = Port::bind(row.address)?;
            let gate = RequestVerifier::new(&row.key_id, &row.secret);
            let world = (config.seed, Arc::clone(&world));
            let carrier =
                Arc::new(Carrier::new(row.carrier, world, row.latency, Arc::clone(&consents), gate));
            let (switches, orders) = mpsc::channel(SWITCHES_MAX);
            let url = format!("https://localhost:{}", port.address.port());
            carriers.push(ControlledCarrier { carrier: Arc::clone(&carrier), url, switches });
            services.push(CarrierService { carrier, port, tls: tls.clone(), orders });
        }
        let panel = Panel { carriers: Arc::new(carriers), consents };
        let (stop, stopped) = watch::channel(false);
        let address = control.address;
        let front = service::run(services, control, panel.clone(), stopped)?;
        Ok(Self { front: Some(front), stop, panel, control: address })
    }

    /// Returns the base address of a carrier's interface.
    pub fn url(&self, carrier: SimulatedCarrier) -> &str {
        &self.panel.carriers[carrier.index()].url
    }

    /// Returns the address of the control interface.
    pub fn control(&self) -> SocketAddr {
        self.control
    }

    /// Returns the answer to `GET /carriers`.
    pub fn state(&self) -> SimulatorState {
        self.panel.state()
    }

    /// Returns a carrier's counts.
    pub fn counts(&self, carrier: SimulatedCarrier) -> CarrierCounts {
        self.panel.carriers[carrier.index()].carrier.counts()
    }

    /// Sets a fault; it is in effect when this returns.
    pub async fn set_fault(&self, carrier: SimulatedCarrier, fault: CarrierFault) -> std::io::Result<()> {
        self.panel.switch(carrier, fault).await
    }

    /// Stops the simulators and waits for their threads.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.send_replace(true);
        if let Some(Err(error)) = self.front.take().map(ArbiterThread::join) {
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
