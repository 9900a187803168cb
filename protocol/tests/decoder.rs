//! The decoder with generated values, which decode to themselves, and with cut, flipped and random bytes, which are refused without
//! a panic.

use proptest::prelude::*;
use proptest::sample::select;
use protocol::codec::Bounded;
use protocol::gateways::Gateways;
use protocol::message::{
    Answer, Busy, BusyReason, Drain, Error, Gap, Hello, Ping, Pong, PunchBatch, Request, Verdicts, Verify,
    Welcome,
};
use protocol::trajectory::{
    Day, StayAnswer, TrajectoryAnswer, TrajectoryQuery, TrajectoryReason, VisitedArea,
};
use protocol::{
    Advice, Basis, CodeId, Colour, Direction, Epoch, FrameReader, OfflineDecision, PlaceId, Punch, Reason,
    RegionId, RequestId, Scanned, Sequence, Verdict, frame,
};

fn scanned() -> impl Strategy<Value = Scanned> {
    prop_oneof![
        any::<[u8; 18]>().prop_map(Scanned::Token),
        "\\PC{0,80}".prop_map(Scanned::Text),
        (1u64..1 << 63).prop_map(|code| Scanned::SignedIn(CodeId::from_u64(code).expect("in range"))),
        Just(Scanned::Nothing),
    ]
}

fn offline() -> impl Strategy<Value = Option<OfflineDecision>> {
    let decision = (select(Colour::ALL), select(Advice::ALL));
    prop::option::of(decision.prop_map(|(colour, advice)| OfflineDecision { colour, advice }))
}

fn punch() -> impl Strategy<Value = Punch> {
    (scanned(), select(Direction::ALL), any::<u32>(), any::<u64>(), offline()).prop_map(
        |(scanned, direction, place, device_time_ms, offline)| Punch {
            scanned,
            direction,
            place: PlaceId(place),
            device_time_ms,
            offline,
        },
    )
}

fn verdict() -> impl Strategy<Value = Verdict> {
    (select(Colour::ALL), select(Advice::ALL), select(Basis::ALL), select(Reason::ALL))
        .prop_map(|(colour, advice, basis, reason)| Verdict { colour, advice, basis, reason })
}

fn request() -> impl Strategy<Value = Request> {
    let list = |punches| Bounded(punches);
    prop_oneof![
        (any::<u32>(), any::<u64>()).prop_map(|(epoch, acknowledged)| Request::Hello(Hello {
            epoch: Epoch(epoch),
            acknowledged: Sequence(acknowledged)
        })),
        (any::<u16>(), prop::collection::vec(scanned(), 0..20)).prop_map(|(region, scans)| {
            Request::Verify(Verify { region: RegionId(region), scanned: Bounded(scans) })
        }),
        (any::<u16>(), any::<u64>(), prop::collection::vec(punch(), 0..20).prop_map(list)).prop_map(
            |(region, first, punches)| {
                Request::PunchBatch(PunchBatch { region: RegionId(region), first: Sequence(first), punches })
            }
        ),
        any::<u64>().prop_map(|device_time_ms| Request::Ping(Ping { device_time_ms })),
        (any::<u16>(), any::<[u8; 31]>()).prop_map(|(region, receipt)| {
            Request::TrajectoryQuery(TrajectoryQuery { region: RegionId(region), receipt })
        }),
    ]
}

fn day() -> impl Strategy<Value = Day> {
    let some = (1970u32..10_000, 1u32..=12, 1u32..=31).prop_map(|(year, month, day)| {
        Day::from_number(year * 10_000 + month * 100 + day).expect("in range")
    });
    prop_oneof![Just(Day::NONE), some]
}

fn area() -> impl Strategy<Value = VisitedArea> {
    prop_oneof![
        (1000u16..10_000).prop_map(VisitedArea::City),
        (b'A'..=b'Z', b'A'..=b'Z').prop_map(|(one, two)| VisitedArea::Country([one, two])),
    ]
}

