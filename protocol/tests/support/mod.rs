//! Builds the golden vectors: every frame and token with its fields as JSON and its bytes as hex. Used by the test that
//! compares them with the files, and by the example that writes the files. 64-bit numbers are decimal strings.
#![allow(clippy::unwrap_used, reason = "test support")]

use protocol::codec::Bounded;
use protocol::frame::{write_answer, write_request};
use protocol::gateways::Gateways;
use protocol::legacy::LegacyKey;
use protocol::limits;
use protocol::message::{
    Busy, BusyReason, Drain, Error, Gap, Hello, Ping, Pong, PunchBatch, Verdicts, Verify, Welcome,
};
use protocol::place::PlaceCode;
use protocol::receipt::{self, Detail, Flow, Receipt};
use protocol::token::{Token, TokenKey, to_text};
use protocol::trajectory::{
    Day, StayAnswer, TrajectoryAnswer, TrajectoryQuery, TrajectoryReason, VisitedArea,
};
use protocol::{
    Advice, Answer, Basis, Class, CodeId, Colour, DeviceClass, Direction, Epoch, ErrorCode, OfflineDecision,
    PlaceId, Punch, Reason, RegionId, Request, RequestId, Scanned, Sequence, Verdict,
};
use serde_json::{Value, json};

pub(crate) mod invalid;

const TIME: u64 = 1_582_000_000_000;

/// Returns the requests, each with its name in the files and its request id.
pub(crate) fn requests() -> Vec<(&'static str, u32, Request)> {
    let token = Scanned::Token(std::array::from_fn(|i| i as u8));
    let kinds = || {
        vec![token.clone(), Scanned::Text("昌通码 42".into()), Scanned::SignedIn(code(7)), Scanned::Nothing]
    };
    let verify =
        |region, scanned| Request::Verify(Verify { region: RegionId(region), scanned: Bounded(scanned) });
    let batch = |first, punches| {
        Request::PunchBatch(PunchBatch {
            region: RegionId(3),
            first: Sequence(first),
            punches: Bounded(punches),
        })
    };
    let made = OfflineDecision { colour: Colour::Unknown, advice: Advice::AskStaff };
    let longest = Scanned::Text("A".repeat(limits::SCANNED_TEXT_BYTES_MAX));
    vec![
        ("first epoch", 1, Request::Hello(Hello { epoch: Epoch(1), acknowledged: Sequence(0) })),
        (
            "largest",
            u32::MAX,
            Request::Hello(Hello { epoch: Epoch(u32::MAX), acknowledged: Sequence(u64::MAX) }),
        ),
        ("token", 2, verify(1, vec![token.clone()])),
        ("every kind of scan", 3, verify(u16::MAX, kinds())),
        ("no scans", 4, verify(1, Vec::new())),
        ("empty text", 4, verify(1, vec![Scanned::Text(String::new())])),
        ("longest text", 5, verify(1, vec![longest])),
        ("most scans", 6, verify(1, vec![Scanned::Nothing; limits::BATCH_PUNCHES_MAX])),
        ("token", 7, batch(1, vec![punch(token.clone(), Direction::In, None)])),
        ("decided offline", 8, batch(2, vec![punch(token.clone(), Direction::Out, Some(made))])),
        (
            "every kind of scan",
            9,
            batch(u64::MAX - 3, kinds().into_iter().map(|s| punch(s, Direction::Through, None)).collect()),
        ),
        (
            "most punches",
            10,
            batch(1, vec![punch(Scanned::Nothing, Direction::In, None); limits::BATCH_PUNCHES_MAX]),
        ),
        ("no punches", 10, batch(1, Vec::new())),
        ("time", 11, Request::Ping(Ping { device_time_ms: TIME })),
        ("zero", 0, Request::Ping(Ping { device_time_ms: 0 })),
        (
            "scan",
            12,
            Request::TrajectoryQuery(TrajectoryQuery { region: RegionId(3), receipt: a_receipt().pack() }),
        ),
    ]
}

