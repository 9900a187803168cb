//! One device's connection: takes the frames that have arrived, answers verifies at once, sends punches to their regions, and writes
//! verdicts that are durable. The device's rights are checked at every batch; its window bounds the punches that wait.

use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::Duration;

use actors::region::PendingRun;
use fleet::Peers;
use protocol::codec::Bounded;
use protocol::gateways::Gateways;
use protocol::message::{Answer, Drain, Hello, Pong, PunchBatch, Request, Verdicts, Verify, Welcome};
use protocol::{DeviceId, ErrorCode, RequestId, Sequence, limits};
use quinn::{Connection, SendStream};
use runtime::clock;
use tokio::task::JoinSet;

use super::answers::{Answers, numbering};
use super::end::End;
use super::frame_stream::FrameStream;
use super::front::Shared;
use super::intake::{Refusal, check_scans};
use super::stream::{Landed, ReadTime, Stream};
use super::{numbers, queries};
use crate::fleet::Entry;

/// The time after which a device that does not take its answers is gone.
const WRITE: Duration = Duration::from_secs(10);
/// The time that the last answers may take to arrive.
const FINISH: Duration = Duration::from_secs(2);
/// The time that a device waits before it connects again to a gateway that drains; it adds jitter.
const RECONNECT_AFTER_MS: u32 = 1_000;

/// Runs a session and returns the reason of its end.
pub(super) async fn run(
    shared: &Rc<Shared>,
    connection: &Connection,
    device: DeviceId,
    mut entry: Entry,
) -> End {
    match start(shared, connection, device, &mut entry).await {
        Ok(mut session) => {
            // A task of its own: its events do not wake the punches.
            let mut beside = JoinSet::new();
            beside.spawn_local(queries::serve(Rc::clone(shared), connection.clone(), device));
            let served = session.serve(&mut entry).await;
            beside.shutdown().await;
            served.err().unwrap_or(End::Served)
        }
        Err(end) => end,
    }
}

struct Session {
    shared: Rc<Shared>,
    device: DeviceId,
    reading: FrameStream,
    send: SendStream,
    stream: Stream<PendingRun>,
    /// The other gateways of the fleet; `None` without one.
    peers: Option<Peers>,
    draining: bool,
    /// True once the device has ended its side of the stream.
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
        let mut reading = FrameStream::new(receive);
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
        stream: Stream::new(class, hello, recorded),
        peers: shared.front.peers.clone(),
        draining: false,
        ended: false,
    };
    session.stream.answers.push(
        request,
        &Answer::Welcome(Welcome {
            gateway_time_ms: clock::now_ms(),
            recorded,
            window_punches: session.stream.intake.window_punches(),
            batch_punches_max: limits::BATCH_PUNCHES_MAX as u32,
            idle_ms: limits::IDLE_MS_MAX as u32,
        }),
    );
    session.list_gateways();
    Ok(session)
}

