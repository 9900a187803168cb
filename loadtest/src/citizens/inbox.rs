//! The SMS inbox of a development city: it returns the messages that were sent to a phone. Production has
//! none, so its connections are few and kept, and their cost is small.

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;

use super::error::BrowserError;
use super::kept::KeptConnections;
use crate::http::{self, Connection};

const PATH: &str = "/dev/sms";
/// The longest idle time: the inbox closes a connection after five seconds.
const IDLE_MAX: Duration = Duration::from_secs(3);
/// The limit of kept connections.
const KEPT_MAX: usize = 32;
/// The owner of all kept connections, which are alike here.
const ANYBODY: u32 = 0;

/// A client of a city's inbox.
pub(crate) struct Inbox {
    address: Cell<SocketAddr>,
    kept: KeptConnections,
}

#[derive(Deserialize)]
struct Message {
    code: String,
}

impl Inbox {
    /// Makes a client of the inbox at that address.
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address: Cell::new(address), kept: KeptConnections::new(KEPT_MAX, IDLE_MAX) }
    }

    /// Asks another gateway from now on.
    pub(crate) fn move_to(&self, address: SocketAddr) {
        self.address.set(address);
        self.kept.close();
    }

    /// Returns the code that was sent last to that phone. It is there before the form that asked for it is answered.
    pub(crate) async fn code_of(&self, phone: &str) -> Result<String, BrowserError> {
        if let Some(connection) = self.kept.take(ANYBODY) {
            match self.ask(connection, phone).await {
                Err(error) if error.is_loss() => {}
                answered => return answered,
            }
        }
        self.ask(Connection::open(self.address.get(), None).await?, phone).await
    }

    async fn ask(&self, mut connection: Connection, phone: &str) -> Result<String, BrowserError> {
        let host = self.address.get().to_string();
        let response =
            connection.send(http::post(&host, PATH, http::FORM, http::form(&[("phone", phone)]))).await?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(BrowserError::Status { path: PATH.to_owned(), status });
        }
        let wrong = || BrowserError::WrongPage { path: PATH.to_owned() };
        let messages: Vec<Message> = serde_json::from_slice(response.body()).map_err(|_| wrong())?;
        self.kept.keep(ANYBODY, connection);
        Ok(messages.into_iter().next().ok_or_else(wrong)?.code)
    }
}
