//! `changtong operator`, `cause` and `code`: who signs, causes by hand, and what is known of a code. How orders are signed and sent
//! stands in `desk`.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use actors::clock;
use actors::operators::{self, OperatorKey, Role};
use anyhow::{Context, bail};

use super::desk::{Desk, show_json};
use super::punches::moment;
use crate::orders::{self, Ordered, OrderedAct, WhyReport};
use crate::out::{note, say};

#[derive(clap::Subcommand)]
pub(crate) enum Operator {
    /// Makes your own key, at your own desk, and prints its public half, which is what `operator add` takes.
    Key {
        /// Your name: small letters, digits and hyphens.
        name: String,
        /// Where the key goes; it must not be there yet.
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
        /// What `operator key` printed for them, or a file with it.
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

#[derive(clap::Subcommand)]
pub(crate) enum Cause {
    /// Sets a cause by hand. One that makes a code red takes two operators.
    Add {
        /// The code's number.
        #[arg(long)]
        code: u64,
        /// close-contact, diagnosis or quarantine.
        #[arg(long)]
        kind: String,
        /// The last day on which it counts, YYYY-MM-DD.
        #[arg(long)]
        until: jiff::civil::Date,
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

#[derive(clap::Subcommand)]
pub(crate) enum Code {
    /// Why a code has its colour: causes, authorities, policy, next change. Recorded as an access.
    Why {
        /// The code's number.
        code: u64,
        /// The case that the look-up is for.
        #[arg(long)]
        case: String,
        /// Where the citizen's receipt of the last decision goes; `audit check` checks it.
        #[arg(long)]
        receipt: Option<PathBuf>,
        #[command(flatten)]
        desk: Desk,
    },
    /// Who looked at a code, as its holder sees it. Recorded as an access.
    Accesses {
        /// The code's number.
        code: u64,
        /// The case that the look-up is for.
        #[arg(long)]
        case: String,
        #[command(flatten)]
        desk: Desk,
    },
    /// Name and phone of a code's holder, to call them. Recorded as an access.
    Contact {
        /// The code's number.
        code: u64,
        /// The case that the look-up is for.
        #[arg(long)]
        case: String,
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
            Self::Add { code, kind, until, desk } => desk.give(&OrderedAct::AddCause { code, kind, until }),
            Self::Clear { cause, desk } => desk.give(&OrderedAct::ClearCause { cause }),
            Self::ClearSince { from, to, desk } => {
                let to_ms = to.map_or_else(|| Ok(clock::now_ms()), |to| moment(&to))?;
                desk.give(&OrderedAct::ClearCauses { set: (moment(&from)? / 1000, to_ms / 1000) })
            }
        }
    }
}

impl Code {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let (code, case, receipt, desk) = match self {
            Self::Why { code, case, receipt, desk } => (code, case, receipt, desk),
            Self::Accesses { code, case, desk } => return desk.give(&OrderedAct::Accesses { code, case }),
            Self::Contact { code, case, desk } => return desk.give(&OrderedAct::Contact { code, case }),
        };
        let Some(ordered) = desk.call(&OrderedAct::Why { code, case })? else { return Ok(ExitCode::SUCCESS) };
        if let (Some(path), Ordered::Why(why)) = (receipt, &ordered) {
            let receipt = why.receipt.as_ref().context("there is no decision about this code")?;
            std::fs::write(&path, serde_json::to_string_pretty(receipt)?)
                .with_context(|| format!("writing {}", path.display()))?;
        }
        show(&ordered, desk.json)
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
        Ordered::Why(why) => show_why(why),
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

fn show_operator(operators::Operator { name, authority, roles, public_key, revoked }: &operators::Operator) {
    if *revoked {
        return say!("Operator {name} is revoked: what they sign from now on is worth nothing.");
    }
    let roles = roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(", ");
    say!("Operator {name} acts for {authority}, as {roles}, and signs with the key whose public half is");
    say!("{public_key}");
    note!("next: changtong check-config, then changtong serve, unless the gateway runs");
}

fn show_why(why: &WhyReport) {
    let next = why.next_change_s.map_or("never by the clock".to_owned(), orders::time);
    say!(
        "{}, {}; changes {next}; looked at {} time(s), this one included",
        why.colour,
        why.basis,
        why.accesses
    );
    for cause in &why.causes {
        let state = match cause.cleared_s {
            Some(at_s) => format!("cleared {}", orders::time(at_s)),
            None => format!("until {}", orders::day(cause.until_s.saturating_sub(1))),
        };
        say!(
            "  cause {:<6}{:<15}{:<8}by {:<16}from {}, {state}; policy {}",
            cause.cause,
            cause.kind,
            cause.colour,
            cause.authority,
            orders::time(cause.from_s),
            cause.policy
        );
    }
    for decision in &why.decisions {
        let by = match decision.operators.as_str() {
            "" => decision.authority.clone(),
            operators => format!("{} ({operators})", decision.authority),
        };
        let on = orders::time(decision.at_s);
        say!("  decision {:<6}{on}  {} to {} by {by}", decision.decision, decision.from, decision.to);
    }
    say!("An appeal names the decision and goes to its authority.");
}
