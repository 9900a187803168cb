//! What the network does to packets.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens to packets on the way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Conditions {
    /// Share of packets lost.
    pub loss: f64,
    /// Share delivered twice.
    pub duplicate: f64,
    /// Share with one bit flipped.
    pub corrupt: f64,
    /// Share held back so that later ones overtake it.
    pub reorder: f64,
    /// Every packet takes so long, milliseconds.
    pub delay_ms: u32,
    /// And up to this much longer, milliseconds.
    pub jitter_ms: u32,
    /// Nothing gets through.
    pub partition: bool,
}
