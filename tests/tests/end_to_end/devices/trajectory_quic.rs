//! A consent's receipt, from the citizen's screen over a device's own stream to an answer: good once, in its time, and its use
//! changes no colour.

use actors::registrar::{RECEIPT_S_MAX, Receipt};
use device::{DeviceError, Fleet};
use loadtest::quick::queries;
use protocol::receipt;
use protocol::trajectory::TrajectoryAnswer;
use protocol::{ErrorCode, RegionId};
use registry::Detail;
use runtime::clock;
use simulator::{Expected, demo_people};
use tests::people::{Given, receipts};
use tests::walk::{device, endpoint, punch};
use tests::{City, block_on, wait_for};

/// The phone of a person who stayed at home.
const HOME: &str = "16399990001";
const IN_WUHAN: &str = "16399990002";
const IN_ITALY: &str = "16499990002";

/// Asks with all receipts at once, each from a device of its own.
async fn ask_all(endpoint: &quinn::Endpoint, fleet: &Fleet, all: &[Receipt]) -> Vec<TrajectoryAnswer> {
    let asking: Vec<_> = (0..)
        .zip(all)
        .map(|(index, &receipt)| {
            let (_, region) = fleet.devices[index].places().next().expect("a place");
            let mut device = device(endpoint, fleet, index);
            tokio::task::spawn_local(async move {
                device.ask_trajectory(region, receipt).await.expect("an answer")
            })
        })
        .collect();
    let mut answers = Vec::new();
    for one in asking {
        answers.push(one.await.expect("no panic"));
    }
    answers
}

