//! Fuzz targets: one function for each kind of bytes that come from outside (frames, bodies, tokens, segments, carriers' answers, holders'
//! files, policies). A target panics if a reader breaks its promise; a reader never panics. Compiled for tests and for the fuzzer in
//! `actors/fuzz` only.

#[cfg(test)]
mod tests;

use std::path::Path;

use policy::Policy;
use protocol::legacy::LegacyKey;
use protocol::message::{Answer, Request};
use protocol::place::PlaceCode;
use protocol::receipt::{self, Receipt};
use protocol::token::{self, TOKEN_BYTES, Token, TokenKey, TokenKeys};
use protocol::{Class, CodeId, Frame, FrameReader, frame};
use zeroize::Zeroizing;

use crate::{carrier, holders};

/// One fuzz target.
pub struct Target {
    /// The fuzz target's name.
    pub name: &'static str,
    /// The function that reads any bytes.
    pub read: fn(&[u8]),
    /// The sound inputs that the fuzzer begins with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every target. Segments are also tried by the punch log's own tests.
pub const TARGETS: &[Target] = &[
    Target { name: "frames", read: frames, seeds: frame_seeds },
    Target { name: "bodies", read: bodies, seeds: body_seeds },
    Target { name: "tokens", read: tokens, seeds: token_seeds },
    #[cfg(fuzzing)]
    Target { name: "segments", read: ledger::fuzz::segment, seeds: ledger::fuzz::seeds },
    Target { name: "carriers", read: carrier::fuzz::answer, seeds: carrier::fuzz::seeds },
    Target { name: "holders", read: holders::fuzz::file, seeds: holders::fuzz::seeds },
    Target { name: "policy", read: policy, seeds: policy_seeds },
];

/// Runs the target of that name.
///
/// # Panics
/// There is no such target, or the reader breaks its promise.
pub fn read(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.expect("a target of that name").read)(bytes);
}

/// Reads a device's stream: the frames do not depend on how the bytes arrive, and a request encodes to the bytes that it was read from.
pub fn frames(bytes: &[u8]) {
    let whole = frames_of([bytes]);
    let (first, second) = bytes.split_at(bytes.len() / 3);
    assert_eq!(whole, frames_of([first, second]), "a frame depends on how its bytes arrive");
    // With a right checksum, so that a fuzzer gets past it.
    if let Some((kind, body)) = bytes.split_first() {
        frames_of([&framed(*kind, &body[..body.len().min(protocol::limits::FRAME_BODY_BYTES_MAX)])[..]]);
    }
}

fn frames_of<const N: usize>(parts: [&[u8]; N]) -> (usize, bool) {
    let (mut reader, mut found, mut sound) = (FrameReader::default(), 0, true);
    for part in parts {
        reader.push(part);
        while sound {
            match reader.next_frame() {
                Ok(Some(frame)) => {
                    found += 1;
                    same_again(&frame);
                }
                Ok(None) => break,
                Err(_) => sound = false,
            }
        }
    }
    (found, sound)
}

fn same_again(frame: &Frame<'_>) {
    let Ok(request) = frame.request() else { return };
    let mut again = Vec::new();
    frame::write_request(frame.request, &request, &mut again).expect("what was read is within its limits");
    let body = &again[frame::HEADER_BYTES..again.len() - frame::TRAILER_BYTES];
    assert_eq!(body, frame.body, "a request encodes to other bytes than it was read from");
}

fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![frame::VERSION, kind];
    out.extend_from_slice(&7u32.to_le_bytes());
    out.extend_from_slice(&(body.len() as u32).to_le_bytes());
    out.extend_from_slice(body);
    let crc = crc32c::crc32c(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    out
}

fn frame_seeds() -> Vec<Vec<u8>> {
    let frames: Vec<_> = body_seeds().iter().map(|body| framed(body[0], &body[1..])).collect();
    let mut seeds = vec![frames.concat()];
    seeds.extend(frames);
    seeds
}

