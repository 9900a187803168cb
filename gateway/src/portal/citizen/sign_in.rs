//! Signing in: the phone, the code by SMS, and back to the page that was asked for. The answers do not tell if a number is known. Also the
//! front page, the view and signing out.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use actors::registrar::{NoteSignOut, SignIn};
use actors::sms::{SmsError, Standing};
use maud::{Markup, html};
use protocol::typed_text;
use registry::Phone;
use serde::Deserialize;

use crate::portal::http::extract::OwnForm;
use crate::portal::http::layout::{beside, notice, wrong, wrongs};
use crate::portal::http::paths::Next;
use crate::portal::http::visitor::Visitor;
use crate::portal::http::when;
use crate::portal::http::words::{both, both_with, en, line, zh};

/// A number and a code are short; what people paste has spaces and marks around it.
const TYPED_CHARS_MAX: usize = 48;
const PHONE_DIGITS: usize = 11;
const HOUR_S: u32 = 3_600;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/", web::get().to(home))
        .route("/in", web::get().to(ask_phone))
        .route("/in", web::post().to(send_code))
        .route("/in/code", web::get().to(ask_code))
        .route("/in/code", web::post().to(check_code))
        .route("/in/again", web::post().to(send_again))
        .route("/view", web::post().to(view))
        .route("/out", web::get().to(ask_leave))
        .route("/out", web::post().to(leave));
}

async fn home(visitor: Visitor) -> HttpResponse {
    if visitor.proven().is_some() {
        return visitor.go("/code");
    }
    let body = html! {
        p { (both("home-what")) }
        a.button href="/in?next=/code" { (both("home-show")) }
        a.button.quiet href="/in?next=/apply" { (both("home-apply")) }
        div.card.apart {
            h2 { (both("card-before-title")) }
            p.hint { (both("card-before")) }
            a.button.quiet href="/in?next=/confirm" { (both("card-before-go")) }
        }
        nav.links aria-label=(line("card-more")) { a href="/in?next=/unit" { (both("home-unit")) } }
    };
    visitor.page(visitor.frame(), "home-title", &body)
}

async fn ask_phone(visitor: Visitor, next: web::Query<Next>) -> HttpResponse {
    visitor.page(visitor.frame(), "in-title", &phone_form(&visitor, next.path(), "", None))
}

fn phone_form(visitor: &Visitor, next: &str, typed: &str, problem: Option<&Markup>) -> Markup {
    html! {
        @if let Some(problem) = problem { (wrongs(&[("phone", problem.clone())])) }
        form.card method="post" action="/in" novalidate {
            (visitor.field())
            input type="hidden" name="next" value=(next);
            label for="phone" { (both("in-phone")) }
            input #phone type="tel" name="phone" value=(typed) inputmode="tel" autocomplete="tel" maxlength=(TYPED_CHARS_MAX)
                required aria-describedby=(described("phone-hint", "phone-wrong", problem)) aria-invalid=[problem.map(|_| "true")];
            (beside("phone", problem))
            p.hint #phone-hint { (both("in-phone-hint")) }
            button type="submit" { (both("in-send")) }
        }
        details.card { summary { (both("in-foreign-title")) } p { (both("in-foreign")) } p.hint { (both("in-foreign-gate")) } }
    }
}

fn described(hint: &str, wrong: &str, problem: Option<&Markup>) -> String {
    if problem.is_some() { format!("{hint} {wrong}") } else { hint.to_owned() }
}

#[derive(Deserialize)]
struct PhoneForm {
    phone: String,
    next: Option<String>,
}

/// Sends a code by SMS to the phone that the visitor typed.
async fn send_code(
    OwnForm { sender: mut visitor, fields: PhoneForm { phone: typed, next }, .. }: OwnForm<PhoneForm>,
) -> HttpResponse {
    let next = Next::of(next);
    visitor.is_at(format!("/in?next={}", next.path()));
    let again = |visitor: &Visitor, status: StatusCode, problem: &Markup| {
        let body = phone_form(visitor, next.path(), &typed, Some(problem));
        visitor.page_with(status, visitor.frame(), "in-title", &body)
    };
    let Some(phone) = Phone::parse(&typed) else {
        return again(&visitor, StatusCode::UNPROCESSABLE_ENTITY, &both(phone_problem(&typed)));
    };
    let (portal, asker) = (visitor.portal.clone(), visitor.asker(&phone));
    match portal.sms.request(asker, &phone, visitor.now_s).await {
        // A code that came a moment ago is still good: its page counts down to the next.
        Err(SmsError::TooMany { .. }) if portal.sms.standing(asker, &phone, visitor.now_s).is_out => {}
        Ok(()) => {}
        Err(error) => return again(&visitor, status_of(error), &said(error, visitor.now_s)),
    }
    visitor.change(|session| {
        session.phone = Some(phone);
        session.proven = None;
    });
    visitor.go(&format!("/in/code?next={}", next.path()))
}

