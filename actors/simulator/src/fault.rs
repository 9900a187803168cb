//! Faults of a simulated carrier, and how long a healthy one takes. Faults are read once, from an order; which
//! request is hit follows from its number. Doing what a fault says is the server's.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::draws::scramble;

/// A fault that holds a request longer is `down`.
const HOLD_MS_MAX: u64 = 600_000;
const SLOW_MS: u64 = 5_000;
const HANG_MS: u64 = 60_000;
const STATUS: u16 = 503;
const RETRY_AFTER_S: u32 = 2;

/// Which fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// Healthy.
    None,
    /// Connections are refused.
    Down,
    /// Nothing is said for `ms`, then 504.
    Hang,
    /// The right answer, `ms` later.
    Slow,
    /// An answer with `status`, and `Retry-After` with 429 and 503.
    Status,
    /// A web page with 200.
    Garbage,
    /// JSON of a great depth.
    Deep,
    /// 100 MB.
    Huge,
    /// An answer about somebody else.
    AnotherNumber,
    /// An answer to another request.
    AnotherRequest,
    /// Days that were not asked for.
    OutsideWindow,
    /// A division that does not exist.
    UnknownArea,
    /// Sends the client elsewhere.
    Redirect,
    /// The certificate of another host.
    WrongName,
}

impl FaultKind {
    /// Every one.
    pub const ALL: [Self; 14] = [
        Self::None,
        Self::Down,
        Self::Hang,
        Self::Slow,
        Self::Status,
        Self::Garbage,
        Self::Deep,
        Self::Huge,
        Self::AnotherNumber,
        Self::AnotherRequest,
        Self::OutsideWindow,
        Self::UnknownArea,
        Self::Redirect,
        Self::WrongName,
    ];

    /// The name in orders.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Down => "down",
            Self::Hang => "hang",
            Self::Slow => "slow",
            Self::Status => "status",
            Self::Garbage => "garbage",
            Self::Deep => "deep",
            Self::Huge => "huge",
            Self::AnotherNumber => "another-number",
            Self::AnotherRequest => "another-request",
            Self::OutsideWindow => "outside-window",
            Self::UnknownArea => "unknown-area",
            Self::Redirect => "redirect",
            Self::WrongName => "wrong-name",
        }
    }

    /// The one with that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Says whether it shows before a request is read.
    pub(super) const fn is_of_connections(self) -> bool {
        match self {
            Self::Down | Self::WrongName => true,
            Self::None
            | Self::Hang
            | Self::Slow
            | Self::Status
            | Self::Garbage
            | Self::Deep
            | Self::Huge
            | Self::AnotherNumber
            | Self::AnotherRequest
            | Self::OutsideWindow
            | Self::UnknownArea
            | Self::Redirect => false,
        }
    }
}

/// The orders of the control interface.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultOrder {
    /// Which.
    pub kind: FaultKind,
    /// For `slow` and `hang`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    /// For `status`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The share of requests, or of connections, that it hits; without it all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
}

/// Why an order is no fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// Out of its range.
    #[error("ms is at most {HOLD_MS_MAX}")]
    TooLong,
    /// Not a status of an error.
    #[error("status is from 400 to 599")]
    Status,
    /// Not a share.
    #[error("share is above 0 and at most 1")]
    Share,
}

/// An order that was checked.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Fault {
    /// Which.
    pub kind: FaultKind,
    /// The time that requests are held.
    pub ms: u64,
    /// The answer of `status`.
    pub status: u16,
    /// The share that is hit.
    pub share: f64,
}

impl Fault {
    /// Healthy.
    pub const NONE: Self = Self { kind: FaultKind::None, ms: 0, status: STATUS, share: 1.0 };

    /// One that hits everything, with the usual figures.
    pub fn of(kind: FaultKind) -> Self {
        let ms = match kind {
            FaultKind::Hang => HANG_MS,
            FaultKind::Slow => SLOW_MS,
            FaultKind::None
            | FaultKind::Down
            | FaultKind::Status
            | FaultKind::Garbage
            | FaultKind::Deep
            | FaultKind::Huge
            | FaultKind::AnotherNumber
            | FaultKind::AnotherRequest
            | FaultKind::OutsideWindow
            | FaultKind::UnknownArea
            | FaultKind::Redirect
            | FaultKind::WrongName => 0,
        };
        Self { kind, ms, ..Self::NONE }
    }

