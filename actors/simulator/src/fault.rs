//! Faults of a simulated carrier, and its latency without one. An order is parsed once; the request's number decides whether a
//! fault hits it. `server` carries faults out.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::draws::scramble;

/// The longest delay: a carrier that is slower counts as `down`.
const HOLD_MS_MAX: u64 = 600_000;
const SLOW_MS: u64 = 5_000;
const HANG_MS: u64 = 60_000;
const STATUS: u16 = 503;
const RETRY_AFTER_S: u32 = 2;

protocol::numbered! {
    /// The kinds of faults.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    pub enum FaultKind {
        /// No fault.
        None = 1 => "none",
        /// Connections are refused.
        Down = 2 => "down",
        /// No answer for `ms`, then 504.
        Hang = 3 => "hang",
        /// The right answer, after `ms` more.
        Slow = 4 => "slow",
        /// An error with `status`, and `Retry-After` with 429 and 503.
        Status = 5 => "status",
        /// An HTML page with status 200.
        Garbage = 6 => "garbage",
        /// Deeply nested JSON.
        Deep = 7 => "deep",
        /// A body of 100 MB.
        Huge = 8 => "huge",
        /// An answer about another number.
        AnotherNumber = 9 => "another-number",
        /// An answer with another request's id.
        AnotherRequest = 10 => "another-request",
        /// Days outside the requested window.
        OutsideWindow = 11 => "outside-window",
        /// A division code that does not exist.
        UnknownArea = 12 => "unknown-area",
        /// A redirect.
        Redirect = 13 => "redirect",
        /// A certificate for another host.
        WrongName = 14 => "wrong-name",
    }
}

impl FaultKind {
    /// Returns whether the fault hits connections rather than requests.
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

/// An order to the control interface.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultOrder {
    /// The kind of fault.
    pub kind: FaultKind,
    /// The delay in milliseconds, for `slow` and `hang`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    /// The HTTP status, for `status`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The share of requests, or of connections, that the fault hits; all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
}

/// Errors of [`CarrierFault::read`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// `ms` is too large.
    #[error("ms is at most {HOLD_MS_MAX}")]
    TooLong,
    /// `status` is not an error status.
    #[error("status is from 400 to 599")]
    Status,
    /// `share` is out of range.
    #[error("share is above 0 and at most 1")]
    Share,
}

/// A valid order.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CarrierFault {
    /// The kind of fault.
    pub kind: FaultKind,
    /// The delay in milliseconds.
    pub ms: u64,
    /// The HTTP status of [`FaultKind::Status`].
    pub status: u16,
    /// The share of requests or connections that is hit, above 0 and at most 1.
    pub share: f64,
}

impl CarrierFault {
    /// No fault.
    pub const NONE: Self = Self { kind: FaultKind::None, ms: 0, status: STATUS, share: 1.0 };

    /// Returns the fault with default values, which hits everything.
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

    /// Validates an order.
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

    /// Returns whether the fault hits the request or connection with this number.
    pub(super) fn hits(&self, number: u64) -> bool {
        self.share >= 1.0 || unit(scramble(number)) < self.share
    }

    /// Returns the value of `Retry-After`, for the two statuses that have it.
    pub(super) const fn retry_after_s(&self) -> Option<u32> {
        match self.status {
            429 | 503 => Some(RETRY_AFTER_S),
            _ => None,
        }
    }
}

/// The latency of a carrier without a fault: log-normal with an upper limit, because real carriers have long tails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latency {
    /// The median in milliseconds; 0 answers at once.
    pub median_ms: u32,
    /// The standard deviation of the logarithm.
    pub sigma: f64,
    /// The upper limit in milliseconds.
    pub max_ms: u32,
}

impl Latency {
    /// No latency.
    pub const NONE: Self = Self { median_ms: 0, sigma: 0.0, max_ms: 0 };

    /// Returns the latency of the request with this number.
    pub(super) fn of(&self, seed: u64, number: u64) -> Duration {
        let draw = scramble(seed ^ scramble(number));
        // Box-Muller: two uniform draws make a normal one.
        let (first, second) = (1.0 - unit(draw), unit(scramble(draw)));
        let normal = (-2.0 * first.ln()).sqrt() * (std::f64::consts::TAU * second).cos();
        let ms = f64::from(self.median_ms) * (self.sigma * normal).exp();
        Duration::from_millis(ms.min(f64::from(self.max_ms)) as u64)
    }
}

/// Maps a draw to [0, 1).
fn unit(draw: u64) -> f64 {
    (draw >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_faults_are_those_of_their_json() {
        for &kind in FaultKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
            assert_eq!(FaultKind::from_name(kind.name()), Some(kind));
        }
    }

    #[test]
    fn orders_out_of_range_are_refused() {
        let order = |text: &str| CarrierFault::read(&serde_json::from_str::<FaultOrder>(text).unwrap());
        assert_eq!(order(r#"{"kind":"slow","ms":600001}"#), Err(FaultError::TooLong));
        assert_eq!(order(r#"{"kind":"status","status":200}"#), Err(FaultError::Status));
        assert_eq!(order(r#"{"kind":"slow","share":0}"#), Err(FaultError::Share));
        assert_eq!(order(r#"{"kind":"slow","share":1.1}"#), Err(FaultError::Share));
        assert_eq!(order(r#"{"kind":"slow"}"#).unwrap().ms, SLOW_MS);
        assert!(serde_json::from_str::<FaultOrder>(r#"{"kind":"slow","sec":3}"#).is_err());
    }

    #[test]
    fn a_share_of_requests_is_hit() {
        let fault = CarrierFault { share: 0.3, ..CarrierFault::of(FaultKind::Garbage) };
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
