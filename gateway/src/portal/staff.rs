//! The staff's page: a phone whose shift an operator's invitation has opened scans people at the shift's place. A scan is a punch like
//! any device's, recorded before the verdict is shown; a citizen's receipt is a query and no punch. With a script the camera scans;
//! without one a text field does, which scanners that type use too.

mod digits;
mod join;
mod shift;
pub(super) mod sign;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use actors::clock;
use actors::keys::Keys;
use actors::registry::{Registry, RegistryError, Shift};
use maud::{Markup, html};
use protocol::legacy::LegacyKey;
use protocol::limits::SCANNED_TEXT_BYTES_MAX;
use protocol::token::{self, TokenKeys};
use protocol::{Advice, Class, CodeId, Scanned, receipt};
use serde::{Deserialize, Serialize};

use self::digits::Digits;
use self::shift::{Begun, Came, Holder, SCANS_MAX, Scan, Shifts, Travel, Whose};
use super::layout::wrong;
use super::visitor::Visitor;
use super::words::{both, both_with};
use super::{Portal, guard, when};
use crate::trajectory;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .app_data(web::JsonConfig::default().limit(guard::BODY_BYTES_MAX))
        .route("/staff", web::get().to(page))
        .route("/staff/last", web::get().to(last))
        .route("/staff/scan", web::post().to(scan_by_script))
        .route("/staff/form", web::post().to(scan_by_form))
        .route("/code/digits", web::post().to(digits::show))
        .route("/staff/end", web::post().to(join::end))
        .route("/staff/join/{token}", web::get().to(join::ask))
        .route("/staff/join/{token}", web::post().to(join::join));
}

/// What the staff's pages work with.
pub(crate) struct Staff {
    shifts: Shifts,
    digits: Digits,
    tokens: TokenKeys,
    legacy: LegacyKey,
    gateway: u16,
}

impl Staff {
    /// Reads codes as the judge does, to tell staff whose they are.
    pub(super) fn new(keys: &Keys, registry: &Registry) -> Result<Self, RegistryError> {
        let (tokens, legacy) = (keys.token_keys(), keys.legacy());
        let (shifts, digits) = (Shifts::default(), Digits::new());
        Ok(Self { shifts, digits, tokens, legacy, gateway: registry.gateway()? })
    }

    /// Whose code a text is, and what kind was shown.
    fn holder(&self, portal: &Portal, text: &str) -> Option<(CodeId, Class)> {
        if let Some(Ok(token)) = token::from_text(text).map(|bytes| self.tokens.open(&bytes)) {
            let class = portal.codes.get(token.code)?.class();
            return Some((token.code, if token.class == Class::Paper { token.class } else { class }));
        }
        let code = self.legacy.code(self.gateway, text)?;
        let class = portal.codes.get(code)?.class();
        (class == Class::Imported).then_some((code, class))
    }
}

/// The shift of whoever asks, if it is good at this moment; else the answer that says so.
fn on_shift(visitor: &Visitor) -> Result<Shift, HttpResponse> {
    let over =
        |status| visitor.page_with(status, visitor.frame(), "staff-title", &html! { (wrong("staff-over")) });
    let Some(id) = visitor.session.staff else { return Err(over(StatusCode::FORBIDDEN)) };
    match visitor.portal.read(|registrar| registrar.shift(id, visitor.now_s)) {
        Some(Ok(Some(shift))) => Ok(shift),
        Some(Ok(None)) => {
            visitor.portal.staff.shifts.forget(id);
            Err(over(StatusCode::FORBIDDEN))
        }
        Some(Err(error)) => {
            tracing::error!(%error, "a shift cannot be read");
            Err(busy(visitor))
        }
        None => Err(busy(visitor)),
    }
}

fn busy(visitor: &Visitor) -> HttpResponse {
    let body = html! { (wrong("staff-busy")) a.button href="/staff" { (both("staff-title")) } };
    visitor.page_with(StatusCode::SERVICE_UNAVAILABLE, visitor.frame(), "staff-title", &body)
}

