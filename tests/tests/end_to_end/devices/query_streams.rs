//! Trajectory queries on streams of their own: each is answered, or refused with the error of its fault, the
//! connection stays, and punches go on beside it.

use std::pin::pin;
use std::task::{Context, Waker};

use device::wire::{self, Wire};
use protocol::limits::{QUERY_BYTES_MAX, QUERY_STREAMS};
use protocol::message::{Answer, Hello, Ping, Request};
use protocol::receipt::RECEIPT_BYTES;
use protocol::trajectory::TrajectoryQuery;
use protocol::{DeviceClass, Epoch, ErrorCode, FrameReader, RegionId, RequestId, Sequence, frame};
use tests::walk::{device, endpoint, punch};
use tests::{City, PATIENCE, block_on};

const FOREIGN: [u8; RECEIPT_BYTES] = [7; RECEIPT_BYTES];

fn bytes_of(request: &Request) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::write_request(RequestId(9), request, &mut bytes).expect("fits");
    bytes
}

fn query(region: RegionId) -> Vec<u8> {
    bytes_of(&Request::TrajectoryQuery(TrajectoryQuery { region, receipt: FOREIGN }))
}

fn hello() -> Request {
    Request::Hello(Hello { epoch: Epoch(1), acknowledged: Sequence(0) })
}

/// Returns a connection of the fleet's device at `index`; nothing is said yet.
async fn connect(endpoint: &quinn::Endpoint, fleet: &device::Fleet, index: usize) -> Wire {
    let config = wire::client_config(fleet, &fleet.devices[index]).expect("a good certificate");
    Wire::connect(endpoint, config, fleet.quic[0], &fleet.server_name).await.expect("connects")
}

async fn welcomed(endpoint: &quinn::Endpoint, fleet: &device::Fleet, index: usize) -> Wire {
    let mut wire = connect(endpoint, fleet, index).await;
    let (_, answer) = wire.ask(RequestId(1), &hello()).await.expect("an answer");
    assert!(matches!(answer, Answer::Welcome(_)), "{answer:?}");
    wire
}

/// Sends the bytes on a stream of their own, which ends with them: what comes back.
async fn ask(connection: &quinn::Connection, bytes: &[u8]) -> (RequestId, ErrorCode) {
    let (mut send, receive) = connection.open_bi().await.expect("a stream");
    // Bytes over the limit are not waited for.
    let _ = send.write_all(bytes).await;
    let _ = send.finish();
    refusal(receive).await
}

/// Returns the error that the gateway sends before it ends its side.
async fn refusal(mut receive: quinn::RecvStream) -> (RequestId, ErrorCode) {
    let all = receive.read_to_end(1 << 16).await.expect("the gateway ends its side");
    let mut reader = FrameReader::default();
    reader.push(&all);
    let frame = reader.next_frame().expect("a frame").expect("whole");
    let answer = frame.answer().expect("known").expect("sound");
    let Answer::Error(error) = &answer else { panic!("{answer:?}") };
    let said = (frame.request, ErrorCode::from_number(error.code).expect("a number of the table"));
    assert!(reader.next_frame().expect("frames").is_none(), "one answer");
    said
}

#[test]
fn what_is_wrong_with_a_query_is_answered_and_ends_no_connection() {
    let city = City::start(100, 4);
    let fleet = city.fleet();
    let gate = fleet.devices.iter().position(|row| row.class() == DeviceClass::Gate).expect("a gate");
    let (_, region) = fleet.devices[gate].places().next().expect("a place");
    let elsewhere = RegionId(region.0 % 14 + 1);
    let good = query(region);
    let mut flipped = good.clone();
    flipped[20] ^= 1;
    let ping = bytes_of(&Request::Ping(Ping { device_time_ms: 1 }));
    let cases: Vec<(&str, Vec<u8>, u32, ErrorCode)> = vec![
        ("a foreign receipt", good.clone(), 9, ErrorCode::ReceiptBad),
        ("another region", query(elsewhere), 9, ErrorCode::RegionDenied),
        ("a second query", [good.clone(), good.clone()].concat(), 9, ErrorCode::WrongStream),
        ("a ping", ping, 9, ErrorCode::WrongStream),
        ("another Hello", bytes_of(&hello()), 9, ErrorCode::WrongStream),
        ("nothing", Vec::new(), 0, ErrorCode::BadFrame),
        ("half a frame and the end", good[..30].to_vec(), 0, ErrorCode::BadFrame),
        ("a wrong checksum", flipped, 0, ErrorCode::BadChecksum),
        ("more than belongs there", vec![1; QUERY_BYTES_MAX + 1], 0, ErrorCode::TooLarge),
    ];
    block_on(async {
        let endpoint = endpoint(&fleet);
        let mut wire = welcomed(&endpoint, &fleet, gate).await;
        for (name, bytes, request, expected) in &cases {
            let said = tokio::time::timeout(PATIENCE, ask(wire.connection(), bytes)).await;
            assert_eq!(said.expect("an answer"), (RequestId(*request), *expected), "{name}");
        }
        let request = TrajectoryQuery { region, receipt: FOREIGN };
        let on_first = wire.ask(RequestId(3), &Request::TrajectoryQuery(request)).await.expect("an answer").1;
        let Answer::Error(error) = on_first else { panic!("{on_first:?}") };
        assert_eq!(error.code, ErrorCode::WrongStream.number(), "a query among the punches");
        let (_, pong) =
            wire.ask(RequestId(4), &Request::Ping(Ping { device_time_ms: 1 })).await.expect("lives");
        assert!(matches!(pong, Answer::Pong(_)), "{pong:?}");
    });
    let refused = city.metric("changtong_trajectory_queries_total", "refused");
    assert_eq!(refused, cases.len() as f64);
    assert_eq!(city.metric("changtong_connections_closed_total", ""), 0.0);
}

