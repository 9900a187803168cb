//! The staff's page: a phone whose shift an operator's invitation has opened scans people at the shift's place. A scan is a punch like
//! any device's, recorded before the verdict is shown; a citizen's receipt is a query and no punch. With a script the camera scans;
//! without one a text field does, which scanners that type use too.

mod digits;
mod join;
mod page;
mod scan;
mod shift;
mod sign;

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{Error, FromRequest, HttpRequest, HttpResponse, web};
use actors::judge::{Judge, PlaceKinds};
use keys::{Keys, random};
use maud::html;
use policy::PolicyInEffect;
use registry::colours::Codes;
use registry::{Registry, RegistryError, Shift};
use runtime::clock;
use serde::{Deserialize, Serialize};

use self::digits::Digits;
use self::page::{Last, shown};
use self::scan::{Made, Sent, Trouble, scan};
use self::shift::{Key, ScanState, Shifts};
use crate::portal::http::extract::{Answer, OwnForm, Role, own};
use crate::portal::http::guard;
use crate::portal::http::layout::wrong;
use crate::portal::http::visitor::Visitor;
use crate::portal::http::words::both;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .app_data(web::JsonConfig::default().limit(guard::BODY_BYTES_MAX))
        .route("/staff", web::get().to(page))
        .route("/staff/last", web::get().to(last))
        .route("/staff/scan", web::post().to(scan_by_script))
        .route("/staff/form", web::post().to(scan_by_form))
        .route("/staff/end", web::post().to(join::end))
        .route("/staff/join/{token}", web::get().to(join::ask))
        .route("/staff/join/{token}", web::post().to(join::join));
}

/// The context of the staff's pages.
pub(crate) struct Staff {
    shifts: Shifts,
    pub(in crate::portal) digits: Digits,
    /// Tells whose code a text is; what a scan is worth, the region says.
    judge: Judge,
}

impl Staff {
    /// Reads codes as the regions do, to tell staff whose they are.
    pub(super) fn new(
        keys: &Keys,
        (codes, policy): (&Codes, &PolicyInEffect),
        registry: &Registry,
    ) -> Result<Self, RegistryError> {
        let (tokens, legacy, gateway) = (keys.token_keys(), keys.legacy(), registry.gateway()?);
        let judge = Judge::new(codes.clone(), tokens, legacy, gateway, policy.clone(), PlaceKinds::default());
        Ok(Self { shifts: Shifts::new(number_of_its_own()), digits: Digits::new(), judge })
    }
}

/// A number that no other process and no other page has; a script holds it exactly.
///
/// # Panics
/// If the system gives no random bytes.
fn number_of_its_own() -> u64 {
    let mut bytes = [0; 8];
    random::fill(&mut bytes[..6]).expect("the system gives random bytes");
    u64::from_le_bytes(bytes)
}

/// Staff whose shift is good at this moment; any other visitor is told that it is over.
struct OnShift {
    visitor: Visitor,
    shift: Shift,
}

impl Role for OnShift {
    fn of(visitor: Visitor) -> Result<Self, Error> {
        let over = || visitor.refused(StatusCode::FORBIDDEN, "staff-title", &wrong("staff-over"));
        let id = visitor.session.staff.ok_or_else(over)?;
        let read = visitor.portal.read(|registrar| registrar.shift(id, visitor.now_s));
        let shift = read.ok_or_else(|| busy(&visitor))?.map_err(|error| {
            tracing::error!(%error, "a shift cannot be read");
            busy(&visitor)
        })?;
        let Some(shift) = shift else {
            visitor.portal.staff.shifts.forget(id);
            return Err(over());
        };
        Ok(Self { visitor, shift })
    }
}

impl FromRequest for OnShift {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Visitor::open(request).and_then(Self::of))
    }
}

/// Answers that too many read or write at this moment.
fn busy(visitor: &Visitor) -> Error {
    let body = html! { (wrong("staff-busy")) a.button href="/staff" { (both("staff-title")) } };
    visitor.refused(StatusCode::SERVICE_UNAVAILABLE, "staff-title", &body)
}

/// Shows staff the page that scans.
async fn page(OnShift { visitor, shift }: OnShift) -> HttpResponse {
    shown(&visitor, &shift, StatusCode::OK, Last::None)
}

/// The scan that a page without a script looks for.
#[derive(Deserialize)]
struct Sought {
    page: Option<u64>,
    n: Option<u64>,
}

