//! `changtong sunset`: the end of the measure. Without more it says what would be destroyed and prints the plan's digest; two
//! operators sign that, on a stopped gateway. Nothing is destroyed without `--plan` or `--finish`. What is done, and in which order,
//! stands in `actors::sunset`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use actors::sunset::{self, Estate, Left, Plan, Record, SunsetError, Verified};
use anyhow::{Context, bail};
use registry::{DirectoryLock, KeptRegistry, RegistryError};

use crate::command::desk::saved::Saved;
use crate::config::Settings;
use crate::config::Sms;
use crate::config::named::At;
use crate::operator::orders;
use crate::out::{note, say};
use crate::{config, dev};

#[derive(clap::Args)]
pub(crate) struct Sunset {
    #[command(flatten)]
    at: At,
    /// Only says what would be done, or what is left to do of what was begun; so it is without `--plan` and `--finish`, too.
    #[arg(long, conflicts_with_all = ["plan", "finish", "verify"])]
    dry_run: bool,
    /// Ends the measure: the digest of the plan that was looked at.
    #[arg(long, conflicts_with = "verify")]
    plan: Option<String>,
    /// An operator's key file; two of them, each of an admin.
    #[arg(long, alias = "operator")]
    sign: Vec<PathBuf>,
    /// With `--plan`: ends nothing yet, but writes the order with the signatures so far to a file that is not there yet.
    /// `changtong order sign` adds others.
    #[arg(long, requires = "plan", value_name = "FILE")]
    save: Option<PathBuf>,
    /// With `--plan`: the order that was saved so, and that two admins have signed.
    #[arg(long, requires = "plan", conflicts_with = "save", value_name = "FILE")]
    order: Option<PathBuf>,
    /// Carries on where an end that was begun was cut off: two operators have signed it already. It cannot be undone.
    #[arg(long, conflicts_with_all = ["plan", "verify"])]
    finish: bool,
    /// Checks the record and what is left.
    #[arg(long)]
    verify: bool,
    /// For `--verify`: what `audit key` printed while there was a key.
    #[arg(long, requires = "verify")]
    public_key: Option<String>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

impl Sunset {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let (named, file) = (self.at.find()?, self.at.file()?);
        named.there()?;
        let data = named.data.canonicalize().with_context(|| format!("looking for {}", named.display()))?;
        if self.verify {
            let verified = sunset::verify(&data, self.public_key.as_deref())?;
            show_verified(&verified, self.json)?;
            return Ok(ExitCode::SUCCESS);
        }
        match Record::read(&data) {
            Ok(record) => return self.begun(&data, &record),
            Err(SunsetError::NoRecord { .. }) if !self.finish => {}
            Err(error) => return Err(error.into()),
        }
        let config = file.as_deref().map(config::read_file).transpose()?;
        let estate = estate(&data, config.map(|config| config.settings))?;
        match &self.plan {
            Some(digest) => self.end(&estate, digest),
            None => {
                let plan = Plan::make(&estate)?;
                show_plan(&plan, &data, self.json)?;
                if named.socket.exists() {
                    note!("a gateway may be running: stop it and look again, for its plan changes");
                }
                Ok(ExitCode::SUCCESS)
            }
        }
    }

    fn end(&self, estate: &Estate, digest: &str) -> anyhow::Result<ExitCode> {
        let _lock = lock(&estate.data)?;
        let gateway = KeptRegistry::open(&Settings::registry_path(&estate.data))?.gateway_id()?;
        let order = orders::order_of(sunset::order_text(digest), gateway)?;
        let mut saved = match &self.order {
            Some(file) => Saved::read(file)?,
            None => Saved::new(order),
        };
        for path in &self.sign {
            saved.sign(path)?;
        }
        if let Some(file) = &self.save {
            saved.write_new(file)?;
            note!(
                "{0} holds the order; `changtong order sign {0} --sign KEY` adds a signature",
                file.display()
            );
            return Ok(ExitCode::SUCCESS);
        }
        sunset::begin(estate, digest, &saved.order, &saved.signatures)?;
        self.carry_out(&estate.data)
    }