/// Returns the answers, each with its name in the files and its request id.
pub(crate) fn answers() -> Vec<(&'static str, u32, Answer)> {
    let pass = Verdict {
        colour: Colour::Green,
        advice: Advice::Pass,
        basis: Basis::Verified,
        reason: Reason::Clear,
    };
    let every = Reason::ALL.iter().map(|&reason| Verdict::not_a_pass_code(reason)).collect::<Vec<_>>();
    let verdicts = |first, verdicts| {
        Answer::Verdicts(Verdicts { first: Sequence(first), as_of_ms: TIME, verdicts: Bounded(verdicts) })
    };
    let welcome = Welcome {
        gateway_time_ms: TIME,
        recorded: Sequence(41),
        window_punches: limits::window_punches_max(DeviceClass::Gate),
        batch_punches_max: limits::BATCH_PUNCHES_MAX as u32,
        idle_ms: limits::IDLE_MS_MAX as u32,
    };
    let error = |code, detail, text: String| Answer::Error(Error { code, detail, text });
    let mut all = vec![
        ("gate", 1, Answer::Welcome(welcome)),
        ("punches", 7, verdicts(1, vec![pass])),
        ("no scans", 4, verdicts(0, Vec::new())),
        ("verify", 2, verdicts(0, vec![Verdict::ask_staff(Reason::NotLoaded)])),
        ("every reason", 3, verdicts(0, every)),
        ("most verdicts", 10, verdicts(1, vec![pass; limits::VERDICTS_PER_FRAME_MAX])),
        ("expected", 9, Answer::Gap(Gap { expected: Sequence(42) })),
        ("epoch behind", 1, Answer::Error(Error::new(ErrorCode::EpochBehind, 5))),
        ("number used", 7, Answer::Error(Error::new(ErrorCode::NumberUsed, 42))),
        ("the third punch's place", 7, Answer::Error(Error::new(ErrorCode::PlaceDenied, 2))),
        ("unknown number, no text", 0, error(65_535, 0, String::new())),
        ("longest text", 0, error(1, u64::MAX, "x".repeat(limits::ERROR_TEXT_BYTES_MAX))),
        ("drain", 0, Answer::Drain(Drain { reconnect_after_ms: 1_000 })),
        ("pong", 11, Answer::Pong(Pong { device_time_ms: TIME, gateway_time_ms: TIME + 5 })),
    ];
    let gateways = |texts: Vec<String>| {
        let addresses = Bounded(texts.iter().map(|text| text.parse().unwrap()).collect());
        Answer::Gateways(Gateways { addresses })
    };
    let three = ["gw1.example:7443", "10.0.0.2:7443", "[2001:db8::3]:7443"];
    let longest = format!("{}:65535", "a".repeat(limits::GATEWAY_ADDRESS_BYTES_MAX - 6));
    all.push(("three", 0, gateways(three.map(str::to_owned).into())));
    all.push(("none", 0, gateways(Vec::new())));
    all.push(("most", 0, gateways(vec![longest; limits::GATEWAYS_MAX])));
    for &reason in TrajectoryReason::ALL {
        all.push((reason.name(), 12, trajectory(reason, 0)));
    }
    all.push(("stay-found with areas", 12, trajectory(TrajectoryReason::StayFound, 2)));
    all.push(("most areas", 12, trajectory(TrajectoryReason::Partial, limits::AREAS_MAX)));
    for &reason in BusyReason::ALL {
        all.push((reason.name(), 9, Answer::Busy(Busy { retry_after_ms: 250, reason })));
    }
    all
}

fn code(random: u64) -> CodeId {
    CodeId::issue(1, random).unwrap()
}

fn punch(scanned: Scanned, direction: Direction, offline: Option<OfflineDecision>) -> Punch {
    Punch { scanned, direction, place: PlaceId(70_000), device_time_ms: TIME, offline }
}

/// Returns a receipt with an arbitrary seal.
fn a_receipt() -> Receipt {
    Receipt {
        consent: 77,
        expires_s: 1_582_000_300,
        flow: Flow::Scan,
        detail: Detail::Cities,
        seal: std::array::from_fn(|i| i as u8),
    }
}

fn trajectory(reason: TrajectoryReason, areas: usize) -> Answer {
    let day = |number| Day::from_number(number).unwrap();
    let (first_day, last_day) = match reason {
        TrajectoryReason::StayFound | TrajectoryReason::Clean => (day(20_200_204), day(20_200_217)),
        TrajectoryReason::Partial => (day(20_200_210), day(20_200_217)),
        TrajectoryReason::NewNumber
        | TrajectoryReason::Unanswerable
        | TrajectoryReason::Unavailable
        | TrajectoryReason::TimedOut
        | TrajectoryReason::NotAsked => (Day::NONE, Day::NONE),
    };
    let last_stay_day = if reason == TrajectoryReason::StayFound { day(20_200_215) } else { Day::NONE };
    let visited = ["3601", "4201", "IT"].iter().cycle().skip(1).take(areas);
    let areas = Bounded(visited.map(|text| VisitedArea::parse(text).unwrap()).collect());
    Answer::TrajectoryAnswer(TrajectoryAnswer { reason, first_day, last_day, last_stay_day, areas })
}

