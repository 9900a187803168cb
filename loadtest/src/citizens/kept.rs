//! Connections that are kept between requests, up to a number and no longer than the server keeps them. Each belongs to
//! one visitor, from whose address it was made.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use device::clock;

use crate::http::Connection;

/// The idle connections of one thread.
pub(crate) struct KeptConnections {
    /// The connections, the longest idle first.
    kept: RefCell<VecDeque<Kept>>,
    kept_max: usize,
    idle_max: Duration,
}

struct Kept {
    owner: u32,
    since: Instant,
    connection: Connection,
}

impl KeptConnections {
    /// Makes an empty store.
    pub(crate) fn new(kept_max: usize, idle_max: Duration) -> Self {
        Self { kept: RefCell::default(), kept_max, idle_max }
    }

    /// Takes that visitor's connection that was used last.
    pub(crate) fn take(&self, owner: u32) -> Option<Connection> {
        let mut kept = self.kept.borrow_mut();
        while kept.front().is_some_and(|oldest| clock::since(oldest.since) > self.idle_max) {
            kept.pop_front();
        }
        let at = kept.iter().rposition(|kept| kept.owner == owner)?;
        kept.remove(at).map(|kept| kept.connection)
    }

    /// Closes all of them.
    pub(crate) fn close(&self) {
        self.kept.borrow_mut().clear();
    }

    /// Keeps a connection; if there are too many, the longest idle one is closed.
    pub(crate) fn keep(&self, owner: u32, connection: Connection) {
        let mut kept = self.kept.borrow_mut();
        if kept.len() >= self.kept_max {
            kept.pop_front();
        }
        kept.push_back(Kept { owner, since: clock::now(), connection });
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn connections_are_kept_for_their_owner_so_many_and_so_long() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let lines = KeptConnections::new(2, Duration::from_secs(60));
        for owner in [1, 2, 3] {
            lines.keep(owner, Connection::open(address, None).await.unwrap());
        }
        assert!(lines.take(1).is_none(), "two fit");
        assert!(lines.take(3).is_some() && lines.take(3).is_none() && lines.take(2).is_some());
        let short = KeptConnections::new(2, Duration::ZERO);
        short.keep(1, Connection::open(address, None).await.unwrap());
        while clock::since(short.kept.borrow()[0].since).is_zero() {}
        assert!(short.take(1).is_none(), "idle for too long");
    }
}
