//! `changtong code`: what is known of a code, and what an office does for its holder.

use std::num::ParseIntError;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use protocol::typed_text;

use crate::command::desk::Desk;
use crate::operator::orders::{self, Accesses, Contact, DocumentSeen, FindCode, MovePhone, Whose, Why};

/// Whose code: its number, or a document.
#[derive(clap::Args)]
pub(crate) struct Who {
    /// The code's number.
    #[arg(value_parser = code_number, required_unless_present = "document", conflicts_with = "document")]
    pub(crate) code: Option<u64>,
    /// The number of the holder's document.
    #[arg(long)]
    pub(crate) document: Option<String>,
    /// id-card, hk-macau-permit, taiwan-permit, passport or foreign-pr-card.
    #[arg(long, default_value = "id-card")]
    pub(crate) document_kind: String,
}

impl Who {
    pub(crate) fn whose(self) -> anyhow::Result<Whose> {
        match (self.code, self.document) {
            (Some(code), None) => Ok(Whose::Code(code)),
            (None, Some(number)) => {
                Ok(Whose::Document { kind: self.document_kind.to_ascii_lowercase(), number })
            }
            (Some(_), Some(_)) | (None, None) => bail!("name a code or a document, one of them"),
        }
    }
}

/// Reads a code's number as people write it.
pub(crate) fn code_number(text: &str) -> Result<u64, ParseIntError> {
    typed_text::number(text).parse()
}

#[derive(clap::Subcommand)]
pub(crate) enum Code {
    /// Why a code has its colour: causes, authorities, policy, next change. Recorded as an access.
    Why {
        /// The code's number.
        #[arg(value_parser = code_number)]
        code: u64,
        /// The case that the look-up is for.
        #[arg(long)]
        case: String,
        /// The place where the citizen's receipt of the last decision goes; `audit check` checks it.
        #[arg(long)]
        receipt: Option<PathBuf>,
        #[command(flatten)]
        desk: Desk,
    },
    /// Lists who looked at a code, as its holder sees it. Recorded as an access.
    Accesses {
        /// The code's number.
        #[arg(value_parser = code_number)]
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
        #[arg(value_parser = code_number)]
        code: u64,
        /// The case that the look-up is for.
        #[arg(long)]
        case: String,
        #[command(flatten)]
        desk: Desk,
    },
    /// Finds the code of the person who has a document. Recorded as an access, also if no person has it.
    Find {
        #[command(flatten)]
        who: Who,
        /// The case that the look-up is for.
        #[arg(long)]
        case: String,
        #[command(flatten)]
        desk: Desk,
    },
    /// Moves a code and its wards' codes to another phone, for a person who is present with their document and no longer has the old phone.
    /// Takes two operators; recorded as an access of each. The first sign-in with the new phone asks for the documents.
    MovePhone {
        #[command(flatten)]
        who: Who,
        /// The new number.
        #[arg(long)]
        phone: String,
        /// The case that it is done for.
        #[arg(long)]
        case: String,
        #[command(flatten)]
        desk: Desk,
    },
    /// Notes that the document of a code's holder was seen: gates ask for it no more. Recorded as an access.
    DocumentSeen {
        #[command(flatten)]
        who: Who,
        /// The case that it is done for.
        #[arg(long)]
        case: String,
        #[command(flatten)]
        desk: Desk,
    },
}

impl Code {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Why { code, case, receipt, desk } => why(&desk, Why { code, case }, receipt.as_deref()),
            Self::Accesses { code, case, desk } => desk.give(Accesses { code, case }),
            Self::Contact { code, case, desk } => desk.give(Contact { code, case }),
            Self::Find { who, case, desk } => desk.give(FindCode { whose: who.whose()?, case }),
            Self::MovePhone { who, phone, case, desk } => {
                desk.give(MovePhone { whose: who.whose()?, phone, case })
            }
            Self::DocumentSeen { who, case, desk } => desk.give(DocumentSeen { whose: who.whose()?, case }),
        }
    }
}

/// Shows why a code has its colour, and writes the receipt of the last decision if a file is named.
fn why(desk: &Desk, order: Why, receipt: Option<&Path>) -> anyhow::Result<ExitCode> {
    let Some(why) = desk.call(order)? else { return Ok(ExitCode::SUCCESS) };
    if let Some(path) = receipt {
        let receipt = why.receipt.as_ref().context("there is no decision about this code")?;
        std::fs::write(path, serde_json::to_string_pretty(receipt)?)
            .with_context(|| format!("writing {}", path.display()))?;
    }
    orders::print::<Why>(&why, desk.json)
}
