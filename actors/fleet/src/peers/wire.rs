//! Questions about devices' numbers and their answers over the broker, which keeps neither. All gateways of a fleet hear a question on one
//! subject, which is named after the fleet's key; each answers with its name.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::Client;
use bincode::{Decode, Encode};
use futures_util::StreamExt;
use protocol::{DeviceId, Epoch, Sequence};
use tokio::time::{sleep, timeout};

use crate::Member;
use crate::broker::REQUEST;

/// The time within which the other gateways answer a question: a device waits for its `Welcome` meanwhile.
pub(super) const ANSWER: Duration = Duration::from_millis(200);
/// The most devices of one question: its answer is far shorter than the messages that brokers allow by default.
pub(super) const DEVICES_PER_QUESTION: usize = 1_024;
/// The most bytes of a question or an answer: a name, and twelve bytes for each device.
const BYTES_MAX: usize = 1024 + 16 * DEVICES_PER_QUESTION;
/// The pause before questions are heard again after the broker refused that.
const RETRY: Duration = Duration::from_secs(1);

/// A question: the sender's name, and devices with their epochs.
#[derive(Encode, Decode)]
struct Question {
    from: String,
    of: Vec<(u64, u32)>,
}

/// An answer: the sender's name, and its marks in the question's order.
#[derive(Encode, Decode)]
struct Marks {
    from: String,
    marks: Vec<u64>,
}

fn encode(value: &impl Encode) -> Vec<u8> {
    bincode::encode_to_vec(value, bincode::config::standard()).expect("lists and names can be encoded")
}

fn decode<T: Decode<()>>(bytes: &[u8]) -> Option<T> {
    let config = bincode::config::standard().with_limit::<BYTES_MAX>();
    bincode::decode_from_slice(bytes, config).ok().map(|(value, _)| value)
}

/// Asks the other gateways, and returns the marks of those that have answered in time, by their names, in the order of `of`.
pub(super) async fn ask(
    client: &Client,
    subject: &str,
    (own, of): (&str, &[(DeviceId, Epoch)]),
    others: &[String],
    within: Duration,
) -> HashMap<String, Vec<Sequence>> {
    let mut answers = HashMap::new();
    if !others.is_empty() {
        let _ = timeout(within, collect(client, subject, (own, of), others, &mut answers)).await;
    }
    answers
}

/// Collects answers until all have come; `None` if the connection fails.
async fn collect(
    client: &Client,
    subject: &str,
    (own, of): (&str, &[(DeviceId, Epoch)]),
    others: &[String],
    answers: &mut HashMap<String, Vec<Sequence>>,
) -> Option<()> {
    let of: Vec<_> = of.iter().map(|(device, epoch)| (device.0, epoch.0)).collect();
    let count = of.len();
    let question = Question { from: own.to_owned(), of };
    let inbox = client.new_inbox();
    let mut inbound = client.subscribe(inbox.clone()).await.ok()?;
    client.publish_with_reply(subject.to_owned(), inbox, encode(&question).into()).await.ok()?;
    while answers.len() < others.len() {
        let message = inbound.next().await?;
        let Some(Marks { from, marks }) = decode(&message.payload) else { continue };
        if marks.len() == count && others.contains(&from) {
            answers.insert(from, marks.into_iter().map(Sequence).collect());
        }
    }
    Some(())
}

/// Answers the questions of the others from this gateway's log, for ever.
pub(super) async fn answer(client: &Client, subject: &str, own: &str, member: &dyn Member) {
    loop {
        if let Ok(Ok(mut questions)) = timeout(REQUEST, client.subscribe(subject.to_owned())).await {
            while let Some(message) = questions.next().await {
                let Some(inbox) = message.reply else { continue };
                let Some(Question { from, of }) = decode(&message.payload) else { continue };
                if from == own || of.len() > DEVICES_PER_QUESTION {
                    continue;
                }
                let of = of.into_iter().map(|(device, epoch)| (DeviceId(device), Epoch(epoch))).collect();
                // A log that is slow is one that is away, for now.
                let Ok(Ok(marks)) = timeout(ANSWER, member.marks(of)).await else { continue };
                let marks = marks.into_iter().map(|mark| mark.0).collect();
                let answer = encode(&Marks { from: own.to_owned(), marks });
                if let Err(error) = client.publish(inbox, answer.into()).await {
                    tracing::debug!(%error, "an answer to another gateway was not sent");
                }
            }
        }
        sleep(RETRY).await;
    }
}
