//! Checkpoint devices at the QUIC port: certificates, punches, trajectory queries, bad networks and hostile peers.

mod certificates;
mod enrolment;
mod flows;
mod foreign;
mod fronts;
mod hostile;
mod impaired;
mod query_streams;
mod trajectory_quic;
