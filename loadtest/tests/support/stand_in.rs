//! A stand-in for a gateway with known times: it answers after a fixed delay, can hold all answers back once, and
//! notes the times of each request and answer. Its colours and its ledger may be wrong as `lie.rs`
//! describes; the city around it is `city.rs`.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bench::floor::server;
use device::{Fleet, clock};
use protocol::codec::Bounded;
use protocol::message::{Answer, Error, Pong, PunchBatch, Request, Verdicts, Verify, Welcome};
use protocol::token::{TokenKey, TokenKeys};
use protocol::{
    Advice, Basis, CodeId, Colour, DeviceId, Epoch, ErrorCode, FrameReader, Reason, RequestId, Scanned,
    Sequence, Verdict, frame, limits,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use super::lie::{Ledger, Lie, Row, refuses};

/// The people of the city, with their colours.
pub(crate) const PEOPLE: [(u64, Colour); 3] = [(7, Colour::Green), (8, Colour::Yellow), (9, Colour::Red)];
/// The interval between two measurements of the stand-in's own lateness.
const LOOK: Duration = Duration::from_millis(5);
/// Limit of delayed answers of a connection.
const ANSWERS_MAX: usize = 4096;

/// The behaviour of a stand-in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manner {
    /// The delay of each answer; the colour is that of the time of the request.
    pub(crate) delay: Duration,
    /// A stall: its start after the first request, and its length.
    pub(crate) stall: Option<(Duration, Duration)>,
    pub(crate) lie: Option<Lie>,
    /// True if it is not marked as a test.
    pub(crate) unmarked: bool,
}

/// The times of one scan and of its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handled {
    pub(crate) arrived: Instant,
    pub(crate) answered: Instant,
}

/// The notes of a stand-in.
#[derive(Default)]
pub(crate) struct Seen {
    /// Every scan and punch of each device, in the order of answers.
    pub(crate) handled: HashMap<DeviceId, Vec<Handled>>,
    /// The device and code of each punch, in the order of arrival.
    pub(crate) punches: Vec<(DeviceId, Option<CodeId>)>,
    /// The largest lateness of its own.
    pub(crate) late_max: Duration,
    recorded: HashMap<(DeviceId, Epoch), u64>,
    /// The numbers of verdicts of scans and of punches.
    verdicts: [u64; 2],
    shown_red: u64,
    stall: Option<(Instant, Instant)>,
}

/// A running stand-in; it ends with the value.
pub(crate) struct StandIn {
    seen: Arc<Mutex<Seen>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    pub(crate) quic: SocketAddr,
    pub(crate) http: SocketAddr,
}

impl StandIn {
    /// Serves the devices of that fleet on ports of its own.
    pub(crate) fn start(fleet: &Fleet, manner: Manner) -> Self {
        let one = One::new(fleet, manner);
        let seen = Arc::clone(&one.seen);
        let (fleet, (stop, stopped), (send, receive)) = (fleet.clone(), oneshot::channel(), sync_channel(1));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let endpoint = server::endpoint(&fleet, 1024 * 1024).unwrap();
                let pages = TcpListener::bind("127.0.0.1:0").await.unwrap();
                send.send((endpoint.local_addr().unwrap(), pages.local_addr().unwrap())).unwrap();
                tokio::spawn(Arc::clone(&one).accept(endpoint));
                tokio::spawn(look(Arc::clone(&one.seen)));
                tokio::spawn(tell(pages, manner));
                let _ = stopped.await;
            });
        });
        let (quic, http) = receive.recv().unwrap();
        Self { seen, stop: Some(stop), thread: Some(thread), quic, http }
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Measures the lateness of this thread.
async fn look(seen: Arc<Mutex<Seen>>) {
    loop {
        let due = clock::now() + LOOK;
        tokio::time::sleep_until(due.into()).await;
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.late_max = seen.late_max.max(clock::since(due));
    }
}

