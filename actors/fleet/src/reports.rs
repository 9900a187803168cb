//! Orders about a gateway's part in its fleet on their way to the thread, and what comes of them.

use std::path::PathBuf;
use std::sync::mpsc::SyncSender;

use serde::{Deserialize, Serialize};

use crate::Trouble;

/// An order that waits for the fleet's thread.
pub(crate) enum Order {
    /// To keep a copy of the registry there, and to join anew.
    Join(PathBuf, SyncSender<Result<Joined, Trouble>>),
    /// To make the stream anew.
    Refill(SyncSender<Result<Refilled, Trouble>>),
}

/// A gateway that has joined by a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Joined {
    /// The position in the stream that it was made at.
    pub position: u64,
    /// The number of people in the registry.
    pub people: u64,
    /// The length of the snapshot.
    pub bytes: u64,
    /// The time that it took.
    pub seconds: f64,
}

/// A gateway's place in the stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The gateway's name.
    pub name: String,
    /// Its position.
    pub position: u64,
}

/// A stream that was made anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refilled {
    /// The position behind which it goes on: this gateway's.
    pub position: u64,
    /// The other gateways that answered.
    pub others: Vec<Place>,
}
