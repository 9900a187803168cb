//! Peers that break the protocol: each gets the right error of the error table, or is disconnected, and a good device
//! beside them is not disturbed.

mod closes;
mod crowd;
mod handshakes;

use closes::close;
use device::state::StateError;
use device::tokens::Tokens;
use device::{Device, DeviceError, wire};
use protocol::codec::Bounded;
use protocol::limits::{BATCH_PUNCHES_MAX, FRAME_BODY_BYTES_MAX};
use protocol::message::{Answer, Hello, Ping, PunchBatch, Request, Verify};
use protocol::{
    Class, CodeId, Colour, DeviceClass, Epoch, ErrorCode, FrameReader, PlaceId, Punch, RegionId, RequestId,
    Scanned, Sequence, frame, metric,
};
use runtime::clock;
use tests::walk::{device, endpoint, image, punch};
use tests::{City, PATIENCE, block_on};

/// The result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The connection was closed with this number.
    Closed(ErrorCode),
    /// An `Error` came, and the connection lives.
    Answered(ErrorCode),
    /// An answer as to a good request.
    Served,
}

fn bytes_of(requests: &[Request]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (id, request) in (1..).zip(requests) {
        frame::write_request(RequestId(id), request, &mut bytes).expect("fits");
    }
    bytes
}

fn hello(epoch: u32) -> Request {
    Request::Hello(Hello { epoch: Epoch(epoch), acknowledged: Sequence(0) })
}

fn ping() -> Request {
    Request::Ping(Ping { device_time_ms: 1 })
}

/// Returns the same punches each time, because a number stands for one punch only.
fn punches(region: RegionId, place: PlaceId, first: u64, count: usize) -> Request {
    let punch = Punch { device_time_ms: 1_600_000_000_000, ..punch(place) };
    let punches = Bounded(vec![punch; count]);
    Request::PunchBatch(PunchBatch { region, first: Sequence(first), punches })
}