async fn page(visitor: Visitor) -> HttpResponse {
    match on_shift(&visitor) {
        Ok(shift) => shown(&visitor, &shift, StatusCode::OK, None),
        Err(answer) => answer,
    }
}

/// What the last scan came to, for browsers without a script.
async fn last(visitor: Visitor) -> HttpResponse {
    let shift = match on_shift(&visitor) {
        Ok(shift) => shift,
        Err(answer) => return answer,
    };
    let scans = visitor.portal.staff.shifts.scans(shift.id, clock::now_ms());
    shown(&visitor, &shift, StatusCode::OK, Some(&sign::sign(scans.first())))
}

/// The page around a sign: what is touched stands at the bottom, in reach of a thumb. After a sign the next code is typed at once, as
/// scanners with a keyboard's plug do.
fn shown(visitor: &Visitor, shift: &Shift, status: StatusCode, sign: Option<&Markup>) -> HttpResponse {
    let scans = visitor.portal.staff.shifts.scans(shift.id, clock::now_ms());
    let until = when::minute(shift.expires_s);
    let body = html! {
        link rel="stylesheet" href="/s/staff.css";
        div #staff data-token=(visitor.token()) {
            p.shift translate="no" { span { (shift.place_name) } span.tag { (shift.name) } }
            div #offline .notice.wrong role="alert" hidden { (both("staff-offline")) }
            div #start-area hidden {
                button #start type="button" { (both("staff-start")) }
                p.hint { (both("staff-start-hint")) }
            }
            div #no-camera .notice.wrong role="alert" hidden { (both("staff-no-camera")) }
            video #camera playsinline muted {}
            @if let Some(sign) = sign { (sign) } @else { (sign::sign(None)) }
            form.card.scan method="post" action="/staff/form" {
                (visitor.field())
                label for="text" { (both("staff-type")) }
                input #text type="text" name="text" autocomplete="off" autocapitalize="off" spellcheck="false" required autofocus[sign.is_some()];
                button.quiet type="submit" { (both("staff-type-go")) }
            }
            (sign::list(&scans))
            form method="post" action="/staff/end" {
                (visitor.field())
                p.hint { (both_with("staff-until", &[("time", &until)])) }
                button.quiet type="submit" { (both("staff-end")) }
            }
            div.hands { form.scan method="post" action="/staff/form" {
                (visitor.field())
                input type="hidden" name="nothing" value="yes";
                button type="submit" { (both("staff-nothing")) }
            } }
        }
    };
    let frame = super::layout::Frame { script: Some("scan.js"), ..visitor.frame() };
    visitor.page_with(status, frame, "staff-title", &body)
}

/// What a script sends: a text that was read or typed, or that there was nothing.
#[derive(Deserialize)]
struct Sent {
    token: String,
    text: Option<String>,
    #[serde(default)]
    nothing: bool,
}

/// What a script shows.
#[derive(Serialize)]
struct Told {
    sound: &'static str,
    sign: String,
    scans: String,
}

async fn scan_by_script(visitor: Visitor, sent: web::Json<Sent>) -> HttpResponse {
    if !visitor.sent(&sent.token) {
        return visitor.stale();
    }
    let shift = match on_shift(&visitor) {
        Ok(shift) => shift,
        Err(answer) => return answer,
    };
    let came = scan(&visitor, &shift, sent.text.as_deref(), sent.nothing).await;
    let scans = visitor.portal.staff.shifts.scans(shift.id, clock::now_ms());
    let scans = sign::list(&scans[..scans.len().min(SCANS_MAX)]).into_string();
    let told = |status, sound, sign: Markup| {
        HttpResponse::build(status).json(Told { sound, sign: sign.into_string(), scans })
    };
    match came {
        Ok(scan) => told(StatusCode::OK, sign::sound(&scan), sign::sign(Some(&scan))),
        Err(Trouble::UnderWay) => HttpResponse::Conflict().finish(),
        Err(Trouble::NotAText) => {
            told(StatusCode::UNPROCESSABLE_ENTITY, "ask", sign::trouble("staff-too-long"))
        }
        Err(Trouble::NotRecorded) => {
            told(StatusCode::SERVICE_UNAVAILABLE, "ask", sign::trouble("staff-busy"))
        }
    }
}

