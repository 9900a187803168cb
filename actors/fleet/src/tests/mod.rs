//! Gateways of a fleet over a real `nats-server`, each with its registry and registrar; the network between them can be held up.

mod broker;
mod calls;
mod copy;
mod envelope;
mod faults;
mod following;
mod gateway;
mod lease;
mod peers;
mod punches;
mod refill;
mod roster;
mod snapshots;
