//! `loadtest device`: one device, from its token to its first punch. It shows that a new gateway serves devices, and the work of a
//! device; `protocol/SPEC.md` specifies the wire.

use std::io::Write;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use device::Device;
use device::clock;
use device::state::{Acknowledged, DeviceState};
use device::wire::{self, Identity};
use protocol::{DeviceId, Direction, Epoch, PlaceId, Punch, RegionId, Scanned, frame};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::ServerName;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::http::{self, Connection};

/// Deadline for the certificate, and for the punch with its acknowledgement.
const PATIENCE: Duration = Duration::from_secs(20);
const CERTIFICATE: &str = "device.pem";
const KEY: &str = "device.key";

/// The options.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The gateway's host or address, as its certificate names it
    #[arg(long)]
    pub gateway: String,
    /// The port that devices speak to, UDP
    #[arg(long, default_value_t = 7443)]
    pub port: u16,
    /// The port where certificates are fetched, TCP
    #[arg(long, default_value_t = 7444)]
    pub enrol_port: u16,
    /// The device authority's certificate, `ca.pem`
    #[arg(long)]
    pub authority: PathBuf,
    /// File with the output of `changtong device enrol --json`
    #[arg(long)]
    pub token: PathBuf,
    /// Place of the device
    #[arg(long)]
    pub place: u32,
    /// Region of that place
    #[arg(long)]
    pub region: u16,
    /// New directory for its certificate and its key
    #[arg(long)]
    pub keep: PathBuf,
}

/// The result.
pub(super) struct Punched {
    /// The device's number.
    pub(super) device: DeviceId,
    /// The acknowledgement of its punch.
    pub(super) acknowledged: Acknowledged,
}

/// The output of `changtong device enrol`.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Enrolled {
    Token { token: String },
}

/// The gateway's answer.
#[derive(Deserialize)]
struct Issued {
    device: u64,
    certificate: String,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
    action: String,
}

/// Fetches a certificate for the token, and punches for one person without phone or paper.
///
/// # Errors
/// The token or the gateway is not there, or the gateway refuses.
pub(super) fn run(options: &Options) -> anyhow::Result<Punched> {
    let text = read(&options.token)?;
    let Enrolled::Token { token } = serde_json::from_str(&text).with_context(|| {
        format!("{} is not what `changtong device enrol --json` prints", options.token.display())
    })?;
    let authority = read(&options.authority)?;
    let key = KeyPair::generate()?;
    let request = CertificateParams::default().serialize_request(&key)?.pem()?;
    let body = serde_json::json!({ "token": token, "csr": request }).to_string();
    let keep = &options.keep;
    // Before the token is used up.
    let made = std::fs::DirBuilder::new().mode(0o700).create(keep);
    made.with_context(|| format!("making {}: name a directory that is not there yet", keep.display()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let fetching =
        async { timeout(PATIENCE, fetch(options, &authority, body)).await.context("no answer in time")? };
    let issued = runtime.block_on(fetching).context("fetching the device's certificate")?;
    write(&keep.join(CERTIFICATE), &issued.certificate)?;
    write(&keep.join(KEY), &key.serialize_pem())?;
    let (device, key) = (DeviceId(issued.device), key.serialize_pem());
    let punched = punch(options, &authority, device, (&issued.certificate, &key));
    runtime.block_on(async { timeout(PATIENCE, punched).await.context("no answer in time")? })
}

async fn punch(
    options: &Options,
    authority: &str,
    device: DeviceId,
    (certificate, key): (&str, &str),
) -> anyhow::Result<Punched> {
    let address = address_of(&options.gateway, options.port)?;
    let endpoint = wire::endpoint(address).context("opening a UDP socket")?;
    let certificate = Some((certificate.as_bytes(), key.as_bytes()));
    let identity = Identity { authority: authority.as_bytes(), certificate, alpn: frame::ALPN };
    let config = identity.config().map_err(anyhow::Error::msg)?;
    let server = (address, options.gateway.clone());
    let mut one = Device::at(&endpoint, (device, config), server, DeviceState::new(Epoch(clock::now_s())));
    one.connect().await.with_context(|| format!("connecting to {address}"))?;
    let nobody = Punch {
        scanned: Scanned::Nothing,
        direction: Direction::In,
        place: PlaceId(options.place),
        device_time_ms: clock::now_ms(),
        offline: None,
    };
    one.punch(RegionId(options.region), nobody, 0);
    one.settle().await.context("punching")?;
    let acknowledged = one.take_acknowledged().pop();
    Ok(Punched { device, acknowledged: acknowledged.context("the gateway did not record the punch")? })
}

/// Fetches the certificate by one POST over HTTPS.
async fn fetch(options: &Options, authority: &str, body: String) -> anyhow::Result<Issued> {
    let address = address_of(&options.gateway, options.enrol_port)?;
    let identity = Identity { authority: authority.as_bytes(), certificate: None, alpn: b"" };
    let tls = TlsConnector::from(Arc::new(identity.tls().map_err(anyhow::Error::msg)?));
    let name = ServerName::try_from(options.gateway.clone())?;
    let tcp = TcpStream::connect(address).await;
    let tcp = tcp.with_context(|| format!("connecting to {address}: does the gateway run"))?;
    let mut connection = Connection::over(tls.connect(name, tcp).await?).await?;
    let request = http::post(&options.gateway, "/enrol/1", "application/json", body);
    let response = connection.send(request).await?;
    if response.status() == 200 {
        return serde_json::from_slice(response.body()).context("the answer is no certificate");
    }
    match serde_json::from_slice(response.body()) {
        Ok(Refusal { error, action }) => bail!("{error}: {action}"),
        Err(_) => bail!("refused: {}", response.status()),
    }
}

fn address_of(host: &str, port: u16) -> anyhow::Result<SocketAddr> {
    let found = (host, port).to_socket_addrs().with_context(|| format!("looking for {host}"))?.next();
    found.with_context(|| format!("{host} has no address"))
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

/// Writes a new file that only its owner may read.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("writing {}", path.display()))
}