    /// Checks an order.
    pub fn read(order: &FaultOrder) -> Result<Self, FaultError> {
        let usual = Self::of(order.kind);
        let fault = Self {
            kind: order.kind,
            ms: order.ms.unwrap_or(usual.ms),
            status: order.status.unwrap_or(usual.status),
            share: order.share.unwrap_or(usual.share),
        };
        if fault.ms > HOLD_MS_MAX {
            return Err(FaultError::TooLong);
        }
        if !(400..=599).contains(&fault.status) {
            return Err(FaultError::Status);
        }
        if !(fault.share > 0.0 && fault.share <= 1.0) {
            return Err(FaultError::Share);
        }
        Ok(fault)
    }

    /// Says whether it hits the request, or the connection, with that number.
    pub(super) fn hits(&self, number: u64) -> bool {
        self.share >= 1.0 || unit(scramble(number)) < self.share
    }

    /// Says how long a client is told to wait, with the two statuses that say so.
    pub(super) const fn retry_after_s(&self) -> Option<u32> {
        match self.status {
            429 | 503 => Some(RETRY_AFTER_S),
            _ => None,
        }
    }
}

/// The time that a carrier takes when nothing is wrong: log-normal, cut off. Long tails are what real ones have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latency {
    /// Half of the answers are quicker; 0 answers at once.
    pub median_ms: u32,
    /// The spread, of the logarithm.
    pub sigma: f64,
    /// No answer takes longer.
    pub max_ms: u32,
}

impl Latency {
    /// At once.
    pub const NONE: Self = Self { median_ms: 0, sigma: 0.0, max_ms: 0 };

    /// That of the request with that number.
    pub(super) fn of(&self, seed: u64, number: u64) -> Duration {
        let draw = scramble(seed ^ scramble(number));
        // Two uniform draws make a normal one (Box and Muller).
        let (first, second) = (1.0 - unit(draw), unit(scramble(draw)));
        let normal = (-2.0 * first.ln()).sqrt() * (std::f64::consts::TAU * second).cos();
        let ms = f64::from(self.median_ms) * (self.sigma * normal).exp();
        Duration::from_millis(ms.min(f64::from(self.max_ms)) as u64)
    }
}

/// From 0 to less than 1.
fn unit(draw: u64) -> f64 {
    (draw >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_faults_are_those_of_their_json() {
        for kind in FaultKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
            assert_eq!(FaultKind::from_name(kind.name()), Some(kind));
        }
    }

    #[test]
    fn orders_out_of_range_are_refused() {
        let order = |text: &str| Fault::read(&serde_json::from_str::<FaultOrder>(text).unwrap());
        assert_eq!(order(r#"{"kind":"slow","ms":600001}"#), Err(FaultError::TooLong));
        assert_eq!(order(r#"{"kind":"status","status":200}"#), Err(FaultError::Status));
        assert_eq!(order(r#"{"kind":"slow","share":0}"#), Err(FaultError::Share));
        assert_eq!(order(r#"{"kind":"slow","share":1.1}"#), Err(FaultError::Share));
        assert_eq!(order(r#"{"kind":"slow"}"#).unwrap().ms, SLOW_MS);
        assert!(serde_json::from_str::<FaultOrder>(r#"{"kind":"slow","sec":3}"#).is_err());
    }

    #[test]
    fn a_share_of_requests_is_hit() {
        let fault = Fault { share: 0.3, ..Fault::of(FaultKind::Garbage) };
        let hit = (0..10_000).filter(|&number| fault.hits(number)).count();
        assert!((2_800..3_200).contains(&hit), "{hit}");
    }

    #[test]
    fn latencies_have_their_median_a_tail_and_an_end() {
        let latency = Latency { median_ms: 400, sigma: 0.6, max_ms: 3_000 };
        let mut all: Vec<_> = (0..10_000).map(|number| latency.of(7, number).as_millis()).collect();
        all.sort_unstable();
        assert!((380..420).contains(&all[5_000]), "{}", all[5_000]);
        assert!(all[9_900] > 3 * all[5_000], "{}", all[9_900]);
        assert_eq!(all.last(), Some(&3_000));
        assert_eq!(Latency::NONE.of(7, 1), Duration::ZERO);
    }
}
