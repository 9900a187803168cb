//! Requests between gateways: answers of any length come whole or as an error, nothing can be read or repeated at the broker, and a gateway
//! that is away is found at once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::Message;
use futures_util::StreamExt;
use runtime::clock;
use runtime::lock::lock;

use super::broker::{Nats, wait_for};
use super::gateway::{Gateway, Log};
use crate::{CallError, Pieces};

/// The answers of a gateway in tests.
pub(super) async fn answer(log: Arc<Mutex<Log>>, from: String, request: Vec<u8>, pieces: Pieces) {
    lock(&log).asked += 1;
    match &request[..] {
        b"break off" => {
            pieces.tell(vec![1]).await;
        }
        b"refuse" => pieces.end(Err("there is no such thing".to_owned())).await,
        b"much" => {
            for n in 0..40 {
                assert!(pieces.tell(vec![n; 300_000]).await, "all is taken");
            }
            pieces.end(Ok(vec![40])).await;
        }
        b"silent" => {
            let _under_way = Arc::clone(&lock(&log).under_way);
            pieces.tell(vec![1]).await;
            std::future::pending().await
        }
        b"endless" => {
            let _under_way = Arc::clone(&lock(&log).under_way);
            while pieces.tell(vec![0; 1_000]).await {}
        }
        _ => pieces.end(Ok([from.as_bytes(), b" asked ", &request].concat())).await,
    }
}

fn two(directory: &std::path::Path, nats: &Nats) -> [Gateway; 2] {
    let gateways = ["north", "south"].map(|name| Gateway::start(directory, name, nats.url()));
    for (gateway, other) in [(&gateways[0], "south"), (&gateways[1], "north")] {
        wait_for("the other gateway", || ask(gateway, other, b"are you there").ok());
    }
    gateways
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn ask(gateway: &Gateway, other: &str, request: &[u8]) -> Result<Vec<u8>, CallError> {
    block_on(gateway.peers.calls().ask(other, request))
}

#[test]
fn answers_come_whole_or_with_the_reason_and_a_gateway_that_is_away_is_named_at_once() {
    let nats = Nats::start("");
    let directory = tempfile::tempdir().unwrap();
    let [north, south] = two(directory.path(), &nats);
    assert_eq!(ask(&north, "south", b"who").unwrap(), b"north asked who");
    let much: Vec<u8> = (0..40).flat_map(|n| vec![n; 300_000]).chain([40]).collect();
    assert_eq!(ask(&south, "north", b"much").unwrap(), much);
    let name = || "south".to_owned();
    let text = "there is no such thing".to_owned();
    assert_eq!(ask(&north, "south", b"refuse"), Err(CallError::Refused { text }));
    let refused = ask(&north, "south", b"break off").expect_err("it has no end");
    assert!(refused.to_string().contains("look into its log"), "{refused}");
    let long = ask(&north, "south", &vec![0; 200_000]).expect_err("it is too long");
    assert!(long.to_string().contains("too long"), "{long}");

    // Who takes no more ends the work there.
    let mut taken = 0;
    let mut take = |bytes: &[u8]| {
        taken += bytes.len();
        taken < 50_000
    };
    let stopped = block_on(north.peers.calls().call("south", b"endless", &mut take));
    assert_eq!((stopped, taken), (Err(CallError::Stopped), 50_000));
    wait_for("the end of the work", || (Arc::strong_count(&lock(&south.log).under_way) == 1).then_some(()));

    let both = [name(), "west".to_owned()];
    let answers = block_on(north.peers.calls().ask_each(&both, b"who"));
    assert_eq!(answers[0].as_deref(), Ok(&b"north asked who"[..]));
    assert_eq!(answers[1], Err(CallError::Away { gateway: "west".to_owned() }));
    south.stop();
    let began = clock::now();
    assert_eq!(ask(&north, "south", b"who"), Err(CallError::Away { gateway: name() }));
    eprintln!("a gateway that has ended is known to be away after {:?}", clock::since(began));
}

#[test]
fn a_caller_that_stops_ends_the_work_there_also_while_it_has_nothing_to_say() {
    let nats = Nats::start("");
    let directory = tempfile::tempdir().unwrap();
    let [north, south] = two(directory.path(), &nats);
    for request in [&b"silent"[..], b"endless"] {
        let heard = tokio::sync::Notify::new();
        let mut take = |_: &[u8]| {
            heard.notify_one();
            true
        };
        let stopped = block_on(north.peers.calls().call_until("south", request, &mut take, heard.notified()));
        assert_eq!(stopped, Err(CallError::Stopped));
        wait_for("the end of the work", || {
            (Arc::strong_count(&lock(&south.log).under_way) == 1).then_some(())
        });
    }
}

#[test]
fn a_gateway_that_ends_within_its_answer_leaves_no_short_answer() {
    let nats = Nats::start("");
    let directory = tempfile::tempdir().unwrap();
    let [north, south] = two(directory.path(), &nats);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| block_on(north.peers.calls().call("south", b"endless", &mut |_| true)));
        wait_for("the answer's begin", || (Arc::strong_count(&lock(&south.log).under_way) > 1).then_some(()));
        south.stop();
        assert_eq!(asking.join().unwrap(), Err(CallError::Broken { gateway: "south".to_owned() }));
    });
}

