//! The registry's stream made anew after the broker is lost with its data: without changes, but with the positions of the gateway that orders it. Then
//! everything goes its usual way: a gateway that has all of the stream leads, stores a snapshot, and those that have less join by it.

use std::time::Duration;

use async_nats::Client;
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::{sleep, timeout};

use crate::broker::{Broker, REQUEST};
use crate::reports::{Place, Refilled};
use crate::snapshot::Shelf;
use crate::standing::Shared;
use crate::{FleetConfig, Member, Trouble};

/// The time within which the other gateways tell how far they are.
const ANSWER: Duration = Duration::from_secs(1);
/// The pause before the question is heard again after the broker refused that.
const RETRY: Duration = Duration::from_secs(1);
/// The longest answer: a name and a number.
const ANSWER_BYTES_MAX: usize = 256;

/// Returns the subject of the question, under the one that the rights of gateways name.
pub(crate) fn subject(marks: &str) -> String {
    format!("{marks}.place")
}

/// Tells the others how far this gateway is, for ever.
pub(crate) async fn answer(client: &Client, subject: &str, shared: &Shared) {
    loop {
        if let Ok(Ok(mut questions)) = timeout(REQUEST, client.subscribe(subject.to_owned())).await {
            while let Some(question) = questions.next().await {
                let Some(inbox) = question.reply else { continue };
                let standing = shared.standing();
                // Its own registry is not asked yet, or has no place: silence is no claim to have less.
                if standing.position == 0 {
                    continue;
                }
                let place = Place { name: standing.name, position: standing.position };
                let answer = serde_json::to_vec(&place).expect("a place can be written");
                if let Err(error) = client.publish(inbox, answer.into()).await {
                    tracing::debug!(%error, "an answer to another gateway was not sent");
                }
            }
        }
        sleep(RETRY).await;
    }
}

/// Asks the others how far they are; those that answer in time.
async fn others(client: &Client, subject: &str, own: &str) -> Result<Vec<Place>, Trouble> {
    let failed = |error: String| Trouble::Broker(error);
    let inbox = client.new_inbox();
    let mut inbound = client.subscribe(inbox.clone()).await.map_err(|error| failed(error.to_string()))?;
    let asked = client.publish_with_reply(subject.to_owned(), inbox, Bytes::new()).await;
    asked.map_err(|error| failed(error.to_string()))?;
    let mut places: Vec<Place> = Vec::new();
    let collect = async {
        while let Some(answer) = inbound.next().await {
            let Some(bytes) = Some(&answer.payload).filter(|bytes| bytes.len() <= ANSWER_BYTES_MAX) else {
                continue;
            };
            let Ok(place) = serde_json::from_slice::<Place>(bytes) else { continue };
            if place.name != own && !places.contains(&place) {
                places.push(place);
            }
        }
    };
    let _ = timeout(ANSWER, collect).await;
    places.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(places)
}

/// Makes the stream anew behind this gateway's position.
pub(crate) async fn refill(
    broker: &Broker,
    shared: &Shared,
    member: &dyn Member,
    config: &FleetConfig,
) -> Result<Refilled, Trouble> {
    let refused = |why: String| Err(Trouble::Refill(why));
    let position = member.position().await?.position;
    let (messages, last) = broker.content().await?;
    if position == 0 {
        return refused("this gateway's registry has no place in a fleet".to_owned());
    }
    if messages > 0 || last >= position {
        return refused(format!(
            "the stream is not lost: it has {messages} messages, up to {last}, and this gateway has up to {position}. If these are another \
             stream's, or an old copy, restore the broker's data, or delete all of them on all of its servers first"
        ));
    }
    let subject = subject(&shared.marks_subject());
    let others = others(&broker.client, &subject, &config.name).await?;
    if let Some(more) =
        others.iter().filter(|other| other.position > position).max_by_key(|other| other.position)
    {
        let Place { name, position: theirs } = more;
        return refused(format!(
            "{name} has up to {theirs}, and this gateway up to {position}: order it at {name}"
        ));
    }
    // None of what is left there has a stream that goes on behind it.
    Shelf::open(broker.client.clone(), config).await?.clear().await?;
    broker.begin_behind(position).await?;
    tracing::warn!(position, ?others, "the registry's stream is made anew");
    Ok(Refilled { position, others })
}
