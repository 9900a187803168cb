//! `loadtest device`: one device, from its token to its first punch. It shows that a new gateway serves devices, and what a device has to
//! do; how it is said on the wire stands in `protocol/SPEC.md`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
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
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde::Deserialize;

/// Fetching a certificate, or a punch with its acknowledgement.
const PATIENCE: Duration = Duration::from_secs(20);
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
const CERTIFICATE: &str = "device.pem";
const KEY: &str = "device.key";

/// Which device, and where.
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
    /// The output of `changtong device enrol --json`
    #[arg(long)]
    pub token: PathBuf,
    /// The place where it stands
    #[arg(long)]
    pub place: u32,
    /// The region of that place
    #[arg(long)]
    pub region: u16,
    /// A new directory for its certificate and its key
    #[arg(long)]
    pub keep: PathBuf,
}

/// The outcome of it.
pub(super) struct Punched {
    /// Its number.
    pub(super) device: DeviceId,
    /// The answer to its punch.
    pub(super) acknowledged: Acknowledged,
}

/// The output of `changtong device enrol`.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Enrolled {
    Token { token: String },
}

/// The answer of the gateway.
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

/// Fetches a certificate for the token, and records one person without phone or paper.
///
/// # Errors
/// The token or the gateway are not there, or something is refused.
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
    let issued = fetch(options, &authority, &body).context("fetching the device's certificate")?;
    write(&keep.join(CERTIFICATE), &issued.certificate)?;
    write(&keep.join(KEY), &key.serialize_pem())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (device, key) = (DeviceId(issued.device), key.serialize_pem());
    let punched = punch(options, &authority, device, (&issued.certificate, &key));
    runtime.block_on(async { tokio::time::timeout(PATIENCE, punched).await.context("no answer in time")? })
}

async fn punch(
    options: &Options,
    authority: &str,
    device: DeviceId,
    (certificate, key): (&str, &str),
) -> anyhow::Result<Punched> {
    let address = address_of(&options.gateway, options.port)?;
    let endpoint = wire::endpoint(address).context("opening a UDP socket")?;
    let identity = Identity {
        authority: authority.as_bytes(),
        certificate: Some((certificate.as_bytes(), key.as_bytes())),
        alpn: frame::ALPN,
    };
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

/// One POST over HTTPS.
fn fetch(options: &Options, authority: &str, body: &str) -> anyhow::Result<Issued> {
    let address = address_of(&options.gateway, options.enrol_port)?;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority.as_bytes()) {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(options.gateway.clone())?;
    let mut tcp = TcpStream::connect_timeout(&address, PATIENCE)
        .with_context(|| format!("connecting to {address}: does the gateway run"))?;
    tcp.set_read_timeout(Some(PATIENCE))?;
    let mut tls = rustls::ClientConnection::new(Arc::new(config), name)?;
    let mut stream = rustls::Stream::new(&mut tls, &mut tcp);
    let (host, length) = (&options.gateway, body.len());
    write!(
        stream,
        "POST /enrol/1 HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    // What ends the connection may leave TLS unfinished; the answer says whether it is whole.
    let read = stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer);
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        return Err(read.err().map_or_else(|| anyhow::anyhow!("there was no answer"), Into::into));
    };
    if head.split(' ').nth(1) == Some("200") {
        return serde_json::from_str(body).context("the answer is no certificate");
    }
    match serde_json::from_str(body) {
        Ok(Refusal { error, action }) => bail!("{error}: {action}"),
        Err(_) => bail!("refused: {}", head.lines().next().unwrap_or_default()),
    }
}

fn address_of(host: &str, port: u16) -> anyhow::Result<SocketAddr> {
    let found = (host, port).to_socket_addrs().with_context(|| format!("looking for {host}"))?.next();
    found.with_context(|| format!("{host} has no address"))
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

/// For its owner alone.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("writing {}", path.display()))
}
