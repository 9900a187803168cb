//! `changtong operator` and `cause`: who signs, and causes by hand. How orders are signed and sent stands in `desk`.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use actors::table::{self, Column, Form, SHORTENED, is_scientific};
use actors::words;
use anyhow::{Context, bail};
use registry::operator::{self, OperatorKey, Role};
use runtime::clock;

use super::code::{Who, code_number};
use super::desk::{Desk, show_json};
use super::punches::moment;
use super::template;
use crate::operator::orders::{self, CauseSet, FoundLine, NewCause, Ordered, OrderedAct, limits};
use crate::out::{note, say};

#[derive(clap::Subcommand)]
pub(crate) enum Operator {
    /// Makes your own key, at your own desk, and prints its public half, which is what `operator add` takes.
    Key {
        /// Your name: small letters, digits and hyphens.
        name: String,
        /// The place where the key goes; it must not be there yet.
        #[arg(long)]
        out: PathBuf,
    },
    /// Adds an operator, who has made a key of their own with `operator key`. The first of a registry signs nothing and has the role
    /// admin; the first admin alone adds a second one, and every other operator takes two admins.
    Add {
        /// Small letters, digits and hyphens.
        name: String,
        /// For whom the operator acts, for example cdc.
        #[arg(long)]
        authority: String,
        /// admin, health, records; several separated by commas.
        #[arg(long, value_delimiter = ',', required = true)]
        role: Vec<String>,
        /// The key that `operator key` printed for them, or a file with it.
        #[arg(long)]
        public_key: String,
        #[command(flatten)]
        desk: Desk,
    },
    /// Makes an operator's signature worthless. It takes two admins if the operator is an admin or has the role health.
    Revoke {
        /// The operator's name.
        name: String,
        #[command(flatten)]
        desk: Desk,
    },
    /// Lists all operators.
    List {
        #[command(flatten)]
        desk: Desk,
    },
}

/// The columns of a table of causes.
const FORM: Form = Form(&[
    column(
        "code",
        "码号",
        "the code's number, or empty where a document stands; format the column as Text",
        true,
    ),
    column("document_kind", "证件类型", words::DOCUMENT_KINDS_OR_EMPTY, true),
    column(
        "document",
        "证件号码",
        "the document's number, or empty where a code stands; format the column as Text",
        true,
    ),
    column("kind", "原因", words::CAUSES, false),
    column("until", "截止日期", "the last day on which it counts, YYYY-MM-DD", false),
]);

const fn column(name: &'static str, chinese: &'static str, holds: &'static str, optional: bool) -> Column {
    Column { name, chinese, holds, optional }
}

/// Reads a line of a table of causes.
fn cause_of(line: u64, fields: &[String]) -> anyhow::Result<NewCause> {
    let [code, document_kind, document, kind, until] = fields else { bail!("it has other columns") };
    for (column, field) in [("code", code), ("document", document)] {
        if is_scientific(field) {
            bail!("{column} {SHORTENED}");
        }
    }
    let code =
        (!code.is_empty()).then(|| code_number(code)).transpose().context("code is no code's number")?;
    let document = (!document.is_empty()).then(|| document.clone());
    // What is no word of either language is refused by the gateway, which names the line.
    let kind_of =
        |field: &str| words::document_kind(field).map_or(field.to_owned(), |kind| kind.name().to_owned());
    let document_kind = if document_kind.is_empty() { "id-card".to_owned() } else { kind_of(document_kind) };
    let whose = Who { code, document, document_kind }.whose()?;
    let until = table::date(until).context("until is no date (YYYY-MM-DD)")?;
    let kind = words::cause(kind).map_or_else(|| kind.to_ascii_lowercase(), |kind| kind.name().to_owned());
    Ok(NewCause { line, whose, kind, until })
}

