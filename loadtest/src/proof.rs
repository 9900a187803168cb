//! The proof: the devices' acknowledgements against the export of the punch log. Each acknowledged punch must be
//! there once, as it was sent and answered, in its device's order, and nothing else.

use std::collections::HashMap;
use std::io::Read;
use std::process::{Command, Stdio};

use device::fleet::Fleet;
use device::state::Acknowledged;
use protocol::{
    Advice, CodeId, Colour, DeviceId, Direction, Epoch, PlaceId, Punch, Reason, RegionId, Scanned, Verdict,
};

mod merged;

pub use merged::check_all;

/// The reason why the comparison could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The export's columns or a row are malformed.
    #[error("reading the export: {0}")]
    Export(String),
    /// The export command failed.
    #[error("running the ledger export: {0}")]
    Command(String),
}

/// A punch as its device knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Its region.
    pub region: RegionId,
    /// Its place.
    pub place: PlaceId,
    /// The direction.
    pub direction: Direction,
    /// The kind of scan, as an export names it, if it follows from the scan and its verdict.
    pub kind: Option<&'static str>,
    /// The scanned code, if it is known and compared.
    pub code: Option<CodeId>,
    /// The device's time, milliseconds since 1970 UTC.
    pub device_time_ms: u64,
    /// The gateway's time of receipt from the answer, milliseconds since 1970 UTC.
    pub received_ms: u64,
    /// True if the device decided offline.
    pub offline: bool,
    /// The verdict that the device was told.
    pub verdict: Verdict,
}

/// The longest time, milliseconds, between runs that one answer may carry; it has the time of the first.
const RECEIVED_MS_MERGED: u64 = 10;
/// The kinds of scans, as an export names them.
const KINDS: [&str; 5] = ["token", "legacy", "signed-in", "nothing", "not-a-code"];

impl Fact {
    /// Returns a punch that is sent and not acknowledged yet.
    pub fn sent(region: RegionId, punch: &Punch, code: Option<CodeId>) -> Self {
        let kind = match punch.scanned {
            Scanned::Token(_) => "token",
            Scanned::Text(_) => "legacy",
            Scanned::SignedIn(_) => "signed-in",
            Scanned::Nothing => "nothing",
        };
        Self {
            region,
            place: punch.place,
            direction: punch.direction,
            kind: Some(kind),
            code,
            device_time_ms: punch.device_time_ms,
            received_ms: 0,
            offline: punch.offline.is_some(),
            verdict: Verdict::ask_staff(Reason::NotJudged),
        }
    }

    /// Adds the acknowledgement. A scan that is no valid pass code, or could not be judged, may be recorded as another kind and without
    /// a code.
    pub fn told(self, answer: &Acknowledged) -> Self {
        let verdict = answer.verdict;
        let is_code = verdict.advice != Advice::NotAPassCode && verdict.reason != Reason::NotJudged;
        let (kind, code) = (self.kind.filter(|_| is_code), self.code.filter(|_| is_code));
        Self { kind, code, received_ms: answer.as_of_ms, verdict, ..self }
    }
}

/// The claim of one device about one epoch.
#[derive(Clone, Debug, Default)]
pub struct Claim {
    /// The acknowledged punches 1, 2, 3 …
    pub acknowledged: Vec<Fact>,
    /// The highest sequence that was sent: punches between the last acknowledged one and this may be recorded or not.
    pub sent: u64,
}

/// The claims of all devices.
#[derive(Clone, Debug, Default)]
pub struct Claims(pub HashMap<(DeviceId, Epoch), Claim>);

impl Claims {
    /// Returns the number of acknowledged punches.
    pub fn acknowledged(&self) -> u64 {
        self.0.values().map(|claim| claim.acknowledged.len() as u64).sum()
    }
}

/// The result of the comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// Punches for which devices hold an acknowledgement.
    pub acknowledged: u64,
    /// Punches of those devices and epochs in the export.
    pub recorded: u64,
    /// Punches acknowledged and not in the export.
    pub lost: u64,
    /// Punches in the export more than once.
    pub doubled: u64,
    /// Punches in the export before an earlier punch of the same device.
    pub disordered: u64,
    /// Punches in the export with another place, direction, time, kind, code or verdict than acknowledged.
    pub altered: u64,
    /// Punches in the export and never sent.
    pub invented: u64,
    /// Punches in the export, sent, and not acknowledged: allowed while answers are under way.
    pub unacknowledged: u64,
}

impl Proof {
    /// Returns true if no punch is lost, doubled, disordered, altered or invented.
    pub fn holds(&self) -> bool {
        self.lost + self.doubled + self.disordered + self.altered + self.invented == 0
    }
}

