//! `changtong operator`: who signs. How orders are signed and sent stands in `desk`.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use registry::operator::{OperatorKey, Role};

use super::Desk;
use crate::operator::orders::{AddOperator, ListOperators, RevokeOperator};
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
                desk.give(AddOperator { name, authority, roles, public_key })
            }
            Self::Revoke { name, desk } => desk.give(RevokeOperator { name }),
            Self::List { desk } => desk.give(ListOperators {}),
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
