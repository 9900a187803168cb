//! Signing in: the phone, the code that came by SMS, and back to where the visitor wanted to go. The answers are the same whether a
//! number is known or not. Also the front page, the view and the way out.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use actors::registry::Phone;
use actors::sms::SmsError;
use maud::{Markup, html};
use serde::Deserialize;

use super::layout::{notice, wrong};
use super::visitor::Visitor;
use super::words::{both, both_with, zh};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/", web::get().to(home))
        .route("/in", web::get().to(ask_phone))
        .route("/in", web::post().to(send_code))
        .route("/in/code", web::get().to(ask_code))
        .route("/in/code", web::post().to(check_code))
        .route("/view", web::post().to(view))
        .route("/out", web::get().to(ask_leave))
        .route("/out", web::post().to(leave));
}

/// Where the visitor goes after signing in; one of our own paths.
#[derive(Deserialize)]
pub(crate) struct Next {
    next: Option<String>,
}

impl Next {
    /// What a form of ours brought back.
    pub(crate) fn of(next: Option<String>) -> Self {
        Self { next }
    }

    /// A path of this site and nothing else: a link may not send people elsewhere.
    pub(crate) fn path(&self) -> &str {
        let path = self.next.as_deref().unwrap_or("/");
        let plain = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_".contains(&byte));
        if path.starts_with('/') && !path.starts_with("//") && plain { path } else { "/" }
    }
}

/// The way to sign in first, and then back to `path`.
pub(crate) fn first(visitor: &Visitor, path: &str) -> HttpResponse {
    visitor.go(&format!("/in?next={path}"))
}

async fn home(visitor: Visitor) -> HttpResponse {
    if visitor.proven().is_some() {
        return visitor.go("/code");
    }
    let body = html! {
        p { (both("home-what")) }
        a.button href="/in?next=/code" { (zh("home-show")) }
        a.button.quiet href="/in?next=/apply" { (zh("home-apply")) }
    };
    visitor.page(visitor.frame(), "home-title", &body)
}

async fn ask_phone(visitor: Visitor, next: web::Query<Next>) -> HttpResponse {
    visitor.page(visitor.frame(), "in-title", &phone_form(&visitor, next.path(), None))
}

fn phone_form(visitor: &Visitor, next: &str, problem: Option<&str>) -> Markup {
    html! {
        @if let Some(problem) = problem { (wrong(problem)) }
        form.card method="post" action="/in" {
            (visitor.field())
            input type="hidden" name="next" value=(next);
            label for="phone" { (both("in-phone")) }
            input #phone type="tel" name="phone" inputmode="numeric" autocomplete="tel-national" maxlength="20" required
                aria-describedby="phone-hint";
            p.hint #phone-hint { (both("in-phone-hint")) }
            button type="submit" { (both("in-send")) }
        }
    }
}

#[derive(Deserialize)]
struct PhoneForm {
    token: String,
    phone: String,
    next: Option<String>,
}

async fn send_code(mut visitor: Visitor, form: web::Form<PhoneForm>) -> HttpResponse {
    if !visitor.sent(&form.token) {
        return visitor.stale();
    }
    let next = Next { next: form.next.clone() };
    let again = |visitor: &Visitor, status: StatusCode, problem: &str| {
        let body = phone_form(visitor, next.path(), Some(problem));
        visitor.page_with(status, visitor.frame(), "in-title", &body)
    };
    let Some(phone) = Phone::parse(&form.phone) else {
        return again(&visitor, StatusCode::UNPROCESSABLE_ENTITY, "in-phone-wrong");
    };
    let portal = visitor.portal.clone();
    let asked = portal.sms.request(visitor.asker(&phone), &phone, visitor.now_s).await;
    match asked {
        Ok(()) => {
            visitor.change(|session| {
                session.phone = Some(phone);
                session.proven = None;
            });
            visitor.go(&format!("/in/code?next={}", next.path()))
        }
        Err(error) => again(&visitor, status_of(error), problem_of(error)),
    }
}