/// Runs `<binary> ledger export --format csv`, signed by the city's first operator, and checks its output as it comes.
pub fn prove(fleet: &Fleet, claims: &Claims) -> Result<Proof, ProofError> {
    let binary = &fleet.binary;
    let failed = |error: std::io::Error| ProofError::Command(format!("{}: {error}", binary.display()));
    let mut command = Command::new(binary);
    command.args(["ledger", "export", "--format", "csv", "--case", "loadtest", "--data"]).arg(&fleet.data);
    if let Some(operator) = fleet.operators.first() {
        command.arg("--sign").arg(operator);
    }
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(failed)?;
    let (stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    let said = std::thread::spawn(move || {
        let mut text = String::new();
        let _ = stderr.as_mut().map(|stderr| stderr.read_to_string(&mut text));
        text
    });
    let proof = check(claims, stdout.expect("stdout is piped"));
    let status = child.wait().map_err(failed)?;
    if status.success() {
        return proof;
    }
    let said = said.join().unwrap_or_default();
    Err(ProofError::Command(format!("{} ended with {status}: {}", binary.display(), said.trim())))
}

/// Checks an export in CSV against the claims. Rows of other devices and epochs are passed over.
pub fn check(claims: &Claims, export: impl Read) -> Result<Proof, ProofError> {
    let bad = |error: csv::Error| ProofError::Export(error.to_string());
    let mut reader = csv::Reader::from_reader(export);
    let columns = Columns::find(reader.headers().map_err(bad)?)?;
    let mut found = Found::new(claims);
    let mut row = csv::StringRecord::new();
    while reader.read_record(&mut row).map_err(bad)? {
        let parsed = columns.parse(&row).ok_or_else(|| {
            let line = row.position().map_or(0, csv::Position::line);
            ProofError::Export(format!("line {line} is not a punch"))
        })?;
        found.row(&parsed);
    }
    Ok(found.end())
}

const NAMES: [&str; 15] = [
    "device",
    "epoch",
    "sequence",
    "region",
    "place",
    "direction",
    "kind",
    "code",
    "device_time_ms",
    "received_ms",
    "offline",
    "colour",
    "advice",
    "basis",
    "reason",
];

/// The index of each of [`NAMES`] in the export.
struct Columns([usize; NAMES.len()]);

struct Row {
    device: DeviceId,
    epoch: Epoch,
    sequence: u64,
    fact: Fact,
}

impl Columns {
    fn find(headers: &csv::StringRecord) -> Result<Self, ProofError> {
        let mut columns = [0; NAMES.len()];
        for (column, name) in columns.iter_mut().zip(NAMES) {
            *column = headers
                .iter()
                .position(|header| header == name)
                .ok_or_else(|| ProofError::Export(format!("there is no column {name}")))?;
        }
        Ok(Self(columns))
    }

    fn parse(&self, row: &csv::StringRecord) -> Option<Row> {
        let [
            device,
            epoch,
            sequence,
            region,
            place,
            direction,
            kind,
            code,
            device_time_ms,
            received_ms,
            offline,
            colour,
            advice,
            basis,
            reason,
        ] = self.0.map(|column| row.get(column).unwrap_or_default());
        let code = match code {
            "" => None,
            number => Some(CodeId::from_u64(number.parse().ok()?)?),
        };
        let verdict = Verdict {
            colour: Colour::from_name(colour)?,
            advice: Advice::from_name(advice)?,
            basis: protocol::Basis::from_name(basis)?,
            reason: Reason::from_name(reason)?,
        };
        Some(Row {
            device: DeviceId(device.parse().ok()?),
            epoch: Epoch(epoch.parse().ok()?),
            sequence: sequence.parse().ok()?,
            fact: Fact {
                region: RegionId(region.parse().ok()?),
                place: PlaceId(place.parse().ok()?),
                direction: Direction::from_name(direction)?,
                kind: Some(KINDS.into_iter().find(|known| *known == kind)?),
                code,
                device_time_ms: device_time_ms.parse().ok()?,
                received_ms: received_ms.parse().ok()?,
                offline: offline.parse().ok()?,
                verdict,
            },
        })
    }
}

/// The rows of one claim that were read.
struct Seen<'a> {
    claim: &'a Claim,
    present: Vec<bool>,
    highest: u64,
}

struct Found<'a> {
    seen: HashMap<(DeviceId, Epoch), Seen<'a>>,
    proof: Proof,
}

impl<'a> Found<'a> {
    fn new(claims: &'a Claims) -> Self {
        let seen = claims.0.iter().map(|(key, claim)| {
            let sent = claim.sent.max(claim.acknowledged.len() as u64) as usize;
            (*key, Seen { claim, present: vec![false; sent], highest: 0 })
        });
        let proof = Proof { acknowledged: claims.acknowledged(), ..Proof::default() };
        Self { seen: seen.collect(), proof }
    }

    fn row(&mut self, row: &Row) {
        let Some(seen) = self.seen.get_mut(&(row.device, row.epoch)) else { return };
        let proof = &mut self.proof;
        proof.recorded += 1;
        let index = row.sequence.wrapping_sub(1) as usize;
        let Some(present) = seen.present.get_mut(index) else {
            proof.invented += 1;
            return;
        };
        if std::mem::replace(present, true) {
            proof.doubled += 1;
            return;
        }
        if row.sequence < seen.highest {
            proof.disordered += 1;
        }
        seen.highest = seen.highest.max(row.sequence);
        match seen.claim.acknowledged.get(index) {
            Some(fact) => proof.altered += u64::from(!same(fact, &row.fact)),
            None => proof.unacknowledged += 1,
        }
    }

    fn end(mut self) -> Proof {
        for seen in self.seen.values() {
            let acknowledged = seen.present.iter().take(seen.claim.acknowledged.len());
            self.proof.lost += acknowledged.filter(|present| !**present).count() as u64;
        }
        self.proof
    }
}

fn same(claimed: &Fact, recorded: &Fact) -> bool {
    let (kind, code) = (claimed.kind.or(recorded.kind), claimed.code.or(recorded.code));
    let merged = claimed.received_ms..=claimed.received_ms.saturating_add(RECEIVED_MS_MERGED);
    let received_ms = recorded.received_ms;
    merged.contains(&received_ms) && Fact { kind, code, received_ms, ..*claimed } == *recorded
}

/// Reports an advice that no policy may give with that colour: red never passes, unknown neither passes nor stops.
pub(crate) fn is_forbidden(verdict: Verdict) -> bool {
    match verdict.colour {
        Colour::Red => matches!(verdict.advice, Advice::Pass | Advice::NotAPassCode),
        Colour::Unknown => matches!(verdict.advice, Advice::Pass | Advice::Stop),
        Colour::Green | Colour::Yellow => verdict.advice == Advice::NotAPassCode,
    }
}

#[cfg(test)]
mod tests;
