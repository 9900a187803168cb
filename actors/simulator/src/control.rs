//! The control interface: plain HTTP on loopback, on its own port. `GET /carriers` shows each simulated carrier with its fault
//! and counts; `PUT /carriers/{id}/fault` sets a fault, which is sent to the carrier.

use std::sync::Arc;

use actix_web::{HttpResponse, web};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use super::carrier::{Carrier, CarrierCounts, Consents};
use super::fault::{CarrierFault, FaultOrder};
use super::numbers::SimulatedCarrier;

/// The most bytes of an order, which takes about 60.
pub(super) const ORDER_BYTES_MAX: usize = 1024;
/// A fault to set, with the sender for its result.
pub(super) struct Switch {
    pub(super) fault: CarrierFault,
    pub(super) done: oneshot::Sender<std::io::Result<()>>,
}

/// A carrier as the control interface sees it.
#[derive(Clone)]
pub(super) struct ControlledCarrier {
    pub(super) carrier: Arc<Carrier>,
    pub(super) url: String,
    pub(super) switches: mpsc::Sender<Switch>,
}

/// The control interface's carriers.
#[derive(Clone)]
pub(super) struct Panel {
    pub(super) carriers: Arc<Vec<ControlledCarrier>>,
    pub(super) consents: Arc<Consents>,
}

/// The answer to `GET /carriers`.
#[derive(Clone, Debug, Serialize)]
pub struct SimulatorState {
    /// The number of different consents in queries, over all carriers.
    pub consents: u64,
    pub carriers: Vec<CarrierState>,
}

/// A simulated carrier, as the control interface shows it.
#[derive(Clone, Debug, Serialize)]
pub struct CarrierState {
    /// The carrier's id.
    pub id: &'static str,
    /// The base address of its interface.
    pub url: String,
    /// The fault in effect.
    pub fault: CarrierFault,
    #[serde(flatten)]
    pub counts: CarrierCounts,
}

impl Panel {
    pub(super) fn state(&self) -> SimulatorState {
        let state = |controlled: &ControlledCarrier| CarrierState {
            id: controlled.carrier.which.id(),
            url: controlled.url.clone(),
            fault: controlled.carrier.fault(),
            counts: controlled.carrier.counts(),
        };
        SimulatorState {
            consents: self.consents.count(),
            carriers: self.carriers.iter().map(state).collect(),
        }
    }

    /// Sets a fault and waits until it is in effect.
    pub(super) async fn switch(&self, which: SimulatedCarrier, fault: CarrierFault) -> std::io::Result<()> {
        let ended = || std::io::Error::other("the simulated carrier has ended");
        let controlled = &self.carriers[which.index()];
        let (done, wait) = oneshot::channel();
        controlled.switches.send(Switch { fault, done }).await.map_err(|_| ended())?;
        wait.await.map_err(|_| ended())?
    }
}

#[derive(Serialize)]
struct Problem {
    error: String,
}

/// Adds the routes of the control interface.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/carriers", web::get().to(list)).route("/carriers/{id}/fault", web::put().to(put_fault));
}

async fn list(panel: web::Data<Panel>) -> HttpResponse {
    HttpResponse::Ok().json(panel.state())
}

async fn put_fault(panel: web::Data<Panel>, id: web::Path<String>, body: web::Bytes) -> HttpResponse {
    let problem = |error: String| Problem { error };
    let Some(which) = SimulatedCarrier::from_id(&id) else {
        return HttpResponse::NotFound().json(problem(format!("no simulated carrier is called {:?}", *id)));
    };
    let order = match serde_json::from_slice::<FaultOrder>(&body) {
        Ok(order) => order,
        Err(error) => return HttpResponse::BadRequest().json(problem(format!("not a fault: {error}"))),
    };
    let fault = match CarrierFault::read(&order) {
        Ok(fault) => fault,
        Err(error) => return HttpResponse::BadRequest().json(problem(error.to_string())),
    };
    match panel.switch(which, fault).await {
        Ok(()) => HttpResponse::Ok().json(fault),
        Err(error) => HttpResponse::InternalServerError().json(problem(error.to_string())),
    }
}
