//! `changtong fleet`: where this gateway stands among several of one city, the keys of the fleet, and the punches of a gateway that is lost.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use fleet::{CopyStanding, Lacking, Standing};
use keys::Keys;
use keys::recovery::RecoverySecret;
use ledger::{ALL_TIME, CopyReport, ExportFormat};
use registry::Registry;

use crate::command::desk::Desk;
use crate::config::named::At;
use crate::config::{self, Settings};
use crate::operator::orders::{
    JoinFleet, PromoteGateway, PunchFormat, RecoverPunches, RefillFleet, RemoveGateway, ToRecover, time,
};
use crate::operator::{self, Act, Done};
use crate::out::{self, note, say};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Shows who leads the fleet, and how far this gateway follows: 0 it leads or follows, 1 it does neither, 2 it does not run.
    Status {
        #[command(flatten)]
        at: At,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Has another gateway lead the fleet, for example before the one that leads is updated. An operator signs; ordered at any gateway.
    Promote {
        /// That gateway's name in the fleet.
        name: String,
        #[command(flatten)]
        desk: Desk,
    },
    /// Takes a gateway that was stopped for good from the fleet's list of gateways. An operator signs; ordered at any other gateway.
    Leave {
        /// That gateway's name in the fleet.
        name: String,
        #[command(flatten)]
        desk: Desk,
    },
    /// Prints the SHA-256 of all that the registry shares with the other gateways: equal at two gateways that have the same position. Reads the
    /// whole registry.
    Digest {
        #[command(flatten)]
        at: At,
        /// For programs, with the position.
        #[arg(long)]
        json: bool,
    },
    /// Makes the key by which the gateways of a fleet seal their changes: fleet.key beside the other keys. The first gateway makes it; the
    /// others get a copy of the whole key directory but `days`.
    Key {
        #[command(flatten)]
        at: At,
    },
    /// Makes the pair of recovery keys: the private half goes to a new file, to be kept offline, and the public half is printed, for
    /// `recovery_key` in the [fleet] of every gateway.
    RecoveryKey {
        /// The file of the private half.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Has this gateway join the fleet anew, by the newest snapshot, if it has changes that no other gateway has. What is here is kept in a
    /// file beside it. On a running gateway; two admins sign, where there are two.
    Join {
        /// This gateway's name in the fleet: the order is good for it alone.
        name: String,
        /// The case that it is for.
        #[arg(long)]
        case: String,
        #[command(flatten)]
        desk: Desk,
    },
    /// Makes the registry's stream anew after the broker is lost on all of its servers with its data. At the running gateway with the highest
    /// position, as `changtong fleet status` of each shows it; two admins sign, where there are two.
    Refill {
        /// This gateway's name in the fleet: the order is good for it alone.
        name: String,
        /// The case that it is for.
        #[arg(long)]
        case: String,
        #[command(flatten)]
        desk: Desk,
    },
    /// Writes every punch that the second copy of a lost gateway has to the output, as `changtong ledger export` does. It shows everybody's
    /// passages: an operator signs, and the leader records it as an access. --config names the configuration of a gateway that runs.
    Recover {
        /// The lost gateway's name in the fleet.
        name: String,
        /// The private half of the recovery keys.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// The case that it is for.
        #[arg(long)]
        case: String,
        #[command(flatten)]
        desk: Desk,
        /// The way in which a punch is written; csv if not given.
        #[arg(long, value_enum)]
        format: Option<PunchFormat>,
    },
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Status { at, json } => {
                let named = at.find()?;
                let Some(Done::Fleet(standing)) = operator::ask_running(&named, &Act::Fleet)? else {
                    note!("no gateway runs on {}", named.display());
                    return Ok(ExitCode::from(2));
                };
                if json {
                    say!("{}", serde_json::to_string(&standing)?);
                } else {
                    show(&standing);
                }
                Ok(ExitCode::from(u8::from(standing.is_adrift())))
            }
            Self::Digest { at, json } => digest(&at, json),
            Self::Key { at } => {
                let keys = at.keys()?;
                if !keys.is_dir() {
                    bail!("{} is no directory: `changtong keys init` makes it", keys.display());
                }
                Keys::make_fleet(&keys)?;
                say!("fleet.key is in {}. Keep a copy in a safe.", keys.display());
                note!(
                    "next: copy the keys to the other gateways, then write [fleet] into each configuration"
                );
                Ok(ExitCode::SUCCESS)
            }
            Self::RecoveryKey { out } => {
                say!("recovery_key = \"{}\"", RecoverySecret::make(&out)?);
                note!(
                    "{} is the private half: keep it offline, with copies in safes, and on no gateway. Write the line into [fleet] of every \
                     gateway",
                    out.display()
                );
                Ok(ExitCode::SUCCESS)
            }
            Self::Promote { name, desk } => desk.give(PromoteGateway { gateway: name }),
            Self::Leave { name, desk } => desk.give(RemoveGateway { gateway: name }),
            Self::Join { name, case, desk } => desk.give(JoinFleet { gateway: name, case }),
            Self::Refill { name, case, desk } => desk.give(RefillFleet { gateway: name, case }),
            Self::Recover { name, key, case, desk, format } => recover(name, &key, case, &desk, format),
        }
    }
}

