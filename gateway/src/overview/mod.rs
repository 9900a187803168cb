//! The live overview at `/` of the plain HTTP server, for operators without Grafana: the last quarter of an hour. A sampler reads the exporter
//! every two seconds. It shows no personal data, changes nothing, and is not on the way of any punch.

mod answers;
mod page;
mod panels;
mod ring;
mod sample;
mod standing;
mod statics;

use std::sync::{Arc, Mutex};
use std::time::Instant;

use actix_web::{HttpResponse, web};
use metrics_exporter_prometheus::PrometheusHandle;
use protocol::metric;
use registry::RegionRow;
use ring::{EVERY, Ring, Row};
use runtime::{clock, lock};
use sample::sample;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use standing::{Names, fleet, standing};

use crate::alarm;
use crate::history::History;
use crate::host::readiness::Readiness;
use crate::leading::Leading;
use crate::status::Trouble;

/// The window of tables and rates in seconds.
const MINUTE_S: u32 = 60;

/// The samples that the sampler writes and requests read.
#[derive(Default)]
struct Seen {
    ring: Ring,
    /// `None` until there are two readings.
    standing: Option<Value>,
    /// Punches and verifies a second.
    rates: Option<(f64, f64)>,
    troubles: Vec<Trouble>,
}

/// The overview of this process; clones share it.
#[derive(Clone)]
pub(crate) struct Overview {
    seen: Arc<Mutex<Seen>>,
    names: Arc<Names>,
    leading: Leading,
    started_ms: u64,
}

impl Overview {
    /// Creates the overview of a gateway with these districts, perhaps in a fleet.
    pub(crate) fn new(regions: Vec<RegionRow>, leading: Leading) -> Self {
        let named = |region: RegionRow| (region.id.to_string(), [region.name_en, region.name]);
        let names = Arc::new(regions.into_iter().map(named).collect());
        Self { seen: Arc::default(), names, leading, started_ms: clock::now_ms() }
    }

    /// Adds its paths to a server.
    pub(crate) fn routes(&self, config: &mut web::ServiceConfig) {
        config
            .app_data(web::Data::new(self.clone()))
            .route("/", web::get().to(whole))
            .route("/overview.json", web::get().to(since))
            .route("/overview/runbook/{id}", web::get().to(runbook))
            .route("/overview/{name}", web::get().to(statics::file));
    }

    /// Reads the exporter every two seconds until the task is aborted.
    pub(crate) async fn watch(self, metrics: PrometheusHandle, readiness: Readiness) {
        let mut history = History::default();
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let (at, at_ms) = (clock::now(), clock::now_ms());
            self.take(&mut history, &metrics.render(), (at, at_ms), readiness.text().trim_end());
        }
    }

    /// Takes a sample from the exporter's text, as soon as there is an earlier reading.
    fn take(&self, history: &mut History, text: &str, (at, at_ms): (Instant, u64), stage: &str) {
        let is_first = history.is_empty();
        history.read(text, at);
        if is_first {
            return;
        }
        let (sample, minute, now_s) = (sample(&history.since_last()), history.within(MINUTE_S), at_ms / 1000);
        let name = |label: &str, value: &str| match self.names.get(value) {
            Some([name, _]) if label == "region" => name.clone(),
            Some(_) | None => value.to_owned(),
        };
        let troubles = alarm::troubles(history, stage, now_s, &name);
        let mut standing = standing(&minute, &self.names, stage, now_s, &troubles);
        standing["fleet"] = self.leading.standing().map_or(Value::Null, |standing| fleet(&standing));
        let rates = [metric::PUNCHES, metric::VERIFIES].map(|counter| minute.rate(counter, |_| true));
        let mut seen = lock::lock(&self.seen);
        seen.ring.push(at_ms, sample);
        (seen.standing, seen.rates, seen.troubles) = (Some(standing), Some(rates.into()), troubles);
    }

    /// Returns punches and verifies a second over the last minute, `None` until there are two readings; and the present troubles.
    pub(crate) fn now(&self) -> (Option<(f64, f64)>, Vec<Trouble>) {
        let seen = lock::lock(&self.seen);
        (seen.rates, seen.troubles.clone())
    }
}

/// The answer of `/overview.json`.
#[derive(Serialize)]
struct Answer<'a> {
    /// The process's start; numbers of samples begin anew with each process.
    started_ms: u64,
    now_ms: u64,
    every_ms: u64,
    columns: &'a [String],
    rows: Vec<&'a Row>,
    /// `None` until there are two readings.
    now: Option<&'a Value>,
}

#[derive(Deserialize)]
struct Since {
    /// The number of the last sample that the page has.
    #[serde(default)]
    since: u64,
}

async fn since(overview: web::Data<Overview>, asked: web::Query<Since>) -> HttpResponse {
    let seen = lock::lock(&overview.seen);
    answers::answer().json(Answer {
        started_ms: overview.started_ms,
        now_ms: clock::now_ms(),
        every_ms: EVERY.as_millis() as u64,
        columns: seen.ring.columns(),
        rows: seen.ring.since(asked.since).collect(),
        now: seen.standing.as_ref(),
    })
}

async fn whole() -> HttpResponse {
    let page = page::page(env!("CARGO_PKG_VERSION")).into_string();
    answers::answer().content_type("text/html; charset=utf-8").body(page)
}

/// Answers with an alert's section of the runbooks, which are compiled in: it can be read where nothing else can be reached.
async fn runbook(id: web::Path<String>) -> HttpResponse {
    match alerts::section(&id) {
        Some(text) => answers::answer().content_type("text/plain; charset=utf-8").body(text),
        None => HttpResponse::NotFound().finish(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn taken(texts: &[(u64, &str)]) -> Overview {
        let overview = Overview::new(Vec::new(), Leading::default());
        let (mut history, start) = (History::default(), clock::now());
        for (seconds, text) in texts {
            let at = (start + Duration::from_secs(*seconds), seconds * 1000);
            overview.take(&mut history, text, at, "ready");
        }
        overview
    }

    #[test]
    fn two_readings_make_a_sample_and_tables_show_the_last_minute() {
        let text = |count: u64| format!("changtong_punches_total{{region=\"1\",colour=\"green\"}} {count}\n");
        let first = taken(&[(0, &text(0))]);
        let seen = lock::lock(&first.seen);
        assert!(seen.standing.is_none() && seen.ring.since(0).count() == 0);

        let texts: Vec<(u64, String)> =
            (0..100).map(|at| (at * 2, text(if at < 95 { at * 2 } else { 188 }))).collect();
        let texts: Vec<(u64, &str)> = texts.iter().map(|(at, text)| (*at, text.as_str())).collect();
        let overview = taken(&texts);
        let seen = lock::lock(&overview.seen);
        let column = seen.ring.columns().iter().position(|name| name == "punches.green").expect("a column");
        let rates: Vec<_> = seen.ring.since(93).map(|row| row.2[column]).collect();
        assert_eq!((rates.len(), rates[0], rates[5]), (6, Some(1.0), Some(0.0)), "{rates:?}");
        let standing = seen.standing.as_ref().expect("two readings");
        let rate = standing["districts"][0]["punches"].as_f64().expect("a rate");
        assert!(rate > 0.8 && rate < 0.95, "the minute still has what came before: {rate}");
        assert_eq!((standing["punches"].as_u64(), seen.rates), (Some(188), Some((rate, 0.0))));
    }
}
