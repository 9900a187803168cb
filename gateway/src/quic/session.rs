//! One device's connection: takes everything that has arrived, answers verifies at once, sends punches to their regions, and
//! writes what is durable. What the device may do is checked at every batch; what waits is bounded by its window.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actors::clock;
use actors::ledger::{HelloOutcome, Outcome};
use actors::region::{RegionHandle, RegionOutcome};
use protocol::message::{
    Answer, Bounded, BusyReason, Drain, Gap, Hello, Pong, PunchBatch, Request, Verdicts, Verify, Welcome,
};
use protocol::{DeviceId, ErrorCode, RequestId, Sequence, limits};
use quinn::{Connection, SendStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::answers::{Answers, busy};
use super::endpoint::Front;
use super::flight::{Flight, Landed, Read};
use super::intake::{Intake, check_scans, ends_connection};
use super::metrics::{Owed, QuicMetrics, Scans, Served};
use super::queries::{self, Queries};
use super::reading::Reading;
use crate::fleet::Entry;

/// A device that does not take its answers for this long is gone.
const WRITE: Duration = Duration::from_secs(10);
/// How long the last answers may take to arrive.
const FINISH: Duration = Duration::from_secs(2);
/// What a device waits before it connects again to a gateway that drains; it adds jitter.
const RECONNECT_AFTER_MS: u32 = 1_000;

/// What all sessions of a front share.
pub(super) struct Shared {
    pub(super) front: Front,
    pub(super) metrics: QuicMetrics,
    pub(super) queries: Queries,
}

impl Shared {
    pub(super) fn new(front: Front) -> Rc<Self> {
        let queries = Queries::new(Arc::clone(&front.ask));
        let metrics = QuicMetrics::new(front.directory.regions().map(RegionHandle::id));
        Rc::new(Self { front, metrics, queries })
    }
}

/// Runs a session to its end. The error to close the connection with; none if the device closed it.
pub(super) async fn run(
    shared: &Rc<Shared>,
    connection: &Connection,
    device: DeviceId,
    mut entry: Entry,
) -> Option<ErrorCode> {
    let result = match start(shared, connection, device, &mut entry).await {
        Ok(mut session) => {
            // A task of its own: what happens there does not wake the punches.
            let mut beside = JoinSet::new();
            beside.spawn_local(queries::serve(Rc::clone(shared), connection.clone(), device));
            let served = session.serve(&mut entry).await;
            beside.shutdown().await;
            served
        }
        Err(error) => Err(error),
    };
    match result {
        Ok(()) | Err(End::Gone) => None,
        Err(End::Refused(code)) => Some(code),
    }
}

/// Why a session ends.
enum End {
    /// The device closed its connection, or the network did.
    Gone,
    /// The gateway closes it.
    Refused(ErrorCode),
}

impl From<ErrorCode> for End {
    fn from(code: ErrorCode) -> Self {
        Self::Refused(code)
    }
}

impl From<quinn::ReadError> for End {
    fn from(_: quinn::ReadError) -> Self {
        Self::Gone
    }
}

struct Session {
    shared: Rc<Shared>,
    device: DeviceId,
    reading: Reading,
    send: SendStream,
    intake: Intake,
    flight: Flight,
    answers: Answers,
    owed: Owed,
    drain: watch::Receiver<bool>,
    draining: bool,
    /// The device has ended its side of the stream.
    ended: bool,
}

/// Takes the stream and `Hello`, and answers `Welcome`.
async fn start(
    shared: &Rc<Shared>,
    connection: &Connection,
    device: DeviceId,
    entry: &mut Entry,
) -> Result<Session, End> {
    let class = entry.rights()?.class;
    connection.set_receive_window(limits::receive_window_bytes(class).into());
    let begin = async {
        let (send, receive) = connection.accept_bi().await.map_err(|_| End::Gone)?;
        let mut reading = Reading::new(receive);
        let (request, hello) = read_hello(&mut reading).await?;
        Ok::<_, End>((send, reading, request, hello))
    };
    let (mut send, reading, request, hello) = tokio::select! {
        begun = tokio::time::timeout(Duration::from_millis(limits::HELLO_MS_MAX), begin) => {
            begun.map_err(|_| ErrorCode::HelloTooSlow)??
        }
        code = entry.closed() => return Err(code.into()),
    };
    let recorded = greet(shared, device, request, hello, &mut send).await?;
    let mut session = Session {
        shared: Rc::clone(shared),
        device,
        reading,
        send,
        intake: Intake::new(class, hello.epoch, recorded),
        flight: Flight::default(),
        answers: Answers::default(),
        owed: Owed::default(),
        drain: shared.front.drain.clone(),
        draining: false,
        ended: false,
    };
    session.answers.push(
        request,
        &Answer::Welcome(Welcome {
            gateway_time_ms: clock::now_ms(),
            recorded,
            window_punches: session.intake.window_punches(),
            batch_punches_max: limits::BATCH_PUNCHES_MAX as u32,
            idle_ms: limits::IDLE_MS_MAX as u32,
        }),
    );
    Ok(session)
}

async fn read_hello(reading: &mut Reading) -> Result<(RequestId, Hello), End> {
    loop {
        if let Some(frame) = reading.frames.next_frame().map_err(|error| error.code())? {
            let Request::Hello(hello) = frame.request()? else {
                return Err(ErrorCode::HelloExpected.into());
            };
            return Ok((frame.request, hello));
        }
        if !reading.more().await? {
            return Err(End::Gone);
        }
    }
}

async fn greet(
    shared: &Shared,
    device: DeviceId,
    request: RequestId,
    hello: Hello,
    send: &mut SendStream,
) -> Result<Sequence, End> {
    if hello.epoch.0 == 0 {
        return Err(ErrorCode::SequenceInvalid.into());
    }
    match shared.front.ledger.hello(device, hello.epoch, hello.acknowledged).await {
        HelloOutcome::Known { recorded, .. } => Ok(recorded),
        HelloOutcome::EpochBehind { current } => {
            // The close code cannot carry the epoch that the device has to exceed.
            let mut answers = Answers::default();
            answers.refuse(request, ErrorCode::EpochBehind, u64::from(current.0));
            let _ = send.write_all(answers.bytes()).await;
            finish(send).await;
            Err(ErrorCode::EpochBehind.into())
        }
        HelloOutcome::Busy | HelloOutcome::Down => Err(ErrorCode::LedgerDown.into()),
    }
}

/// What was written has to arrive before the connection is closed.
async fn finish(send: &mut SendStream) {
    let _ = send.finish();
    let _ = tokio::time::timeout(FINISH, send.stopped()).await;
}

/// What a session wakes up for.
enum Event {
    More(bool),
    Landed(Landed),
    Close(ErrorCode),
    Drain,
}

impl Session {
    async fn serve(&mut self, entry: &mut Entry) -> Result<(), End> {
        self.take_frames(entry)?;
        loop {
            self.launch();
            self.write().await?;
            if (self.draining || self.ended) && self.flight.is_empty() {
                finish(&mut self.send).await;
                return if self.ended { Ok(()) } else { Err(ErrorCode::Draining.into()) };
            }
            match self.next_event(entry).await? {
                Event::More(true) => self.take_frames(entry)?,
                Event::More(false) => self.end_of_stream()?,
                Event::Landed(landed) => self.land(landed)?,
                Event::Close(code) => return Err(code.into()),
                Event::Drain => self.begin_drain(),
            }
            while let Some(landed) = self.flight.landed_now() {
                self.land(landed)?;
            }
        }
    }

    async fn next_event(&mut self, entry: &mut Entry) -> Result<Event, End> {
        let may_read = self.intake.has_room() && !self.draining && !self.ended;
        let deadline = self.reading.deadline().filter(|_| may_read);
        let too_slow = async move {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let (reading, flight, drain) = (&mut self.reading, &mut self.flight, &mut self.drain);
        tokio::select! {
            biased;
            code = entry.closed() => Ok(Event::Close(code)),
            landed = flight.next() => Ok(Event::Landed(landed)),
            more = reading.more(), if may_read => Ok(Event::More(more?)),
            () = too_slow => Err(ErrorCode::FrameTooSlow.into()),
            _ = drain.wait_for(|&drain| drain), if !self.draining => Ok(Event::Drain),
        }
    }

    /// Every whole frame that has arrived.
    fn take_frames(&mut self, entry: &Entry) -> Result<(), End> {
        let read = Read { ms: clock::now_ms(), at: clock::now() };
        loop {
            let frame = self.reading.frames.next_frame().map_err(|error| error.code())?;
            let Some(frame) = frame else { break };
            let (id, request) = (frame.request, frame.request());
            let taken = request.and_then(|request| self.take(id, request, entry, read));
            if let Err(code) = taken {
                self.shared.metrics.refused(code);
                if ends_connection(code) {
                    return Err(code.into());
                }
                self.answers.refuse(id, code, 0);
            }
        }
        self.reading.note_begun();
        self.flight.push(self.intake.take_batches(), read);
        Ok(())
    }

    fn take(&mut self, id: RequestId, request: Request, entry: &Entry, read: Read) -> Result<(), ErrorCode> {
        match request {
            Request::Hello(_) => Err(ErrorCode::HelloTwice),
            Request::TrajectoryQuery(_) => Err(ErrorCode::WrongStream),
            Request::Verify(verify) => self.verify(id, &verify, entry, read),
            Request::PunchBatch(batch) => self.punches(id, batch, entry),
            Request::Ping(ping) => {
                self.intake.carries(1)?;
                self.shared.metrics.skew(read.ms.abs_diff(ping.device_time_ms));
                let pong = Pong { device_time_ms: ping.device_time_ms, gateway_time_ms: read.ms };
                self.answers.overtake(id, &Answer::Pong(pong));
                Ok(())
            }
        }
    }

    /// Answered from memory, before any punch that waits for its sync.
    fn verify(&mut self, id: RequestId, verify: &Verify, entry: &Entry, read: Read) -> Result<(), ErrorCode> {
        let rights = entry.rights()?;
        self.intake.carries(verify.scanned.0.len())?;
        if !rights.allows_region(verify.region) {
            return Err(ErrorCode::RegionDenied);
        }
        check_scans(verify.scanned.0.iter(), &rights)?;
        let judge = &self.shared.front.judge;
        let judged = judge.judge(verify.region, verify.scanned.0.iter(), read.ms);
        let verdicts: Vec<_> = judged.iter().map(|judged| judged.verdict).collect();
        self.shared.metrics.verified(verify.region, &verdicts);
        let taps = &self.shared.front.taps;
        if taps.are_open() {
            let scans = verify.scanned.0.iter().zip(verdicts.iter().copied());
            taps.verified(verify.region, self.device, read.ms, scans);
        }
        self.owed.verify(read.at);
        let verdicts = Verdicts { first: Sequence(0), as_of_ms: read.ms, verdicts: Bounded(verdicts) };
        self.answers.overtake(id, &Answer::Verdicts(verdicts));
        Ok(())
    }

    fn punches(&mut self, id: RequestId, batch: PunchBatch, entry: &Entry) -> Result<(), ErrorCode> {
        let rights = entry.rights()?;
        self.intake.carries(batch.punches.0.len())?;
        if batch.punches.0.is_empty() || self.flight.is_refused(batch.first) {
            return Ok(());
        }
        let places = self.shared.front.fleet.places();
        self.intake.punches(id, batch, &rights, &places)
    }

    fn launch(&mut self) {
        let (device, epoch, window) = (self.device, self.intake.epoch, self.intake.window_punches());
        let dropped = self.flight.launch(&self.shared.front.directory, device, epoch, window);
        self.intake.resolved(dropped, None);
    }

    fn land(&mut self, landed: Landed) -> Result<(), End> {
        let Landed { batch, outcome } = landed;
        let (metrics, answers) = (&self.shared.metrics, &mut self.answers);
        let (answer, from) = match outcome {
            RegionOutcome::Ledger(Outcome::Recorded(runs)) => {
                let end = batch.first.0 + batch.punches as u64 - 1;
                self.intake.resolved(batch.punches, Some(end));
                metrics.served(Scans::Punch, Served::Answered, batch.frames);
                self.owed.punches(batch.read.at, batch.frames);
                for run in runs {
                    metrics.rejected(&run.verdicts);
                    answers.punches(batch.last_request, run.first, run.as_of_ms, run.verdicts);
                }
                return Ok(());
            }
            RegionOutcome::Ledger(Outcome::Gap { expected }) => (Answer::Gap(Gap { expected }), expected),
            RegionOutcome::Ledger(Outcome::EpochBehind { .. }) => return Err(ErrorCode::EpochBehind.into()),
            RegionOutcome::Ledger(Outcome::Down) => {
                metrics.served(Scans::Punch, Served::Failed, batch.frames);
                return Err(ErrorCode::LedgerDown.into());
            }
            RegionOutcome::Ledger(Outcome::Busy) => (busy(BusyReason::Ledger), batch.first),
            RegionOutcome::Busy(reason) => (busy(reason), batch.first),
        };
        self.intake.resolved(batch.punches, None);
        if let Answer::Busy(busy) = &answer {
            metrics.shed(busy.reason);
            metrics.served(Scans::Punch, Served::Busy, batch.frames);
        }
        // What was sent behind a refused batch is refused with it: one answer, not one for each.
        if self.flight.refuse(from) {
            answers.push(batch.first_request, &answer);
        }
        Ok(())
    }

    fn begin_drain(&mut self) {
        self.draining = true;
        let drain = Drain { reconnect_after_ms: RECONNECT_AFTER_MS };
        self.answers.push(RequestId(0), &Answer::Drain(drain));
    }

    async fn write(&mut self) -> Result<(), End> {
        let bytes = self.answers.bytes();
        if bytes.is_empty() {
            return Ok(());
        }
        let written = tokio::time::timeout(WRITE, self.send.write_all(bytes)).await;
        self.answers.clear();
        match written {
            Ok(Ok(())) => {
                self.shared.metrics.written(&mut self.owed);
                Ok(())
            }
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => Err(ErrorCode::FrameTooSlow.into()),
        }
    }

    /// The device sends nothing more; what it sent is still answered.
    fn end_of_stream(&mut self) -> Result<(), End> {
        self.ended = true;
        if self.reading.frames.is_mid_frame() { Err(ErrorCode::BadFrame.into()) } else { Ok(()) }
    }
}