/// Returns the text for a number to which no code can be sent.
fn phone_problem(typed: &str) -> &'static str {
    let number = typed_text::phone(typed);
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    match &*number {
        "" => "in-phone-missing",
        number if number.starts_with('+') || number.starts_with("00") => "in-phone-foreign",
        number if digits < number.len() => "in-phone-letters",
        _ if digits != PHONE_DIGITS => "in-phone-length",
        _ => "in-phone-wrong",
    }
}

async fn ask_code(visitor: Visitor, next: web::Query<Next>) -> HttpResponse {
    let Some(phone) = &visitor.session.phone else { return visitor.go("/in") };
    visitor.page(visitor.frame(), "code-title", &code_page(&visitor, phone, next.path(), ("", None)))
}

/// Draws the field for the code while one is good, and the way to another. `typed` is what was typed, and what is wrong with it.
fn code_page(visitor: &Visitor, phone: &Phone, next: &str, typed: (&str, Option<Markup>)) -> Markup {
    let (typed, problem) = typed;
    let standing = visitor.portal.sms.standing(visitor.asker(phone), phone, visitor.now_s);
    let field = if standing.is_out { "code" } else { "" };
    html! {
        @match &problem {
            Some(said) => (wrongs(&[(field, said.clone())])),
            None => (notice(if standing.is_out { "code-sent" } else { "code-over" })),
        }
        @if standing.is_out {
            form.card method="post" action="/in/code" novalidate {
                (visitor.field())
                input type="hidden" name="next" value=(next);
                label for="code" { (both_with("code-label", &[("phone", &phone.masked())])) }
                input.code #code type="text" name="code" value=(typed) inputmode="numeric" autocomplete="one-time-code"
                    maxlength=(TYPED_CHARS_MAX) required aria-describedby=[problem.as_ref().map(|_| "code-wrong")]
                    aria-invalid=[problem.as_ref().map(|_| "true")];
                (beside("code", problem.as_ref()))
                button type="submit" { (both("code-check")) }
            }
        }
        (another(visitor, next, standing))
        a.button.quiet href={ "/in?next=" (next) } { (both("code-number")) }
    }
}

/// Draws the way to another code, or says from when on there is one.
fn another(visitor: &Visitor, next: &str, standing: Standing) -> Markup {
    let Standing { is_out, wait_s } = standing;
    let at = when::second(visitor.now_s + u64::from(wait_s));
    let seconds = wait_s.to_string();
    html! {
        form #again method="post" action="/in/again" data-wait=(wait_s) {
            (visitor.field())
            input type="hidden" name="next" value=(next);
            @if wait_s > 0 {
                p.hint data-still { (both_with("code-again-at", &[("time", &at)])) }
                p.hint data-ticking role="timer" hidden {
                    (zh("code-again-before")) " " b data-left { (seconds) } " " (zh("code-again-after"))
                    span.en lang="en" { (en("code-again-before")) " " span data-left { (seconds) } " " (en("code-again-after")) }
                }
            }
            button.quiet[is_out] type="submit" { (both("code-again")) }
        }
        script src="/s/code.js" defer {}
    }
}

#[derive(Deserialize)]
struct AgainForm {
    next: Option<String>,
}

/// Sends another code to the same phone; the one before it stays good.
async fn send_again(OwnForm { sender: mut visitor, fields, .. }: OwnForm<AgainForm>) -> HttpResponse {
    let next = Next::of(fields.next);
    visitor.is_at(format!("/in/code?next={}", next.path()));
    let Some(phone) = &visitor.session.phone else { return visitor.go("/in") };
    match visitor.portal.sms.request(visitor.asker(phone), phone, visitor.now_s).await {
        Ok(()) => visitor.go(&format!("/in/code?next={}", next.path())),
        Err(error) => {
            let problem = Some(said(error, visitor.now_s));
            let body = code_page(&visitor, phone, next.path(), ("", problem));
            visitor.page_with(status_of(error), visitor.frame(), "code-title", &body)
        }
    }
}

#[derive(Deserialize)]
struct CodeForm {
    code: String,
    next: Option<String>,
}

