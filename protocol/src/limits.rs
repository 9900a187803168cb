//! Every limit of the wire, with its reason. A device learns those that concern it from `Welcome`.

use crate::ids::DeviceClass;
use crate::receipt::RECEIPT_BYTES;

/// A frame's body. Fits 1,024 punches of tokens, and keeps what a hostile peer can make us hold small.
pub const FRAME_BODY_BYTES_MAX: usize = 64 * 1024;
/// Punches in one `PunchBatch` and scans in one `Verify`: the largest that fits a body of tokens.
pub const BATCH_PUNCHES_MAX: usize = 1024;
/// Verdicts in one `Verdicts`: several batches are answered in one run.
pub const VERDICTS_PER_FRAME_MAX: usize = 8192;
/// A scanned text: no QR code holds more (version 40, low correction, alphanumeric).
pub const SCANNED_TEXT_BYTES_MAX: usize = 4296;
/// The text of an `Error`.
pub const ERROR_TEXT_BYTES_MAX: usize = 256;
/// A person token is good for this long after it was issued …
pub const TOKEN_GOOD_FOR_S: u32 = 60;
/// … give or take the clocks between a phone and the gateway.
pub const TOKEN_SKEW_S: u32 = 30;

/// The handshake's deadline, counted from the first datagram.
pub const HANDSHAKE_MS_MAX: u64 = 10_000;
/// A frame that has begun must have arrived after this long.
pub const FRAME_MS_MAX: u64 = 5_000;
/// `Hello` must have arrived after this long.
pub const HELLO_MS_MAX: u64 = 10_000;
/// A connection that says nothing for this long is closed; devices ping three times as often.
pub const IDLE_MS_MAX: u64 = 30_000;
/// Trajectory queries that a device may have under way, each on a stream of its own: one citizen at each of a few gates.
pub const QUERY_STREAMS: u32 = 4;
/// Streams that a device may have open: the long one, and queries beside it. The transport holds a device to it.
pub const BIDI_STREAMS_MAX: u32 = 1 + QUERY_STREAMS;
/// The bytes that a device may send on a query's stream: one frame of 47 bytes, and room for a later kind of query.
pub const QUERY_BYTES_MAX: usize = 256;
/// A trajectory query is answered within this long, if only with "not in time": all carriers together have less.
pub const QUERY_MS_MAX: u64 = 10_000;
/// Areas in one `TrajectoryAnswer`: four cities a day for 14 days, and a few more.
pub const AREAS_MAX: usize = 64;
/// The time by which an epoch may lie ahead of the gateway's clock, in seconds since 1970: ten years. No working clock is so wrong, and a device
/// that took the highest there is could never take a higher one.
pub const EPOCH_AHEAD_S_MAX: u32 = 10 * 365 * 86_400;
/// The number of acknowledgements a device may hold above what the log has of its epoch: ten years of a concentrator's thousand people a
/// second. A log that is lost as a whole is not more, and sums of it stay far from where numbers end.
pub const ACKNOWLEDGED_AHEAD_MAX: u64 = 10 * 365 * 86_400 * 1_000;
/// The bytes that a connection may have in flight towards the gateway before its device's class is known.
pub const RECEIVE_WINDOW_BYTES_NEW: u32 = 32 * 1024;
/// A stream's window: large, the connection's window is what binds.
pub const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;

/// Punches that a device of this class may have unacknowledged. The gateway remembers as many verdicts of each device.
pub const fn window_punches_max(class: DeviceClass) -> u32 {
    match class {
        DeviceClass::Gate | DeviceClass::Handheld => 64,
        DeviceClass::Portal => 4096,
        DeviceClass::Concentrator => 16 * 1024,
    }
}

/// Says what a connection may have in flight towards the gateway once its device's class is known.
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
};