    /// Handles an end that is ordered and begun: continues it with `--finish` or `--plan`, and only shows its state otherwise.
    fn begun(&self, data: &Path, record: &Record) -> anyhow::Result<ExitCode> {
        if let Some(digest) = self.plan.as_ref().filter(|digest| **digest != record.digest) {
            bail!("another plan than {digest} was signed and begun here: {}", record.digest);
        }
        if self.finish || self.plan.is_some() {
            let _lock = lock(data)?;
            return self.carry_out(data);
        }
        let left = Left::of(data, record)?;
        if record.ended_s.is_some() && left.is_none() {
            show_record(record, self.json)?;
        } else {
            show_left(record, &left, self.json)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn carry_out(&self, data: &Path) -> anyhow::Result<ExitCode> {
        let record = sunset::carry_out(data)
            .context("it is begun and not finished; `changtong sunset --finish` goes on")?;
        show_record(&record, self.json)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn lock(data: &Path) -> anyhow::Result<DirectoryLock> {
    match DirectoryLock::take(data) {
        Err(RegistryError::InUse { path, by }) => {
            bail!("{by} runs on {}: stop it first, and look at the plan again", path.display())
        }
        other => Ok(other?),
    }
}

fn estate(data: &Path, settings: Option<Settings>) -> anyhow::Result<Estate> {
    let Some(settings) = settings else {
        let city = dev::estate_of(data);
        return city.with_context(|| format!("{} is no development city; give --config", data.display()));
    };
    let mut yours = vec![
        format!("the server's key {}", settings.key.display()),
        format!("the device authority in {}", settings.authority.display()),
    ];
    let carriers = settings.carriers.iter();
    yours.extend(
        carriers.map(|carrier| format!("the key at the carrier {}: {}", carrier.id, carrier.key.display())),
    );
    if let Sms::Service(service) = &settings.sms {
        yours.push(format!("the key at the message service {}", service.key.display()));
    }
    let pages = settings.pages.as_ref().and_then(|pages| pages.key.as_ref());
    yours.extend(pages.map(|key| format!("the pages' key {}", key.display())));
    yours.push("operators' own keys, exports, screens and paper".to_owned());
    let keys = settings.keys.canonicalize();
    Ok(Estate {
        data: data.to_owned(),
        keys: keys.with_context(|| format!("looking for {}", settings.keys.display()))?,
        made_up: Vec::new(),
        plain: Vec::new(),
        carriers: settings.carriers.iter().map(|carrier| carrier.id.clone()).collect(),
        yours,
    })
}

fn show_plan(plan: &Plan, data: &Path, json: bool) -> anyhow::Result<()> {
    let digest = plan.digest();
    if json {
        say!("{}", serde_json::json!({ "plan": plan, "digest": digest }));
        return Ok(());
    }
    say!("The end of the measure of {}: nothing is done yet.", data.display());
    describe(plan);
    say!("This plan's digest is {digest}");
    say!("Two operators with the role admin end it, on a stopped gateway:");
    say!("  changtong sunset --plan {digest} --sign KEY --sign KEY");
    say!("It cannot be undone.");
    Ok(())
}

/// Everything that goes, and everything that stays.
fn describe(plan: &Plan) {
    let list = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let days = plan.keys.iter().filter(|name| name.contains('/')).count();
    say!("Ends: punches, queries, pages; carriers that are not asked any more: {}", list(&plan.carriers));
    say!("Destroyed, and with them what they open, in backups too:");
    say!("  keys in {}: {}", plan.keys_directory.display(), list(&plan.keys));
    say!("Removed:");
    say!("  punches of {days} days in {} files", plan.punches.len());
    for count in &plan.emptied {
        say!("  {:<24}{:>12}", count.of, count.rows);
    }
    if !plan.made_up.is_empty() {
        say!("  {} files of the development city", plan.made_up.len());
    }
    say!("Kept, without personal data in clear, for 6 months at least; delete the directory after that:");
    for count in &plan.kept {
        say!("  {:<24}{:>12}", count.of, count.rows);
    }
    say!("  a person stands there by a keyed hash, whose key is destroyed: nobody can be found by it");
    say!("Backups: nothing opens punches and sealed fields in them any more; codes and causes in a backup's");
    say!("  registry can be read, so delete backups of the registry");
    say!("Not destroyed by this, and yours to revoke or delete: {}", list(&plan.yours));
    say!("Not the gateway's, and yours to look at: {}", list(&plan.others));
}

fn show_left(record: &Record, left: &Left, json: bool) -> anyhow::Result<()> {
    if json {
        say!("{}", serde_json::json!({ "begun_s": record.begun_s, "digest": record.digest, "left": left }));
        return Ok(());
    }
    say!("The end of the measure was begun on {} and is not finished.", day(Some(record.begun_s)));
    say!("Left to do, and not done now:");
    for path in &left.files {
        say!("  {}", path.display());
    }
    for count in &left.rows {
        say!("  {:<24}{:>12}", count.of, count.rows);
    }
    if record.ended_s.is_none() {
        say!("  the record's end");
    }
    say!("`changtong sunset --finish` does it, on a stopped gateway. It cannot be undone.");
    Ok(())
}

fn show_record(record: &Record, json: bool) -> anyhow::Result<()> {
    if json {
        say!("{}", serde_json::to_string(record)?);
        return Ok(());
    }
    let names: Vec<&str> = record.signatures.iter().map(|signature| signature.operator.as_str()).collect();
    say!("The measure has ended, on {}, ordered by {}.", day(record.ended_s), names.join(" and "));
    describe(&record.plan);
    say!("{} decisions stay, under the root {}", record.decisions, record.root);
    say!("The record is sunset.json in the data; its public key is {}", record.public_key);
    say!("Publish both: `changtong sunset --verify --public-key KEY` checks them.");
    Ok(())
}

fn show_verified(verified: &Verified, json: bool) -> anyhow::Result<()> {
    if json {
        say!("{}", serde_json::to_string(verified)?);
        return Ok(());
    }
    let who = verified.operators.join(" and ");
    say!(
        "The measure ended on {}, ordered by {who}; the record is as it was signed.",
        day(Some(verified.ended_s))
    );
    say!("  keys that are gone: {}", verified.keys.join(", "));
    say!("  no punch, no person and no code is left");
    say!("  {} decisions are as they were made", verified.decisions);
    say!("  signed with {}", verified.public_key);
    Ok(())
}

fn day(at_s: Option<u64>) -> String {
    at_s.map_or("–".to_owned(), orders::day)
}
