//! `changtong counter`: what a citizen does, at an office's counter. Each step prints what the next one needs.

use std::process::ExitCode;

use anyhow::bail;

use crate::config::named::At;
use crate::operator::counter::{Answered, CounterAct, Paper};
use crate::operator::{self, Act, Done};
use crate::out::say;

#[derive(clap::Args)]
pub(crate) struct Counter {
    #[command(flatten)]
    at: At,
    /// For programs.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Sends a code to the citizen's phone.
    Begin {
        /// The phone's number, of the mainland.
        phone: String,
    },
    /// Takes the code that came.
    Prove {
        /// The output of `counter begin`.
        session: String,
        /// The six digits that came.
        code: String,
    },
    /// Opens the code of a person who was registered before, by their document.
    Confirm {
        /// The output of `counter begin`.
        session: String,
        /// id-card, hk-macau-permit, taiwan-permit, passport or foreign-pr-card.
        kind: String,
        /// The document's number.
        document: String,
    },
    /// The citizen agrees to one query of the carriers, and hears what it says.
    Consent {
        /// The output of `counter begin`.
        session: String,
        /// apply, modify or scan.
        #[arg(long, default_value = "apply")]
        flow: String,
        /// At a gate: the cities may be shown too.
        #[arg(long)]
        cities: bool,
        /// For a ward's form: the guardian agrees that their own number is asked for.
        #[arg(long)]
        ward: bool,
    },
    /// Takes a consent back.
    Withdraw {
        /// The output of `counter begin`.
        session: String,
        /// The consent's number, as `counter consent` printed it.
        consent: i64,
    },
    /// Sends the form: an application, or a modification by a person who has a code.
    Apply {
        /// The output of `counter begin`.
        session: String,
        /// The citizen's name, as the document has it.
        #[arg(long)]
        name: String,
        /// id-card, hk-macau-permit, taiwan-permit, passport or foreign-pr-card.
        #[arg(long, default_value = "id-card")]
        kind: String,
        /// The document's number.
        #[arg(long)]
        document: String,
        /// The district's six digits.
        #[arg(long)]
        district: String,
        /// The community, in words.
        #[arg(long, default_value = "")]
        community: String,
        /// The citizen's answer to "history of living in epidemic areas".
        #[arg(long)]
        declared: Option<bool>,
        /// The consent whose answer it rests on.
        #[arg(long)]
        consent: Option<i64>,
        /// For a ward: the guardian's code.
        #[arg(long)]
        guardian: Option<u64>,
        /// The guardian says that the ward was with the phone where it was.
        #[arg(long)]
        along: bool,
    },
    /// The text that a device at a gate scans to ask for itself; good once, for two minutes.
    Receipt {
        /// The output of `counter begin`.
        session: String,
        /// The consent's number, as `counter consent` printed it.
        consent: i64,
    },
}

impl Counter {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let act = match self.command {
            Command::Begin { phone } => CounterAct::Begin { phone },
            Command::Prove { session, code } => CounterAct::Prove { session, code },
            Command::Confirm { session, kind, document } => CounterAct::Confirm { session, kind, document },
            Command::Consent { session, flow, cities, ward } => {
                CounterAct::Consent { session, flow, cities, ward }
            }
            Command::Withdraw { session, consent } => CounterAct::Withdraw { session, consent },
            Command::Apply {
                session,
                name,
                kind,
                document,
                district,
                community,
                declared,
                consent,
                guardian,
                along,
            } => {
                let paper =
                    Paper { name, kind, document, district, community, declared, consent, guardian, along };
                CounterAct::Apply { session, form: Box::new(paper) }
            }
            Command::Receipt { session, consent } => CounterAct::Receipt { session, consent },
        };
        let named = self.at.find()?;
        let Some(done) = operator::ask_running(&named, &Act::Counter(act))? else {
            bail!("no gateway runs on {}: the counter is a running gateway's", named.display())
        };
        let Done::Counter(answered) = done else { bail!("that is no answer of the counter") };
        show(&answered, self.json)
    }
}

fn show(answered: &Answered, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        say!("{}", serde_json::to_string(answered)?);
        return Ok(ExitCode::SUCCESS);
    }
    match answered {
        Answered::Begun { session } => say!("A code was sent. Session {session}"),
        Answered::Proven { codes } if codes.is_empty() => {
            say!(
                "The phone is proven and opens no code yet: `counter confirm` with the document, or `counter apply`."
            );
        }
        Answered::Proven { codes } => say!("The phone is proven and opens {codes:?}."),
        Answered::Confirmed { code: Some(code) } => {
            say!("Phone and document belong together: code {code}.")
        }
        Answered::Confirmed { code: None } => say!("Phone and document do not belong together."),
        Answered::Consented { consent, outcome: None, .. } => {
            say!("Consent {consent}: `counter receipt` gives what a gate scans.");
        }
        Answered::Consented { consent, outcome: Some(outcome), field } => {
            let field = field.as_deref().unwrap_or_default();
            say!("Consent {consent}: {}", serde_json::to_string(outcome)?);
            say!("History of living in epidemic areas (preliminary): {field}.");
        }
        Answered::Withdrawn { consent } => say!("Consent {consent} is taken back."),
        Answered::Taken { code, colour, basis, is_new } => {
            let what = if *is_new { "new" } else { "known" };
            say!("Code {code} ({what}) is {colour}, {basis}.");
        }
        Answered::Receipt { text } => say!("{text}"),
    }
    Ok(ExitCode::SUCCESS)
}
