//! The answering end of calls: as many at a time as a gateway can bear, each with a queue of one piece, so that work goes on as fast as
//! its caller takes the answer.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, Message, Subscriber};
use futures_util::StreamExt;
use keys::random;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::wire::{self, Line, OVERHEAD_BYTES, Once, Piece, Ring, Step, VERSION};
use super::{BEAT, PIECE_BYTES_MAX, WINDOW, subject};
use crate::Member;
use crate::broker::REQUEST;
use crate::standing::Shared;

/// The most calls that a gateway answers at one time: more than devices' queries that one other gateway has under way.
const CALLS_MAX: usize = 512;
/// The time within which a caller that has rung sends its request.
const ASKED: Duration = Duration::from_secs(2);
/// The time for which a caller may take nothing: longer than an operator's command may keep a gateway waiting.
const PATIENCE: Duration = Duration::from_secs(40);
/// The pause before rings are heard again after the broker refused that.
const RETRY: Duration = Duration::from_secs(1);

/// The answer to a request, as it is made. What is dropped without an end counts as broken off.
pub struct Pieces(mpsc::Sender<Piece>);

impl Pieces {
    /// Passes bytes of the answer on; false if nobody takes them any more.
    pub async fn tell(&self, bytes: Vec<u8>) -> bool {
        self.0.send(Piece::More(bytes)).await.is_ok()
    }

    /// Does what [`Self::tell`] does, on a thread that may block.
    pub fn tell_blocking(&self, bytes: Vec<u8>) -> bool {
        self.0.blocking_send(Piece::More(bytes)).is_ok()
    }

    /// Ends the answer with its last bytes, or with the reason for which there is none.
    pub async fn end(self, end: Result<Vec<u8>, String>) {
        // A caller that has gone needs no end.
        let _ = self.0.send(last(end)).await;
    }

    /// Does what [`Self::end`] does, on a thread that may block.
    pub fn end_blocking(self, end: Result<Vec<u8>, String>) {
        let _ = self.0.blocking_send(last(end));
    }
}

fn last(end: Result<Vec<u8>, String>) -> Piece {
    match end {
        Ok(bytes) => Piece::Last(bytes),
        Err(text) => Piece::Refused(text.into_bytes()),
    }
}

/// Answers the calls of other gateways, for ever.
pub(crate) async fn serve(client: &Client, shared: &Arc<Shared>, member: &Arc<dyn Member>) {
    let own = shared.standing().name;
    let mut calls = JoinSet::new();
    loop {
        let subscribed = timeout(REQUEST, client.subscribe(subject(&shared.key().id(), &own))).await;
        if let Ok(Ok(mut rings)) = subscribed {
            while let Some(message) = next(&mut rings, &mut calls).await {
                let has_room = calls.len() < CALLS_MAX;
                let call = Call { client: client.clone(), shared: Arc::clone(shared), own: own.clone() };
                calls.spawn_local(call.serve(message, has_room.then(|| Arc::clone(member))));
            }
        }
        sleep(RETRY).await;
    }
}

/// Returns the next ring; meanwhile calls that have ended are forgotten.
async fn next(rings: &mut Subscriber, calls: &mut JoinSet<Option<()>>) -> Option<Message> {
    loop {
        tokio::select! {
            message = rings.next() => return message,
            Some(ended) = calls.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "the answer to another gateway failed");
                }
            }
        }
    }
}

struct Call {
    client: Client,
    shared: Arc<Shared>,
    own: String,
}