async fn read_hello(reading: &mut FrameStream) -> Result<(RequestId, Hello), End> {
    loop {
        if let Some(frame) = reading.frames.next_frame().map_err(|error| error.code())? {
            let Request::Hello(hello) = frame.request()? else {
                return Err(ErrorCode::HelloExpected.into());
            };
            return Ok((frame.request, hello));
        }
        if !reading.more().await? {
            let mid_frame = reading.frames.is_mid_frame();
            return Err(if mid_frame { ErrorCode::BadFrame } else { ErrorCode::HelloExpected }.into());
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
    let front = &shared.front;
    let outcome = numbers::known(&front.ledger, front.peers.as_ref(), device, hello).await;
    let (code, detail) = match numbering(outcome) {
        Ok(recorded) => return Ok(recorded),
        Err(refused) => refused,
    };
    if let Some(detail) = detail {
        let mut answers = Answers::default();
        answers.refuse(request, code, detail);
        let _ = send.write_all(answers.bytes()).await;
        finish(send).await;
    }
    Err(code.into())
}

/// Waits until all written bytes have arrived, before the connection is closed.
async fn finish(send: &mut SendStream) {
    let _ = send.finish();
    let _ = tokio::time::timeout(FINISH, send.stopped()).await;
}

/// The events that a session wakes up for.
enum Event {
    More(bool),
    Landed(Landed),
    Close(ErrorCode),
    Drain,
    /// The list of the fleet's gateways has changed.
    Gateways,
}

/// Waits until the list of the fleet's gateways is another one than this; for ever without a fleet.
async fn another_list(peers: Option<Peers>) {
    match peers {
        Some(mut peers) => peers.changed().await,
        None => std::future::pending().await,
    }
}

impl Session {
    /// Returns when the device has ended its side of the stream and has all its answers.
    async fn serve(&mut self, entry: &mut Entry) -> Result<(), End> {
        // One waiter for the whole session: it is not registered anew for each event.
        let mut drain = self.shared.front.drain.clone();
        let mut drained = pin!(async move { drop(drain.wait_for(|&drain| drain).await) });
        let mut listed = pin!(another_list(self.peers.clone()));
        // Frames that have arrived with `Hello`.
        let mut event = Event::More(true);
        loop {
            let is_list = matches!(event, Event::Gateways);
            if let Err(code) = self.handle(event, entry) {
                return Err(self.part(code).await);
            }
            if is_list {
                listed.set(another_list(self.peers.clone()));
            }
            self.launch();
            if !self.stream.answers.bytes().is_empty() {
                // A device that does not read is replaced and revoked like any other.
                tokio::select! {
                    biased;
                    written = self.write() => written?,
                    code = entry.closed() => return Err(code.into()),
                }
            }
            if (self.draining || self.ended) && self.stream.flight.is_empty() {
                finish(&mut self.send).await;
                return if self.ended { Ok(()) } else { Err(ErrorCode::Draining.into()) };
            }
            event = self.next_event(entry, drained.as_mut(), listed.as_mut()).await?;
        }
    }

    fn handle(&mut self, event: Event, entry: &Entry) -> Result<(), ErrorCode> {
        match event {
            Event::More(true) => self.take_frames(entry)?,
            Event::More(false) => self.end_of_stream()?,
            Event::Landed(landed) => self.stream.land(landed, &self.shared.metrics)?,
            Event::Close(code) => return Err(code),
            Event::Drain => self.begin_drain(),
            Event::Gateways => self.list_gateways(),
        }
        while let Some(landed) = self.stream.flight.landed_now() {
            self.stream.land(landed, &self.shared.metrics)?;
        }
        Ok(())
    }

    /// Writes the answers that are left before the connection is closed, if the device takes them.
    async fn part(&mut self, code: ErrorCode) -> End {
        if !self.stream.answers.bytes().is_empty() {
            let last = async {
                if self.write().await.is_ok() {
                    finish(&mut self.send).await;
                }
            };
            let _ = tokio::time::timeout(FINISH, last).await;
        }
        code.into()
    }

    async fn next_event(
        &mut self,
        entry: &mut Entry,
        drained: Pin<&mut impl Future<Output = ()>>,
        listed: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Event, End> {
        let may_read = self.stream.intake.has_room() && !self.draining && !self.ended;
        let deadline = self.reading.deadline().filter(|_| may_read);
        let too_slow = async move {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let (reading, flight) = (&mut self.reading, &mut self.stream.flight);
        tokio::select! {
            biased;
            code = entry.closed() => Ok(Event::Close(code)),
            landed = flight.next() => Ok(Event::Landed(landed)),
            more = reading.more(), if may_read => Ok(Event::More(more?)),
            () = too_slow => Err(ErrorCode::FrameTooSlow.into()),
            () = drained, if !self.draining => Ok(Event::Drain),
            () = listed => Ok(Event::Gateways),
        }
    }

    /// Takes every whole frame that has arrived.
    fn take_frames(&mut self, entry: &Entry) -> Result<(), ErrorCode> {
        let read = ReadTime { ms: clock::now_ms(), at: clock::now() };
        loop {
            let frame = self.reading.frames.next_frame().map_err(|error| error.code())?;
            let Some(frame) = frame else { break };
            let (id, request) = (frame.request, frame.request());
            let taken =
                request.map_err(Refusal::from).and_then(|request| self.take(id, request, entry, read));
            if let Err(refusal) = taken {
                self.shared.metrics.refused(refusal.code);
                self.stream.refuse(id, refusal)?;
            }
        }
        self.reading.note_begun();
        self.stream.read(read.at);
        Ok(())
    }

    fn take(
        &mut self,
        id: RequestId,
        request: Request,
        entry: &Entry,
        read: ReadTime,
    ) -> Result<(), Refusal> {
        match request {
            Request::Hello(_) => Err(ErrorCode::HelloTwice.into()),
            Request::TrajectoryQuery(_) => Err(ErrorCode::WrongStream.into()),
            Request::Verify(verify) => self.verify(id, &verify, entry, read),
            Request::PunchBatch(batch) => self.punches(id, batch, entry, read),
            Request::Ping(ping) => {
                self.stream.intake.carries(1)?;
                self.shared.metrics.skew(read.ms.abs_diff(ping.device_time_ms));
                let pong = Pong { device_time_ms: ping.device_time_ms, gateway_time_ms: read.ms };
                self.stream.answers.overtake(id, &Answer::Pong(pong));
                Ok(())
            }
        }
    }

    /// Answers from memory, before any punch that waits for its sync.
    fn verify(
        &mut self,
        id: RequestId,
        verify: &Verify,
        entry: &Entry,
        read: ReadTime,
    ) -> Result<(), Refusal> {
        let rights = entry.rights()?;
        self.stream.intake.carries(verify.scanned.0.len())?;
        if !rights.allows_region(verify.region) {
            return Err(ErrorCode::RegionDenied.into());
        }
        check_scans(verify.scanned.0.iter(), &rights)?;
        self.stream.intake.taken();
        let judge = &self.shared.front.judge;
        let judged = judge.judge((verify.region, self.device), verify.scanned.0.iter(), read.ms);
        let verdicts: Vec<_> = judged.iter().map(|judged| judged.verdict).collect();
        self.shared.metrics.verified(verify.region, &verdicts);
        let taps = &self.shared.front.taps;
        if taps.are_open() {
            let scans = verify.scanned.0.iter().zip(verdicts.iter().copied());
            taps.verified(verify.region, self.device, read.ms, scans);
        }
        self.stream.owed.verify(read.at);
        let verdicts = Verdicts { first: Sequence(0), as_of_ms: read.ms, verdicts: Bounded(verdicts) };
        self.stream.answers.overtake(id, &Answer::Verdicts(verdicts));
        Ok(())
    }

    fn punches(
        &mut self,
        id: RequestId,
        batch: PunchBatch,
        entry: &Entry,
        read: ReadTime,
    ) -> Result<(), Refusal> {
        let (rights, places) = (entry.rights()?, self.shared.front.fleet.places());
        self.stream.punches(id, batch, (&rights, places), read.ms)
    }

    fn launch(&mut self) {
        let directory = &self.shared.front.directory;
        self.stream.launch(|run| directory.punch(run));
    }

    fn begin_drain(&mut self) {
        self.draining = true;
        let drain = Drain { reconnect_after_ms: RECONNECT_AFTER_MS };
        self.stream.answers.push(RequestId(0), &Answer::Drain(drain));
    }

    /// Tells the device the fleet's gateways, if they are known.
    fn list_gateways(&mut self) {
        let addresses = self.peers.as_mut().map(Peers::addresses).unwrap_or_default();
        if !addresses.is_empty() {
            let list = Gateways { addresses: Bounded(addresses) };
            self.stream.answers.push(RequestId(0), &Answer::Gateways(list));
        }
    }

    async fn write(&mut self) -> Result<(), End> {
        let bytes = self.stream.answers.bytes();
        let written = tokio::time::timeout(WRITE, self.send.write_all(bytes)).await;
        self.stream.answers.clear();
        written.map_err(|_| ErrorCode::AnswersNotTaken)??;
        self.shared.metrics.written(&mut self.stream.owed);
        Ok(())
    }

    /// Notes the end of the device's side; the requests that it sent are still answered.
    fn end_of_stream(&mut self) -> Result<(), ErrorCode> {
        self.ended = true;
        if self.reading.frames.is_mid_frame() { Err(ErrorCode::BadFrame) } else { Ok(()) }
    }
}
