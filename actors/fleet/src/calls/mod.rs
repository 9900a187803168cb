//! Requests from one gateway of a fleet to another, over core NATS: the broker carries them and keeps nothing. What is asked and answered is
//! the gateway's around; this module seals it, numbers it, bounds it, and says what has happened if an answer does not come.
//!
//! 1. The caller rings on the subject of a gateway's name. That gateway draws a random number for this one call, or is busy.
//! 2. The request is sealed for that number, so that it is good once, and clocks play no part.
//! 3. The answer comes in numbered pieces, a few at a time; the caller says how far it has taken them. A gateway that works and has nothing
//!    to say yet sends a beat. A piece that is lost ends the call with an error, never with a short answer.
//!
//! `wire`: the sealed messages. `answering`: the other end.

mod answering;
mod wire;

use std::future::pending;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, Message, StatusCode, Subscriber};
use futures_util::future::join_all;
use futures_util::{FutureExt, StreamExt};
use keys::random;
use tokio::time::timeout;

use crate::orders::Orders;
use crate::standing::{Shared, Standing};
use wire::{Line, Once, Piece, Ring, Step};

pub use answering::Pieces;
pub(crate) use answering::serve;
pub(crate) use wire::VERSION;

/// The beginning of the subjects on which gateways are called; the id of the fleet's key and the gateway's name end them.
const SUBJECT: &str = "changtong.calls";
/// The time within which a gateway that is there says that it is ready.
const READY: Duration = Duration::from_secs(1);
/// The interval of the beats of a gateway that works.
const BEAT: Duration = Duration::from_secs(1);
/// The time after which a gateway that is silent is given up: several beats, and less than the watchdog's.
const SILENCE: Duration = Duration::from_secs(8);
/// The pieces that are on the way at one time.
const WINDOW: u64 = 8;
/// The most bytes of a piece: the window is far less than a broker keeps for a slow client.
const PIECE_BYTES_MAX: usize = 128 * 1024;
/// The most bytes of a request: an order, whose line is half of it at most, fits what brokers take by default.
const REQUEST_BYTES_MAX: usize = 128 * 1024;
/// The most bytes of an answer that is collected: a day at the busiest place.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// The taker of an answer's bytes; false ends the call.
pub type Take<'a> = dyn FnMut(&[u8]) -> bool + 'a;

/// A part of what is heard of one gateway while several are asked.
pub enum Heard<'a> {
    /// Bytes of its answer.
    Bytes(&'a [u8]),
    /// The end of its call.
    End(Result<(), CallError>),
}

/// A call that has no answer, or no whole one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The gateway is away, or this one is cut off; nothing was asked.
    #[error("{gateway} does not answer: it is away, or one of the two does not reach the broker")]
    Away {
        /// Its name.
        gateway: String,
    },
    /// Too many calls are under way there, or here; nothing was asked.
    #[error("{gateway} answers as many others as it can: ask again in a moment")]
    Busy {
        /// Its name.
        gateway: String,
    },
    /// It speaks another version of calls; nothing was asked.
    #[error("{gateway} has another release: run the same one on all gateways of the fleet")]
    Version {
        /// Its name.
        gateway: String,
    },
    /// It refuses, with its words.
    #[error("{text}")]
    Refused {
        /// The words.
        text: String,
    },
    /// The answer broke off: what was asked may have been done.
    #[error("the answer of {gateway} broke off: what was asked may have been done there")]
    Broken {
        /// Its name.
        gateway: String,
    },
    /// The caller took no more.
    #[error("nobody takes the answer any more")]
    Stopped,
}

/// The way to call other gateways; clones share it. Calls are made on the caller's own thread, which has a runtime.
#[derive(Clone)]
pub struct Calls {
    shared: Arc<Shared>,
    client: Arc<OnceLock<Client>>,
}

