//! The phones of a development city: what was sent to a number by SMS is asked for at its inbox. It is no part of a gateway that
//! people use, so its connections are few and kept.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;

use super::error::BrowserError;
use super::line::{Line, encoded};
use super::lines::Lines;

const PATH: &str = "/dev/sms";
/// The inbox closes a connection that is idle for five seconds.
const IDLE_MAX: Duration = Duration::from_secs(3);
/// More at once than this connect anew.
const KEPT_MAX: usize = 32;
/// All connections are alike here.
const ANYBODY: u32 = 0;

/// The inbox of a city.
pub(crate) struct Inbox {
    address: SocketAddr,
    lines: Lines,
}

#[derive(Deserialize)]
struct Message {
    code: String,
}

impl Inbox {
    /// The one at that address.
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, lines: Lines::new(KEPT_MAX, IDLE_MAX) }
    }

    /// The code that was sent to that phone last. It is there before the form that asked for it is answered.
    pub(crate) async fn code_of(&self, phone: &str) -> Result<String, BrowserError> {
        if let Some(line) = self.lines.take(ANYBODY) {
            match self.ask(line, phone).await {
                Err(error) if error.is_loss() => {}
                answered => return answered,
            }
        }
        self.ask(Line::connect(self.address, None).await?, phone).await
    }

    async fn ask(&self, mut line: Line, phone: &str) -> Result<String, BrowserError> {
        let (host, body) = (self.address, encoded(&[("phone", phone)]));
        let request = format!(
            "POST {PATH} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
            Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = line.ask(request.as_bytes()).await?;
        if answer.status != 200 {
            return Err(BrowserError::Status { path: PATH.to_owned(), status: answer.status });
        }
        let wrong = || BrowserError::WrongPage { path: PATH.to_owned() };
        let messages: Vec<Message> = serde_json::from_str(answer.text()?).map_err(|_| wrong())?;
        self.lines.keep(ANYBODY, line);
        Ok(messages.into_iter().next().ok_or_else(wrong)?.code)
    }
}
