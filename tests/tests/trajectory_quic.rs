//! A consent's receipt, from the citizen's screen over a device's own stream to an answer: good once, in its time, and its use
//! changes no colour.

use actors::clock;
use actors::codes::Codes;
use actors::keys::Keys;
use actors::policy::Policy;
use actors::registrar::{RECEIPT_S_MAX, Receipt, Registrar};
use actors::registry::{Agreed, Detail, Flow, Phone, Registry};
use loadtest::DeviceError;
use protocol::receipt;
use protocol::{ErrorCode, RegionId};
use tests::people::prove;
use tests::walk::{device, endpoint};
use tests::{City, block_on};

/// Of a made-up range.
const PHONE: &str = "16300000001";

fn registry(city: &City) -> Registry {
    let keys = Keys::load(&city.data().join("keys")).expect("the city's keys");
    Registry::open(&city.data().join("registry.db"), &keys).expect("the city's registry")
}

/// Receipts of new consents to show a city's staff so much, as a citizen's page would have shown them at those moments; the
/// last consent is taken back. For a city whose gateway does not run: there is one writer.
fn receipts(city: &City, given: &[u64], detail: Detail) -> Vec<Receipt> {
    let path = city.data().join("policy.toml");
    let text = std::fs::read_to_string(&path).expect("the city's policy");
    let policy = Policy::parse(&text, &path).expect("a good policy");
    let keys = Keys::load(&city.data().join("keys")).expect("the city's keys");
    let (mut registry, codes) = (registry(city), Codes::new(0));
    let mut registrar = Registrar::new(&mut registry, &codes, policy.into());
    let phone = Phone::parse(PHONE).expect("a phone number");
    let agreed = Agreed { flow: Flow::Scan, detail, text: "scan-1" };
    let mut one = |&now_s: &u64| {
        let consent = registrar.consent(&prove(&keys, &phone, now_s), agreed, now_s).expect("recorded");
        (consent, registrar.receipt(consent, &phone, now_s).expect("open"))
    };
    let all: Vec<_> = given.iter().map(&mut one).collect();
    let last = all.last().expect("at least one").0;
    registrar.withdraw_consent(last, &phone).expect("open");
    all.into_iter().map(|(_, receipt)| receipt).collect()
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
    let now_s = clock::now_ms() / 1000;
    let old_s = now_s - RECEIPT_S_MAX - 1;
    let all = receipts(&city, &[now_s, old_s, now_s, now_s], Detail::Stay);
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
        assert_ne!(answer.stay().name(), "no", "nobody has looked");
        assert_eq!(refused(device.ask_trajectory(region, good).await), Some(ErrorCode::ReceiptUsed));
        device.ping().await.expect("the connection lives");
        assert_eq!(device.counts().losses, 0);
    });
    assert_eq!(city.metric("changtong_trajectory_queries_total", "refused"), 5.0);
    assert_eq!(city.metric("changtong_trajectory_query_seconds_count", ""), 1.0);
}
