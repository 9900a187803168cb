//! Frames that a gateway refuses, each with the number of the error it answers.

use protocol::frame::write_request;
use protocol::message::Ping;
use protocol::{ErrorCode, Request, RequestId};
use serde_json::{Value, json};

/// Builds a frame of any type and body with a correct length and checksum.
pub(crate) fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![1, kind, 1, 0, 0, 0];
    bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
    bytes.extend_from_slice(body);
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

/// Returns the refused frames: name, bytes, and the error of the answer.
pub(crate) fn cases() -> Vec<(&'static str, Vec<u8>, ErrorCode)> {
    let mut good = Vec::new();
    write_request(RequestId(1), &Request::Ping(Ping { device_time_ms: 1 }), &mut good).unwrap();
    let changed = |at: usize, to: u8| {
        let mut bytes = good.clone();
        bytes[at] = to;
        bytes
    };
    let punch = |scanned: &[u8], direction: u8, option: u8| {
        let mut body = vec![1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
        body.extend_from_slice(scanned);
        body.push(direction);
        body.extend_from_slice(&[0; 12]);
        body.push(option);
        frame(3, &body)
    };
    let verify = |scanned: &[u8]| frame(2, &[&[1, 0, 1, 0, 0, 0], scanned].concat());
    vec![
        ("version 0", changed(0, 0), ErrorCode::UnsupportedVersion),
        ("version 2", changed(0, 2), ErrorCode::UnsupportedVersion),
        ("length over the limit", changed(8, 2), ErrorCode::TooLarge),
        ("wrong checksum", changed(17, 9), ErrorCode::BadChecksum),
        ("type 0", frame(0, &[]), ErrorCode::UnknownType),
        ("type kept for later", frame(6, &[]), ErrorCode::UnknownType),
        ("an answer as request", frame(135, &[0; 16]), ErrorCode::UnknownType),
        ("body too short", frame(4, &[0; 7]), ErrorCode::BadBody),
        ("trailing byte", frame(4, &[0; 9]), ErrorCode::BadBody),
        ("empty body", frame(1, &[]), ErrorCode::BadBody),
        ("list over the limit", frame(2, &[1, 0, 1, 4, 0, 0]), ErrorCode::BadBody),
        ("list without items", frame(2, &[1, 0, 1, 0, 0, 0]), ErrorCode::BadBody),
        ("unknown kind of scan", verify(&[5]), ErrorCode::BadBody),
        ("kind of scan 0", verify(&[0]), ErrorCode::BadBody),
        ("text is not utf-8", verify(&[2, 1, 0, 0xff]), ErrorCode::BadBody),
        ("text over the limit", verify(&[2, 0xc9, 0x10]), ErrorCode::BadBody),
        ("code 0", verify(&[3, 0, 0, 0, 0, 0, 0, 0, 0]), ErrorCode::BadBody),
        ("code over 63 bits", verify(&[3, 0, 0, 0, 0, 0, 0, 0, 0x80]), ErrorCode::BadBody),
        ("direction 0", punch(&[4], 0, 0), ErrorCode::BadBody),
        ("direction 4", punch(&[4], 4, 0), ErrorCode::BadBody),
        ("option 2", punch(&[4], 1, 2), ErrorCode::BadBody),
        ("receipt too short", frame(5, &[1; 32]), ErrorCode::BadBody),
        ("receipt too long", frame(5, &[1; 34]), ErrorCode::BadBody),
    ]
}

/// Returns the content of the vector file.
pub(crate) fn vectors() -> Value {
    let one = |(name, bytes, code): &(&str, Vec<u8>, ErrorCode)| json!({"name": name, "error": code.number(), "hex": hex::encode(bytes)});
    json!({"vectors": cases().iter().map(one).collect::<Vec<_>>()})
}