/// Returns every file: name and content.
pub(crate) fn files() -> Vec<(String, Value)> {
    let mut files: Vec<(String, Value)> = Vec::new();
    for (number, name) in Request::TYPES.iter().chain(Answer::TYPES) {
        let mut vectors: Vec<Value> = Vec::new();
        for (label, id, request) in requests().iter().filter(|r| r.2.type_number() == *number) {
            let mut frame = Vec::new();
            write_request(RequestId(*id), request, &mut frame).unwrap();
            vectors.push(json!({"name": label, "request": id, "fields": request_fields(request), "hex": hex::encode(frame)}));
        }
        for (label, id, answer) in answers().iter().filter(|r| r.2.type_number() == *number) {
            let mut frame = Vec::new();
            write_answer(RequestId(*id), answer, &mut frame).unwrap();
            vectors.push(json!({"name": label, "request": id, "fields": answer_fields(answer), "hex": hex::encode(frame)}));
        }
        files.push((file_name(name), json!({"type": number, "frame": name, "vectors": vectors})));
    }
    files.push(("person_token.json".into(), tokens(1, &[Class::Person, Class::Ward, Class::Imported])));
    files.push(("paper_token.json".into(), tokens(128, &[Class::Paper])));
    files.push(("consent_receipt.json".into(), receipts()));
    files.push(("legacy_code.json".into(), legacy()));
    files.push(("place_code.json".into(), places()));
    files.push(("errors.json".into(), errors()));
    files.push(("numbers.json".into(), numbers()));
    files.push(("invalid.json".into(), invalid::vectors()));
    files
}