/// Reads a type and a body, as a request and as an answer: what is read encodes to the same bytes.
pub fn bodies(bytes: &[u8]) {
    let Some((kind, body)) = bytes.split_first() else { return };
    let mut again = Vec::new();
    if let Some(Ok(request)) = Request::decode_body(*kind, body) {
        request.encode_body(&mut again).expect("what was read is within its limits");
        assert_eq!(again, body, "a request encodes to other bytes than it was read from");
    }
    if let Some(Ok(answer)) = Answer::decode_body(*kind, body) {
        again.clear();
        answer.encode_body(&mut again).expect("what was read is within its limits");
        assert_eq!(again, body, "an answer encodes to other bytes than it was read from");
    }
}

fn body_seeds() -> Vec<Vec<u8>> {
    let vectors = [
        include_str!("../../../protocol/vectors/hello.json"),
        include_str!("../../../protocol/vectors/verify.json"),
        include_str!("../../../protocol/vectors/punch_batch.json"),
        include_str!("../../../protocol/vectors/ping.json"),
        include_str!("../../../protocol/vectors/trajectory_query.json"),
        include_str!("../../../protocol/vectors/trajectory_answer.json"),
        include_str!("../../../protocol/vectors/verdicts.json"),
        include_str!("../../../protocol/vectors/welcome.json"),
        include_str!("../../../protocol/vectors/error.json"),
        include_str!("../../../protocol/vectors/busy.json"),
    ];
    let frames = vectors.iter().flat_map(|text| {
        let document: serde_json::Value = serde_json::from_str(text).expect("the vectors are JSON");
        let vectors = document["vectors"].as_array().expect("the vectors are a list").clone();
        vectors.into_iter().filter_map(|vector| hex::decode(vector["hex"].as_str()?).ok())
    });
    let body = |frame: Vec<u8>| [&frame[1..2], &frame[10..frame.len() - 4]].concat();
    frames.filter(|frame| frame.len() > 14).map(body).collect()
}

fn keys() -> TokenKeys {
    TokenKeys::new([1, 128].map(|id| TokenKey::new(id, &Zeroizing::new([id; 16]))))
}

/// Reads texts and bytes as scanners give them: each is of one kind at most, and encodes to the same text.
pub fn tokens(bytes: &[u8]) {
    let keys = keys();
    let token = bytes.first_chunk::<TOKEN_BYTES>();
    if let Some(Ok(token)) = token.map(|token| keys.open(token)) {
        assert!(keys.get(bytes[1]).is_some(), "a token opens without its key: {token:?}");
    }
    if let Some(receipt) = bytes.first_chunk().and_then(Receipt::unpack) {
        assert_eq!(receipt.pack(), bytes[..receipt::RECEIPT_BYTES]);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(token) = token::from_text(text) {
        assert_eq!(token::to_text(&token), text, "two texts are one token");
        assert_eq!((receipt::from_text(text), PlaceCode::from_link(text)), (None, None));
    }
    if let Some(receipt) = receipt::from_text(text) {
        assert_eq!(receipt::to_text(&receipt), text, "two texts are one receipt");
    }
    if let Some(place) = PlaceCode::from_link(text) {
        assert_eq!(PlaceCode::from_text(&place.to_text()), Some(place));
    }
    let _ = LegacyKey::new(&[3; 32]).code(1, text);
}

fn token_seeds() -> Vec<Vec<u8>> {
    let keys = keys();
    let code = CodeId::from_u64(41).expect("a code's number");
    let sealed = [(1, Class::Person), (128, Class::Paper)].map(|(id, class)| {
        keys.get(id).expect("one of the two").seal(Token { code, issued_at_s: 1_580_000_000, class })
    });
    let place = PlaceCode::from_random(77).to_link("code.example");
    let receipt = receipt::to_text(&[1; receipt::RECEIPT_BYTES]);
    let mut seeds: Vec<_> = sealed.iter().map(|token| token.to_vec()).collect();
    seeds.extend(sealed.iter().map(|token| token::to_text(token).into_bytes()));
    seeds.extend([place.into_bytes(), receipt.into_bytes(), b"NC-0041-legacy".to_vec()]);
    seeds
}

/// Reads a policy's file: an error names one of its lines.
pub fn policy(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(error) = Policy::parse(text, Path::new("policy.toml")) {
        assert!((1..=text.matches('\n').count() + 1).contains(&error.line), "no such line: {error}");
    }
}

fn policy_seeds() -> Vec<Vec<u8>> {
    vec![include_bytes!("../../data/policy.toml").to_vec()]
}
