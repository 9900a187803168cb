//! Questions to a gateway that was started for a run, over HTTP.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use device::fleet::Fleet;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cpu::Usage;

/// Deadline for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Reads the fleet file of that process, which has written its ports there, and asks whether `path` answers with 200.
pub(crate) async fn ready(data: &Path, process: u32, path: &str) -> anyhow::Result<Fleet> {
    let fleet = Fleet::load(data)?;
    let usage = Usage::of_port(fleet.quic[0]).filter(|usage| usage.process == process);
    usage.context("its ports are not open yet")?;
    let answer = get(fleet.http, path).await?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "it is not ready yet");
    Ok(fleet)
}

/// Asks by HTTP; returns the whole answer.
pub(crate) async fn get(address: SocketAddr, path: &str) -> anyhow::Result<String> {
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        anyhow::Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    tokio::time::timeout(ANSWER_MAX, asked).await.context("the gateway does not answer")?
}
