//! The acts of a citizen, at an office's counter: from a command line on the gateway's machine, for people without a browser. The phone
//! is proven by SMS as on the pages, and the same handles do the work; nothing here decides anything.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard};

use actors::bounds;
use actors::query::Queries;
use actors::registrar::{
    AtGate, ConfirmDocument, Confirmed, Form, GiveConsent, OpenReceipt, RegistrarHandle, SignIn, SubmitForm,
    WithdrawConsent,
};
use actors::sms::{Asker, ProvenPhone, SessionId, Sms};
use anyhow::{Context, bail};
use policy::{Applicant, QueryOutcome, StayField};
use protocol::{CodeId, receipt};
use registry::{
    Beneficiary, ConsentId, ConsentTerms, Detail, DocumentKind, DocumentNumber, Flow, Person, Phone,
};
use runtime::clock;
use runtime::lock::lock;
use serde::{Deserialize, Serialize};

use crate::across::wait;

/// Citizens at the counter; the one who came first is asked to begin again.
const SESSIONS_MAX: usize = bounds::COUNTER.entries();
/// The version of the words that the counter's staff read out.
const TEXT: &str = "counter-1";

/// The acts of the counter.
#[derive(Serialize, Deserialize)]
#[serde(tag = "counter", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum CounterAct {
    /// Sends a code to the phone.
    Begin { phone: String },
    /// The code that came; opens the phone's codes.
    Prove { session: String, code: String },
    /// The document of a person whose code the phone does not open yet.
    Confirm { session: String, kind: String, document: String },
    /// The citizen agrees to one query; carriers are asked at once, except for a gate, whose device asks.
    Consent {
        session: String,
        flow: String,
        cities: bool,
        /// For a ward's form.
        ward: bool,
    },
    /// Takes a consent back.
    Withdraw { session: String, consent: i64 },
    /// The form.
    Apply { session: String, form: Box<Paper> },
    /// The receipt that a device scans to ask for itself.
    Receipt { session: String, consent: i64 },
}

/// The form as it is filled in.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Paper {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) document: String,
    pub(crate) district: String,
    pub(crate) community: String,
    pub(crate) declared: Option<bool>,
    pub(crate) consent: Option<i64>,
    /// Of a ward, whose guardian sends it.
    pub(crate) guardian: Option<u64>,
    /// The guardian says that the ward was with the phone where it was.
    pub(crate) along: bool,
}

/// It names a person: not shown.
impl std::fmt::Debug for CounterAct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CounterAct(…)")
    }
}

/// The outcome of it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answered {
    Begun { session: String },
    Proven { codes: Vec<u64> },
    Confirmed { code: Option<u64> },
    Consented { consent: i64, outcome: Option<QueryOutcome>, field: Option<String> },
    Withdrawn { consent: i64 },
    Taken { code: u64, colour: String, basis: String, is_new: bool },
    Receipt { text: String },
}

impl std::fmt::Debug for Answered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answered(…)")
    }
}

struct Session {
    phone: Phone,
    proven: Option<ProvenPhone>,
    begun_s: u64,
}

/// The counter of a running gateway; clones share it.
#[derive(Clone)]
pub(crate) struct Counter {
    registrar: RegistrarHandle,
    queries: Queries,
    sms: Sms,
    sessions: Arc<Mutex<HashMap<[u8; 16], Session>>>,
}

impl Counter {
    pub(crate) fn new(registrar: RegistrarHandle, queries: Queries, sms: Sms) -> Self {
        Self { registrar, queries, sms, sessions: Arc::default() }
    }

    /// Does it. On a thread that may wait.
    pub(crate) fn perform(&self, act: &CounterAct) -> anyhow::Result<Answered> {
        let now_s = clock::now_s();
        match act {
            CounterAct::Begin { phone } => self.begin(phone, now_s),
            CounterAct::Prove { session, code } => self.prove(session, code, now_s),
            CounterAct::Confirm { session, kind, document } => {
                let (proven, document) = (self.proven(session)?, document_of(kind, document)?);
                let code = match self.registrar.act_blocking(ConfirmDocument { proven, document, now_s })? {
                    Confirmed::Code(code) => Some(code.get()),
                    Confirmed::No => None,
                };
                Ok(Answered::Confirmed { code })
            }
            CounterAct::Consent { session, flow, cities, ward } => {
                let beneficiary = if *ward { Beneficiary::Ward(None) } else { Beneficiary::Owner };
                self.consent(session, (flow, beneficiary), *cities, now_s)
            }
            CounterAct::Withdraw { session, consent } => {
                let (phone, consent) = (self.phone(session)?, ConsentId(*consent));
                self.registrar.act_blocking(WithdrawConsent { consent, phone })?;
                Ok(Answered::Withdrawn { consent: consent.0 })
            }
            CounterAct::Apply { session, form } => self.apply(session, form, now_s),
            CounterAct::Receipt { session, consent } => {
                let (phone, consent) = (self.phone(session)?, ConsentId(*consent));
                match self.registrar.act_blocking(OpenReceipt { consent, phone, now_s })? {
                    AtGate::Open(receipt) => Ok(Answered::Receipt { text: receipt::to_text(&receipt) }),
                    AtGate::Scanned(_) => bail!("staff have scanned this receipt; ask for another consent"),
                }
            }
        }
    }

