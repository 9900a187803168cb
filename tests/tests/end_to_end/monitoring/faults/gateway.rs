//! Faults of the process and its connections: gone, never ready, restarting, expiring certificates, refused
//! connections, wrong clocks.

use std::sync::Arc;
use std::time::Duration;

use device::wire::{self, Identity};
use device::{Device, DeviceError};
use protocol::codec::Bounded;
use protocol::limits::BATCH_PUNCHES_MAX;
use protocol::message::{Answer, Hello, Ping, Request, Verify};
use protocol::{Epoch, ErrorCode, FrameReader, Punch, RequestId, Scanned, Sequence, frame};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair, date_time_ymd};
use runtime::clock;
use tests::walk::{device, endpoint, image, punch};
use tests::{City, block_on, wait_for};

use super::scene::{Group, Row, Scene, Watch};

/// More than one a second over the five minutes that the alert looks back.
const STRANGERS: usize = 400;
/// The gate whose storage is put back: no other fault needs it.
const PUT_BACK: usize = 3;
/// The lag of the devices' clocks.
const SKEW_MS: u64 = 60_000;
/// The share that a slow network takes of an answer at a time, and how often: much less than an answer, in longer than one may take.
const WINDOW_BYTES: u32 = 1024;
const SIP_MS: u64 = 50;
/// Starts within a quarter of an hour, more than the alert allows.
const STARTS: u32 = 4;

pub(crate) const GROUPS: &[Group] = &[Group {
    name: "the process",
    city: || City::start(300, 4),
    rows: &[
        Row {
            fault: "nothing at all",
            alerts: &[("Watchdog/heartbeat", "severity=heartbeat")],
            always: true,
            make: |_, watch| watch.come_true(),
        },
        Row {
            fault: "clients without a certificate, more than devices",
            alerts: &[("HandshakesRefused/ticket", "")],
            always: true,
            make: strangers,
        },
        Row {
            fault: "a device whose storage is put back to what it was",
            alerts: &[("NumbersUsed/ticket", "")],
            always: true,
            make: put_back,
        },
        Row { fault: "kill -9", alerts: &[("Gone/page", "job=changtong")], always: true, make: kill },
        Row {
            fault: "killed and started again, four times",
            alerts: &[("RestartStorm/page", "")],
            always: false,
            make: start_again,
        },
        Row {
            fault: "devices whose clocks are a minute behind",
            alerts: &[("ClockSkew/ticket", "")],
            always: false,
            make: wrong_clocks,
        },
        Row {
            fault: "a network that takes answers in sips",
            alerts: &[("VerifyLatency/1h", ""), ("VerifyLatency/6h", ""), ("VerifyLatency/3d", "")],
            always: false,
            make: sip,
        },
        Row {
            fault: "a reload of a certificate's file that holds none",
            alerts: &[("ReloadRefused/ticket", "")],
            always: true,
            make: reload,
        },
        Row {
            fault: "a server certificate that ends in 20 days",
            alerts: &[("CertificateExpiry/ticket", "certificate=server")],
            always: false,
            make: |scene, watch| certificate(scene, watch, 20),
        },
        Row {
            fault: "a server certificate that ends in 2 days",
            alerts: &[("CertificateExpiry/page", "certificate=server")],
            always: false,
            make: |scene, watch| certificate(scene, watch, 2),
        },
    ],
}];

fn kill(scene: &mut Scene, watch: &Watch) {
    scene.city.kill();
    watch.come_true();
    scene.city.restart();
    scene.wait_scraped();
}

/// Starts the gateway again and again. Each start is seen by a scrape, as in production, where starts take longer.
fn start_again(scene: &mut Scene, watch: &Watch) {
    for _ in 0..STARTS {
        scene.city.kill();
        wait_for("that it is missed", || (scene.prometheus.query("up") == [0.0]).then_some(()));
        scene.city.restart();
        scene.wait_scraped();
    }
    watch.come_true();
}

fn strangers(scene: &mut Scene, watch: &Watch) {
    let fleet = scene.city.fleet();
    let authority = std::fs::read(&fleet.ca).expect("the authority");
    let nobody = Identity { authority: &authority, certificate: None, alpn: frame::ALPN };
    let config = nobody.config().expect("usable");
    block_on(async {
        let endpoint = endpoint(&fleet);
        for _ in 0..STRANGERS {
            let address = fleet.quic[0];
            let connecting =
                endpoint.connect_with(config.clone(), address, &fleet.server_name).expect("an address");
            if let Ok(connection) = connecting.await {
                // In TLS 1.3 the client has finished before the server refuses it.
                connection.closed().await;
            }
        }
    });
    watch.come_true();
}