impl Call {
    /// Answers one call; without a member there is no room for it. `None` if the caller or the broker has gone.
    async fn serve(self, rung: Message, member: Option<Arc<dyn Member>>) -> Option<()> {
        let Self { client, shared, own } = &self;
        let inbox = rung.reply?.to_string();
        if rung.payload.first() != Some(&VERSION) {
            return client.publish(inbox, vec![VERSION].into()).await.ok();
        }
        let (caller, answerer) = (Once::default(), Once::default());
        let mut line = Line { key: shared.key(), called: own, caller, answerer };
        let (_, ring) = line.open(Step::Ring, &rung.payload)?;
        let Ring { from, caller } = wire::decode(&ring)?;
        line.caller = caller;
        let Some(member) = member else {
            let busy = line.seal(Step::Ready, 0, &[]).ok()?;
            return client.publish(inbox, busy.into()).await.ok();
        };
        let answerer: Once = random::bytes().ok()?;
        let outbox = client.new_inbox();
        let mut inbound = client.subscribe(outbox.clone()).await.ok()?;
        let ready = line.seal(Step::Ready, 0, &answerer).ok()?;
        client.publish_with_reply(inbox.clone(), outbox, ready.into()).await.ok()?;
        line.answerer = answerer;
        let request = timeout(ASKED, requested(&line, &mut inbound)).await.ok()??;
        let (sender, pieces) = mpsc::channel(1);
        let work = member.answer(from, request, Pieces(sender));
        let mut sending = Sending { client, line: &line, inbox: &inbox, next: 0, taken: 0 };
        tokio::select! {
            sent = sending.run(pieces, &mut inbound) => sent,
            // What has ended may still have a piece on its way.
            never = async { work.await; std::future::pending().await } => never,
        }
    }
}

/// Waits for the request of a caller that has rung.
async fn requested(line: &Line<'_>, inbound: &mut Subscriber) -> Option<Vec<u8>> {
    loop {
        let message = inbound.next().await?;
        if let Some((_, request)) = line.open(Step::Request, &message.payload) {
            return Some(request);
        }
    }
}

/// The pieces of an answer on their way to the caller.
struct Sending<'a> {
    client: &'a Client,
    line: &'a Line<'a>,
    inbox: &'a str,
    next: u64,
    taken: u64,
}

impl Sending<'_> {
    /// Sends the pieces as they are made, and beats between them, until the end of the answer. `None` if the caller has gone.
    async fn run(&mut self, mut pieces: mpsc::Receiver<Piece>, inbound: &mut Subscriber) -> Option<()> {
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beats.reset();
        loop {
            let piece = tokio::select! {
                biased;
                message = inbound.next() => {
                    self.note(&message?)?;
                    continue;
                }
                piece = pieces.recv() => piece,
                _ = beats.tick() => Some(Piece::Beat),
            };
            let piece = piece
                .unwrap_or_else(|| last(Err("the gateway could not answer: look into its log".to_owned())));
            let is_last = matches!(piece, Piece::Last(_) | Piece::Refused(_));
            self.send(piece, inbound).await?;
            if is_last {
                return Some(());
            }
            beats.reset();
        }
    }

    /// Sends a piece, in several messages if it is long.
    async fn send(&mut self, piece: Piece, inbound: &mut Subscriber) -> Option<()> {
        let room = self.client.max_payload().saturating_sub(OVERHEAD_BYTES + 1_024).clamp(1, PIECE_BYTES_MAX);
        let (bytes, end): (_, fn(Vec<u8>) -> Piece) = match piece {
            Piece::Beat => return self.message(&Piece::Beat, inbound).await,
            Piece::More(bytes) => (bytes, Piece::More),
            Piece::Last(bytes) => (bytes, Piece::Last),
            Piece::Refused(mut text) => {
                text.truncate(room);
                (text, Piece::Refused)
            }
        };
        let mut rest = &bytes[..];
        while rest.len() > room {
            let (first, others) = rest.split_at(room);
            self.message(&Piece::More(first.to_vec()), inbound).await?;
            rest = others;
        }
        self.message(&end(rest.to_vec()), inbound).await
    }

    /// Sends one message when the window has room.
    async fn message(&mut self, piece: &Piece, inbound: &mut Subscriber) -> Option<()> {
        while self.next >= self.taken + WINDOW {
            let message = timeout(PATIENCE, inbound.next()).await.ok()??;
            self.note(&message)?;
        }
        let sealed = self.line.seal(Step::Piece, self.next, &piece.to_bytes()).ok()?;
        self.next += 1;
        self.client.publish(self.inbox.to_owned(), sealed.into()).await.ok()
    }

    /// Notes how far the caller has taken the answer; `None` if it takes no more.
    fn note(&mut self, message: &Message) -> Option<()> {
        if let Some((upto, _)) = self.line.open(Step::Taken, &message.payload) {
            self.taken = self.taken.max(upto).min(self.next);
            return (upto > 0).then_some(());
        }
        Some(())
    }
}