#[test]
fn the_broker_sees_nothing_of_a_call_and_a_call_that_is_repeated_there_asks_nothing() {
    const SECRET: &[u8] = b"the passages of one person";
    let nats = Nats::start("");
    let directory = tempfile::tempdir().unwrap();
    let [north, south] = two(directory.path(), &nats);
    block_on(async {
        let spy = async_nats::connect(nats.url()).await.unwrap();
        let mut all = spy.subscribe(">").await.unwrap();
        // A flush ends before the broker has read the subscription; a message of the spy's own that comes back proves that it has.
        spy.publish("begin", "".into()).await.unwrap();
        while all.next().await.unwrap().subject.as_str() != "begin" {}
        let asked = lock(&south.log).asked;
        let answer = north.peers.calls().ask("south", SECRET).await.unwrap();
        assert!(answer.ends_with(SECRET));
        let is_call = |message: &&Message| {
            message.subject.starts_with("changtong.calls.") || message.subject.starts_with("_INBOX.")
        };
        // The ring, that it is ready, the request and its answer, which the broker may hand to the spy after the caller has it; and whatever
        // else gateways say.
        let mut seen: Vec<Message> = Vec::new();
        while seen.iter().filter(is_call).count() < 4 {
            let message = tokio::time::timeout(Duration::from_secs(60), all.next()).await;
            let message = message.unwrap_or_else(|_| panic!("of four messages: {seen:?}")).unwrap();
            assert!(!message.payload.windows(SECRET.len()).any(|window| window == SECRET));
            seen.push(message);
        }
        for message in seen.iter().filter(is_call) {
            let reply = spy.new_inbox();
            spy.publish_with_reply(message.subject.clone(), reply, message.payload.clone()).await.unwrap();
        }
        // Also as the request of a new call, whose random number is another.
        let ring = seen.iter().find(|message| message.subject.starts_with("changtong.calls.")).unwrap();
        let inbox = spy.new_inbox();
        let mut inbound = spy.subscribe(inbox.clone()).await.unwrap();
        spy.publish_with_reply(ring.subject.clone(), inbox, ring.payload.clone()).await.unwrap();
        let ready = tokio::time::timeout(Duration::from_secs(60), inbound.next()).await.unwrap().unwrap();
        for message in seen.iter().filter(is_call) {
            spy.publish(ready.reply.clone().unwrap(), message.payload.clone()).await.unwrap();
        }
        // What another version says is answered in clear, with this one's number.
        let answer = spy.request(ring.subject.clone(), vec![9, 9].into()).await.unwrap();
        assert_eq!(&answer.payload[..], [super::super::calls::VERSION]);
        assert_eq!(north.peers.calls().ask("south", b"once more").await.unwrap(), b"north asked once more");
        assert_eq!(lock(&south.log).asked, asked + 2);
    });
}
