//! Requests of the gateways of a fleet to each other. The crate `fleet` seals and carries them; the answers are
//! made in `member`. Nothing here decides what may be asked: an order's rights are checked, and accesses are on record, at the gateway
//! that leads.
//!
//! - `passages`: the passages of all gateways at a place. `punches`: the export of all logs. Each punch once.
//! - `lines`: answers in lines as they come, of one gateway or of all at the same time.

mod lines;
pub(crate) mod passages;
pub(crate) mod punches;

use actors::query::QueryError;
use actors::registrar::Receipt;
use anyhow::{Context, bail};
use fleet::{CallError, Calls, Peers, Standing};
use ledger::VerifyReport;
use protocol::message::Answer;
use protocol::trajectory::TrajectoryAnswer;
use protocol::{Frame, RequestId, frame};
use registry::OrderEntry;
use registry::operator::{Order, Signature};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::reload::Reloaded;

/// A request to another gateway. One that a gateway does not know, it refuses with the name.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Request {
    /// A signed order for the gateway that leads, which carries it out. The answer is lines of JSON: progress, then the reply.
    Order { order: Order, signatures: Vec<Signature> },
    /// A signed order that its own gateway carries out, to be put on record by the one that leads. The answer is [`OnRecord`].
    Record { order: Order, signatures: Vec<Signature> },
    /// A look at everybody's passages by an order on record, to be put on record.
    Look { authority: String, operators: String, lookup: String, case: String },
    /// The end of an order on record.
    End { entry: OrderEntry, done: bool },
    /// The passages at a place in this gateway's log. The answer is [`Found`].
    Passages { place: u32, from_ms: u64, to_ms: u64 },
    /// The punches of this gateway's log that it received in that time. The answer is an export in lines of JSON.
    Punches { from_ms: u64, to_ms: u64 },
    /// This gateway's verdicts as they are given, by an order on record, until its operators are revoked. The answer is lines of JSON.
    Tap { authority: String, operators: String, region: Option<u16>, colour: Option<String>, seconds: u64 },
    /// A new check of this gateway's log, whose answer names no person: a [`VerifyReport`].
    Verify,
    /// A reload of the gateway's files. The answer is [`Reloaded`].
    Reload,
    /// The use of a device's enrolment token, whose hash is in hexadecimal. The answer is the device's number, or none.
    TakeToken { hash: String },
    /// A device's new certificate to be put on record; `with` is the serial of the one that it renews.
    NoteCertificate { device: u64, with: Option<String>, serial: String, not_after_s: u64 },
    /// A device's query with a citizen's receipt, in hexadecimal, for the gateway that leads. The answer is [`Receipted`].
    Receipt { receipt: String },
}

/// An order on record, and the operators whose signatures count.
#[derive(Serialize, Deserialize)]
pub(crate) struct OnRecord {
    pub(crate) authority: String,
    pub(crate) operators: String,
    pub(crate) entry: OrderEntry,
}

/// The answer to a query with a receipt.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Receipted {
    /// The frame with the answer, in hexadecimal.
    Answer(String),
    /// The receipt or its consent is not good.
    Receipt,
    ReceiptExpired,
    Consent,
    /// Nothing was asked, and the receipt is still good.
    Busy,
    Failed,
}

impl Receipted {
    /// Writes an answer down.
    pub(crate) fn of(asked: Result<TrajectoryAnswer, QueryError>) -> Self {
        match asked {
            Ok(answer) => {
                let (answer, mut bytes) = (Answer::TrajectoryAnswer(answer), Vec::new());
                frame::write_answer(RequestId(0), &answer, &mut bytes)
                    .expect("every answer is built within its limits");
                Self::Answer(hex::encode(bytes))
            }
            Err(QueryError::Receipt) => Self::Receipt,
            Err(QueryError::ReceiptExpired) => Self::ReceiptExpired,
            Err(QueryError::Consent) => Self::Consent,
            Err(QueryError::Busy) => Self::Busy,
            Err(QueryError::Failed) => Self::Failed,
        }
    }

