//! The floor's own server on a thread of this program.

use std::net::SocketAddr;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;

use anyhow::Context;
use device::fleet::Fleet;
use protocol::{DeviceClass, limits};

use super::server;
use crate::cpu;

/// The echo server, on a thread with a runtime of its own.
pub(crate) struct Echo {
    endpoint: quinn::Endpoint,
    pub(crate) thread: Option<u32>,
    join: Option<JoinHandle<()>>,
}

impl Echo {
    /// Starts it, for devices of that class.
    pub(crate) fn start(fleet: &Fleet, class: DeviceClass) -> anyhow::Result<Self> {
        let (send, receive) = sync_channel(1);
        let (fleet, window) = (fleet.clone(), limits::receive_window_bytes(class));
        let join = std::thread::Builder::new().name("echo".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let started = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
                let endpoint = runtime.block_on(async { server::endpoint(&fleet, window) })?;
                Ok((runtime, endpoint))
            });
            match started {
                Ok((runtime, endpoint)) => {
                    let _ = send.send(Ok((endpoint.clone(), cpu::this_thread())));
                    runtime.block_on(server::echo(endpoint));
                }
                Err(error) => drop(send.send(Err(error))),
            }
        })?;
        let (endpoint, thread) = receive.recv().context("the echo's thread ended")??;
        Ok(Self { endpoint, thread, join: Some(join) })
    }

    pub(crate) fn address(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.endpoint.local_addr()?)
    }

    pub(super) fn end(mut self) -> anyhow::Result<()> {
        self.close().map_err(|_| anyhow::anyhow!("the echo's thread panicked"))
    }

    fn close(&mut self) -> std::thread::Result<()> {
        self.endpoint.close(0u32.into(), b"");
        self.join.take().map_or(Ok(()), JoinHandle::join)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.close();
    }
}
