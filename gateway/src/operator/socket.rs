//! The operators' socket of a running gateway. Its owner may open it, and a configured group, which can open nothing else of the gateway.
//! A request is one JSON line; answers are JSON lines, the last of which is final. When no gateway runs, commands perform the same acts
//! on the registry itself, under the directory's lock. The rights and signatures of orders are in `orders`.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};

use anyhow::Context;
use runtime::lock::lock;
use runtime::thread::{self, StopToken};
use rustix::net::sockopt::socket_peercred;
use serde::Serialize;

use super::OperatorContext;
use super::act::{Act, Done, PATIENCE, perform};
use crate::config::Settings;
use crate::config::named::{self, Named};
use crate::operator::orders::limits::LINE_BYTES_MAX;

/// The most connections at one time.
const CONNECTIONS_MAX: usize = 8;

/// The running socket. Its file is removed when this is dropped; its thread ends with the process.
pub(crate) struct Plane {
    socket: PathBuf,
}

impl Drop for Plane {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// Starts the socket. The caller holds the directory's lock, so a socket file that exists is left from an earlier process.
pub(crate) fn start(settings: &Settings, admin: &OperatorContext) -> anyhow::Result<Plane> {
    let (socket, listener) = listen_at(settings)?;
    let mine = admin.clone();
    thread::spawn("admin", move |_| listen(&listener, &mine))?;
    Ok(Plane { socket })
}

/// Binds the socket for its owner, or also for the configured group. A link in the data leads commands that know only the data to it.
fn listen_at(settings: &Settings) -> anyhow::Result<(PathBuf, UnixListener)> {
    let (own, operators) = (settings.data.join(named::SOCKET), &settings.operators);
    let socket = Named::of(settings).socket;
    let _ = std::fs::remove_file(&own);
    let _ = std::fs::remove_file(&socket);
    let doing = || format!("binding {}", socket.display());
    let listener = UnixListener::bind(&socket).with_context(doing)?;
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600)).with_context(doing)?;
    if let Some(group) = operators.gid()? {
        // In a setgid directory the socket has the right group already.
        if std::fs::metadata(&socket).with_context(doing)?.gid() != group.as_raw() {
            rustix::fs::chown(&socket, None, Some(group))
                .with_context(|| format!("giving {} to the group of operators", socket.display()))?;
        }
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o660)).with_context(doing)?;
    }
    if socket != own {
        std::os::unix::fs::symlink(&socket, &own)
            .with_context(|| format!("leaving {} in the data", own.display()))?;
    }
    Ok((socket, listener))
}

/// Serves each connection on its own thread: a look-up that reads a day of the punch log keeps no other operator waiting.
fn listen(listener: &UnixListener, admin: &OperatorContext) {
    let (enter, left) = sync_channel(CONNECTIONS_MAX);
    let left = Arc::new(Mutex::new(left));
    for stream in listener.incoming().flatten() {
        // Waits while the most connections are open.
        if enter.send(()).is_err() {
            return;
        }
        let (admin, permit) = (admin.clone(), Permit(Arc::clone(&left)));
        let work = move |_: &StopToken| {
            let _permit = permit;
            if let Err(error) = serve(&stream, &admin) {
                tracing::warn!(%error, "an admin connection failed");
            }
        };
        if let Err(error) = thread::spawn("admin-act", work) {
            tracing::warn!(%error, "no thread for an admin connection");
        }
    }
}

/// A connection's place among the permitted ones; free again when it is dropped.
struct Permit(Arc<Mutex<Receiver<()>>>);

impl Drop for Permit {
    fn drop(&mut self) {
        let _ = lock(&self.0).try_recv();
    }
}

fn serve(stream: &UnixStream, admin: &OperatorContext) -> anyhow::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new(std::io::Read::take(stream, LINE_BYTES_MAX as u64)).read_line(&mut line)?;
    let mut told = Ok(());
    let mut tell = |done: &Done| {
        if told.is_ok() {
            told = write_line(stream, done);
        }
        told.is_ok()
    };
    let uid = socket_peercred(stream)?.uid.as_raw();
    if line.len() == LINE_BYTES_MAX && !line.ends_with('\n') {
        tell(&Done::Refused(format!("an act has {LINE_BYTES_MAX} bytes at most")));
        return told;
    }
    match serde_json::from_str::<Act>(&line) {
        Ok(act) => perform(&act, admin, uid, &mut tell),
        Err(error) => {
            tell(&Done::Refused(format!("that is no act: {error}")));
        }
    }
    told
}

fn write_line(mut stream: &UnixStream, line: &impl Serialize) -> anyhow::Result<()> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    stream.write_all(&bytes)?;
    Ok(())
}
