//! A stand-in for a gateway's HTTP services: a carrier, which answers that the phone was at home all the time, and a message
//! service, which keeps the codes. Requests can be held back. Signatures are not checked here.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use serde_json::{Value, json};

use crate::PATIENCE;

/// The requests, and true if they are held back.
#[derive(Default)]
struct Inner {
    bodies: Mutex<(Vec<Value>, bool)>,
    changed: Condvar,
    ends: AtomicBool,
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, (Vec<Value>, bool)> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a request, and waits while requests are held back.
    fn take(&self, body: Value) {
        let mut bodies = self.lock();
        bodies.0.push(body);
        self.changed.notify_all();
        let held = self.changed.wait_timeout_while(bodies, PATIENCE, |(_, held)| *held);
        drop(held.unwrap_or_else(PoisonError::into_inner));
    }

    fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let (head, body) = request(&mut stream)?;
        let body: Value = serde_json::from_str(&body).ok()?;
        self.take(body.clone());
        let request = head.lines().find_map(|line| line.strip_prefix("changtong-request: "))?;
        let covered = json!({"first_day": body["first_day"], "last_day": body["last_day"]});
        let answer = json!({
            "request": request, "msisdn": body["msisdn"], "status": "trajectory", "covered": covered, "visits": []
        });
        let answer = answer.to_string();
        let length = answer.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{answer}"
        )
        .ok()
    }
}

/// The running stand-in; ends with the value.
pub struct StandIn {
    address: SocketAddr,
    inner: Arc<Inner>,
    thread: Option<JoinHandle<()>>,
}

impl StandIn {
    /// Listens on a port of this machine.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let inner = Arc::<Inner>::default();
        let mine = Arc::clone(&inner);
        let thread = std::thread::spawn(move || {
            std::thread::scope(|scope| {
                for stream in listener.incoming().flatten() {
                    if mine.ends.load(Ordering::Acquire) {
                        return;
                    }
                    scope.spawn(|| mine.serve(stream));
                }
            });
        });
        Self { address, inner, thread: Some(thread) }
    }

    /// Returns its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the bodies of all requests so far.
    pub fn seen(&self) -> Vec<Value> {
        self.inner.lock().0.clone()
    }

    /// Holds requests back, or lets go of them.
    pub fn hold(&self, held: bool) {
        self.inner.lock().1 = held;
        self.inner.changed.notify_all();
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.inner.ends.store(true, Ordering::Release);
        self.hold(false);
        // Wakes the one that accepts.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Reads head and body of a request.
fn request(stream: &mut TcpStream) -> Option<(String, String)> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let (mut read, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        read.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&read).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if length == Some(body.len()) {
            return Some((head.to_owned(), body.to_owned()));
        }
    }
}