fn digest(at: &At, json: bool) -> anyhow::Result<ExitCode> {
    let named = at.find()?;
    named.there()?;
    let keys = Keys::load(&named.keys()?)?;
    let registry = Registry::open_to_read(&Settings::registry_path(&named.data), &keys)?;
    let (digest, position) = registry.shared_digest_at()?;
    if json {
        say!("{}", serde_json::json!({ "digest": digest, "position": position }));
    } else {
        say!("{digest}");
    }
    Ok(ExitCode::SUCCESS)
}

fn recover(
    name: String,
    key: &Path,
    case: String,
    desk: &Desk,
    format: Option<PunchFormat>,
) -> anyhow::Result<ExitCode> {
    let secret = RecoverySecret::read(key)?;
    let file = desk
        .at
        .find()?
        .config
        .context("name a running gateway's configuration with --config: it has the broker")?;
    let settings = config::read_file(&file)?.settings;
    let fleet = settings.fleet.as_ref().context("that configuration has no [fleet]")?;
    let config = fleet.open(&settings.data)?;
    let format = match PunchFormat::chosen(format, desk.json)? {
        PunchFormat::Csv => ExportFormat::Csv,
        PunchFormat::Jsonl => ExportFormat::JsonLines,
    };
    if desk.saves() {
        bail!("an order to recover is given where its key is read; leave --save out");
    }
    let Some(ToRecover { gateway }) = desk.call(RecoverPunches { case, gateway: name })? else {
        return Ok(ExitCode::SUCCESS);
    };
    let report = fleet::recover(&config, &gateway, &secret, (format, ALL_TIME), &mut Printed)?;
    let CopyReport { batches, first_lsn, last_lsn, punches, without_key, missing } = report;
    note!("{punches} punches in {batches} batches, LSN {first_lsn} to {last_lsn}");
    if without_key > 0 {
        note!(
            "{without_key} batches are of forgotten days, or of days whose keys are sealed to another recovery key or to none, and cannot be read"
        );
    }
    if missing > 0 {
        note!("{missing} batches were forgotten before they were copied");
    }
    Ok(ExitCode::SUCCESS)
}

/// The standard output.
struct Printed;

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = str::from_utf8(bytes).map_err(io::Error::other)?;
        match out::text(text) {
            true => Ok(bytes.len()),
            false => Err(io::Error::new(io::ErrorKind::BrokenPipe, "nobody listens any more")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn show(standing: &Standing) {
    let Standing {
        name,
        leads,
        leader,
        position,
        end,
        connected,
        trouble,
        gateways,
        copy,
        snapshot,
        lacking,
        colours_age_s: _,
        ahead_s: _,
    } = standing;
    let leader = match leader {
        _ if *leads => "this gateway leads".to_owned(),
        Some(leader) => format!("{}, at {}", leader.name, leader.address),
        None => "none".to_owned(),
    };
    let broker = if *connected { "answers" } else { "does not answer" };
    for (what, value) in [
        ("name", name.clone()),
        ("leader", leader),
        ("has", format!("{position} of {end} messages")),
        ("broker", broker.to_owned()),
        ("gateways", gateways.join(", ")),
        ("wrong now", trouble.clone().unwrap_or_else(|| "nothing".to_owned())),
    ] {
        say!("  {what:<10}{value}");
    }
    if let Some(age_s) = standing.old_colours_s() {
        say!("  {:<10}as they were {age_s} s ago", "colours");
    }
    if let Some(snapshot) = snapshot {
        let age_h = standing.snapshot_age_s() / 3_600;
        say!("  {:<10}at message {}, {age_h} h old", "snapshot", snapshot.position);
    }
    if let Some(Lacking { gateway, key }) = lacking {
        let since = key.good_from_s.map(|s| format!(", which is good from {}", time(s))).unwrap_or_default();
        say!("  {:<10}{gateway} lacks {}{since}", "keys", key.file);
    }
    if let Some(apart) = standing.clock_trouble() {
        say!("  {:<10}{apart}", "clock");
    }
    if let Some(CopyStanding { lsn, end, trouble }) = copy {
        say!("  {:<10}{lsn} of {end} batches of the punch log", "copied");
        if let Some(trouble) = trouble {
            say!("  {:<10}{trouble}", "no copy");
        }
    }
}