fn file_name(name: &str) -> String {
    let mut out = String::new();
    for (i, c) in name.chars().enumerate() {
        if c.is_uppercase() && i > 0 {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out + ".json"
}

fn scanned(value: &Scanned) -> Value {
    match value {
        Scanned::Token(bytes) => json!({"kind": 1, "token": hex::encode(bytes)}),
        Scanned::Text(text) => json!({"kind": 2, "text": text}),
        Scanned::SignedIn(code) => json!({"kind": 3, "code": code.get().to_string()}),
        Scanned::Nothing => json!({"kind": 4}),
    }
}

/// Encodes a list; equal items as one item with `times`.
fn list<T: PartialEq>(items: &[T], one: impl Fn(&T) -> Value) -> Value {
    if items.len() > 1 && items.iter().all(|item| *item == items[0]) {
        let mut value = one(&items[0]);
        value["times"] = json!(items.len());
        return json!([value]);
    }
    items.iter().map(one).collect()
}

fn punch_fields(punch: &Punch) -> Value {
    let offline =
        punch.offline.map(|made| json!({"colour": made.colour.number(), "advice": made.advice.number()}));
    json!({"scanned": scanned(&punch.scanned), "direction": punch.direction.number(), "place": punch.place.0,
        "device_time_ms": punch.device_time_ms.to_string(), "offline": offline})
}

fn verdict(v: &Verdict) -> Value {
    json!({"colour": v.colour.number(), "advice": v.advice.number(), "basis": v.basis.number(), "reason": v.reason.number()})
}

fn request_fields(request: &Request) -> Value {
    match request {
        Request::Hello(m) => json!({"epoch": m.epoch.0, "acknowledged": m.acknowledged.0.to_string()}),
        Request::Verify(m) => json!({"region": m.region.0, "scanned": list(&m.scanned.0, scanned)}),
        Request::PunchBatch(m) => json!({"region": m.region.0, "first": m.first.0.to_string(),
            "punches": list(&m.punches.0, punch_fields)}),
        Request::Ping(m) => json!({"device_time_ms": m.device_time_ms.to_string()}),
        Request::TrajectoryQuery(m) => json!({"region": m.region.0, "receipt": hex::encode(m.receipt)}),
    }
}

fn answer_fields(answer: &Answer) -> Value {
    match answer {
        Answer::Welcome(m) => {
            json!({"gateway_time_ms": m.gateway_time_ms.to_string(), "recorded": m.recorded.0.to_string(),
            "window_punches": m.window_punches, "batch_punches_max": m.batch_punches_max, "idle_ms": m.idle_ms})
        }
        Answer::Verdicts(m) => json!({"first": m.first.0.to_string(), "as_of_ms": m.as_of_ms.to_string(),
            "verdicts": list(&m.verdicts.0, verdict)}),
        Answer::Busy(m) => json!({"retry_after_ms": m.retry_after_ms, "reason": m.reason.number()}),
        Answer::Gap(m) => json!({"expected": m.expected.0.to_string()}),
        Answer::Error(m) => json!({"code": m.code, "detail": m.detail.to_string(), "text": m.text}),
        Answer::Drain(m) => json!({"reconnect_after_ms": m.reconnect_after_ms}),
        Answer::Pong(m) => json!({"device_time_ms": m.device_time_ms.to_string(),
            "gateway_time_ms": m.gateway_time_ms.to_string()}),
        Answer::TrajectoryAnswer(m) => json!({"stay": m.stay().number(), "reason": m.reason.number(),
            "first_day": m.first_day.number(), "last_day": m.last_day.number(),
            "last_stay_day": m.last_stay_day.number(),
            "areas": m.areas.0.iter().map(ToString::to_string).collect::<Vec<_>>()}),
        Answer::Gateways(m) => {
            json!({"addresses": list(&m.addresses.0, |address| json!({"address": address.to_string()}))})
        }
    }
}

/// Returns the key of the token vectors with that id: the id sixteen times.
pub(crate) fn token_key(id: u8) -> TokenKey {
    TokenKey::new(id, &[id; 16].into())
}

fn tokens(id: u8, classes: &[Class]) -> Value {
    let one = |class: &Class| {
        let token = Token { code: code(99), issued_at_s: 1_582_000_000, class: *class };
        let sealed = token_key(id).seal(token);
        json!({"name": class.name(), "key_id": id, "key": hex::encode([id; 16]), "text": to_text(&sealed),
            "fields": {"code": token.code.get().to_string(), "issued_at_s": token.issued_at_s, "class": class.number()},
            "hex": hex::encode(sealed)})
    };
    json!({"vectors": classes.iter().map(one).collect::<Vec<_>>()})
}

fn receipts() -> Value {
    let one = |(flow, detail): (&Flow, &Detail)| {
        let receipt = Receipt { flow: *flow, detail: *detail, ..a_receipt() };
        let bytes = receipt.pack();
        json!({"name": format!("{flow}, {detail}"), "text": receipt::to_text(&bytes), "hex": hex::encode(bytes),
            "fields": {"consent": receipt.consent.to_string(), "expires_s": receipt.expires_s,
                "flow": flow.number(), "detail": detail.number(), "seal": hex::encode(receipt.seal)}})
    };
    let all = Flow::ALL.iter().flat_map(|flow| Detail::ALL.iter().map(move |detail| (flow, detail)));
    json!({"vectors": all.map(one).collect::<Vec<_>>()})
}

fn legacy() -> Value {
    let one = |text: &&str| {
        let code = LegacyKey::new(&[7; 32]).code(1, text).unwrap();
        json!({"key": hex::encode([7; 32]), "gateway": 1, "text": text, "code": code.get().to_string()})
    };
    let texts = ["NCEAC:0001", "  NCEAC:0001\n", "昌通码"];
    json!({"vectors": texts.iter().map(one).collect::<Vec<_>>()})
}

fn places() -> Value {
    let one = |bits: &u64| {
        let code = PlaceCode::from_random(*bits);
        json!({"bits": code.get().to_string(), "text": code.to_text(), "link": code.to_link("code.example")})
    };
    let bits = [0, 1, 0x2_0123_4567_89ab, (1 << 50) - 1];
    json!({"vectors": bits.iter().map(one).collect::<Vec<_>>()})
}

fn errors() -> Value {
    let one = |e: &ErrorCode| json!({"number": e.number(), "name": e.name(), "retryable": e.retryable(), "text": e.text(), "action": e.action()});
    ErrorCode::ALL.iter().map(one).collect()
}

macro_rules! table {
    ($type:ty) => {
        <$type>::ALL.iter().map(|v| json!({"number": v.number(), "name": v.name()})).collect::<Vec<_>>()
    };
}

fn numbers() -> Value {
    let types = |list: &[(u8, &str)]| {
        list.iter().map(|(n, name)| json!({"number": n, "name": name})).collect::<Vec<_>>()
    };
    json!({
        "request": types(Request::TYPES), "answer": types(Answer::TYPES),
        "colour": table!(Colour), "advice": table!(Advice), "basis": table!(Basis), "reason": table!(Reason),
        "class": table!(Class), "direction": table!(Direction), "busy_reason": table!(BusyReason),
        "device_class": table!(DeviceClass), "stay": table!(StayAnswer),
        "trajectory_reason": table!(TrajectoryReason), "receipt_flow": table!(Flow), "receipt_detail": table!(Detail),
    })
}
