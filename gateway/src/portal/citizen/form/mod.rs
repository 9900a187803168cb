//! The common part of an application and a modification: reading the fields, their errors, and the submission. `sheet.rs` draws the form;
//! what the field "history" may say comes from the stored answer (`travel/history.rs`), whatever is sent.

mod apply;
mod confirm;
mod modify;
mod sheet;

pub(super) use modify::path;

use actix_web::http::StatusCode;
use actix_web::{Error, HttpResponse, web};
use actors::registrar::{Form, RegistrarError, SubmitForm};
use actors::residence::{self, Districts, person_name, visible};
use maud::Markup;
use policy::SubmitError;
use protocol::CodeId;
use registry::replication::NotNow;
use registry::{DocumentKind, DocumentNumber, Person};

use self::sheet::Sheet;
use crate::portal::http::extract::SignedIn;
use crate::portal::http::layout::{notice, wrong};
use crate::portal::http::paths::Page;
use crate::portal::http::visitor::Visitor;
use crate::portal::travel::{self, ALONG, Fields, State};

/// The answer to a query that has just begun is waited for; from then on the visitor need not.
const ANSWER_S: u64 = 5;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.configure(apply::routes).configure(modify::routes).configure(confirm::routes);
}

/// A field that is wrong, and what is said beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) field: &'static str,
    pub(crate) key: &'static str,
}

/// The fields, read.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    name: String,
    document: DocumentNumber,
    district: String,
    community: String,
    declared: Option<bool>,
    /// The guardian says that the ward was with the phone.
    along: bool,
}

/// Reads the fields. `known` is the document and the name of a registered holder: then no document is asked for, and that name is accepted
/// although an earlier system has put digits into it.
fn read(
    fields: &Fields,
    known: Option<(&DocumentNumber, &str)>,
    districts: &Districts,
) -> Result<Read, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut wrong = |field, key| problems.push(Problem { field, key });
    let is_known = |name: &str| known.is_some_and(|(_, known)| known == name);
    let name = person_name(&fields.name).or_else(|| visible(&fields.name).filter(|name| is_known(name)));
    if name.is_none() {
        wrong("name", if fields.name.trim().is_empty() { "form-name-missing" } else { "form-name-wrong" });
    }
    let document = known.map(|(document, _)| document.clone()).or_else(|| document(fields));
    if document.is_none() {
        wrong("number", number_problem(fields));
    }
    let district = districts.find(&fields.district);
    if district.is_none() {
        wrong("district", "form-district-missing");
    }
    let typed = fields.community.trim();
    let (field, text) = if typed.is_empty() { ("street", &fields.street[..]) } else { ("community", typed) };
    let digits = field == "community" && typed.bytes().all(|byte| byte.is_ascii_digit());
    // Without a district only that is said.
    let community = district.map_or(Some(text.into()), |district| residence::community(district, text));
    let community = community.filter(|_| !digits);
    if community.is_none() {
        wrong(field, if field == "street" { "form-street-wrong" } else { "form-community-wrong" });
    }
    let declared = match &fields.declared[..] {
        "yes" => Some(true),
        "no" => Some(false),
        "" | ALONG => None,
        _ => {
            wrong("declared", "form-history-missing");
            None
        }
    };
    match (name, document, district, community) {
        (Some(name), Some(document), Some(district), Some(community)) if problems.is_empty() => Ok(Read {
            name: name.into_owned(),
            document,
            district: district.to_owned(),
            community: community.into_owned(),
            declared,
            along: fields.declared == ALONG,
        }),
        _ => Err(problems),
    }
}

/// The document that was typed, if it can be one.
pub(crate) fn document(fields: &Fields) -> Option<DocumentNumber> {
    DocumentNumber::parse(DocumentKind::from_name(&fields.kind)?, &fields.number)
}

/// Returns the text for a document that cannot be one.
pub(crate) fn number_problem(fields: &Fields) -> &'static str {
    match DocumentKind::from_name(&fields.kind) {
        _ if fields.number.trim().is_empty() => "form-number-missing",
        Some(DocumentKind::IdCard) if is_old_id_card(&fields.number) => "form-id-card-old",
        Some(DocumentKind::IdCard) => "form-id-card-wrong",
        Some(
            DocumentKind::HkMacauPermit
            | DocumentKind::TaiwanPermit
            | DocumentKind::Passport
            | DocumentKind::ForeignPrCard,
        ) => "form-number-wrong",
        None => "form-kind-missing",
    }
}

