//! The limits of the protocol, each with its reason. `Welcome` tells a device those that depend on its class.

use crate::ids::DeviceClass;
use crate::receipt::RECEIPT_BYTES;

/// A frame's body. Fits 1,024 punches of tokens, and bounds the memory that a hostile peer can occupy.
pub const FRAME_BODY_BYTES_MAX: usize = 64 * 1024;
/// Punches in one `PunchBatch` and scans in one `Verify`: a power of two that fits a body if all of them are tokens.
pub const BATCH_PUNCHES_MAX: usize = 1024;
/// Verdicts in one `Verdicts`: one run may answer several batches.
pub const VERDICTS_PER_FRAME_MAX: usize = 8192;
/// A scanned text: no QR code holds more (version 40, low correction, alphanumeric).
pub const SCANNED_TEXT_BYTES_MAX: usize = 4296;
/// The text of an `Error`.
pub const ERROR_TEXT_BYTES_MAX: usize = 256;
/// Gateways of one city in a `Gateways`: more than a fleet has.
pub const GATEWAYS_MAX: usize = 32;
/// The address of one of them: the longest name of the DNS has 253 bytes, and a port takes six.
pub const GATEWAY_ADDRESS_BYTES_MAX: usize = 260;
/// The validity of a person token after its issue …
pub const TOKEN_GOOD_FOR_S: u32 = 60;
/// … and the tolerance in both directions for the clocks of the phone and the gateway.
pub const TOKEN_SKEW_S: u32 = 30;

/// The handshake's deadline, counted from the first datagram.
pub const HANDSHAKE_MS_MAX: u64 = 10_000;
/// The time from the first byte of a frame to its last.
pub const FRAME_MS_MAX: u64 = 5_000;
/// The time from the handshake to a complete `Hello`.
pub const HELLO_MS_MAX: u64 = 10_000;
/// The idle timeout of a connection; devices ping three times as often.
pub const IDLE_MS_MAX: u64 = 30_000;
/// Trajectory queries of a device in progress, each on a stream of its own: one citizen at each of a few gates.
pub const QUERY_STREAMS: u32 = 4;
/// Open streams of a device: the first stream and the queries' streams. Enforced by the transport.
pub const BIDI_STREAMS_MAX: u32 = 1 + QUERY_STREAMS;
/// The bytes that a device may send on a query's stream: one frame of 47 bytes, with space for a longer query in the future.
pub const QUERY_BYTES_MAX: usize = 256;
/// The time from a trajectory query to its answer, which may be `TimedOut`; longer than the deadlines of all carriers together.
pub const QUERY_MS_MAX: u64 = 10_000;
/// Areas in one `TrajectoryAnswer`: four cities a day for 14 days, and a few more.
pub const AREAS_MAX: usize = 64;
/// The lead of an epoch, read as seconds since 1970, over the gateway's clock: ten years. No working clock is further off. The limit
/// keeps a device from taking the highest epoch, after which there is no higher one.
pub const EPOCH_AHEAD_S_MAX: u32 = 10 * 365 * 86_400;
/// The lead of a device's acknowledged sequence over the recorded one: ten years of a concentrator with a thousand people a second. The
/// loss of a whole log stays below it, and sums do not overflow.
pub const ACKNOWLEDGED_AHEAD_MAX: u64 = 10 * 365 * 86_400 * 1_000;
/// The receive window of a connection whose device's class is not known yet.
pub const RECEIVE_WINDOW_BYTES_NEW: u32 = 32 * 1024;
/// The receive window of a stream: large, so that the connection's window is the limit.
pub const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;

/// Returns the maximum number of unacknowledged punches of a device of this class. The gateway remembers as many verdicts per device.
pub const fn window_punches_max(class: DeviceClass) -> u32 {
    match class {
        DeviceClass::Gate | DeviceClass::Handheld => 64,
        DeviceClass::Portal => 4096,
        DeviceClass::Concentrator => 16 * 1024,
    }
}

/// Returns the receive window of a connection whose device has this class.
pub const fn receive_window_bytes(class: DeviceClass) -> u32 {
    match class {
        DeviceClass::Gate | DeviceClass::Handheld => RECEIVE_WINDOW_BYTES_NEW,
        DeviceClass::Portal | DeviceClass::Concentrator => STREAM_WINDOW_BYTES,
    }
}

const _: () = {
    assert!(VERDICTS_PER_FRAME_MAX * 4 + 64 <= FRAME_BODY_BYTES_MAX);
    assert!(BATCH_PUNCHES_MAX <= VERDICTS_PER_FRAME_MAX);
    // tag, token, direction, place, device time, offline decision, and the batch's own fields
    assert!(BATCH_PUNCHES_MAX * (1 + 18 + 1 + 4 + 8 + 3) + 64 <= FRAME_BODY_BYTES_MAX);
    assert!(SCANNED_TEXT_BYTES_MAX < FRAME_BODY_BYTES_MAX / 8);
    assert!(RECEIVE_WINDOW_BYTES_NEW <= STREAM_WINDOW_BYTES);
    assert!(HANDSHAKE_MS_MAX < IDLE_MS_MAX);
    // header, region, receipt, checksum
    assert!(10 + 2 + RECEIPT_BYTES + 4 <= QUERY_BYTES_MAX);
    assert!(QUERY_MS_MAX < IDLE_MS_MAX);
    assert!(GATEWAYS_MAX * (4 + GATEWAY_ADDRESS_BYTES_MAX) + 4 <= FRAME_BODY_BYTES_MAX);
};