    fn read(self) -> Result<TrajectoryAnswer, QueryError> {
        Err(match self {
            Self::Answer(text) => return answer_of(&text).ok_or(QueryError::Failed),
            Self::Receipt => QueryError::Receipt,
            Self::ReceiptExpired => QueryError::ReceiptExpired,
            Self::Consent => QueryError::Consent,
            Self::Busy => QueryError::Busy,
            Self::Failed => QueryError::Failed,
        })
    }
}

fn answer_of(text: &str) -> Option<TrajectoryAnswer> {
    let bytes = hex::decode(text).ok()?;
    let (frame, _) = Frame::cut(&bytes).ok()??;
    match frame.answer()?.ok()? {
        Answer::TrajectoryAnswer(answer) => Some(answer),
        Answer::Welcome(_)
        | Answer::Verdicts(_)
        | Answer::Busy(_)
        | Answer::Gap(_)
        | Answer::Error(_)
        | Answer::Drain(_)
        | Answer::Pong(_)
        | Answer::Gateways(_) => None,
    }
}

/// The gateway that leads the fleet, if that is another one.
pub(crate) struct Leader<'a> {
    calls: &'a Calls,
    pub(crate) name: String,
}

impl<'a> Leader<'a> {
    /// Returns the gateway that leads; `None` without a fleet, if this gateway leads, and if none is known to.
    pub(crate) fn elsewhere(peers: Option<&'a Peers>) -> Option<Self> {
        let calls = peers?.calls();
        calls.leader_elsewhere().map(|name| Self { calls, name })
    }

    /// Asks it, and reads its whole answer.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, request: &Request) -> anyhow::Result<T> {
        let answer = self.calls.ask(&self.name, &encode(request)).await;
        read(&self.name, &answer.map_err(explained)?)
    }

    /// Asks with a citizen's receipt, for a device that is connected here. Where the outcome is not certain the receipt may be used up.
    pub(crate) async fn query(&self, receipt: &Receipt) -> Result<TrajectoryAnswer, QueryError> {
        let request = encode(&Request::Receipt { receipt: hex::encode(receipt) });
        match self.calls.ask(&self.name, &request).await {
            Ok(bytes) => {
                read::<Receipted>(&self.name, &bytes).map_or(Err(QueryError::Failed), Receipted::read)
            }
            Err(CallError::Away { .. } | CallError::Busy { .. }) => Err(QueryError::Busy),
            Err(error @ (CallError::Version { .. } | CallError::Refused { .. })) => {
                tracing::warn!(%error, gateway = self.name, "a device's query was refused by the gateway that leads");
                Err(QueryError::Busy)
            }
            Err(CallError::Broken { .. } | CallError::Stopped) => Err(QueryError::Failed),
        }
    }
}

/// Says what to do about a request to the gateway that leads.
fn explained(error: CallError) -> anyhow::Error {
    let what = match &error {
        CallError::Away { .. } | CallError::Busy { .. } | CallError::Version { .. } => {
            "nothing is done yet, the gateway that leads was not reached; do it again in a few seconds"
        }
        CallError::Broken { .. } => "look what is on record before you do it again",
        CallError::Refused { .. } | CallError::Stopped => return error.into(),
    };
    anyhow::Error::from(error).context(what)
}

/// A gateway whose log is not in an answer about all of them, or not wholly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Away {
    pub(crate) gateway: String,
    pub(crate) why: String,
}

impl Away {
    /// Returns the line about it for people; `what` it may have that is not shown.
    pub(crate) fn line(&self, what: &str) -> String {
        let Self { gateway, why } = self;
        format!(
            "INCOMPLETE: {why}. {what} that {gateway} alone has recorded are missing here. Order it again when {gateway} is back; if it is lost, \
             `changtong fleet recover {gateway}` reads the second copy of its log."
        )
    }
}

