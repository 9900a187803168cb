//! The work of one connection in a turn: the same request again and again until the turn's end, one after another or each at its
//! time. An answer that is no page is counted apart, and says nothing about how fast pages are.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use bench::Gauge;
use bench::pace::Lane;
use device::clock;

use crate::http::{self, Bytes, Connection, Full, Request};

/// The header by which the city's proxy names the visitor.
const VISITOR: &str = "x-forwarded-for";

/// The counts of a turn.
#[derive(Default)]
pub(super) struct Count {
    pub(super) gauge: Gauge,
    pub(super) wrong: Cell<u64>,
}

/// Sends the request until `end`. Each one is another visitor's, since one address gets a small part of what the pages can draw. Those that
/// were due and not sent by then are not counted: the achieved rate shows them.
pub(super) async fn load(
    mut connection: Connection,
    mut lane: Option<Lane>,
    request: Request<Full<Bytes>>,
    end: Instant,
    count: Rc<Count>,
) -> anyhow::Result<Connection> {
    let mut visitor = fastrand::u16(..);
    loop {
        visitor = visitor.wrapping_add(1);
        let request = http::with(request.clone(), VISITOR, &format!("2001:db8:{visitor:x}::1"));
        let since = match &mut lane {
            Some(lane) => lane.recv().await,
            None => Some(clock::now()),
        };
        let Some(since) = since.filter(|_| clock::now() < end) else { return Ok(connection) };
        let response = connection.send(request).await?;
        if response.status() == 200 && !response.body().is_empty() {
            count.gauge.done(1, clock::since(since));
        } else {
            count.wrong.set(count.wrong.get() + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn pages_and_refusals_are_counted_apart_and_latency_runs_from_the_intended_time() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            for answer in ["200 OK", "503 Busy", "303 Away", "200 OK"] {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
                }
                let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 2\r\n\r\nok");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let (sender, lane) = mpsc::channel(4);
        let late = clock::now().checked_sub(Duration::from_secs(3)).unwrap();
        for _ in 0..4 {
            sender.send(late).await.unwrap();
        }
        drop(sender);
        let count = Rc::new(Count::default());
        count.gauge.turn(true);
        let end = clock::now() + Duration::from_secs(60);
        let connection = Connection::open(address, None).await.unwrap();
        let request = http::get("localhost", "/");
        load(connection, Some(lane), request, end, Rc::clone(&count)).await.unwrap();
        server.await.unwrap();
        assert_eq!((count.gauge.scans(), count.wrong.get()), (2, 2));
        assert!(count.gauge.latency_ms(0.5) >= 2990.0, "what waited for its turn has waited");
    }
}
