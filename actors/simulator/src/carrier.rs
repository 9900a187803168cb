//! A running simulated carrier: its world, its fault, its signature checks and its counts. Its HTTPS interface is in `server`,
//! its page in `travel_page`.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use actix_web::HttpRequest;
use runtime::lock::lock;
use serde::Serialize;

use super::fault::{CarrierFault, Latency};
use super::numbers::SimulatedCarrier;
use super::subscriber::World;
use super::wire::{self, RequestVerifier, SignatureError, SignatureHeaders};

/// The most consents that are told apart; beyond this the count stays the same.
const CONSENTS_MAX: usize = 1 << 20;

/// The consents that queries named, over all carriers. A query that goes on to the next carrier names the same consent.
#[derive(Default)]
pub(super) struct Consents(Mutex<HashSet<String>>);

impl Consents {
    pub(super) fn note(&self, consent: &str) {
        let mut consents = lock(&self.0);
        if consents.len() < CONSENTS_MAX && !consents.contains(consent) {
            consents.insert(consent.to_owned());
        }
    }

    pub(super) fn count(&self) -> u64 {
        lock(&self.0).len() as u64
    }
}

/// Counts since the start.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) queries: AtomicU64,
    pub(super) probes: AtomicU64,
    pub(super) refused_signatures: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) faulted: AtomicU64,
    pub(super) followed: AtomicU64,
    pub(super) connections: AtomicU64,
    pub(super) latest: AtomicU64,
}

/// A carrier's counts, as the control interface shows them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct CarrierCounts {
    /// Queries with a valid signature, a made-up number and a consent.
    pub queries: u64,
    /// Probes of the reserved number.
    pub probes: u64,
    /// Requests with a wrong, expired or repeated signature.
    pub refused_signatures: u64,
    /// Requests with a valid signature that were refused: a real number, no consent, or an unreadable body.
    pub refused: u64,
    /// Queries and probes that a fault changed.
    pub faulted: u64,
    /// Redirects that a client followed; a correct client follows none.
    pub followed: u64,
}

/// A running simulated carrier.
pub(super) struct Carrier {
    pub(super) which: SimulatedCarrier,
    pub(super) world: Arc<World>,
    pub(super) seed: u64,
    pub(super) latency: Latency,
    pub(super) consents: Arc<Consents>,
    gate: Mutex<RequestVerifier>,
    fault: Mutex<CarrierFault>,
    pub(super) counts: Counts,
}

impl Carrier {
    pub(super) fn new(
        which: SimulatedCarrier,
        (seed, world): (u64, Arc<World>),
        latency: Latency,
        consents: Arc<Consents>,
        gate: RequestVerifier,
    ) -> Self {
        let (gate, fault) = (Mutex::new(gate), Mutex::new(CarrierFault::NONE));
        Self { which, world, seed, latency, consents, gate, fault, counts: Counts::default() }
    }

    pub(super) fn fault(&self) -> CarrierFault {
        *lock(&self.fault)
    }

    pub(super) fn set_fault(&self, fault: CarrierFault) {
        *lock(&self.fault) = fault;
    }

    pub(super) fn counts(&self) -> CarrierCounts {
        let Counts { queries, probes, refused_signatures, refused, faulted, followed, .. } = &self.counts;
        let [queries, probes, refused_signatures, refused, faulted, followed] =
            [queries, probes, refused_signatures, refused, faulted, followed]
                .map(|count| count.load(Ordering::Acquire));
        CarrierCounts { queries, probes, refused_signatures, refused, faulted, followed }
    }

    /// Admits a query whose signature is valid and new; returns its request id.
    pub(super) fn admit(
        &self,
        request: &HttpRequest,
        body: &[u8],
        now_s: u64,
    ) -> Result<String, SignatureError> {
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
        let signed = SignatureHeaders {
            date: header(wire::DATE),
            request: header(wire::REQUEST),
            signature: header(wire::SIGNATURE),
        };
        let mut gate = lock(&self.gate);
        gate.admit(&signed, body, now_s).map(|()| signed.request.to_owned())
    }
}

/// Increments a counter and returns the value before.
pub(super) fn count(counter: &AtomicU64) -> u64 {
    counter.fetch_add(1, Ordering::AcqRel)
}