async fn ask_code(visitor: Visitor, next: web::Query<Next>) -> HttpResponse {
    if visitor.session.phone.is_none() {
        return visitor.go("/in");
    }
    visitor.page(visitor.frame(), "code-title", &code_form(&visitor, next.path(), None))
}

fn code_form(visitor: &Visitor, next: &str, problem: Option<&str>) -> Markup {
    let phone = visitor.session.phone.as_ref().map(Phone::masked).unwrap_or_default();
    html! {
        @if let Some(problem) = problem { (wrong(problem)) } @else { (notice("code-sent")) }
        form.card method="post" action="/in/code" {
            (visitor.field())
            input type="hidden" name="next" value=(next);
            label for="code" { (both_with("code-label", &[("phone", &phone)])) }
            input.code #code type="text" name="code" inputmode="numeric" autocomplete="one-time-code" maxlength="6" required;
            button type="submit" { (both("code-check")) }
        }
        a.button.quiet href={ "/in?next=" (next) } { (both("code-again")) }
    }
}

#[derive(Deserialize)]
struct CodeForm {
    token: String,
    code: String,
    next: Option<String>,
}

async fn check_code(mut visitor: Visitor, form: web::Form<CodeForm>) -> HttpResponse {
    if !visitor.sent(&form.token) {
        return visitor.stale();
    }
    let next = Next { next: form.next.clone() };
    let Some(phone) = visitor.session.phone.clone() else { return visitor.go("/in") };
    let checked = visitor.portal.sms.check(visitor.asker(&phone), &phone, form.code.trim(), visitor.now_s);
    let proven = match checked {
        Ok(proven) => proven,
        Err(error) => {
            let body = code_form(&visitor, next.path(), Some(problem_of(error)));
            return visitor.page_with(status_of(error), visitor.frame(), "code-title", &body);
        }
    };
    let (signed, now_s) = (proven.clone(), visitor.now_s);
    let opened = visitor.portal.registrar.act(move |registrar| registrar.sign_in(&signed, now_s)).await;
    let fresh = visitor.portal.sessions.fresh(now_s);
    visitor.knows(&proven);
    visitor.change(|session| *session = fresh.signed_in(session, phone, proven));
    match opened {
        Ok(_) => visitor.go(next.path()),
        Err(error) => {
            tracing::warn!(%error, "a sign-in could not renew its proof");
            visitor.go(next.path())
        }
    }
}

/// Whether it was the visitor, or this is not the moment: what stands before the gateway counts by it.
fn status_of(error: SmsError) -> StatusCode {
    match error {
        SmsError::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
        SmsError::Busy | SmsError::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        SmsError::Wrong { .. } | SmsError::Gone | SmsError::Refused => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

fn problem_of(error: SmsError) -> &'static str {
    match error {
        SmsError::TooMany { .. } => "sms-too-many",
        SmsError::Wrong { .. } => "sms-wrong",
        SmsError::Gone => "sms-gone",
        SmsError::Refused => "sms-refused",
        SmsError::Busy | SmsError::Unavailable => "sms-unavailable",
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
    let next = Next { next: form.next.clone() };
    visitor.go(next.path())
}

#[derive(Deserialize)]
struct Out {
    token: String,
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

/// At once, also for a cookie that was copied; and after a restart.
async fn leave(visitor: Visitor, form: web::Form<Out>) -> HttpResponse {
    if !visitor.sent(&form.token) {
        return visitor.stale();
    }
    // Of who has proven nothing there is nothing to note.
    if visitor.proven().is_none() {
        return visitor.leave("/");
    }
    let (portal, now_s) = (&visitor.portal, visitor.now_s);
    let out = portal.sessions.sign_out(&visitor.session, form.everywhere == "yes", now_s);
    match portal.registrar.act(move |registrar| registrar.sign_out(&out, now_s)).await {
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
