//! Any bytes on a device's stream, and any bytes as a body: never a panic; what decodes encodes to the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::message::Request;
use protocol::{FrameReader, frame};

fuzz_target!(|bytes: &[u8]| {
    // Without a checksum to guess.
    if let Some((kind, body)) = bytes.split_first()
        && let Some(Ok(request)) = Request::decode_body(*kind, body)
    {
        let mut again = Vec::new();
        request.encode_body(&mut again).expect("what was decoded is within its limits");
        assert_eq!(again, body);
    }
    let mut reader = FrameReader::default();
    reader.push(bytes);
    while let Ok(Some(found)) = reader.next_frame() {
        let Ok(request) = found.request() else { continue };
        let (mut again, mut body) = (Vec::new(), Vec::new());
        request.encode_body(&mut body).expect("what was decoded is within its limits");
        assert_eq!(body, found.body);
        frame::write_request(found.request, &request, &mut again)
            .expect("what was decoded is within its limits");
    }
});