/// Returns a frame of any type and body, sound as a frame.
fn raw(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![frame::VERSION, kind];
    bytes.extend_from_slice(&7u32.to_le_bytes());
    bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
    bytes.extend_from_slice(body);
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

/// Sends the bytes on one stream and then pings: what comes first, an error, the close, or the answer to the ping.
async fn send(fleet: &device::Fleet, index: usize, bytes: &[u8], then_ping: bool) -> End {
    let endpoint = endpoint(fleet);
    let config = wire::client_config(fleet, &fleet.devices[index]).expect("a good certificate");
    let connecting = endpoint.connect_with(config, fleet.quic[0], &fleet.server_name).expect("an address");
    let connection = connecting.await.expect("a good certificate connects");
    let (mut send, mut receive) = connection.open_bi().await.expect("one stream");
    let mut all = bytes.to_vec();
    if then_ping {
        all.extend_from_slice(&bytes_of(&[ping()]));
    }
    let mut reader = FrameReader::default();
    let talk = async {
        let _ = send.write_all(&all).await;
        let mut buffer = vec![0; 4096];
        while let Ok(Some(read)) = receive.read(&mut buffer).await {
            reader.push(&buffer[..read]);
            while let Some(frame) = reader.next_frame().expect("the gateway sends frames") {
                match frame.answer().expect("a known type").expect("a sound body") {
                    Answer::Error(error) => {
                        let code = ErrorCode::from_number(error.code).expect("a number of the table");
                        return Some(End::Answered(code));
                    }
                    Answer::Pong(_) => return Some(End::Served),
                    Answer::Welcome(_)
                    | Answer::Verdicts(_)
                    | Answer::Busy(_)
                    | Answer::Gap(_)
                    | Answer::TrajectoryAnswer(_)
                    | Answer::Gateways(_)
                    | Answer::Drain(_) => {}
                }
            }
        }
        None
    };
    if let Some(end) = tokio::time::timeout(PATIENCE, talk).await.expect("an end within a minute") {
        return end;
    }
    let quinn::ConnectionError::ApplicationClosed(close) = connection.closed().await else {
        panic!("the gateway closes with a word");
    };
    let code = u16::try_from(close.error_code.into_inner()).ok().and_then(ErrorCode::from_number);
    End::Closed(code.expect("a number of the table"))
}

type Case = (&'static str, Vec<u8>, End);

fn after_hello(bytes: Vec<u8>) -> Vec<u8> {
    [bytes_of(&[hello(1)]), bytes].concat()
}

/// Returns the cases with malformed frames.
fn frames() -> Vec<Case> {
    let mut wrong_crc = bytes_of(&[hello(1), ping()]);
    *wrong_crc.last_mut().expect("a frame") ^= 1;
    let mut wrong_version = bytes_of(&[hello(1)]);
    wrong_version[0] = 9;
    let mut too_long = vec![frame::VERSION, 3, 0, 0, 0, 0];
    too_long.extend_from_slice(&(FRAME_BODY_BYTES_MAX as u32 + 1).to_le_bytes());
    let mut trailing = Vec::new();
    ping().encode_body(&mut trailing).expect("fits");
    trailing.push(0);
    let (closed, answered) = (End::Closed, End::Answered);
    let hello_of = |epoch, acknowledged| {
        let (epoch, acknowledged) = (Epoch(epoch), Sequence(acknowledged));
        bytes_of(&[Request::Hello(Hello { epoch, acknowledged })])
    };
    vec![
        ("the last epoch there is", hello_of(u32::MAX, 0), answered(ErrorCode::EpochAhead)),
        ("every acknowledgement", hello_of(1, u64::MAX), answered(ErrorCode::AcknowledgedAhead)),
        ("and once more", hello_of(2, u64::MAX), answered(ErrorCode::AcknowledgedAhead)),
        ("no Hello first", bytes_of(&[ping()]), closed(ErrorCode::HelloExpected)),
        ("Hello twice", bytes_of(&[hello(1), hello(1)]), closed(ErrorCode::HelloTwice)),
        ("epoch zero", bytes_of(&[hello(0)]), closed(ErrorCode::SequenceInvalid)),
        ("a wrong checksum", wrong_crc, closed(ErrorCode::BadChecksum)),
        ("another version", wrong_version, closed(ErrorCode::UnsupportedVersion)),
        ("over the limit", after_hello(too_long), closed(ErrorCode::TooLarge)),
        ("an unknown type", after_hello(raw(77, &[1, 2, 3])), answered(ErrorCode::UnknownType)),
        ("an answer's type", after_hello(raw(130, &[])), answered(ErrorCode::UnknownType)),
        ("an empty body", after_hello(raw(3, &[])), answered(ErrorCode::BadBody)),
        ("trailing bytes", after_hello(raw(4, &trailing)), answered(ErrorCode::BadBody)),
        ("a huge list", after_hello(raw(3, &[0xff; 64])), answered(ErrorCode::BadBody)),
    ]
}

/// Returns the cases with wrong contents, from a gate at that place.
fn meanings(place: PlaceId, region: RegionId) -> Vec<Case> {
    let elsewhere = (PlaceId(place.0 + 1), RegionId(region.0 % 14 + 1));
    let verify = |region, scanned| {
        after_hello(bytes_of(&[Request::Verify(Verify { region, scanned: Bounded(scanned) })]))
    };
    let sent = |region, place, first, count| after_hello(bytes_of(&[punches(region, place, first, count)]));
    let signed_in = Scanned::SignedIn(CodeId::from_u64(5).expect("in range"));
    let nothing = Request::Verify(Verify { region, scanned: Bounded(Vec::new()) });
    let flood = after_hello(bytes_of(&vec![nothing; 65]));
    let ahead = Request::Hello(Hello { epoch: Epoch(2), acknowledged: Sequence(5) });
    let lost = bytes_of(&[ahead, punches(region, place, 3, 1)]);
    let another = Bounded(vec![punch(place)]);
    let another = Request::PunchBatch(PunchBatch { region, first: Sequence(1), punches: another });
    let another = after_hello(bytes_of(&[another]));
    let (closed, answered) = (End::Closed, End::Answered);
    vec![
        ("a good device", sent(region, place, 1, 1), End::Served),
        ("sequence zero", sent(region, place, 0, 1), closed(ErrorCode::SequenceInvalid)),
        ("sequences that wrap", sent(region, place, u64::MAX, 2), closed(ErrorCode::SequenceInvalid)),
        ("over the window", sent(region, place, 2, BATCH_PUNCHES_MAX), closed(ErrorCode::WindowExceeded)),
        ("another region", sent(elsewhere.1, place, 2, 1), answered(ErrorCode::RegionDenied)),
        ("another place", sent(region, elsewhere.0, 2, 1), answered(ErrorCode::PlaceDenied)),
        (
            "a verify elsewhere",
            verify(elsewhere.1, vec![Scanned::Nothing]),
            answered(ErrorCode::RegionDenied),
        ),
        ("a signed-in scan", verify(region, vec![signed_in]), answered(ErrorCode::ScanDenied)),
        ("a flood of nothing", flood, closed(ErrorCode::EmptyFlood)),
        ("a gap", sent(region, place, 30, 1), End::Served),
        ("a repeat", sent(region, place, 1, 1), End::Served),
        ("another punch under its number", another, answered(ErrorCode::NumberUsed)),
        ("a punch that it said to be acknowledged", lost, answered(ErrorCode::NumberUsed)),
    ]
}

#[test]
fn bad_input_is_refused_by_its_name_and_disturbs_nobody() {
    let city = City::start(100, 4);
    let fleet = city.fleet();
    let gate = fleet.devices.iter().position(|row| row.class() == DeviceClass::Gate).expect("a gate");
    let (place, region) = fleet.devices[gate].places().next().expect("a place");
    block_on(async {
        let endpoint = endpoint(&fleet);
        let mut other = device(&endpoint, &fleet, gate + 1);
        other.connect().await.expect("a good device connects");
        for (name, bytes, expected) in frames().into_iter().chain(meanings(place, region)) {
            // A ping's answer overtakes what the log says.
            let then_ping = expected != End::Answered(ErrorCode::NumberUsed);
            assert_eq!(send(&fleet, gate, &bytes, then_ping).await, expected, "{name}");
        }
        other.ping().await.expect("a good device is not disturbed");
        assert_eq!(other.counts().losses, 0);
    });
    for reason in ["hello-twice", "bad-checksum", "empty-flood", "epoch-ahead"] {
        let closed = city.metric("changtong_connections_closed_total", reason);
        assert_eq!(closed, 1.0, "{reason}");
    }
    let (status, out, err) = city.command(&["ledger", "verify"]);
    assert!(status.success(), "{out}{err}");
}

/// A device's storage is put back to what it was: it numbers the people who come now as it numbered others before.
#[test]
fn a_red_person_is_never_answered_green_under_a_number_that_was_a_green_ones() {
    let city = City::start(200, 4);
    let fleet = city.fleet();
    let gate = fleet.devices.iter().position(|row| row.class() == DeviceClass::Gate).expect("a gate");
    let (place, region) = fleet.devices[gate].places().next().expect("a place");
    let tokens = Tokens::load(&fleet).expect("a development city gives its token key away");
    let somebody = |colour| {
        let one = tokens.people().iter().find(|one| (one.colour, one.class) == (colour, Class::Person));
        let now_s = u32::try_from(clock::now_s()).expect("before 2106");
        Punch { scanned: tokens.scan(one.expect("there is one"), now_s), ..punch(place) }
    };
    let (green, red) = (somebody(Colour::Green), somebody(Colour::Red));
    let settle = async |device: &mut Device| {
        device.settle().await.expect("acknowledged");
        let acknowledged = device.take_acknowledged();
        acknowledged.iter().map(|one| one.verdict.colour).collect::<Vec<_>>()
    };
    block_on(async {
        let endpoint = endpoint(&fleet);
        let mut before = device(&endpoint, &fleet, gate);
        before.punch(region, green, 0);
        assert_eq!(settle(&mut before).await, [Colour::Green]);
        drop(before);

        // An image of before it had sent anything: it sees by itself that the gateway knows more.
        let mut restored = device(&endpoint, &fleet, gate);
        restored.punch(region, red.clone(), 0);
        let ahead = restored.settle().await;
        assert!(matches!(ahead, Err(DeviceError::State(StateError::RecordedAhead { .. }))), "{ahead:?}");
        restored.state_mut().start_epoch(Epoch(2));
        assert_eq!(settle(&mut restored).await, [Colour::Red]);
        drop(restored);

        // An image of after: only the gateway can see it.
        let image = image(Epoch(2), region, somebody(Colour::Green));
        let mut restored =
            Device::new(&endpoint, &fleet, &fleet.devices[gate], image).expect("a good certificate");
        let used = restored.settle().await;
        assert!(matches!(used, Err(DeviceError::NumberingLost(ErrorCode::NumberUsed))), "{used:?}");
        restored.state_mut().start_epoch(Epoch(3));
        assert_eq!(settle(&mut restored).await, [Colour::Green]);
    });
    assert_eq!(city.metric(metric::NUMBERS_USED, ""), 1.0);
}

#[test]
fn who_begins_a_frame_and_does_not_end_it_is_cut() {
    let city = City::start(100, 4);
    let fleet = city.fleet();
    block_on(async {
        let endpoint = endpoint(&fleet);
        let mut other = device(&endpoint, &fleet, 3);
        other.connect().await.expect("a good device connects");
        let (half, begun) = (bytes_of(&[hello(1), ping()]), bytes_of(&[hello(1)]));
        let ends = async {
            tokio::join!(
                send(&fleet, 0, &half[..half.len() - 3], false),
                send(&fleet, 1, &begun[..5], false),
                send(&fleet, 2, &[], false),
            )
        };
        let lives = async {
            loop {
                other.ping().await.expect("a good device is answered");
            }
        };
        let ends = tokio::select! {
            ends = ends => ends,
            () = lives => unreachable!("it pings for ever"),
        };
        let (cut, slow) = (End::Closed(ErrorCode::FrameTooSlow), End::Closed(ErrorCode::HelloTooSlow));
        assert_eq!(ends, (cut, slow, slow));
        assert_eq!(other.counts().losses, 0, "a good device is not disturbed");
    });
}

#[test]
fn who_ends_the_stream_after_the_last_punch_still_gets_its_verdict() {
    let city = City::start(100, 4);
    let fleet = city.fleet();
    let (place, region) = fleet.devices[0].places().next().expect("a place");
    block_on(async {
        let endpoint = endpoint(&fleet);
        let config = wire::client_config(&fleet, &fleet.devices[0]).expect("a good certificate");
        let connecting =
            endpoint.connect_with(config, fleet.quic[0], &fleet.server_name).expect("an address");
        let connection = connecting.await.expect("connects");
        let (mut send, mut receive) = connection.open_bi().await.expect("one stream");
        send.write_all(&bytes_of(&[hello(1), punches(region, place, 1, 5)])).await.expect("written");
        send.finish().expect("open until now");
        let all = receive.read_to_end(1 << 20).await.expect("the gateway ends its side");
        let mut reader = FrameReader::default();
        reader.push(&all);
        let mut acknowledged = 0;
        while let Some(frame) = reader.next_frame().expect("frames") {
            if let Answer::Verdicts(run) = frame.answer().expect("known").expect("sound") {
                acknowledged += run.verdicts.0.len();
            }
        }
        assert_eq!(acknowledged, 5);
    });
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("our own process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn a_peer_that_asks_and_never_reads_costs_little_memory() {
    let city = City::start(100, 4);
    let fleet = city.fleet();
    let before = resident_kib(city.pid());
    block_on(async {
        let endpoint = endpoint(&fleet);
        let config = wire::client_config(&fleet, &fleet.devices[0]).expect("a good certificate");
        let connecting =
            endpoint.connect_with(config, fleet.quic[0], &fleet.server_name).expect("an address");
        let connection = connecting.await.expect("connects");
        let (mut send, _receive) = connection.open_bi().await.expect("one stream");
        let (_, region) = fleet.devices[0].places().next().expect("a place");
        let scanned = Bounded(vec![Scanned::Nothing; BATCH_PUNCHES_MAX]);
        let ask = bytes_of(&vec![Request::Verify(Verify { region, scanned }); 16]);
        send.write_all(&bytes_of(&[hello(1)])).await.expect("written");
        // Until the gateway closes the connection of a peer that does not read.
        let ended = tokio::time::timeout(PATIENCE, async { while send.write_all(&ask).await.is_ok() {} });
        ended.await.expect("the gateway closes");
        assert_eq!(
            close(&connection).await,
            (ErrorCode::AnswersNotTaken.number(), "answers-not-taken".into())
        );
        let mut other = device(&endpoint, &fleet, 1);
        other.ping().await.expect("a good device is answered");
    });
    let grown = resident_kib(city.pid()).saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB for one peer");
}