/// The checks of all gateways' logs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Logs {
    pub(crate) sound: Vec<(String, VerifyReport)>,
    /// Logs that are damaged, or whose gateways are away.
    pub(crate) not_verified: Vec<Away>,
}

/// The reloads of the other gateways.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reloads {
    pub(crate) done: Vec<(String, Reloaded)>,
    /// Gateways that are away, that refuse their files and have what they had, or whose answer broke off.
    pub(crate) not_done: Vec<Away>,
}

/// The gateways of the fleet around this one.
pub(crate) struct Others<'a> {
    calls: &'a Calls,
    /// The name of this gateway.
    own: String,
    /// The names of all others.
    names: Vec<String>,
}

impl<'a> Others<'a> {
    /// Returns the other gateways.
    ///
    /// # Errors
    /// They are not known yet.
    pub(crate) fn of(peers: &'a Peers) -> anyhow::Result<Self> {
        let Standing { name: own, gateways: mut names, .. } = peers.standing();
        if !names.contains(&own) {
            bail!(
                "the list of the fleet's gateways is not known yet: order it again when the broker answers"
            );
        }
        names.retain(|name| *name != own);
        Ok(Self { calls: peers.calls(), own, names })
    }

    /// Has all gateways check their logs at the same time; `own` is the check of this one's.
    pub(crate) fn verify(&self, own: anyhow::Result<VerifyReport>) -> anyhow::Result<Logs> {
        let mut all = wait(self.ask_each(&Request::Verify))?;
        all.push((self.own.clone(), own));
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        let (sound, not_verified) = apart(all);
        Ok(Logs { sound, not_verified })
    }

    /// Has all others read their files again at the same time.
    pub(crate) fn reload(&self) -> anyhow::Result<Reloads> {
        let (done, not_done) = apart(wait(self.ask_each(&Request::Reload))?);
        Ok(Reloads { done, not_done })
    }

    /// Asks all of them at the same time.
    async fn ask_each<T: DeserializeOwned>(&self, request: &Request) -> Vec<(String, anyhow::Result<T>)> {
        let answers = self.calls.ask_each(&self.names, &encode(request)).await;
        let named = self.names.iter().cloned().zip(answers);
        named
            .map(|(name, answer)| {
                (name.clone(), answer.map_err(Into::into).and_then(|bytes| read(&name, &bytes)))
            })
            .collect()
    }
}

/// Returns the answers, and those who gave none, with why.
fn apart<T>(all: Vec<(String, anyhow::Result<T>)>) -> (Vec<(String, T)>, Vec<Away>) {
    let (mut answers, mut away) = (Vec::new(), Vec::new());
    for (gateway, answer) in all {
        match answer {
            Ok(answer) => answers.push((gateway, answer)),
            Err(error) => away.push(Away { gateway, why: format!("{error:#}") }),
        }
    }
    (answers, away)
}

fn encode(request: &Request) -> Vec<u8> {
    serde_json::to_vec(request).expect("texts and numbers")
}

fn read<T: DeserializeOwned>(gateway: &str, bytes: &[u8]) -> anyhow::Result<T> {
    serde_json::from_slice(bytes).with_context(|| {
        format!("{gateway} answers what this release does not read: run the same release on all gateways of the fleet")
    })
}

/// Waits for a future, on a thread that may block.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(future))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_to_a_receipt_crosses_as_it_is() {
        use protocol::trajectory::TrajectoryReason;
        let answer = TrajectoryAnswer::without_days(TrajectoryReason::NewNumber);
        for asked in [
            Ok(answer),
            Err(QueryError::Consent),
            Err(QueryError::Receipt),
            Err(QueryError::ReceiptExpired),
            Err(QueryError::Busy),
            Err(QueryError::Failed),
        ] {
            let text = serde_json::to_string(&Receipted::of(asked.clone())).unwrap();
            assert_eq!(serde_json::from_str::<Receipted>(&text).unwrap().read(), asked);
        }
    }
}