/// Serves metrics and health over HTTP.
async fn tell(pages: TcpListener, manner: Manner) -> io::Result<()> {
    let mark = if manner.unmarked { "" } else { "changtong_test_gateway 1\n" };
    let leak = match manner.lie {
        Some(Lie::Leaks) => format!("scanned{{code=\"{}\"}} 1\n", PEOPLE[0].0),
        Some(_) | None => String::new(),
    };
    loop {
        let (mut stream, _) = pages.accept().await?;
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") && stream.read_buf(&mut request).await? > 0 {}
        let answer = format!("HTTP/1.0 200 OK\r\n\r\n{mark}{leak}");
        let _ = stream.write_all(answer.as_bytes()).await;
    }
}

/// A delayed answer.
struct Waiting {
    due: Instant,
    arrived: Instant,
    scans: usize,
    bytes: Vec<u8>,
}

/// The state of all connections.
struct One {
    manner: Manner,
    keys: TokenKeys,
    devices: Vec<(CertificateDer<'static>, DeviceId)>,
    changed: PathBuf,
    ledger: Mutex<Ledger>,
    seen: Arc<Mutex<Seen>>,
}

impl One {
    fn new(fleet: &Fleet, manner: Manner) -> Arc<Self> {
        let mut key = [0; 16];
        hex::decode_to_slice(&fleet.token_key.hex, &mut key).unwrap();
        let certificate = |device: &device::fleet::FleetDevice| {
            let pem = fs::read(&device.certificate).unwrap();
            (CertificateDer::from_pem_slice(&pem).unwrap(), device.id())
        };
        Arc::new(Self {
            manner,
            keys: TokenKeys::new([TokenKey::new(fleet.token_key.id, &key.into())]),
            devices: fleet.devices.iter().map(certificate).collect(),
            changed: fleet.data.join("changed"),
            ledger: Mutex::new(Ledger::new(&fleet.data.join("ledger.csv"), manner.lie)),
            seen: Arc::default(),
        })
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn accept(self: Arc<Self>, endpoint: quinn::Endpoint) {
        while let Some(incoming) = endpoint.accept().await {
            tokio::spawn(Arc::clone(&self).serve(incoming));
        }
    }

    async fn serve(self: Arc<Self>, incoming: quinn::Incoming) -> Option<()> {
        let connection = incoming.await.ok()?;
        let peer = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
        let (_, device) = *self.devices.iter().find(|(certificate, _)| *certificate == peer[0])?;
        let (send, mut receive) = connection.accept_bi().await.ok()?;
        let (waiting, answers) = mpsc::channel(ANSWERS_MAX);
        tokio::spawn(Arc::clone(&self).answer(device, answers, send));
        let (mut reader, mut epoch) = (FrameReader::default(), Epoch(0));
        while let Some(chunk) = receive.read_chunk(64 * 1024, true).await.ok()? {
            let arrived = clock::now();
            reader.push(&chunk.bytes);
            while let Some(frame) = reader.next_frame().unwrap() {
                let (scans, answer) = match frame.request().unwrap() {
                    Request::Hello(hello) => {
                        epoch = hello.epoch;
                        (0, self.welcome(device, epoch))
                    }
                    Request::Ping(ping) => {
                        let pong = Pong { device_time_ms: ping.device_time_ms, gateway_time_ms: 1 };
                        (0, Answer::Pong(pong))
                    }
                    Request::TrajectoryQuery(_) => return None,
                    Request::Verify(verify) => (verify.scanned.0.len(), self.verdicts(&verify)),
                    Request::PunchBatch(batch) => {
                        (batch.punches.0.len(), self.punches(device, epoch, &batch))
                    }
                };
                if scans > 0 {
                    self.begin_stall(arrived);
                }
                let due = arrived + if scans > 0 { self.manner.delay } else { Duration::ZERO };
                let bytes = encode(frame.request, &answer);
                waiting.send(Waiting { due, arrived, scans, bytes }).await.ok()?;
            }
        }
        Some(())
    }

    /// Sends answers at their time, and notes the time before.
    async fn answer(
        self: Arc<Self>,
        device: DeviceId,
        mut answers: mpsc::Receiver<Waiting>,
        mut send: quinn::SendStream,
    ) -> Option<()> {
        while let Some(one) = answers.recv().await {
            tokio::time::sleep_until(one.due.into()).await;
            let stall = self.seen().stall;
            if let Some((from, to)) = stall
                && (from..to).contains(&clock::now())
            {
                tokio::time::sleep_until(to.into()).await;
            }
            let handled = Handled { arrived: one.arrived, answered: clock::now() };
            self.seen().handled.entry(device).or_default().extend(vec![handled; one.scans]);
            send.write_all(&one.bytes).await.ok()?;
        }
        Some(())
    }

    fn begin_stall(&self, now: Instant) {
        if let Some((after, length)) = self.manner.stall {
            self.seen().stall.get_or_insert((now + after, now + after + length));
        }
    }

    fn welcome(&self, device: DeviceId, epoch: Epoch) -> Answer {
        let recorded = Sequence(self.seen().recorded.get(&(device, epoch)).copied().unwrap_or(0));
        Answer::Welcome(Welcome {
            gateway_time_ms: 1,
            recorded,
            window_punches: 1024,
            batch_punches_max: 64,
            idle_ms: limits::IDLE_MS_MAX as u32,
        })
    }

    fn verdicts(&self, verify: &Verify) -> Answer {
        let verdicts = verify.scanned.0.iter().map(|scanned| self.verdict(scanned, false).1);
        answer(0, verdicts.collect())
    }

    fn punches(&self, device: DeviceId, epoch: Epoch, batch: &PunchBatch) -> Answer {
        let mut verdicts = Vec::new();
        for (sequence, punch) in (batch.first.0..).zip(&batch.punches.0) {
            if refuses(self.manner.lie, sequence) {
                return Answer::Error(Error::new(ErrorCode::PlaceDenied, 0));
            }
            let (code, verdict) = self.verdict(&punch.scanned, true);
            verdicts.push(verdict);
            let mut seen = self.seen();
            seen.punches.push((device, code));
            seen.recorded.insert((device, epoch), sequence);
            let (region, punch) = (batch.region, punch.clone());
            let row = Row { device, epoch, sequence, region, punch, code, verdict };
            self.ledger.lock().unwrap().append(row);
        }
        answer(batch.first.0, verdicts)
    }

    fn verdict(&self, scanned: &Scanned, of_punch: bool) -> (Option<CodeId>, Verdict) {
        let not_loaded =
            (self.manner.lie == Some(Lie::NeverLoads)).then_some(Verdict::ask_staff(Reason::NotLoaded));
        let Scanned::Token(token) = scanned else {
            return (None, not_loaded.unwrap_or(Verdict::not_a_pass_code(Reason::NothingShown)));
        };
        let code = self.keys.open(token).unwrap().code;
        let mut colour = PEOPLE.iter().find(|(number, _)| *number == code.get()).unwrap().1;
        let changed = fs::read_to_string(&self.changed).unwrap_or_default();
        let mut seen = self.seen();
        if changed.lines().any(|line| line == code.get().to_string()) {
            seen.shown_red += 1;
            if self.manner.lie != Some(Lie::ShowsOldColour) || seen.shown_red == 1 {
                colour = Colour::Red;
            }
        }
        let number = &mut seen.verdicts[usize::from(of_punch)];
        *number += 1;
        let colour = self.manner.lie.map_or(colour, |lie| lie.shown(*number, of_punch, colour));
        let advice = match colour {
            Colour::Green | Colour::Yellow => Advice::Pass,
            Colour::Red if self.manner.lie == Some(Lie::PassesRed) => Advice::Pass,
            Colour::Red => Advice::Stop,
            Colour::Unknown => Advice::AskStaff,
        };
        if let Some(verdict) = not_loaded {
            return (Some(code), verdict);
        }
        (Some(code), Verdict { colour, advice, basis: Basis::Declared, reason: Reason::Clear })
    }
}

fn answer(first: u64, verdicts: Vec<Verdict>) -> Answer {
    Answer::Verdicts(Verdicts { first: Sequence(first), as_of_ms: 1, verdicts: Bounded(verdicts) })
}

fn encode(request: RequestId, answer: &Answer) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::write_answer(request, answer, &mut bytes).unwrap();
    bytes
}