impl Calls {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, client: Arc::default() }
    }

    /// Opens the way; before that every gateway is away.
    pub(crate) fn open(&self, client: &Client) {
        let _ = self.client.set(client.clone());
    }

    pub(crate) fn standing(&self) -> Standing {
        self.shared.standing()
    }

    pub(crate) fn orders(&self) -> Orders {
        Orders(Arc::clone(&self.shared))
    }

    /// Returns the name of the gateway that leads, if it is another one than this and the broker answers.
    pub fn leader_elsewhere(&self) -> Option<String> {
        let standing = self.shared.standing();
        let leader = standing.leader.filter(|_| !standing.leads && standing.connected)?;
        (leader.name != standing.name).then_some(leader.name)
    }

    /// Asks a gateway; `take` gets the bytes of the answer as they come, and returns false to end the call.
    ///
    /// # Errors
    /// There is no whole answer; the error says whether the request may have been done.
    pub async fn call(&self, gateway: &str, request: &[u8], take: &mut Take<'_>) -> Result<(), CallError> {
        self.call_until(gateway, request, take, pending()).await
    }

    /// Does what [`Self::call`] does, until `stop` is there: then the work at that gateway ends as if `take` had returned false, at once or
    /// as soon as that gateway has begun it.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn call_until(
        &self,
        gateway: &str,
        request: &[u8],
        take: &mut Take<'_>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), CallError> {
        let away = || CallError::Away { gateway: gateway.to_owned() };
        let client = self.client.get().filter(|client| client.connection_state() == State::Connected);
        let client = client.ok_or_else(away)?;
        if request.len() > REQUEST_BYTES_MAX {
            return Err(CallError::Refused {
                text: "the request is too long for another gateway".to_owned(),
            });
        }
        let (called, key) = (gateway, self.shared.key());
        let caller = random::bytes().map_err(|_| away())?;
        let mut line = Line { key, called, caller, answerer: Once::default() };
        let inbox = client.new_inbox();
        let mut inbound = client.subscribe(inbox.clone()).await.map_err(|_| away())?;
        let (answerer, outbox) = timeout(READY, self.ring(client, &line, &inbox, &mut inbound))
            .await
            .unwrap_or_else(|_| Err(away()))?;
        line.answerer = answerer;
        let sealed = line.seal(Step::Request, 0, request).map_err(|_| away())?;
        client.publish(outbox.clone(), sealed.into()).await.map_err(|_| away())?;
        receive(client, &line, &mut inbound, (&outbox, take, stop)).await
    }

    /// Asks a gateway and collects its answer.
    ///
    /// # Errors
    /// As [`Self::call`]; or the answer is too long.
    pub async fn ask(&self, gateway: &str, request: &[u8]) -> Result<Vec<u8>, CallError> {
        let mut all = Vec::new();
        let mut take = |bytes: &[u8]| {
            all.extend_from_slice(bytes);
            all.len() <= ANSWER_BYTES_MAX
        };
        self.call(gateway, request, &mut take).await?;
        Ok(all)
    }

    /// Asks these gateways at the same time and collects their answers, in the order given.
    pub async fn ask_each(&self, gateways: &[String], request: &[u8]) -> Vec<Result<Vec<u8>, CallError>> {
        join_all(gateways.iter().map(|gateway| self.ask(gateway, request))).await
    }

    /// Asks these gateways at the same time, until `stop` is there. `hear` gets what each of them says, by its place among them, and returns
    /// false to end its call.
    pub async fn hear_each(
        &self,
        gateways: &[String],
        request: &[u8],
        hear: &dyn Fn(usize, Heard<'_>) -> bool,
        stop: impl Future<Output = ()>,
    ) {
        let stop = stop.shared();
        let calls = gateways.iter().enumerate().map(async |(at, gateway)| {
            let mut take = |bytes: &[u8]| hear(at, Heard::Bytes(bytes));
            let end = self.call_until(gateway, request, &mut take, stop.clone()).await;
            hear(at, Heard::End(end));
        });
        join_all(calls).await;
    }

    /// Rings; returns the random number and the subject of the gateway that is ready.
    async fn ring(
        &self,
        client: &Client,
        line: &Line<'_>,
        inbox: &str,
        inbound: &mut Subscriber,
    ) -> Result<(Once, String), CallError> {
        let gateway = line.called.to_owned();
        let away = || CallError::Away { gateway: gateway.clone() };
        let ring = Ring { from: self.shared.standing().name, caller: line.caller };
        // Sealed for the gateway alone: who is called does not know the caller's number yet.
        let open = Line { caller: Once::default(), ..line.clone() };
        let sealed = open.seal(Step::Ring, 0, &wire::encode(&ring)).map_err(|_| away())?;
        let subject = subject(&line.key.id(), line.called);
        client.publish_with_reply(subject, inbox.to_owned(), sealed.into()).await.map_err(|_| away())?;
        while let Some(message) = inbound.next().await {
            let Message { payload, reply, status, .. } = message;
            if status == Some(StatusCode::NO_RESPONDERS) {
                return Err(away());
            }
            if payload.first().is_some_and(|version| *version != VERSION) {
                return Err(CallError::Version { gateway });
            }
            let Some((_, answer)) = line.open(Step::Ready, &payload) else { continue };
            return match (Once::try_from(&answer[..]), reply) {
                (Ok(answerer), Some(outbox)) => Ok((answerer, outbox.to_string())),
                (Ok(_) | Err(_), _) => Err(CallError::Busy { gateway }),
            };
        }
        Err(away())
    }
}

/// Returns the subject on which a gateway is called.
fn subject(key: &str, gateway: &str) -> String {
    format!("{SUBJECT}.{key}.{gateway}")
}

/// Takes the pieces of an answer, in their order, to the last one, or until `stop` is there.
async fn receive(
    client: &Client,
    line: &Line<'_>,
    inbound: &mut Subscriber,
    (outbox, take, stop): (&str, &mut Take<'_>, impl Future<Output = ()>),
) -> Result<(), CallError> {
    let broken = || CallError::Broken { gateway: line.called.to_owned() };
    // An answerer that hears that no piece at all was taken ends its work.
    let taken = async |upto| {
        let sealed = line.seal(Step::Taken, upto, &[]).map_err(|_| broken())?;
        client.publish(outbox.to_owned(), sealed.into()).await.map_err(|_| broken())
    };
    let (mut expected, mut stop) = (0, pin!(stop));
    loop {
        let message = tokio::select! {
            biased;
            () = &mut stop => {
                taken(0).await?;
                return Err(CallError::Stopped);
            }
            message = timeout(SILENCE, inbound.next()) => message.ok().flatten().ok_or_else(broken)?,
        };
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            return Err(broken());
        }
        let Some((number, plain)) = line.open(Step::Piece, &message.payload) else { continue };
        let piece = Piece::of_bytes(&plain).filter(|_| number == expected).ok_or_else(broken)?;
        expected += 1;
        let goes_on = match piece {
            Piece::Beat => true,
            Piece::More(bytes) => take(&bytes),
            Piece::Last(bytes) => {
                return if bytes.is_empty() || take(&bytes) { Ok(()) } else { Err(CallError::Stopped) };
            }
            Piece::Refused(text) => {
                return Err(CallError::Refused { text: String::from_utf8_lossy(&text).into_owned() });
            }
        };
        if !goes_on {
            taken(0).await?;
            return Err(CallError::Stopped);
        }
        if expected.is_multiple_of(WINDOW / 2) {
            taken(expected).await?;
        }
    }
}
