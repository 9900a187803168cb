//! The answers to machines over plain HTTP: `/metrics`, `/live`, `/ready`, `/leader`; and operators the overview at `/`. On a thread of its own, so
//! that a scrape costs no punch anything.

use std::net::TcpListener;
use std::time::Duration;

use actix_web::http::header::{self, HeaderName};
use actix_web::middleware::{Condition, from_fn};
use actix_web::{App, HttpRequest, HttpResponse, web};
use actors::bounds;
use actors::sms::{DevelopmentSms, ShownSms};
use metrics_exporter_prometheus::PrometheusHandle;
use registry::Phone;
use runtime::arbiter::{self, ArbiterThread, Pulse};
use runtime::rebinding;
use tokio::sync::watch;

use crate::config;
use crate::door::{self, Door};
use crate::host::readiness::Readiness;
use crate::leading::{Lead, Leading};
use crate::overview::Overview;

/// The exporter keeps histogram samples until it tidies up; this is how often it has to.
const UPKEEP: Duration = Duration::from_secs(5);
/// From a request's first byte to its answer.
const REQUEST: Duration = Duration::from_secs(10);
/// Between two scrapes, which are 30 seconds apart at most, or two looks of an operator's page.
const IDLE: Duration = Duration::from_secs(60);

/// The header of `/leader` with the address of the gateway that leads.
const LEADER: HeaderName = HeaderName::from_static("changtong-leader");

/// The running server.
pub(crate) struct Http {
    front: ArbiterThread,
    stop: watch::Sender<bool>,
}

impl Http {
    /// The handle that the watchdog pings.
    pub(crate) fn pulse(&self) -> Pulse {
        self.front.pulse()
    }

    /// Stops it and waits for its thread.
    pub(crate) fn stop(self) -> Result<(), String> {
        self.stop.send_replace(true);
        self.front.join()
    }
}

/// Serves until stopped. On an address of this machine alone, only what is meant for this machine.
pub(crate) fn start(
    listener: TcpListener,
    metrics: PrometheusHandle,
    (readiness, leading): (Readiness, Leading),
    inbox: Option<DevelopmentSms>,
    overview: Overview,
) -> anyhow::Result<Http> {
    let is_local = listener.local_addr()?.ip().is_loopback();
    let (stop, stopped) = watch::channel(false);
    let front = arbiter::spawn("http", move || async move {
        let upkeep = metrics.clone();
        let kept_up = actix_web::rt::spawn(async move {
            let mut tick = tokio::time::interval(UPKEEP);
            loop {
                tick.tick().await;
                upkeep.run_upkeep();
            }
        });
        let watching = actix_web::rt::spawn(overview.clone().watch(metrics.clone(), readiness.clone()));
        let app = App::new()
            .app_data(web::Data::new(metrics))
            .app_data(web::Data::new(readiness))
            .app_data(web::Data::new(leading))
            .wrap(Condition::new(is_local, from_fn(rebinding::guard)))
            .route("/metrics", web::get().to(render))
            .route("/live", web::get().to(async || "live\n"))
            .route("/ready", web::get().to(ready))
            .route("/leader", web::get().to(leader))
            .configure(move |config| overview.routes(config))
            .configure(move |config| {
                if let Some(inbox) = inbox {
                    let inbox = config.app_data(web::Data::new(inbox));
                    inbox.route("/dev/sms", web::get().to(messages));
                    inbox.route("/dev/sms", web::post().to(message_to));
                }
            });
        let all = bounds::HTTP_CONNECTIONS;
        let shares = door::Shares { all, client: all, network: all };
        let (tls, arrivals, proxies) = (None, None, Vec::new());
        let (request, idle) = (REQUEST, IDLE);
        let door = Door { listener, tls, shares, arrivals, request, idle, proxies, on_connect: |_, _| {} };
        if let Err(error) = door::serve(door, app, stopped).await {
            tracing::error!(error = format!("{error:#}"), "the HTTP server ended");
        }
        for task in [kept_up, watching] {
            task.abort();
            // Only that it was aborted.
            let _ = task.await;
        }
    })?;
    Ok(Http { front, stop })
}

async fn render(metrics: web::Data<PrometheusHandle>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(metrics.render())
}

/// In development the messages that would have been sent, the newest first: a page for people, JSON for programs.
async fn messages(inbox: web::Data<DevelopmentSms>, request: HttpRequest) -> HttpResponse {
    let shown = inbox.shown();
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if !accept.is_some_and(|accept| accept.contains("text/html")) {
        return HttpResponse::Ok().json(shown.into_iter().map(line).collect::<Vec<_>>());
    }
    let row = |sms: ShownSms| format!("<tr><td>{}<td><b>{}</b>", sms.phone, sms.code);
    let rows: String = shown.into_iter().map(row).collect();
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta http-equiv=refresh content=2><title>SMS</title>\
         <h1>Messages of the development city</h1><table><tr><th>to<th>code{rows}</table>"
    ))
}

fn line(sms: ShownSms) -> serde_json::Value {
    serde_json::json!({"phone": sms.phone, "code": sms.code, "at_s": sms.at_s})
}

#[derive(serde::Deserialize)]
struct Asked {
    phone: String,
}

/// In development the last message to one number, for load tests: a list of one, or of none. The number stands in the body, because
/// paths end up in logs.
async fn message_to(inbox: web::Data<DevelopmentSms>, asked: web::Form<Asked>) -> HttpResponse {
    match Phone::parse(&asked.phone) {
        Some(phone) => {
            HttpResponse::Ok().json(inbox.last_to(&phone).map(line).into_iter().collect::<Vec<_>>())
        }
        None => HttpResponse::BadRequest().finish(),
    }
}

async fn ready(readiness: web::Data<Readiness>) -> HttpResponse {
    let mut answer =
        if readiness.is_ready() { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    answer.body(readiness.text())
}

/// Tells a load balancer whether people are to be sent here: 200 at the gateway that leads and at one without a fleet, 503 at all others, with
/// the leader's name and address if it is known.
async fn leader(leading: web::Data<Leading>) -> HttpResponse {
    match leading.now() {
        Lead::Here => HttpResponse::Ok().json(serde_json::json!({"leads": true})),
        Lead::Elsewhere(leader) => {
            let mut answer = HttpResponse::ServiceUnavailable();
            if let Some(origin) = config::origin(&leader.address) {
                answer.insert_header((LEADER, origin));
            }
            answer.json(serde_json::json!({"leads": false, "leader": leader}))
        }
        Lead::Nobody => {
            HttpResponse::ServiceUnavailable().json(serde_json::json!({"leads": false, "leader": null}))
        }
    }
}
