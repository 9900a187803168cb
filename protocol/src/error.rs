//! The error table: for each error a number (in `Error` frames and as QUIC application close code), a name, a text, whether a
//! retry can succeed, and the action to take. Numbers are never reused.

macro_rules! errors {
    ($($(#[$meta:meta])* $variant:ident = $number:literal, $name:literal, $retry:literal, $text:literal, $action:literal;)+) => {
        /// The reason for refusing a request or a connection. An unknown number counts as not retryable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum ErrorCode { $(#[doc = $text] $variant = $number,)+ }

        impl ErrorCode {
            /// Every error, in the order of its number.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// Returns the number on the wire.
            pub const fn number(self) -> u16 {
                self as u16
            }
            /// Returns the position in [`Self::ALL`], from 0: an index for arrays with one element per error.
            pub const fn index(self) -> usize {
                enum Position { $($variant,)+ }
                match self { $(Self::$variant => Position::$variant as usize,)+ }
            }
            /// Returns the error with that number; `None` for an unknown number.
            pub const fn from_number(number: u16) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)+ _ => None }
            }
            /// Returns the name used in metrics and logs.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
            /// Describes the error in one sentence without personal data.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
            /// Reports whether the same request can succeed later.
            pub const fn retryable(self) -> bool {
                match self { $(Self::$variant => $retry,)+ }
            }
            /// Returns the action for the device or its operator.
            pub const fn action(self) -> &'static str {
                match self { $(Self::$variant => $action,)+ }
            }
        }
    };
}

errors! {
    Internal = 1, "internal", true, "the gateway failed to serve this request", "send it again after the back-off";
    BadFrame = 2, "bad-frame", false, "the bytes are not a frame", "check the frame layout against the specification";
    UnsupportedVersion = 3, "unsupported-version", false, "the frame's version is not supported", "update the device's software";
    UnknownType = 4, "unknown-type", false, "the frame's type is not a request", "send only the requests of the specification";
    BadBody = 5, "bad-body", false, "the body does not decode as the frame's type", "check the body layout, its limits and trailing bytes";
    TooLarge = 6, "too-large", false, "the frame is longer than the limit", "send smaller batches";
    BadChecksum = 7, "bad-checksum", false, "the frame's checksum does not match", "check the checksum's algorithm (CRC-32C) and coverage";
    HelloExpected = 8, "hello-expected", false, "the first frame must be Hello", "send Hello first";
    HelloTwice = 9, "hello-twice", false, "Hello was already sent on this connection", "send Hello once on each connection";
    DeviceUnknown = 10, "device-unknown", false, "the certificate names no registered device", "enrol the device";
    DeviceRevoked = 11, "device-revoked", false, "the device or its certificate was revoked", "ask an operator, then enrol again";
    CertificateWrong = 12, "certificate-wrong", false, "the certificate does not name exactly one device", "enrol the device again";
    RegionDenied = 13, "region-denied", false, "the device has no right to this region", "ask an operator to assign the region";
    PlaceDenied = 14, "place-denied", false, "the device has no right to this place, or the place lies in another region", "ask an operator to assign the place";
    EpochBehind = 15, "epoch-behind", false, "the device has already used a higher epoch", "take an epoch above the one in detail";
    SequenceInvalid = 16, "sequence-invalid", false, "sequences start at 1 and cannot wrap", "number punches 1, 2, 3 … and start a new epoch when they run out";
    WindowExceeded = 17, "window-exceeded", false, "more punches are unacknowledged than Welcome allows", "keep within the window of Welcome";
    FrameTooSlow = 18, "frame-too-slow", true, "a frame began and did not arrive in time", "connect again, send whole frames";
    HelloTooSlow = 19, "hello-too-slow", true, "Hello did not arrive in time", "connect again, send Hello at once";
    Replaced = 20, "replaced", false, "a newer connection of the same device took over", "keep one connection for each device";
    Draining = 21, "draining", true, "the gateway is shutting down", "connect again after the back-off";
    LedgerDown = 22, "ledger-down", true, "the punch log cannot accept records", "connect again after the back-off";
    TooManyConnections = 23, "too-many-connections", true, "the gateway has its maximum number of connections", "connect again after the back-off";
    ScanDenied = 24, "scan-denied", false, "this class of device may not send signed-in scans", "send what was scanned";
    EmptyFlood = 25, "empty-flood", false, "too many requests carried nothing", "send batches with punches in them";
    ReceiptBad = 26, "receipt-bad", false, "not a consent receipt of this city, or not one for a query at a checkpoint", "scan the receipt on the citizen's page";
    ReceiptExpired = 27, "receipt-expired", false, "the consent receipt has expired", "ask the citizen to authorise the query anew";
    ReceiptUsed = 28, "receipt-used", false, "the consent was used or withdrawn", "ask the citizen to authorise the query anew";
    QueryDenied = 29, "query-denied", false, "this class of device may not query trajectories", "send the query from a device with a display for staff";
    WrongStream = 30, "wrong-stream", false, "the request does not belong on this stream", "send one trajectory query on a stream of its own, everything else on the first stream";
    NumberUsed = 31, "number-used", false, "a number was already used for another punch, or for one that the log no longer holds", "take a higher epoch and send everything without an acknowledgement in it";
    EpochAhead = 32, "epoch-ahead", false, "the epoch is too far ahead of the gateway's clock", "take an epoch above those used and not above the one in detail";
    AcknowledgedAhead = 33, "acknowledged-ahead", false, "the acknowledged sequence is too far above the recorded one", "take a higher epoch and send everything without an acknowledgement in it";
    RefusalFlood = 34, "refusal-flood", false, "too many requests in a row were refused", "handle the errors that were answered before sending more";
    StreamBroken = 35, "stream-broken", true, "the device reset or stopped the first stream", "keep the first stream open, end it only after the last punch";
    AnswersNotTaken = 36, "answers-not-taken", true, "the device did not take its answers in time", "read answers while sending requests";
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}; {}", self.name(), self.text(), self.action())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_never_zero_and_read_back() {
        for pair in ErrorCode::ALL.windows(2) {
            assert!(pair[0].number() < pair[1].number());
        }
        for code in ErrorCode::ALL {
            assert_ne!(code.number(), 0);
            assert_eq!(ErrorCode::from_number(code.number()), Some(*code));
        }
    }
}
