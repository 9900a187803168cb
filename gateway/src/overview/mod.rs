//! The live overview at `/` of the plain HTTP server: the city dashboard's panels for an operator without Grafana, the last quarter of
//! an hour of them. A sampler reads the exporter every two seconds; nothing here is on any punch's way, holds personal data, or
//! changes anything.

mod answers;
mod between;
#[cfg(test)]
mod complete_tests;
mod page;
mod panels;
mod recent;
mod ring;
mod runbooks;
mod sample;
mod standing;
mod statics;
mod troubles;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix_web::{HttpResponse, web};
use between::Between;
use metrics_exporter_prometheus::PrometheusHandle;
use recent::Recent;
use registry::RegionRow;
use ring::{EVERY, Ring, Row};
use runtime::clock;
use sample::sample;
use serde::{Deserialize, Serialize};
use standing::{Names, Standing};
use troubles::{Look, troubles};

use crate::generate::{self, Known};
use crate::host::readiness::Readiness;
use crate::status;

/// Tables show rates of the last minute: six readings, ten seconds apart, are kept for it.
const MARKS_MAX: usize = 6;
const MARK_EVERY: Duration = Duration::from_secs(10);

/// The samples that the sampler writes and requests read.
#[derive(Default)]
struct Seen {
    ring: Ring,
    standing: Option<Standing>,
}

/// The metrics at one moment.
#[derive(Clone)]
struct Reading {
    at: Instant,
    text: String,
}

/// The overview of this process; clones are the same one.
#[derive(Clone)]
pub(crate) struct Overview {
    seen: Arc<Mutex<Seen>>,
    names: Arc<Names>,
    started_ms: u64,
}

impl Overview {
    /// Of a gateway with these districts.
    pub(crate) fn new(regions: Vec<RegionRow>) -> Self {
        let named = |region: RegionRow| (region.id.to_string(), [region.name_en, region.name]);
        let names = Arc::new(regions.into_iter().map(named).collect());
        Self { seen: Arc::default(), names, started_ms: clock::now_ms() }
    }

    /// Its paths.
    pub(crate) fn routes(&self, config: &mut web::ServiceConfig) {
        config
            .app_data(web::Data::new(self.clone()))
            .route("/", web::get().to(whole))
            .route("/overview.json", web::get().to(since))
            .route("/overview/runbook/{id}", web::get().to(runbooks::section_of))
            .route("/overview/{name}", web::get().to(statics::file));
    }

    /// Reads the exporter every two seconds, for ever; whoever starts it ends it.
    pub(crate) async fn watch(self, metrics: PrometheusHandle, readiness: Readiness) {
        let mut sampler = Sampler {
            overview: self,
            last: None,
            marks: VecDeque::new(),
            known: generate::known(),
            recent: Recent::default(),
        };
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let (at, at_ms) = (clock::now(), clock::now_ms());
            sampler.take(Reading { at, text: metrics.render() }, at_ms, readiness.text().trim_end());
        }
    }

    /// Punches and verifies a second over the last minute, `None` until there are two readings; and what is wrong.
    pub(crate) fn now(&self) -> (Option<(f64, f64)>, Vec<status::Trouble>) {
        let seen = self.lock();
        let Some(standing) = &seen.standing else { return (None, Vec::new()) };
        (Some(standing.rates()), standing.troubles.iter().map(Into::into).collect())
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Turns readings into samples.
struct Sampler {
    overview: Overview,
    last: Option<Reading>,
    /// Readings of the last minute, the oldest first.
    marks: VecDeque<Reading>,
    recent: Recent,
    known: Vec<Known>,
}

impl Sampler {
    fn take(&mut self, reading: Reading, at_ms: u64, stage: &str) {
        if let Some(last) = &self.last {
            let apart = |earlier: &Reading| reading.at.saturating_duration_since(earlier.at).as_secs_f64();
            let since = Between::new(&last.text, &reading.text, apart(last));
            self.recent.push(&since);
            let sample = sample(&since);
            let oldest = self.marks.front().unwrap_or(last);
            let minute = Between::new(&oldest.text, &reading.text, apart(oldest));
            let now_s = at_ms / 1000;
            let mut standing = Standing::of(&minute, &self.overview.names, stage, now_s);
            let mut seen = self.overview.lock();
            seen.ring.push(at_ms, sample);
            let parked = standing.parked();
            let look = Look {
                text: &reading.text,
                minute: &minute,
                ring: &seen.ring,
                recent: &self.recent,
                stage,
                now_s,
                parked: &parked,
            };
            standing.troubles = troubles(&look, &self.known);
            seen.standing = Some(standing);
        }
        let due = |mark: &Reading| reading.at.saturating_duration_since(mark.at) >= MARK_EVERY;
        if self.marks.back().is_none_or(due) {
            if self.marks.len() == MARKS_MAX {
                self.marks.pop_front();
            }
            self.marks.push_back(reading.clone());
        }
        self.last = Some(reading);
    }
}

/// The answer of `/overview.json`.
#[derive(Serialize)]
struct Answer<'a> {
    /// Another one is another process, whose numbers begin anew.
    started_ms: u64,
    now_ms: u64,
    every_ms: u64,
    columns: &'a [String],
    rows: Vec<&'a Row>,
    /// `None` until there are two readings.
    now: Option<&'a Standing>,
}

#[derive(Deserialize)]
struct Since {
    /// The last sample that the asker has.
    #[serde(default)]
    since: u64,
}

async fn since(overview: web::Data<Overview>, asked: web::Query<Since>) -> HttpResponse {
    let seen = overview.lock();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(texts: &[(u64, &str)]) -> Overview {
        let overview = Overview::new(Vec::new());
        let mut sampler = Sampler {
            overview: overview.clone(),
            last: None,
            marks: VecDeque::new(),
            recent: Recent::default(),
            known: generate::known(),
        };
        let start = clock::now();
        for (seconds, text) in texts {
            let at = start + Duration::from_secs(*seconds);
            sampler.take(Reading { at, text: (*text).to_owned() }, seconds * 1000, "ready");
        }
        assert!(sampler.marks.len() <= MARKS_MAX);
        overview
    }

    #[test]
    fn two_readings_make_a_sample_and_tables_show_the_last_minute() {
        let text = |count: u64| format!("changtong_punches_total{{region=\"1\",colour=\"green\"}} {count}\n");
        let first = taken(&[(0, &text(0))]);
        assert!(first.lock().standing.is_none() && first.lock().ring.since(0).count() == 0);

        let texts: Vec<(u64, String)> =
            (0..100).map(|at| (at * 2, text(if at < 95 { at * 2 } else { 188 }))).collect();
        let texts: Vec<(u64, &str)> = texts.iter().map(|(at, text)| (*at, text.as_str())).collect();
        let overview = taken(&texts);
        let seen = overview.lock();
        let column = seen.ring.columns().iter().position(|name| name == "punches.green").expect("a column");
        let rates: Vec<_> = seen.ring.since(93).map(|row| row.2[column]).collect();
        assert_eq!((rates.len(), rates[0], rates[5]), (6, Some(1.0), Some(0.0)), "{rates:?}");
        let standing = serde_json::to_value(&seen.standing).expect("plain values");
        let rate = standing["districts"][0]["punches"].as_f64().expect("a rate");
        assert!(rate > 0.8 && rate < 0.95, "the minute still has what came before: {rate}");
        assert_eq!(standing["punches"], 188);
    }
}