#[test]
fn a_query_before_hello_is_never_looked_at() {
    let city = City::start(100, 4);
    let fleet = city.fleet();
    let (_, region) = fleet.devices[0].places().next().expect("a place");
    block_on(async {
        let endpoint = endpoint(&fleet);
        let mut first = connect(&endpoint, &fleet, 0).await;
        first.push_bytes(&query(region));
        let beside = connect(&endpoint, &fleet, 1).await;
        let (mut send, _receive) = beside.connection().open_bi().await.expect("a stream");
        send.write_all(&query(region)).await.expect("written");
        let closed = async |wire: &mut Wire| {
            while wire.pump().await.is_ok() {}
            wire.closed().await.to_string()
        };
        let mut beside = beside;
        let both = async { tokio::join!(closed(&mut first), closed(&mut beside)) };
        let (first, beside) = tokio::time::timeout(PATIENCE, both).await.expect("closed");
        assert!(first.contains("hello-expected"), "{first}");
        assert!(beside.contains("hello-too-slow"), "{beside}");
    });
    assert_eq!(city.metric("changtong_trajectory_queries_total", ""), 0.0);
}

#[test]
fn a_hundred_queries_at_once_are_a_few_at_a_time_and_half_frames_hold_nobody_up() {
    let city = City::start(100, 4);
    let fleet = city.fleet();
    let (_, region) = fleet.devices[0].places().next().expect("a place");
    block_on(async {
        let endpoint = endpoint(&fleet);
        let mut other = device(&endpoint, &fleet, 1);
        other.connect().await.expect("a good device connects");
        let wire = welcomed(&endpoint, &fleet, 0).await;
        let connection = wire.connection();
        let all: Vec<_> = (0..100)
            .map(|_| {
                let (connection, query) = (connection.clone(), query(region));
                tokio::task::spawn_local(async move { ask(&connection, &query).await })
            })
            .collect();
        for one in all {
            let said = tokio::time::timeout(PATIENCE, one).await.expect("an answer").expect("no panic");
            assert_eq!(said.1, ErrorCode::ReceiptBad);
        }
        // All the streams that a device may have, each with a frame that does not end.
        let mut halves = Vec::new();
        for _ in 0..QUERY_STREAMS {
            let (mut send, receive) = connection.open_bi().await.expect("a stream");
            send.write_all(&query(region)[..20]).await.expect("written");
            halves.push((send, receive));
        }
        let one_more = pin!(connection.open_bi()).poll(&mut Context::from_waker(Waker::noop()));
        assert!(one_more.is_pending(), "no stream over the limit");
        for (send, receive) in halves {
            let said = async {
                tokio::select! {
                    said = refusal(receive) => said,
                    () = async { loop { other.ping().await.expect("a good device is answered"); } } => unreachable!("it pings for ever"),
                }
            };
            assert_eq!(tokio::time::timeout(PATIENCE, said).await.expect("cut").1, ErrorCode::FrameTooSlow);
            drop(send);
        }
        let mut wire = wire;
        let (_, pong) =
            wire.ask(RequestId(4), &Request::Ping(Ping { device_time_ms: 1 })).await.expect("lives");
        assert!(matches!(pong, Answer::Pong(_)), "{pong:?}");
        let (place, region) = fleet.devices[1].places().next().expect("a place");
        other.punch(region, punch(place), 0);
        other.settle().await.expect("a good device punches");
        assert_eq!(other.counts().losses, 0);
    });
    let refused = city.metric("changtong_trajectory_queries_total", "refused");
    assert_eq!(refused, f64::from(100 + QUERY_STREAMS));
}