/// Shows staff what that scan came to, for browsers without a script; never what another one came to, which is another person's.
async fn last(OnShift { visitor, shift }: OnShift, sought: web::Query<Sought>) -> HttpResponse {
    let Some(key) = sought.page.zip(sought.n) else { return visitor.go("/staff") };
    match visitor.portal.staff.shifts.known(shift.id, key, clock::now_ms()) {
        ScanState::Made(scan) => {
            shown(&visitor, &shift, StatusCode::OK, Last::Sign(&sign::sign(Some(&scan))))
        }
        ScanState::UnderWay => {
            shown(&visitor, &shift, StatusCode::OK, Last::UnderWay(&sign::trouble("staff-last-waiting")))
        }
        ScanState::Unsure => {
            let sign = sign::trouble("staff-unsure");
            shown(&visitor, &shift, StatusCode::SERVICE_UNAVAILABLE, Last::Sign(&sign))
        }
        ScanState::No => {
            let sign = sign::trouble("staff-last-unknown");
            shown(&visitor, &shift, StatusCode::NOT_FOUND, Last::Sign(&sign))
        }
    }
}

/// The message of a script: a text that was read or typed, or that there was nothing; which of its scans that is, the process that it was
/// sent to before, how long ago it was scanned, and whether the camera saw it in the place of the last one.
#[derive(Deserialize)]
struct FromScript {
    token: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    nothing: bool,
    page: Option<u64>,
    n: Option<u64>,
    sent_to: Option<u64>,
    #[serde(default)]
    ago_ms: u64,
    #[serde(default)]
    follows: bool,
}

/// The answer that a script shows.
#[derive(Serialize)]
struct ScanReply {
    /// The process that answers.
    run: u64,
    sound: &'static str,
    sign: String,
    /// The line in the list; `None` if nothing was recorded.
    row: Option<String>,
    /// Nothing more was recorded: the same person is held up still.
    again: bool,
    /// Nothing was recorded: the script sends the same scan again, a moment later.
    resend: bool,
}

/// Makes the scan that the script of the staff's page has sent.
async fn scan_by_script(visitor: Visitor, told: web::Json<FromScript>) -> Answer {
    let FromScript { token, text, nothing, page, n, sent_to, ago_ms, follows } = told.into_inner();
    let OnShift { visitor, shift } = own(visitor, &token)?;
    let key = page.zip(n).map(|(page, n)| Key { page, n, sent_to });
    let came = scan(&visitor.portal, &shift, Sent { text, key, follows, ago_ms }, nothing).await;
    let run = visitor.portal.staff.shifts.run();
    let trouble = |status, key, resend| {
        let sign = sign::trouble(key).into_string();
        HttpResponse::build(status).json(ScanReply {
            run,
            sound: "ask",
            sign,
            row: None,
            again: false,
            resend,
        })
    };
    Ok(match came {
        Ok(Made { scan, again }) => HttpResponse::Ok().json(ScanReply {
            run,
            sound: sign::sound(&scan),
            sign: sign::sign(Some(&scan)).into_string(),
            row: Some(sign::row(&scan).into_string()),
            again,
            resend: false,
        }),
        Err(Trouble::UnderWay) => HttpResponse::Conflict().finish(),
        Err(Trouble::NotAText) => trouble(StatusCode::UNPROCESSABLE_ENTITY, "staff-too-long", false),
        Err(Trouble::NotRecorded) => trouble(StatusCode::SERVICE_UNAVAILABLE, "staff-busy", true),
        Err(Trouble::Unsure) => trouble(StatusCode::SERVICE_UNAVAILABLE, "staff-unsure", false),
    })
}

/// The content of a form. The same form sent twice is one scan.
#[derive(Deserialize)]
struct Typed {
    text: Option<String>,
    nothing: Option<String>,
    page: Option<u64>,
    n: Option<u64>,
}

/// Makes the scan that staff have typed.
async fn scan_by_form(form: OwnForm<Typed, OnShift>) -> HttpResponse {
    let OwnForm { sender: OnShift { visitor, shift }, fields, .. } = form;
    let Typed { text, nothing, page, n } = fields;
    let unnumbered = || (number_of_its_own(), visitor.portal.staff.shifts.next(shift.id));
    let (page, n) = page.zip(n).unwrap_or_else(unnumbered);
    let key = Some(Key { page, n, sent_to: None });
    let sent = Sent { text: text.unwrap_or_default(), key, follows: false, ago_ms: 0 };
    let trouble = |status, key| shown(&visitor, &shift, status, Last::Sign(&sign::trouble(key)));
    match scan(&visitor.portal, &shift, sent, nothing.is_some()).await {
        Ok(_) | Err(Trouble::UnderWay) => visitor.go(&format!("/staff/last?page={page}&n={n}")),
        Err(Trouble::NotAText) => trouble(StatusCode::UNPROCESSABLE_ENTITY, "staff-too-long"),
        Err(Trouble::NotRecorded) => trouble(StatusCode::SERVICE_UNAVAILABLE, "staff-busy"),
        Err(Trouble::Unsure) => trouble(StatusCode::SERVICE_UNAVAILABLE, "staff-unsure"),
    }
}
