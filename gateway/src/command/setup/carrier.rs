//! `changtong carrier`: a development city's simulated carriers, what they have seen, and what is made wrong with them. It talks
//! to their control interface; there is none for real carriers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Deserialize;
use simulator::{CarrierCounts, CarrierFault, FaultKind, FaultOrder, SimulatedCarrier, demo_people};

use crate::config::named;
use crate::dev::carriers::control_of;
use crate::out::say;

/// The control interface is on this machine.
const PATIENCE: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

#[derive(clap::Args)]
pub(crate) struct Carrier {
    /// The development city's data.
    #[arg(long, default_value = named::DATA, global = true)]
    data: PathBuf,
    /// For programs.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Lists the simulated carriers, what is wrong with each, and what it has seen.
    List,
    /// Makes a carrier fail from now on; `none` heals it.
    Fault {
        /// china-mobile, china-unicom or china-telecom.
        #[arg(value_parser = carrier)]
        carrier: SimulatedCarrier,
        /// none, down, hang, slow, status, garbage, deep, huge, another-number, another-request, outside-window,
        /// unknown-area, redirect or wrong-name.
        #[arg(value_parser = kind)]
        kind: FaultKind,
        /// The time that `slow` and `hang` hold a request.
        #[arg(long)]
        ms: Option<u64>,
        /// The answer of `status`.
        #[arg(long)]
        status: Option<u16>,
        /// The share of requests that it hits, above 0 and at most 1; all if not given.
        #[arg(long)]
        share: Option<f64>,
    },
    /// Lists made-up people, each with a story that shows one case.
    People,
}

/// The answer of the control interface.
#[derive(Deserialize)]
struct State {
    consents: u64,
    carriers: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    id: String,
    url: String,
    fault: LineFault,
    #[serde(flatten)]
    counts: CarrierCounts,
}

#[derive(Deserialize)]
struct LineFault {
    kind: FaultKind,
    ms: u64,
    status: u16,
    share: f64,
}

#[derive(Deserialize)]
struct Problem {
    error: String,
}

fn carrier(id: &str) -> Result<SimulatedCarrier, String> {
    let all = SimulatedCarrier::ALL.map(SimulatedCarrier::id).join(", ");
    SimulatedCarrier::from_id(id).ok_or_else(|| format!("simulated are {all}"))
}

fn kind(name: &str) -> Result<FaultKind, String> {
    let all: Vec<&str> = FaultKind::ALL.iter().map(|kind| kind.name()).collect();
    let all = all.join(", ");
    FaultKind::from_name(name).ok_or_else(|| format!("faults are {all}"))
}

impl Carrier {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::List => {
                let text = ask(control_of(&self.data)?, "GET", "/carriers", "")?;
                if self.json { print(&text) } else { list(&serde_json::from_str(&text)?) }
            }
            Command::Fault { carrier, kind, ms, status, share } => {
                let order = FaultOrder { kind, ms, status, share };
                CarrierFault::read(&order)?;
                let path = format!("/carriers/{}/fault", carrier.id());
                let text = ask(control_of(&self.data)?, "PUT", &path, &serde_json::to_string(&order)?)?;
                if self.json {
                    print(&text);
                } else {
                    print(&format!("{} {}", carrier.id(), told(&serde_json::from_str(&text)?)));
                }
            }
            Command::People => people(self.json)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn print(text: &str) {
    say!("{text}");
}

fn told(fault: &LineFault) -> String {
    let mut text = match fault.kind {
        FaultKind::None => "is healthy".to_owned(),
        FaultKind::Hang | FaultKind::Slow => format!("has the fault {}, {} ms", fault.kind.name(), fault.ms),
        FaultKind::Status => format!("has the fault status, {}", fault.status),
        FaultKind::Down
        | FaultKind::Garbage
        | FaultKind::Deep
        | FaultKind::Huge
        | FaultKind::AnotherNumber
        | FaultKind::AnotherRequest
        | FaultKind::OutsideWindow
        | FaultKind::UnknownArea
        | FaultKind::Redirect
        | FaultKind::WrongName => format!("has the fault {}", fault.kind.name()),
    };
    if fault.share < 1.0 {
        text += &format!(", for a share of {}", fault.share);
    }
    text
}

fn list(state: &State) {
    for Line { id, url, fault, counts } in &state.carriers {
        print(&format!("{id:<14} {url}  {}", told(fault)));
        let CarrierCounts { queries, probes, refused_signatures, refused, faulted, followed } = counts;
        print(&format!(
            "{:<14} {queries} queries, {probes} probes, {faulted} spoilt; refused: {refused_signatures} by signature, {refused} others; {followed} redirects followed",
            ""
        ));
    }
    print(&format!("{} consents were named by these queries.", state.consents));
}

fn people(json: bool) -> anyhow::Result<()> {
    for person in demo_people() {
        let expected = serde_json::to_value(person.expected)?;
        let expected = expected.as_str().context("an outcome has a name")?;
        let carrier = person.carrier.map(SimulatedCarrier::id);
        if json {
            print(&serde_json::to_string(&serde_json::json!({
                "phone": person.phone, "document": person.document, "name": person.name, "case": person.case,
                "expected": expected, "carrier": carrier,
            }))?);
        } else {
            let (phone, document, name) = (person.phone, person.document, person.name);
            let carrier = carrier.unwrap_or("none");
            print(&format!("{phone}  {document}  {name}  {expected:<14} {carrier:<14} {}", person.case));
        }
    }
    Ok(())
}

/// One request over plain HTTP; what is refused is an error.
fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> anyhow::Result<String> {
    let attempted = || format!("asking the simulated carriers at {address}; does the development city run");
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).with_context(attempted)?;
    stream.set_read_timeout(Some(PATIENCE)).with_context(attempted)?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .with_context(attempted)?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer).with_context(attempted)?;
    let (head, text) = answer.split_once("\r\n\r\n").context("the answer is no HTTP")?;
    if head.split(' ').nth(1) != Some("200") {
        let problem: Problem = serde_json::from_str(text).context("the answer is not understood")?;
        bail!("{}", problem.error);
    }
    Ok(text.to_owned())
}
