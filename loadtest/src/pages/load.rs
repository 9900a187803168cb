//! The work of one connection in a turn: the same request again and again until the turn's end, one after another or each at its
//! time. An answer that is no page is counted apart, and says nothing about how fast pages are.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use bench::Gauge;
use bench::pace::Lane;
use device::clock;

use crate::citizens::line::Line;

/// A header of a visitor behind a proxy, and where in it the visitor's network stands: every request is another visitor's, since one
/// address gets a small part of what the pages can draw.
const VISITOR: &str = "X-Forwarded-For: 2001:db8:0000::1\r\n";
const NETWORK: &[u8] = b"2001:db8:";

/// A request that says whose it is.
pub(super) fn of_a_visitor(request: &[u8]) -> Vec<u8> {
    let line = request.windows(2).position(|two| two == b"\r\n").map_or(request.len(), |at| at + 2);
    [&request[..line], VISITOR.as_bytes(), &request[line..]].concat()
}

/// The counts of a turn.
#[derive(Default)]
pub(super) struct Count {
    pub(super) gauge: Gauge,
    pub(super) wrong: Cell<u64>,
}

/// Asks until `end`. Whoever was to be asked for by then and was not is not counted: the achieved rate says so.
pub(super) async fn load(
    mut line: Line,
    mut lane: Option<Lane>,
    request: Rc<[u8]>,
    end: Instant,
    count: Rc<Count>,
) -> anyhow::Result<Line> {
    let mut request = request.to_vec();
    let network =
        request.windows(NETWORK.len()).position(|bytes| bytes == NETWORK).map(|at| at + NETWORK.len());
    let mut visitor = fastrand::u16(..);
    loop {
        visitor = visitor.wrapping_add(1);
        if let Some(at) = network {
            request[at..at + 4].copy_from_slice(format!("{visitor:04x}").as_bytes());
        }
        let since = match &mut lane {
            Some(lane) => lane.recv().await,
            None => Some(clock::now()),
        };
        let Some(since) = since.filter(|_| clock::now() < end) else { return Ok(line) };
        let answer = line.ask(&request).await?;
        if answer.status == 200 && answer.bytes() > 0 {
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
                assert_eq!(stream.read_u8().await.unwrap(), b'?');
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
        let line = Line::connect(address, None).await.unwrap();
        load(line, Some(lane), Rc::from(&b"?"[..]), end, Rc::clone(&count)).await.unwrap();
        server.await.unwrap();
        assert_eq!((count.gauge.scans(), count.wrong.get()), (2, 2));
        assert!(count.gauge.latency_ms(0.5) >= 2990.0, "what waited for its turn has waited");
    }
}
