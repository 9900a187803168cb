//! Devices over real QUIC against a gateway that is full, cuts connections, forgets answers and drains, by seed.
#![allow(clippy::unwrap_used, reason = "a test says what failed by panicking")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use device::{Device, DeviceError, DeviceState, wire};
use loadtest::impair::{Conditions, Proxy};
use protocol::limits::IDLE_MS_MAX;
use protocol::{DeviceId, Direction, Epoch, PlaceId, Punch, RegionId, Scanned, Sequence};

use support::{DEVICES, Gateway, Nuisance, fleet};

const DEADLINE: Duration = Duration::from_secs(60);

fn punch(time: u64) -> Punch {
    Punch {
        scanned: Scanned::Nothing,
        direction: Direction::Through,
        place: PlaceId(1),
        device_time_ms: time,
        offline: None,
    }
}

struct City {
    _folder: tempfile::TempDir,
    fleet: device::Fleet,
    gateway: Gateway,
    server: quinn::Endpoint,
    client: quinn::Endpoint,
}

impl City {
    fn start(nuisance: Nuisance) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let fleet = fleet(folder.path());
        let (gateway, server) = Gateway::start(&fleet, nuisance);
        let client = wire::endpoint(server.local_addr().unwrap()).unwrap();
        Self { _folder: folder, fleet, gateway, server, client }
    }

    fn device(&self, id: u64, state: DeviceState) -> Device {
        let row = self.fleet.device(DeviceId(id)).unwrap();
        let mut device = Device::new(&self.client, &self.fleet, row, state).unwrap();
        device.set_address(self.server.local_addr().unwrap());
        device
    }
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("in time")
}

#[tokio::test]
async fn every_punch_is_acknowledged_once_through_every_nuisance() {
    for seed in 0..3 {
        println!("seed {seed}");
        let nuisance = Nuisance { seed, busy: 40, gap: 20, cut: 12, drain: 8, epoch_behind: 0 };
        let city = City::start(nuisance);
        let mut device = city.device(1, DeviceState::new(Epoch(1)));
        let mut acknowledged = Vec::new();
        for time in 1..=2000 {
            device.punch(RegionId(1 + time as u16 / 700), punch(time), time);
            if time % 50 == 0 {
                in_time(device.step()).await.unwrap();
                acknowledged.extend(device.take_acknowledged());
            }
        }
        in_time(device.settle()).await.unwrap();
        acknowledged.extend(device.take_acknowledged());
        let expected: Vec<_> = (1..=2000).collect();
        assert_eq!(acknowledged.iter().map(|one| one.sequence.0).collect::<Vec<_>>(), expected);
        assert_eq!(acknowledged.iter().map(|one| one.tag).collect::<Vec<_>>(), expected);
        assert_eq!(city.gateway.record().epochs[&Epoch(1)], expected);
        let counts = device.counts();
        assert!(counts.busy > 0 && counts.losses > 0 && counts.gaps > 0, "{counts:?}");
    }
}

#[tokio::test]
async fn a_gateway_that_cannot_be_reached_is_given_up_long_before_quic_would() {
    let city = City::start(Nuisance::default());
    let proxy = Proxy::start(city.server.local_addr().unwrap(), 1, Conditions::default()).unwrap();
    let mut config = wire::client_config(&city.fleet, city.fleet.device(DeviceId(2)).unwrap()).unwrap();
    // A clock that a busy machine slows down as much: a bare connection that QUIC gives up after two thirds of its usual time.
    let mut transport = quinn::TransportConfig::default();
    transport.max_idle_timeout(Some(quinn::VarInt::from_u32(IDLE_MS_MAX as u32 * 2 / 3).into()));
    config.transport_config(Arc::new(transport));
    let connecting = wire::Wire::connect(&city.client, config, proxy.address(), &city.fleet.server_name);
    let quic = in_time(connecting).await.unwrap();
    let mut device = city.device(1, DeviceState::new(Epoch(1)));
    device.set_address(proxy.address());
    in_time(device.connect()).await.unwrap();
    proxy.set(Conditions { partition: true, ..Conditions::default() });
    device.punch(RegionId(1), punch(1), 1);
    // Its pings go on meanwhile, unanswered.
    let given_up = async {
        while device.counts().losses == 0 {
            device.step().await.unwrap();
        }
    };
    tokio::select! {
        () = in_time(given_up) => {}
        reason = quic.closed() => panic!("the device waits as long as QUIC does: {reason}"),
    }
    proxy.set(Conditions::default());
    in_time(device.settle()).await.unwrap();
    assert_eq!(city.gateway.record().epochs[&Epoch(1)], [1]);
}

#[tokio::test]
async fn the_queue_moves_with_the_state_to_another_connection() {
    let city = City::start(Nuisance::default());
    let mut device = city.device(1, DeviceState::new(Epoch(3)));
    in_time(device.connect()).await.unwrap();
    (1..=100).for_each(|time| {
        device.punch(RegionId(1), punch(time), time);
    });
    in_time(device.step()).await.unwrap();
    let mut device = city.device(2, device.into_state());
    in_time(device.settle()).await.unwrap();
    assert_eq!(device.state().acknowledged(), Sequence(100));
    assert_eq!(city.gateway.record().epochs[&Epoch(3)], (1..=100).collect::<Vec<_>>());
}

#[tokio::test]
async fn verify_and_ping_are_answered_beside_punches() {
    let city = City::start(Nuisance { busy: 20, ..Nuisance::default() });
    let mut device = city.device(DEVICES, DeviceState::new(Epoch(1)));
    (1..=200).for_each(|time| {
        device.punch(RegionId(1), punch(time), time);
    });
    let verdicts = in_time(device.verify(RegionId(1), vec![Scanned::Nothing; 7])).await.unwrap();
    assert_eq!(verdicts.len(), 7);
    assert_eq!(in_time(device.ping()).await.unwrap().gateway_time_ms, 1);
    in_time(device.settle()).await.unwrap();
}

#[tokio::test]
async fn a_used_epoch_is_named_and_the_next_one_is_welcome() {
    let city = City::start(Nuisance { epoch_behind: 4, ..Nuisance::default() });
    let mut device = city.device(1, DeviceState::new(Epoch(4)));
    device.punch(RegionId(1), punch(1), 1);
    let Err(DeviceError::EpochBehind { current }) = in_time(device.connect()).await else {
        panic!("welcomed with a used epoch")
    };
    device.state_mut().start_epoch(Epoch(current.0 + 1));
    in_time(device.settle()).await.unwrap();
    assert_eq!(city.gateway.record().epochs[&Epoch(5)], [1]);
}

#[tokio::test]
async fn a_server_of_another_authority_is_not_talked_to() {
    let (city, other) = (City::start(Nuisance::default()), City::start(Nuisance::default()));
    let mut device = city.device(1, DeviceState::new(Epoch(1)));
    device.set_address(other.server.local_addr().unwrap());
    assert!(matches!(in_time(device.connect()).await, Err(DeviceError::Wire(wire::WireError::Tls(_)))));
}
