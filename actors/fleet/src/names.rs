//! A gateway's name, which one running gateway of a fleet may have: each answers to its name over the broker, and asks who else does. Of two,
//! the one that has run for longer keeps it.

use std::time::{Duration, Instant};

use async_nats::{Client, StatusCode};
use bincode::{Decode, Encode};
use futures_util::StreamExt;
use keys::fleet::FleetKey;
use runtime::clock;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::broker::REQUEST;

/// The beginning of the subject; the id of the fleet's key and the name end it.
const SUBJECT: &str = "changtong.name";
/// The time within which a namesake answers.
const ANSWER: Duration = Duration::from_millis(300);
/// The interval at which a gateway asks again: one that started at the same moment, or behind a broken link, is found by then.
const EVERY: Duration = Duration::from_secs(5);
/// The pause before questions are heard again after the broker refused that.
const RETRY: Duration = Duration::from_secs(1);
/// Two that started within this time are told apart by their numbers: their ages differ by less than what a message takes.
const ALIKE_MS: u64 = 1_000;
/// The most bytes of an answer.
const BYTES_MAX: usize = 32;

/// A running process, as it tells itself to a namesake.
#[derive(Clone, Copy, Debug, Encode, Decode)]
struct Instance {
    /// A random number.
    number: u64,
    /// The time since it started, milliseconds.
    age_ms: u64,
}

impl Instance {
    /// Returns true if this one keeps the name against the other.
    const fn keeps_against(self, other: Self) -> bool {
        if self.age_ms.abs_diff(other.age_ms) < ALIKE_MS {
            self.number > other.number
        } else {
            self.age_ms > other.age_ms
        }
    }
}

/// The use of a name by this process.
pub(crate) struct Name<'a> {
    client: &'a Client,
    subject: String,
    number: u64,
    began: Instant,
}

fn subject(key: &FleetKey, name: &str) -> String {
    format!("{SUBJECT}.{}.{name}", key.id())
}

/// Returns true if a gateway of that name answers.
pub(crate) async fn is_heard(client: &Client, key: &FleetKey, name: &str) -> bool {
    timeout(REQUEST, first(client, subject(key, name), |_| true)).await.is_ok_and(|found| found)
}

/// Returns true at the first answer of the kind; false if nobody hears the question. For ever if nobody answers.
async fn first(client: &Client, subject: String, is_it: impl Fn(Instance) -> bool) -> bool {
    let inbox = client.new_inbox();
    let Ok(mut answers) = client.subscribe(inbox.clone()).await else { return false };
    if client.publish_with_reply(subject, inbox, "".into()).await.is_err() {
        return false;
    }
    while let Some(message) = answers.next().await {
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            return false;
        }
        let config = bincode::config::standard().with_limit::<BYTES_MAX>();
        if let Ok((instance, _)) = bincode::decode_from_slice::<Instance, _>(&message.payload, config)
            && is_it(instance)
        {
            return true;
        }
    }
    false
}

impl<'a> Name<'a> {
    /// Begins the use of a name, as a process that starts now.
    pub(crate) fn new(client: &'a Client, key: &FleetKey, name: &str) -> Self {
        Self { client, subject: subject(key, name), number: fastrand::u64(..), began: clock::now() }
    }

    fn instance(&self) -> Instance {
        Instance { number: self.number, age_ms: clock::since(self.began).as_millis() as u64 }
    }

    /// Returns true if another process has the name and keeps it.
    pub(crate) async fn is_taken(&self) -> bool {
        let is_it = |other: Instance| other.number != self.number && other.keeps_against(self.instance());
        timeout(ANSWER, first(self.client, self.subject.clone(), is_it)).await.is_ok_and(|found| found)
    }

    /// Returns when another process has the name and keeps it.
    pub(crate) async fn lost(&self) {
        let mut due = interval(EVERY);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            due.tick().await;
            if self.is_taken().await {
                return;
            }
        }
    }

    /// Answers to the name, for ever.
    pub(crate) async fn answer(&self) {
        loop {
            let asked = timeout(REQUEST, self.client.subscribe(self.subject.clone())).await;
            if let Ok(Ok(mut questions)) = asked {
                while let Some(message) = questions.next().await {
                    let Some(inbox) = message.reply else { continue };
                    let answer = bincode::encode_to_vec(self.instance(), bincode::config::standard())
                        .expect("two numbers can be encoded");
                    if let Err(error) = self.client.publish(inbox, answer.into()).await {
                        tracing::debug!(%error, "an answer to this gateway's name was not sent");
                    }
                }
            }
            sleep(RETRY).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_one_keeps_the_name_and_the_older_one_if_their_ages_can_be_told_apart() {
        let of = |number, age_ms| Instance { number, age_ms };
        for (one, other, keeps) in [
            (of(1, 60_000), of(2, 5_000), true),
            (of(2, 5_000), of(1, 60_000), false),
            (of(1, 5_000), of(2, 5_400), false),
            (of(2, 5_000), of(1, 5_400), true),
        ] {
            assert_eq!(one.keeps_against(other), keeps, "{one:?} {other:?}");
            assert_ne!(one.keeps_against(other), other.keeps_against(one));
        }
    }
}