fn trajectory() -> impl Strategy<Value = TrajectoryAnswer> {
    let areas = prop::collection::vec(area(), 0..64).prop_map(Bounded);
    (select(TrajectoryReason::ALL), [day(), day(), day()], areas).prop_map(
        |(reason, [first_day, last_day, last_stay_day], areas)| TrajectoryAnswer {
            reason,
            first_day,
            last_day,
            last_stay_day,
            areas,
        },
    )
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        (any::<u64>(), any::<u64>(), any::<u32>()).prop_map(|(gateway_time_ms, recorded, window_punches)| {
            Answer::Welcome(Welcome {
                gateway_time_ms,
                recorded: Sequence(recorded),
                window_punches,
                batch_punches_max: 1024,
                idle_ms: 30_000,
            })
        }),
        (any::<u64>(), any::<u64>(), prop::collection::vec(verdict(), 0..50)).prop_map(
            |(first, as_of_ms, verdicts)| {
                let verdicts = Bounded(verdicts);
                Answer::Verdicts(Verdicts { first: Sequence(first), as_of_ms, verdicts })
            }
        ),
        (any::<u32>(), select(BusyReason::ALL))
            .prop_map(|(retry_after_ms, reason)| Answer::Busy(Busy { retry_after_ms, reason })),
        any::<u64>().prop_map(|expected| Answer::Gap(Gap { expected: Sequence(expected) })),
        (any::<u16>(), any::<u64>(), "\\PC{0,60}").prop_map(|(code, detail, text)| Answer::Error(Error {
            code,
            detail,
            text
        })),
        any::<u32>().prop_map(|reconnect_after_ms| Answer::Drain(Drain { reconnect_after_ms })),
        (any::<u64>(), any::<u64>()).prop_map(|(device_time_ms, gateway_time_ms)| {
            Answer::Pong(Pong { device_time_ms, gateway_time_ms })
        }),
        trajectory().prop_map(Answer::TrajectoryAnswer),
        prop::collection::vec("[a-z0-9.-]{1,40}:[1-9][0-9]{0,3}", 0..5).prop_map(|texts| {
            let addresses = texts.iter().map(|text| text.parse().expect("an address")).collect();
            Answer::Gateways(Gateways { addresses: Bounded(addresses) })
        }),
    ]
}

fn bytes_of(id: u32, request: &Request) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::write_request(RequestId(id), request, &mut bytes).expect("fits");
    bytes
}

/// Decodes all complete frames as requests, up to the first error.
fn read_all(reader: &mut FrameReader) -> Vec<(u32, Result<Request, protocol::ErrorCode>)> {
    let mut read = Vec::new();
    while let Ok(Some(frame)) = reader.next_frame() {
        read.push((frame.request.0, frame.request()));
    }
    read
}