    fn begin(&self, phone: &str, now_s: u64) -> anyhow::Result<Answered> {
        let phone = Phone::parse(phone).context("that is no mobile number of the mainland")?;
        let session = keys::random::bytes()?;
        wait(self.sms.request(asker(session), &phone, now_s))??;
        let mut sessions = self.sessions();
        if sessions.len() >= SESSIONS_MAX
            && let Some(oldest) = sessions.iter().min_by_key(|(_, one)| one.begun_s).map(|(id, _)| *id)
        {
            sessions.remove(&oldest);
        }
        sessions.insert(session, Session { phone, proven: None, begun_s: now_s });
        Ok(Answered::Begun { session: hex::encode(session) })
    }

    fn prove(&self, session: &str, code: &str, now_s: u64) -> anyhow::Result<Answered> {
        let (id, phone) = (id_of(session)?, self.phone(session)?);
        let proven = self.sms.check(asker(id), &phone, code, now_s)?;
        if let Some(session) = self.sessions().get_mut(&id) {
            session.proven = Some(proven.clone());
        }
        let codes = self.registrar.act_blocking(SignIn { proven, now_s })?;
        Ok(Answered::Proven { codes: codes.into_iter().map(CodeId::get).collect() })
    }

    fn consent(
        &self,
        session: &str,
        (flow, beneficiary): (&str, Beneficiary),
        cities: bool,
        now_s: u64,
    ) -> anyhow::Result<Answered> {
        let flow = match flow {
            "apply" => Flow::Apply,
            "modify" => Flow::Modify,
            "scan" => Flow::Scan,
            _ => bail!("a consent is for apply, modify or scan"),
        };
        let proven = self.proven(session)?;
        let detail = if cities { Detail::Cities } else { Detail::Stay };
        let agreed = ConsentTerms { flow, beneficiary, detail, text: TEXT };
        let id = self.registrar.act_blocking(GiveConsent { proven, agreed, now_s })?;
        let outcome = match flow {
            Flow::Scan => None,
            Flow::Apply | Flow::Modify => Some(wait(self.queries.ask(id, &self.phone(session)?))??.outcome),
        };
        let whose = match beneficiary {
            Beneficiary::Owner => Applicant::Owner,
            Beneficiary::Ward(_) => Applicant::Ward { along: false },
        };
        let field = outcome.as_ref().map(|outcome| match outcome.field(whose) {
            StayField::LockedYes => "locked to yes",
            StayField::No => "no",
            StayField::Declare => "the citizen says",
        });
        Ok(Answered::Consented { consent: id.0, field: field.map(str::to_owned), outcome })
    }

    fn apply(&self, session: &str, paper: &Paper, now_s: u64) -> anyhow::Result<Answered> {
        let proven = self.proven(session)?;
        let person = Person {
            // The registrar reads it: one on record stays, though it has digits.
            name: paper.name.clone(),
            document: document_of(&paper.kind, &paper.document)?,
            phone: self.phone(session)?,
            district: paper.district.clone(),
            community: paper.community.clone(),
        };
        let guardian = paper.guardian.map(|code| CodeId::from_u64(code).context("that is no code's number"));
        let form = Form {
            person,
            declared: paper.declared,
            consent: paper.consent.map(ConsentId),
            proven,
            guardian: guardian.transpose()?,
            along: paper.along,
        };
        let taken = self.registrar.act_blocking(SubmitForm { form, now_s })?;
        Ok(Answered::Taken {
            code: taken.code.get(),
            colour: taken.entry.colour().name().to_owned(),
            basis: taken.entry.basis().name().to_owned(),
            is_new: taken.is_new,
        })
    }

    fn phone(&self, session: &str) -> anyhow::Result<Phone> {
        let id = id_of(session)?;
        let phone = self.sessions().get(&id).map(|session| session.phone.clone());
        phone.context("there is no such session (any more); begin again")
    }

    fn proven(&self, session: &str) -> anyhow::Result<ProvenPhone> {
        let id = id_of(session)?;
        let proven = self.sessions().get(&id).and_then(|session| session.proven.clone());
        proven.context("the phone is not proven; give the code that was sent to it")
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<[u8; 16], Session>> {
        lock(&self.sessions)
    }
}

fn id_of(session: &str) -> anyhow::Result<[u8; 16]> {
    let bytes = hex::decode(session).ok().and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
    bytes.context("a session has 32 hexadecimal digits, as `counter begin` gave them")
}

/// Returns the asker of a session at the counter. It counts as known: limits on strangers who use the pages do not apply to it.
fn asker(session: [u8; 16]) -> Asker {
    Asker { session: SessionId(session), client: IpAddr::V4(Ipv4Addr::LOCALHOST), known: true }
}

fn document_of(kind: &str, number: &str) -> anyhow::Result<DocumentNumber> {
    let kinds: Vec<&str> = DocumentKind::ALL.iter().map(|kind| kind.name()).collect();
    let kind = DocumentKind::from_name(kind)
        .with_context(|| format!("a document is one of {}", kinds.join(", ")))?;
    DocumentNumber::parse(kind, number).context("the document's number cannot be; read it again")
}
