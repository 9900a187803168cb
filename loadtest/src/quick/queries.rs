//! Trajectory queries beside the punches: devices that do not punch ask with receipts from citizens' pages, and their answers
//! are counted. A receipt is valid once; the caller provides them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use device::{Device, DeviceError};
use protocol::receipt;
use protocol::{ErrorCode, RegionId};
use tokio::task::JoinSet;

use crate::citizens::Receipt;

/// The limit of devices that ask at a time.
pub(crate) const ASKING_MAX: usize = 16;

/// The options for queries.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(id = "queries")]
pub struct Options {
    /// File of consent receipts for queries while people come: the text of one QR code on each line
    #[arg(long)]
    pub receipts: Option<PathBuf>,
}

/// The count of each answer, by the name of its reason, or of the error.
pub type Answers = BTreeMap<String, u64>;

/// Reads receipts, one text on each line. Spaces belong to the text.
pub fn load(path: &Path) -> anyhow::Result<Vec<Receipt>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let receipts = (1..).zip(text.lines()).filter(|(_, line)| !line.is_empty()).map(|(at, line)| {
        receipt::from_text(line).with_context(|| format!("{}:{at} is no receipt", path.display()))
    });
    let receipts: Vec<_> = receipts.collect::<Result<_, _>>()?;
    ensure!(!receipts.is_empty(), "{} holds no receipts", path.display());
    Ok(receipts)
}

/// Lets the devices ask, each for its region, until the receipts are used.
pub async fn ask(devices: Vec<(Device, RegionId)>, receipts: Vec<Receipt>) -> anyhow::Result<Answers> {
    let mut shares = vec![Vec::new(); devices.len()];
    for (index, receipt) in receipts.into_iter().enumerate() {
        shares[index % devices.len()].push(receipt);
    }
    let mut asking = JoinSet::new();
    for ((device, region), share) in devices.into_iter().zip(shares) {
        asking.spawn(ask_all(device, region, share));
    }
    let mut answers = Answers::new();
    while let Some(joined) = asking.join_next().await {
        for (answer, count) in joined?? {
            *answers.entry(answer).or_default() += count;
        }
    }
    Ok(answers)
}

async fn ask_all(mut device: Device, region: RegionId, share: Vec<Receipt>) -> anyhow::Result<Answers> {
    let mut answers = Answers::new();
    for receipt in share {
        let name = match device.ask_trajectory(region, receipt).await {
            Ok(answer) => answer.reason.name(),
            Err(DeviceError::Refused { code, .. }) => match ErrorCode::from_number(code) {
                Some(code) => code.name(),
                None => bail!("refused with unknown error {code}"),
            },
            Err(error) => return Err(error).context("asking for a trajectory"),
        };
        *answers.entry(name.to_owned()).or_default() += 1;
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use protocol::receipt::RECEIPT_BYTES;

    use super::*;

    #[test]
    fn a_file_of_receipts_reads_or_says_which_line_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("receipts.txt");
        let text = receipt::to_text(&[7; RECEIPT_BYTES]);
        std::fs::write(&path, format!("{text}\n\n{text}\n")).unwrap();
        assert_eq!(load(&path).unwrap(), [[7; RECEIPT_BYTES]; 2]);
        std::fs::write(&path, format!("{text}\nno receipt\n")).unwrap();
        assert!(load(&path).unwrap_err().to_string().ends_with(":2 is no receipt"));
        std::fs::write(&path, "\n").unwrap();
        assert!(load(&path).is_err());
    }
}
