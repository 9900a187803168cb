//! The golden vectors in `vectors/` match the code; `cargo run -p protocol --example vectors` regenerates them.

mod support;

use std::path::Path;

use protocol::Frame;
use protocol::token::{TOKEN_BYTES, TokenKeys, from_text};
use serde_json::Value;

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

#[test]
fn the_files_are_what_the_code_writes() {
    let built = support::files();
    for (name, value) in &built {
        let text = std::fs::read_to_string(folder().join(name)).unwrap_or_default();
        let read: Value = serde_json::from_str(&text).unwrap_or_default();
        assert!(
            read == *value,
            "vectors/{name} differs: run `cargo run -p protocol --example vectors` and look at the change"
        );
    }
    let present = std::fs::read_dir(folder()).unwrap().count();
    assert_eq!(present, built.len(), "a file in vectors/ that no code writes");
}

#[test]
fn every_vector_decodes_to_its_message() {
    for (name, id, request) in support::requests() {
        let mut bytes = Vec::new();
        protocol::frame::write_request(protocol::RequestId(id), &request, &mut bytes).unwrap();
        let (frame, used) = Frame::cut(&bytes).unwrap().unwrap();
        assert_eq!((frame.request.0, used), (id, bytes.len()), "{name}");
        assert_eq!(frame.request().unwrap(), request, "{name}");
    }
    for (name, id, answer) in support::answers() {
        let mut bytes = Vec::new();
        protocol::frame::write_answer(protocol::RequestId(id), &answer, &mut bytes).unwrap();
        let (frame, _) = Frame::cut(&bytes).unwrap().unwrap();
        assert_eq!(frame.answer().unwrap().unwrap(), answer, "{name}");
    }
}

#[test]
fn every_invalid_vector_is_refused_by_its_name() {
    for (name, bytes, code) in support::invalid::cases() {
        let answered = match Frame::cut(&bytes) {
            Ok(Some((frame, _))) => frame.request().err(),
            Ok(None) => None,
            Err(error) => Some(error.code()),
        };
        assert_eq!(answered, Some(code), "{name}");
    }
}

#[test]
fn every_token_vector_opens() {
    let keys = TokenKeys::new([1, 128].map(support::token_key));
    for file in ["person_token.json", "paper_token.json"] {
        let read: Value =
            serde_json::from_str(&std::fs::read_to_string(folder().join(file)).unwrap()).unwrap();
        for vector in read["vectors"].as_array().unwrap() {
            let bytes: [u8; TOKEN_BYTES] =
                hex::decode(vector["hex"].as_str().unwrap()).unwrap().try_into().unwrap();
            let token = keys.open(&bytes).unwrap();
            assert_eq!(token.code.get().to_string(), vector["fields"]["code"].as_str().unwrap());
            assert_eq!(from_text(vector["text"].as_str().unwrap()), Some(bytes));
        }
    }
}