/// What a form sends.
#[derive(Deserialize)]
struct Typed {
    token: String,
    text: Option<String>,
    nothing: Option<String>,
}

async fn scan_by_form(visitor: Visitor, typed: web::Form<Typed>) -> HttpResponse {
    if !visitor.sent(&typed.token) {
        return visitor.stale();
    }
    let shift = match on_shift(&visitor) {
        Ok(shift) => shift,
        Err(answer) => return answer,
    };
    match scan(&visitor, &shift, typed.text.as_deref(), typed.nothing.is_some()).await {
        Ok(_) | Err(Trouble::UnderWay) => visitor.go("/staff/last"),
        Err(Trouble::NotAText) => {
            shown(&visitor, &shift, StatusCode::UNPROCESSABLE_ENTITY, Some(&sign::trouble("staff-too-long")))
        }
        Err(Trouble::NotRecorded) => {
            shown(&visitor, &shift, StatusCode::SERVICE_UNAVAILABLE, Some(&sign::trouble("staff-busy")))
        }
    }
}

/// Why there is no verdict.
#[derive(Debug)]
enum Trouble {
    /// The same scan is being made.
    UnderWay,
    /// Nothing, or more than any code holds.
    NotAText,
    /// It is not in the log, and may be made again.
    NotRecorded,
}

/// One scan: made once, remembered, and then told.
async fn scan(visitor: &Visitor, shift: &Shift, text: Option<&str>, nothing: bool) -> Result<Scan, Trouble> {
    let text = text.unwrap_or_default().trim();
    if text.is_empty() != nothing || text.len() > SCANNED_TEXT_BYTES_MAX {
        return Err(Trouble::NotAText);
    }
    let (portal, now_ms) = (&visitor.portal, clock::now_ms());
    let shifts = &portal.staff.shifts;
    match shifts.begin(shift, text, now_ms) {
        Begun::Now => {}
        Begun::Before(scan) => return Ok(scan),
        Begun::UnderWay => return Err(Trouble::UnderWay),
    }
    let made = match receipt::from_text(text) {
        Some(receipt) => {
            let last = shifts.last_code(shift.id, now_ms);
            let came = match trajectory::ask(&portal.queries, &receipt).await {
                Ok((answer, giver)) => {
                    let whose = Whose::of(last, giver.as_ref().map_or(&[], |giver| &giver.codes));
                    let giver = giver.map(|giver| giver.name);
                    Came::Travel(Box::new(Travel { answer, giver, whose }))
                }
                Err(error) => Came::NoTravel(error),
            };
            Some(Scan { at_ms: now_ms, came, holder: None })
        }
        None => {
            let sealed = portal.staff.digits.take(text, now_ms / 1000);
            punch(portal, shift, sealed.as_deref().unwrap_or(text), now_ms).await
        }
    };
    shifts.end(shift.id, text, made.as_ref());
    made.ok_or(Trouble::NotRecorded)
}

/// A punch at the shift's place; `None` if nothing was recorded.
async fn punch(portal: &Portal, shift: &Shift, text: &str, now_ms: u64) -> Option<Scan> {
    let scanned = if text.is_empty() { Scanned::Nothing } else { Scanned::Text(text.to_owned()) };
    let verdict = portal.punches.scan(shift.region, shift.place, scanned, now_ms).await?;
    let is_code = !text.is_empty() && verdict.advice != Advice::NotAPassCode;
    let holder = if is_code { portal.staff.holder(portal, text) } else { None };
    let holder = holder.and_then(|(code, class)| {
        let name = portal.read(|registrar| registrar.masked_name(code))?;
        let name = name.inspect_err(|error| tracing::error!(%error, "a name cannot be read")).ok()??;
        Some(Holder { code, class, name })
    });
    Some(Scan { at_ms: now_ms, came: Came::Punch(verdict), holder })
}