/// True for a number of the first identity cards: 15 digits, without a checksum.
fn is_old_id_card(text: &str) -> bool {
    let number = text.trim();
    number.len() == 15 && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// The person whom a form is about, and the form's texts.
pub(crate) struct Subject {
    pub(crate) page: Page,
    /// The document of a registered holder.
    pub(crate) document: Option<DocumentNumber>,
    /// The guardian who sends it.
    pub(crate) guardian: Option<CodeId>,
    /// The place where the visitor came from and goes back to, one of our own paths; `/` for nowhere.
    pub(crate) back: String,
    pub(crate) sheet: Sheet,
}

/// The form, with what was typed before.
pub(crate) fn show(
    visitor: &Visitor,
    subject: &Subject,
    status: StatusCode,
    problems: &[Problem],
) -> HttpResponse {
    let drawn = sheet::draw(visitor, subject, problems);
    visitor.page_with(status, travel::frame(visitor, subject.page), subject.sheet.title, &drawn)
}

/// Takes the form: what is wrong is said beside its field, what was typed stays.
pub(crate) async fn send(visitor: SignedIn, subject: Subject, fields: &Fields) -> HttpResponse {
    let (portal, session, now_s) = (visitor.portal.clone(), visitor.session.id(), visitor.now_s);
    portal.travels.keep(session, subject.page, fields.typed(), now_s);
    let again = |status, problems: &[Problem]| show(&visitor, &subject, status, problems);
    let Some(districts) = portal.read(|registrar| registrar.districts()) else {
        return busy(&visitor, &subject);
    };
    let Ok(districts) = districts else { return busy(&visitor, &subject) };
    let known = subject.document.as_ref().map(|document| (document, &subject.sheet.registered.name[..]));
    let read = match read(fields, known, &districts) {
        Ok(read) => read,
        Err(problems) => return again(StatusCode::UNPROCESSABLE_ENTITY, &problems),
    };
    if let State::Waiting { since_s } = travel::state(&visitor, subject.page)
        && now_s.saturating_sub(since_s) < ANSWER_S
    {
        let wait = Problem { field: "declared", key: "form-wait" };
        return again(StatusCode::UNPROCESSABLE_ENTITY, &[wait]);
    }
    let Read { name, document, district, community, declared, along } = read;
    let (proven, phone) = (visitor.proven.clone(), visitor.phone.clone());
    let person = Person { name, document, phone, district, community };
    let consent = portal.travels.consent(session, subject.page, now_s);
    let form = Form { person, declared, consent, proven, guardian: subject.guardian, along };
    match portal.registrar.act(SubmitForm { form, now_s }).await {
        Ok(taken) => {
            portal.travels.done(session, subject.page);
            if subject.back != "/" {
                return visitor.go(&subject.back);
            }
            visitor.go(if taken.is_new { "/code?did=applied" } else { "/code?did=modified" })
        }
        Err(error) => {
            let (status, problem) = problem_of(&error);
            if status == StatusCode::SERVICE_UNAVAILABLE {
                tracing::warn!(%error, "a form was not taken");
            }
            again(status, &[problem])
        }
    }
}

fn busy(visitor: &Visitor, subject: &Subject) -> HttpResponse {
    let problem = Problem { field: "", key: "busy" };
    show(visitor, subject, StatusCode::SERVICE_UNAVAILABLE, &[problem])
}

/// Draws the notice of `/code` after a form.
pub(crate) fn told(did: &str) -> Option<Markup> {
    match did {
        "applied" => Some(notice("form-applied")),
        "modified" => Some(notice("form-modified")),
        "confirmed" => Some(notice("form-confirmed")),
        _ => None,
    }
}

/// Returns the status, field and text of an act that failed.
pub(crate) fn problem_of(error: &RegistrarError) -> (StatusCode, Problem) {
    let (field, key) = match error {
        RegistrarError::Form(SubmitError::Locked) => ("declared", "form-locked"),
        RegistrarError::Form(SubmitError::DeclarationMissing) => ("declared", "form-history-missing"),
        RegistrarError::OtherPhone => ("number", "form-other-phone"),
        RegistrarError::NotProven => ("", "form-not-proven"),
        RegistrarError::NotYours => ("", "form-not-yours"),
        RegistrarError::Tries => ("number", "confirm-tries"),
        RegistrarError::OwnCode => ("", "form-own-code"),
        RegistrarError::PhoneFull => ("", "form-phone-full"),
        RegistrarError::Ward | RegistrarError::HasWards => ("", "form-ward"),
        RegistrarError::Consent | RegistrarError::Receipt | RegistrarError::ReceiptExpired => {
            ("declared", "travel-consent-over")
        }
        RegistrarError::Person(_) => ("", "form-person"),
        RegistrarError::NotNow(why) => {
            let key = match why {
                NotNow::Unconfirmed => "not-now-unsure",
                NotNow::Elsewhere { .. }
                | NotNow::NoLeader
                | NotNow::Fenced
                | NotNow::AtRest
                | NotNow::NoSnapshot
                | NotNow::Joining => "not-now",
                NotNow::TooLarge(_) => {
                    return (StatusCode::SERVICE_UNAVAILABLE, Problem { field: "", key: "busy" });
                }
            };
            return (StatusCode::SERVICE_UNAVAILABLE, Problem { field: "", key });
        }
        RegistrarError::Busy
        | RegistrarError::Failed
        | RegistrarError::Registry(_)
        | RegistrarError::Cause(_)
        | RegistrarError::PolicyVersion { .. }
        | RegistrarError::Appeal(_)
        | RegistrarError::PolicyUnderWay
        | RegistrarError::NoPolicy => {
            return (StatusCode::SERVICE_UNAVAILABLE, Problem { field: "", key: "busy" });
        }
    };
    (StatusCode::UNPROCESSABLE_ENTITY, Problem { field, key })
}

/// Answers that too many read or write at this moment.
pub(crate) fn busy_page(visitor: &Visitor, title: &str) -> Error {
    visitor.refused(StatusCode::SERVICE_UNAVAILABLE, title, &wrong("busy"))
}
