//! The ledger of a stand-in for a gateway, as the export prints it, one row at a time, with
//! every error that a run has to find.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use protocol::{CodeId, Colour, DeviceId, Epoch, Punch, RegionId, Scanned, Verdict};

/// The columns of the export.
const HEADER: &str = "lsn,device,epoch,sequence,region,place,direction,kind,code,device_time_ms,received_ms,offline,colour,advice,basis,reason";
/// The number of the wrong punch or verdict, from 1.
const LIED_ABOUT: u64 = 3;

/// The errors of a stand-in, once each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// A punch that was acknowledged is not recorded.
    Drops,
    /// One is recorded twice.
    Doubles,
    /// One is recorded after the next one.
    Reorders,
    /// One is recorded at another place.
    Moves,
    /// One is recorded with another colour than was shown.
    Recolours,
    /// One is recorded in the other direction.
    Turns,
    /// One is recorded as another kind of scan.
    Retypes,
    /// One is recorded as taken at another time than the device was told.
    Backdates,
    /// One is recorded as the device's own decision.
    CallsOffline,
    /// A punch is recorded that was never sent.
    Invents,
    /// A verdict shows another colour than the person has.
    MislabelsVerdict,
    /// The verdict of a punch shows another colour, which is recorded.
    MislabelsPunch,
    /// Red people may pass.
    PassesRed,
    /// Its codes are never loaded, and all verdicts say so.
    NeverLoads,
    /// A changed colour is shown once; after that, the one before.
    ShowsOldColour,
    /// The metrics contain the code of a scanned person.
    Leaks,
    /// From some punch on, the device is refused, and stops.
    Refuses,
}

/// One punch of the ledger.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) device: DeviceId,
    pub(crate) epoch: Epoch,
    pub(crate) sequence: u64,
    pub(crate) region: RegionId,
    pub(crate) punch: Punch,
    pub(crate) code: Option<CodeId>,
    pub(crate) verdict: Verdict,
}

/// The ledger of a stand-in: the file that its export prints.
pub(crate) struct Ledger {
    file: File,
    lie: Option<Lie>,
    rows: u64,
    held: Option<String>,
}

impl Ledger {
    pub(crate) fn new(path: &Path, lie: Option<Lie>) -> Self {
        let mut file = OpenOptions::new().create_new(true).append(true).open(path).unwrap();
        writeln!(file, "{HEADER}").unwrap();
        Self { file, lie, rows: 0, held: None }
    }

    /// Records a punch, correctly or with the error.
    pub(crate) fn append(&mut self, mut row: Row) {
        self.rows += 1;
        let mut lines = vec![line(&row)];
        if self.rows == LIED_ABOUT {
            match self.lie {
                Some(Lie::Drops) => lines.clear(),
                Some(Lie::Doubles) => lines.push(line(&row)),
                Some(Lie::Reorders) => self.held = lines.pop(),
                Some(Lie::Moves) => {
                    row.punch.place.0 += 1;
                    lines = vec![line(&row)];
                }
                Some(Lie::Turns) => lines = vec![turned(&line(&row))],
                Some(Lie::Retypes) => lines = vec![line(&row).replace(",token,", ",legacy,")],
                Some(Lie::Backdates) => lines = vec![line(&row).replace(",1,false,", ",12,false,")],
                Some(Lie::CallsOffline) => lines = vec![line(&row).replace(",1,false,", ",1,true,")],
                Some(Lie::Recolours) => {
                    row.verdict.colour = another(row.verdict.colour);
                    lines = vec![line(&row)];
                }
                Some(Lie::Invents) => {
                    row.sequence += 1_000_000;
                    lines.push(line(&row));
                }
                None
                | Some(
                    Lie::MislabelsVerdict
                    | Lie::MislabelsPunch
                    | Lie::PassesRed
                    | Lie::NeverLoads
                    | Lie::ShowsOldColour
                    | Lie::Leaks
                    | Lie::Refuses,
                ) => {}
            }
        } else {
            lines.extend(self.held.take());
        }
        lines.iter().for_each(|line| writeln!(self.file, "{line}").unwrap());
    }
}

impl Lie {
    /// Returns the colour of the verdict with that number, from 1.
    pub(crate) fn shown(self, number: u64, of_punch: bool, colour: Colour) -> Colour {
        let mislabels = if of_punch { self == Self::MislabelsPunch } else { self == Self::MislabelsVerdict };
        if mislabels && number == LIED_ABOUT { another(colour) } else { colour }
    }
}

/// Returns true if the punch with that sequence is refused.
pub(crate) fn refuses(lie: Option<Lie>, sequence: u64) -> bool {
    lie == Some(Lie::Refuses) && sequence >= LIED_ABOUT
}

fn turned(line: &str) -> String {
    if line.contains(",in,") { line.replace(",in,", ",out,") } else { line.replace(",out,", ",in,") }
}

fn another(colour: Colour) -> Colour {
    if colour == Colour::Red { Colour::Green } else { Colour::Red }
}

fn line(row: &Row) -> String {
    let Row { device, epoch, sequence, region, punch, code, verdict } = row;
    let code = code.map(|code| code.get().to_string()).unwrap_or_default();
    let kind = match punch.scanned {
        Scanned::Token(_) => "token",
        Scanned::Nothing => "nothing",
        Scanned::Text(_) | Scanned::SignedIn(_) => "not-a-code",
    };
    format!(
        "1,{},{},{sequence},{},{},{},{kind},{code},{},1,false,{},{},{},{}",
        device.0,
        epoch.0,
        region.0,
        punch.place.0,
        punch.direction.name(),
        punch.device_time_ms,
        verdict.colour.name(),
        verdict.advice.name(),
        verdict.basis.name(),
        verdict.reason.name()
    )
}