#[derive(clap::Subcommand)]
pub(crate) enum Cause {
    /// Sets a cause by hand, or all causes of a table, or none of them when a line is wrong. One that makes a code red takes two
    /// operators, and so does a table: look at it with `--dry-run` first.
    Add {
        /// The code's number; `code find` knows it by a document.
        #[arg(long, value_parser = code_number, required_unless_present_any = ["csv", "template"])]
        code: Option<u64>,
        /// close-contact, diagnosis or quarantine.
        #[arg(long, required_unless_present_any = ["csv", "template"])]
        kind: Option<String>,
        /// The last day on which it counts, YYYY-MM-DD.
        #[arg(long, required_unless_present_any = ["csv", "template"])]
        until: Option<jiff::civil::Date>,
        /// Many at once: a CSV file with the columns code or document_kind and document, kind, until, as a spreadsheet saves it. A cause
        /// that the authority has set already, until the same day, is left alone.
        #[arg(long, conflicts_with_all = ["code", "kind", "until"], requires = "case")]
        csv: Option<PathBuf>,
        /// The case that the table belongs to: those in it see it.
        #[arg(long, requires = "csv")]
        case: Option<String>,
        /// Says what each line of the table would come to, and sets nothing.
        #[arg(long, requires = "csv")]
        dry_run: bool,
        /// Writes an empty table to that file, for a spreadsheet, and says what its columns hold.
        #[arg(long, conflicts_with_all = ["code", "kind", "until", "csv"])]
        template: Option<PathBuf>,
        #[command(flatten)]
        desk: Desk,
    },
    /// Clears a cause of the operator's own authority; every other cause stays.
    Clear {
        /// Its number, as `code why` tells.
        cause: i64,
        #[command(flatten)]
        desk: Desk,
    },
    /// Clears every cause by hand that the operators' own authority set in a stretch of time; every other cause stays. Takes two
    /// operators, shows nobody.
    ClearSince {
        /// The first moment: 2020-02-20T08:00, of the city, or with an offset.
        from: String,
        /// The last moment; now if not given.
        #[arg(long)]
        to: Option<String>,
        #[command(flatten)]
        desk: Desk,
    },
}

impl Operator {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Key { name, out } => make_key(&name, &out),
            Self::Add { name, authority, role, public_key, desk } => {
                let known = |name: &String| {
                    Role::from_name(name)
                        .with_context(|| format!("{name:?} is no role; there are admin, health and records"))
                };
                let roles = role.iter().map(known).collect::<anyhow::Result<_>>()?;
                let public_key = public_key_of(&public_key)?;
                desk.give(&OrderedAct::AddOperator { name, authority, roles, public_key })
            }
            Self::Revoke { name, desk } => desk.give(&OrderedAct::RevokeOperator { name }),
            Self::List { desk } => desk.give(&OrderedAct::ListOperators),
        }
    }
}

impl Cause {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Add { template: Some(file), desk, .. } => template::write(FORM, &file, desk.json),
            Self::Add { csv: Some(csv), case: Some(case), dry_run, desk, .. } => {
                let causes = limits::whole(template::read(FORM, &csv, cause_of)?, |cause| cause.line)?;
                desk.give(&OrderedAct::AddCauses { causes, case, dry_run })
            }
            Self::Add { code: Some(code), kind: Some(kind), until: Some(until), desk, .. } => {
                desk.give(&OrderedAct::AddCause { code, kind, until })
            }
            Self::Add { .. } => bail!("a cause takes --code, --kind and --until, or --csv and --case"),
            Self::Clear { cause, desk } => desk.give(&OrderedAct::ClearCause { cause }),
            Self::ClearSince { from, to, desk } => {
                let to_ms = to.map_or_else(|| Ok(clock::now_ms()), |to| moment(&to))?;
                desk.give(&OrderedAct::ClearCauses { set: (moment(&from)? / 1000, to_ms / 1000) })
            }
        }
    }
}

fn make_key(name: &str, out: &Path) -> anyhow::Result<ExitCode> {
    let (pair, text) = OperatorKey::generate(name)?;
    write_key(out, text.as_bytes())?;
    note!("{} is yours alone; give an admin the line below", out.display());
    say!("{}", pair.public_key());
    note!(
        "next, for the first operator or by an admin: changtong operator add {name} --authority WHOSE --role ROLE --public-key LINE"
    );
    Ok(ExitCode::SUCCESS)
}

/// A public key as it was given, or as it stands in a file of that name.
fn public_key_of(given: &str) -> anyhow::Result<String> {
    let is_key = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_key(given.trim()) {
        return Ok(given.trim().to_ascii_lowercase());
    }
    let text = std::fs::read_to_string(given)
        .with_context(|| format!("{given} is neither a public key of 64 hexadecimal digits nor a file"))?;
    match text.trim() {
        key if is_key(key) => Ok(key.to_ascii_lowercase()),
        _ => bail!("{given} holds no public key; `changtong operator key` prints one"),
    }
}