/// Signs the visitor in who typed the code that came to the phone, under a session of a new number.
async fn check_code(
    OwnForm { sender: mut visitor, fields: CodeForm { code: typed, next }, .. }: OwnForm<CodeForm>,
) -> HttpResponse {
    let next = Next::of(next);
    visitor.is_at(format!("/in/code?next={}", next.path()));
    let Some(phone) = visitor.session.phone.clone() else { return visitor.go("/in") };
    let checked = visitor.portal.sms.check(visitor.asker(&phone), &phone, &typed, visitor.now_s);
    let proven = match checked {
        Ok(proven) => proven,
        Err(error) => {
            let typed = (&typed[..], Some(said(error, visitor.now_s)));
            let body = code_page(&visitor, &phone, next.path(), typed);
            return visitor.page_with(status_of(error), visitor.frame(), "code-title", &body);
        }
    };
    let now_s = visitor.now_s;
    let opened = visitor.portal.registrar.act(SignIn { proven: proven.clone(), now_s }).await;
    let fresh = visitor.portal.sessions.fresh(now_s);
    visitor.knows(&proven);
    visitor.change(|session| *session = fresh.signed_in(session, phone, proven));
    if let Err(error) = opened {
        tracing::warn!(%error, "a sign-in could not renew its proof");
    }
    visitor.go(next.path())
}

/// Returns the status: the visitor's error, or a state of the gateway. Proxies count by it.
fn status_of(error: SmsError) -> StatusCode {
    match error {
        SmsError::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
        SmsError::Busy | SmsError::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        SmsError::Wrong { .. } | SmsError::Incomplete | SmsError::Gone | SmsError::Refused => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
    }
}

fn said(error: SmsError, now_s: u64) -> Markup {
    match error {
        SmsError::TooMany { retry_after_s } => {
            // A second too late is better than one too early.
            let at_s = now_s + u64::from(retry_after_s) + 1;
            let time = if retry_after_s < HOUR_S { when::second(at_s) } else { when::minute(at_s + 60) };
            both_with("sms-too-many", &[("time", &time)])
        }
        SmsError::Wrong { tries_left: 0 } => both("sms-wrong-last"),
        SmsError::Wrong { tries_left } => both_with("sms-wrong", &[("tries", &tries_left.to_string())]),
        SmsError::Incomplete => both("sms-incomplete"),
        SmsError::Gone => both("sms-gone"),
        SmsError::Refused => both("sms-refused"),
        SmsError::Busy | SmsError::Unavailable => both("sms-unavailable"),
    }
}

#[derive(Deserialize)]
struct View {
    elder: String,
    #[serde(default)]
    next: Option<String>,
}

/// Changes nothing but how pages look; takes no token, so that it works for everybody.
async fn view(mut visitor: Visitor, form: web::Form<View>) -> HttpResponse {
    visitor.change(|session| session.elder = form.elder == "on");
    let next = Next::of(form.next.clone());
    visitor.go(next.here())
}

#[derive(Deserialize)]
struct Out {
    #[serde(default)]
    everywhere: String,
}

async fn ask_leave(visitor: Visitor) -> HttpResponse {
    let body = html! {
        p { (both("out-what")) }
        form method="post" action="/out" { (visitor.field()) button.danger type="submit" { (both("out-yes")) } }
        @if visitor.proven().is_some() {
            form.card method="post" action="/out" {
                (visitor.field())
                p { (both("out-everywhere-what")) }
                button.danger.quiet type="submit" name="everywhere" value="yes" { (both("out-everywhere")) }
            }
        }
    };
    visitor.page(visitor.frame(), "out-title", &body)
}

/// Signs the visitor out, here or everywhere: at once, also a cookie that was copied, and for good.
async fn leave(OwnForm { sender: visitor, fields, .. }: OwnForm<Out>) -> HttpResponse {
    // Of who has proven nothing there is nothing to note.
    if visitor.proven().is_none() {
        return visitor.leave("/");
    }
    let (portal, now_s) = (&visitor.portal, visitor.now_s);
    let out = portal.sessions.sign_out(&visitor.session, fields.everywhere == "yes", now_s);
    match portal.registrar.act(NoteSignOut { out, now_s }).await {
        Ok(()) => {
            portal.sessions.end(&out, now_s);
            visitor.leave("/")
        }
        Err(error) => {
            tracing::warn!(%error, "a sign-out was not recorded");
            let body = html! { (wrong("out-failed")) a.button href="/out" { (both("out-title")) } };
            visitor.page_with(StatusCode::SERVICE_UNAVAILABLE, visitor.frame(), "out-title", &body)
        }
    }
}
