//! `changtong cause`: causes by hand, one or a table of them. How orders are signed and sent stands in `desk`.

use std::path::PathBuf;
use std::process::ExitCode;

use actors::table::words;
use actors::table::{self, Column, Form, SHORTENED, is_scientific};
use anyhow::{Context, bail};
use runtime::clock;

use super::code::{Who, code_number};
use crate::command::desk::Desk;
use crate::command::desk::template;
use crate::command::moment::moment;
use crate::operator::orders::{AddCause, AddCauses, ClearCause, ClearCauses, NewCause, limits};

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
        /// Shows the result of each line of the table, and sets nothing.
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
    /// operators; shows no person.
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

impl Cause {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Add { template: Some(file), desk, .. } => template::write(FORM, &file, desk.json),
            Self::Add { csv: Some(csv), case: Some(case), dry_run, desk, .. } => {
                let causes = limits::whole(template::read(FORM, &csv, cause_of)?, |cause| cause.line)?;
                desk.give(AddCauses { causes, case, dry_run })
            }
            Self::Add { code: Some(code), kind: Some(kind), until: Some(until), desk, .. } => {
                desk.give(AddCause { code, kind, until })
            }
            Self::Add { .. } => bail!("a cause takes --code, --kind and --until, or --csv and --case"),
            Self::Clear { cause, desk } => desk.give(ClearCause { cause }),
            Self::ClearSince { from, to, desk } => {
                let to_ms = to.map_or_else(|| Ok(clock::now_ms()), |to| moment(&to))?;
                desk.give(ClearCauses { set: (moment(&from)? / 1000, to_ms / 1000) })
            }
        }
    }
}