/// Puts a device back to an earlier state: it numbers new punches as it numbered others before.
fn put_back(scene: &mut Scene, watch: &Watch) {
    let fleet = scene.city.fleet();
    let row = &fleet.devices[PUT_BACK];
    let (place, region) = row.places().next().expect("a place");
    let passes = |device_time_ms| image(Epoch(1), region, Punch { device_time_ms, ..punch(place) });
    block_on(async {
        let endpoint = endpoint(&fleet);
        let gate = |state| Device::new(&endpoint, &fleet, row, state).expect("a good certificate");
        gate(passes(1)).settle().await.expect("acknowledged");
        let used = gate(passes(2)).settle().await;
        assert!(matches!(used, Err(DeviceError::NumberingLost(ErrorCode::NumberUsed))), "{used:?}");
    });
    watch.come_true();
}

fn wrong_clocks(scene: &mut Scene, watch: &Watch) {
    let fleet = scene.city.fleet();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| watch.come_true());
        block_on(async {
            let endpoint = endpoint(&fleet);
            let mut gate = device(&endpoint, &fleet, 0);
            while !waiting.is_finished() {
                let behind = Ping { device_time_ms: clock::now_ms() - SKEW_MS };
                gate.ask(&Request::Ping(behind)).await.expect("a pong");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
    });
}

/// Connects a gate over a slow network: it asks for many scans at once, and reads each answer in small parts.
fn sip(scene: &mut Scene, watch: &Watch) {
    let fleet = scene.city.fleet();
    let (_, region) = fleet.devices[0].places().next().expect("a place");
    let mut config = wire::client_config(&fleet, &fleet.devices[0]).expect("a good certificate");
    let mut transport = quinn::TransportConfig::default();
    transport.stream_receive_window(WINDOW_BYTES.into()).keep_alive_interval(Some(Duration::from_secs(1)));
    config.transport_config(Arc::new(transport));
    let hello = Request::Hello(Hello { epoch: Epoch(1), acknowledged: Sequence(0) });
    let scanned = Bounded(vec![Scanned::Nothing; BATCH_PUNCHES_MAX]);
    let bytes_of = |request: &Request| {
        let mut bytes = Vec::new();
        frame::write_request(RequestId(1), request, &mut bytes).expect("fits");
        bytes
    };
    let (hello, ask) = (bytes_of(&hello), bytes_of(&Request::Verify(Verify { region, scanned })));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| watch.come_true());
        block_on(async {
            let connecting = endpoint(&fleet).connect_with(config, fleet.quic[0], &fleet.server_name);
            let connection = connecting.expect("an address").await.expect("a good certificate connects");
            let (mut send, mut receive) = connection.open_bi().await.expect("one stream");
            send.write_all(&hello).await.expect("written");
            let mut sip = [0; WINDOW_BYTES as usize];
            let (mut asked, mut reader) = (true, FrameReader::default());
            while !waiting.is_finished() {
                if asked {
                    send.write_all(&ask).await.expect("written");
                    asked = false;
                }
                let read = receive.read(&mut sip).await.expect("answers").expect("no end");
                reader.push(&sip[..read]);
                while let Some(frame) = reader.next_frame().expect("frames") {
                    asked |= matches!(frame.answer(), Some(Ok(Answer::Verdicts(_))));
                }
                tokio::time::sleep(Duration::from_millis(SIP_MS)).await;
            }
        });
    });
}

fn reload(scene: &mut Scene, watch: &Watch) {
    let path = scene.city.data().join("server.pem");
    let good = std::fs::read(&path).expect("the city's file");
    let pid = rustix::process::Pid::from_raw(scene.city.pid() as i32).expect("a process id is not zero");
    let signal =
        || rustix::process::kill_process(pid, rustix::process::Signal::HUP).expect("our own process");
    std::fs::write(&path, "no certificate").expect("written");
    signal();
    watch.come_true();
    std::fs::write(&path, good).expect("written");
    signal();
}

/// Replaces the server's certificate by another one of the city's authority, and starts the gateway.
fn certificate(scene: &mut Scene, watch: &Watch, days: u64) {
    let (fleet, data) = (scene.city.fleet(), scene.city.data());
    let read = |name: &str| std::fs::read_to_string(data.join(name)).expect("the city's file");
    let authority = KeyPair::from_pem(&read("authority/ca.key")).expect("a key");
    let issuer = Issuer::from_ca_cert_pem(&read("authority/ca.pem"), authority).expect("an authority");
    let mut params = CertificateParams::new([fleet.server_name]).expect("a name");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let from_now_s = clock::now_s() + days * 86_400;
    params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(from_now_s);
    let key = KeyPair::from_pem(&read("server.key")).expect("a key");
    let certificate = params.signed_by(&key, &issuer).expect("signed");
    std::fs::write(data.join("server.pem"), certificate.pem()).expect("written");
    assert!(scene.city.terminate().success());
    scene.city.restart();
    watch.come_true();
}