fn write_key(path: &Path, text: &[u8]) -> anyhow::Result<()> {
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.with_context(|| format!("making {}: a key is never overwritten", path.display()))?;
    file.write_all(text).and_then(|()| file.sync_all()).with_context(|| format!("writing {}", path.display()))
}

impl Desk {
    pub(super) fn give(&self, act: &OrderedAct) -> anyhow::Result<ExitCode> {
        match self.call(act)? {
            Some(ordered) => show(&ordered, self.json),
            None => Ok(ExitCode::SUCCESS),
        }
    }
}

pub(super) fn show(ordered: &Ordered, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        show_json(ordered)?;
        return Ok(ExitCode::SUCCESS);
    }
    match ordered {
        Ordered::Operator(operator) => show_operator(operator),
        Ordered::Operators(operators) => {
            for operator in operators {
                let roles: Vec<&str> = operator.roles.iter().map(|role| role.name()).collect();
                let state = if operator.revoked { "revoked" } else { "in office" };
                say!("  {:<34}{:<34}{:<22}{state}", operator.name, operator.authority, roles.join(","));
            }
        }
        Ordered::Cause { cause, code, colour } => say!("Cause {cause}: code {code} is now {colour}."),
        Ordered::Cleared { causes, more } => {
            let more = if *more { " There are more: order again." } else { "" };
            say!("{causes} causes are cleared.{more}");
        }
        Ordered::Why(why) => super::code::show_why(why),
        Ordered::Found(FoundLine { code, name, colour }) => say!("code {code}: {name}, {colour}"),
        Ordered::Moved { code, phone } => {
            say!("Code {code} is {phone}'s from now on; its first sign-in asks for the document.");
        }
        Ordered::Seen { code } => say!("The document of code {code} is noted as seen."),
        Ordered::Causes { causes, dry_run } => show_causes(causes, *dry_run),
        Ordered::Policy { version, diff } => {
            say!("Policy {version} is in effect.");
            super::policy::show_diff(diff);
        }
        Ordered::Accesses(lines) => {
            for line in lines {
                let on = orders::time(line.at_s);
                say!("  {on}  {:<12}{:<34}case {}", line.lookup, line.operators, line.case);
            }
        }
        Ordered::Contact(contact) => say!("{}, {}", contact.name, contact.phone),
        Ordered::Devices(_)
        | Ordered::Token { .. }
        | Ordered::Enrolled { .. }
        | Ordered::Revoked { .. }
        | Ordered::Imported(_)
        | Ordered::Places(_)
        | Ordered::Units(_)
        | Ordered::Invitation(_)
        | Ordered::Shifts(_)
        | Ordered::Appeals(_)
        | Ordered::Answered { .. }
        | Ordered::Passages(_)
        | Ordered::Tapped { .. }
        | Ordered::Reloaded(_)
        | Ordered::Backup { .. }
        | Ordered::Stores { .. }
        | Ordered::Believed { .. }
        | Ordered::Exported { .. } => bail!("that is no answer to this command"),
    }
    Ok(ExitCode::SUCCESS)
}

fn show_causes(causes: &[CauseSet], dry_run: bool) {
    for CauseSet { line, shown, before, gives, is_there, .. } in causes {
        let what = if *is_there { "there already".to_owned() } else { format!("{before}, gives {gives}") };
        say!("  line {line}: code {shown}, {what}");
    }
    let known = causes.iter().filter(|cause| cause.is_there).count();
    let done = if dry_run { "would be set" } else { "are set" };
    say!("{} causes {done}, {known} there already and not changed", causes.len() - known);
}

fn show_operator(operator::Operator { name, authority, roles, public_key, revoked }: &operator::Operator) {
    if *revoked {
        return say!("Operator {name} is revoked: what they sign from now on is worth nothing.");
    }
    let roles = roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(", ");
    say!("Operator {name} acts for {authority}, as {roles}, and signs with the key whose public half is");
    say!("{public_key}");
    note!("next: changtong check-config, then changtong serve, unless the gateway runs");
}