proptest! {
    #[test]
    fn requests_come_back_however_the_stream_is_cut(
        requests in prop::collection::vec(request(), 1..6),
        piece in 1usize..200,
    ) {
        let bytes: Vec<u8> = (1..).zip(&requests).flat_map(|(id, request)| bytes_of(id, request)).collect();
        let mut reader = FrameReader::default();
        let mut read = Vec::new();
        for piece in bytes.chunks(piece) {
            reader.push(piece);
            read.extend(read_all(&mut reader));
        }
        let expected: Vec<_> = (1..).zip(requests.into_iter().map(Ok)).collect();
        prop_assert_eq!(read, expected);
        prop_assert!(!reader.is_mid_frame());
    }

    #[test]
    fn answers_come_back(id: u32, answer in answer()) {
        let mut bytes = Vec::new();
        frame::write_answer(RequestId(id), &answer, &mut bytes).expect("fits");
        let mut reader = FrameReader::default();
        reader.push(&bytes);
        let frame = reader.next_frame().expect("a frame").expect("whole");
        prop_assert_eq!(frame.request, RequestId(id));
        prop_assert_eq!(frame.answer().expect("known").expect("decodes"), answer);
    }

    #[test]
    fn a_cut_frame_waits_and_a_flipped_one_is_refused(request in request(), bit: prop::sample::Index) {
        let bytes = bytes_of(1, &request);
        for cut in 0..bytes.len() {
            let mut reader = FrameReader::default();
            reader.push(&bytes[..cut]);
            prop_assert!(matches!(reader.next_frame(), Ok(None)), "cut at {}", cut);
        }
        let mut flipped = bytes.clone();
        let bit = bit.index(bytes.len() * 8);
        flipped[bit / 8] ^= 1 << (bit % 8);
        let mut reader = FrameReader::default();
        reader.push(&flipped);
        // A flip in the length may make the reader wait for more bytes; no flip gives a valid frame.
        prop_assert!(!matches!(reader.next_frame(), Ok(Some(_))), "bit {}", bit);
    }

    #[test]
    fn a_body_that_is_cut_or_goes_on_is_refused(request in request(), more: u8) {
        let mut body = Vec::new();
        request.encode_body(&mut body).expect("fits");
        let kind = request.type_number();
        for cut in 0..body.len() {
            prop_assert!(Request::decode_body(kind, &body[..cut]).expect("known").is_err(), "cut at {}", cut);
        }
        body.push(more);
        prop_assert!(Request::decode_body(kind, &body).expect("known").is_err());
    }

    #[test]
    fn any_body_is_a_request_that_encodes_to_it_or_is_refused(kind in 1u8..=7, body: Vec<u8>) {
        if let Some(Ok(request)) = Request::decode_body(kind, &body) {
            let mut again = Vec::new();
            request.encode_body(&mut again).expect("fits");
            prop_assert_eq!(again, body);
        }
    }

    #[test]
    fn any_trajectory_answer_that_decodes_says_what_its_reason_says(body: Vec<u8>, from in trajectory(), at: prop::sample::Index, to: u8) {
        let mut changed = Vec::new();
        Answer::TrajectoryAnswer(from).encode_body(&mut changed).expect("fits");
        let at = at.index(changed.len());
        changed[at] = to;
        for body in [body, changed] {
            let Some(Ok(answer)) = Answer::decode_body(136, &body) else { continue };
            let Answer::TrajectoryAnswer(read) = &answer else { panic!("type 136 is one answer") };
            prop_assert_eq!(read.stay() == StayAnswer::No, read.reason == TrajectoryReason::Clean);
            let mut again = Vec::new();
            answer.encode_body(&mut again).expect("fits");
            prop_assert_eq!(again, body);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        let mut reader = FrameReader::default();
        reader.push(&[&[frame::VERSION], bytes.as_slice()].concat());
        read_all(&mut reader);
    }
}

/// Zero is no value of any enum, numbers and names are unique, and a zero byte does not decode.
#[test]
fn zero_is_no_value_of_any_number_on_the_wire() {
    macro_rules! check {
        ($($of:ty),+) => {$(
            let name = stringify!($of);
            assert_eq!(<$of>::from_number(0), None, "{name}");
            let mut numbers: Vec<u8> = <$of>::ALL.iter().map(|value| value.number()).collect();
            assert!(numbers.iter().all(|&number| number != 0), "{name}");
            numbers.dedup();
            assert_eq!(numbers.len(), <$of>::ALL.len(), "{name}");
            assert!(bincode::decode_from_slice::<$of, _>(&[0], bincode::config::standard()).is_err(), "{name}");
        )+};
    }
    check!(Colour, Basis, protocol::Class, Advice, Reason, Direction, protocol::DeviceClass, BusyReason);
    check!(StayAnswer, TrajectoryReason, protocol::receipt::Flow, protocol::receipt::Detail);
    assert_eq!(protocol::ErrorCode::from_number(0), None);
    assert_eq!(CodeId::from_u64(0), None);
}