fn refused(result: Result<impl std::fmt::Debug, DeviceError>) -> Option<ErrorCode> {
    match result {
        Err(DeviceError::Refused { code, .. }) => ErrorCode::from_number(code),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_receipt_is_good_once_in_its_time_and_in_the_devices_region() {
    let mut city = City::start(100, 4);
    city.terminate();
    let now_s = clock::now_s();
    let old_s = now_s - RECEIPT_S_MAX - 1;
    let given = [now_s, old_s, now_s, now_s].map(|now_s| (HOME, now_s, Detail::Stay));
    let all = receipts(&city, &given, |index| index == 3);
    let [good, old, forged, withdrawn] = all[..] else { panic!("four were asked for") };
    city.restart();
    let fleet = city.fleet();
    let (_, region) = fleet.devices[0].places().next().expect("a place");
    block_on(async {
        let endpoint = endpoint(&fleet);
        let mut device = device(&endpoint, &fleet, 0);
        let mut broken = forged;
        broken[3] ^= 1;
        let elsewhere = RegionId(region.0 % 14 + 1);
        for (name, region, receipt, expected) in [
            ("somebody else's consent", region, broken, ErrorCode::ReceiptBad),
            ("too late", region, old, ErrorCode::ReceiptExpired),
            ("taken back", region, withdrawn, ErrorCode::ReceiptUsed),
            ("another region", elsewhere, good, ErrorCode::RegionDenied),
        ] {
            assert_eq!(refused(device.ask_trajectory(region, receipt).await), Some(expected), "{name}");
        }
        // As a scanner reads it; and what was refused in another region was not used.
        let scanned = receipt::from_text(&receipt::to_text(&good)).expect("a receipt's text");
        let answer = device.ask_trajectory(region, scanned).await.expect("a good receipt");
        assert_eq!(answer.stay().name(), "no", "stayed at home");
        assert_eq!(refused(device.ask_trajectory(region, good).await), Some(ErrorCode::ReceiptUsed));
        device.ping().await.expect("the connection lives");
        assert_eq!(device.counts().losses, 0);
    });
    assert_eq!(city.metric("changtong_trajectory_queries_total", "refused"), 5.0);
    assert_eq!(city.metric("changtong_trajectory_query_seconds_count", ""), 1.0);
}

#[test]
fn a_checkpoint_is_told_what_carriers_know_and_no_more() {
    let mut city = City::start(100, 8);
    city.terminate();
    let now_s = clock::now_s();
    let people = demo_people();
    let mut given: Vec<Given<'_>> = people.iter().map(|person| (person.phone, now_s, Detail::Stay)).collect();
    given.extend([(IN_WUHAN, now_s, Detail::Cities), (IN_ITALY, now_s, Detail::Cities)]);
    let all = receipts(&city, &given, |_| false);
    city.restart();
    let fleet = city.fleet();
    wait_for("every code is counted", || (city.metric("changtong_codes", "") == 100.0).then_some(()));
    let red = city.metric("changtong_codes", "red");
    let answers = block_on(async { ask_all(&endpoint(&fleet), &fleet, &all).await });
    let (plain, with_areas) = answers.split_at(people.len());
    for (person, answer) in people.iter().zip(plain) {
        let expected = match person.expected {
            Expected::Stay => ("stay-found", "yes"),
            Expected::Clean => ("clean", "no"),
            Expected::Partial => ("partial", "unknown"),
            Expected::NewNumber => ("new-number", "unknown"),
            Expected::Unanswerable | Expected::NotSubscriber => ("unanswerable", "unknown"),
        };
        assert_eq!((answer.reason.name(), answer.stay().name()), expected, "{}", person.case);
        assert!(answer.areas.0.is_empty(), "{}: the receipt does not show where", person.case);
        assert_eq!(answer.last_stay_day.number() > 0, expected.1 == "yes", "{}", person.case);
    }
    let shown = |answer: &TrajectoryAnswer| {
        answer.areas.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert!(shown(&with_areas[0]).contains("4201"), "{}", shown(&with_areas[0]));
    assert!(shown(&with_areas[1]).contains("IT"), "{}", shown(&with_areas[1]));
    let answered = city.metric("changtong_trajectory_query_seconds_count", "");
    assert_eq!(answered, all.len() as f64);
    assert_eq!(city.metric("changtong_codes", "red"), red, "a query changes no colour");
}

#[test]
fn a_carrier_that_hangs_or_lies_is_told_as_unknown_and_punches_go_on_beside() {
    let mut city = City::start(100, 8);
    city.terminate();
    let now_s = clock::now_s();
    let given = [&[HOME; 8][..], &[IN_ITALY; 2]].concat();
    let given: Vec<Given<'_>> = given.into_iter().map(|phone| (phone, now_s, Detail::Cities)).collect();
    let all = receipts(&city, &given, |_| false);
    city.restart();
    for (carrier, fault) in [("china-mobile", "hang"), ("china-unicom", "garbage")] {
        let (status, _, err) = city.command(&["carrier", "fault", carrier, fault]);
        assert!(status.success(), "{err}");
    }
    let fleet = city.fleet();
    let (hanging, lying) = all.split_at(8);
    block_on(async {
        let endpoint = endpoint(&fleet);
        let (place, region) = fleet.devices[20].places().next().expect("a place");
        let mut beside = device(&endpoint, &fleet, 20);
        beside.connect().await.expect("a good device connects");
        let (from, all, listed) = (endpoint.clone(), hanging.to_vec(), fleet.clone());
        let hanging = tokio::task::spawn_local(async move { ask_all(&from, &listed, &all).await });
        for _ in 0..64 {
            beside.punch(region, punch(place), 0);
        }
        beside.settle().await.expect("a good device punches");
        assert!(!hanging.is_finished(), "punches do not wait for queries");
        let (_, region) = fleet.devices[21].places().next().expect("a place");
        let told = queries::ask(vec![(device(&endpoint, &fleet, 21), region)], lying.to_vec()).await;
        let told = told.expect("answers");
        assert_eq!(told.into_iter().collect::<Vec<_>>(), [("unavailable".to_owned(), 2)]);
        for answer in hanging.await.expect("no panic") {
            assert_eq!((answer.reason.name(), answer.stay().name()), ("timed-out", "unknown"));
            assert!(answer.areas.0.is_empty());
        }
    });
}
