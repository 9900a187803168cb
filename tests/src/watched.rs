//! A real Prometheus that scrapes a gateway, with a directory and a port of its own, and its HTTP API as Grafana uses it.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::http_get;
use crate::prometheus::dashboards;

/// A running Prometheus; ends with the value.
pub struct Prometheus {
    process: Child,
    address: SocketAddr,
    _directory: tempfile::TempDir,
}

/// An alert of the rules, as Prometheus evaluates it.
#[derive(Clone, Debug)]
pub struct Alert {
    /// Its name without the common prefix, with the window or else the severity of the rule.
    pub id: String,
    /// The labels of each sample of its expression, as `name=value `; empty while the alert is inactive.
    pub samples: Vec<String>,
    /// The time of the last evaluation.
    pub evaluated: String,
}

/// The result of a query: each series' value. Empty if there is none, or no answer yet.
pub type Values = Vec<f64>;

impl Prometheus {
    /// Starts it with the shipped configuration, but scraping that address every second.
    pub fn start(scraped: SocketAddr) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let config = std::fs::read_to_string(dashboards().join("prometheus.yml")).expect("the configuration");
        let rules = dashboards().join("rules/changtong.yml");
        let config = config
            .replace("127.0.0.1:9464", &scraped.to_string())
            .replace("_interval: 5s", "_interval: 1s")
            .replace("rules/changtong.yml", rules.to_str().expect("a plain path"));
        assert!(config.contains(&scraped.to_string()) && config.contains("scrape_interval: 1s"), "{config}");
        let file = directory.path().join("prometheus.yml");
        std::fs::write(&file, config).expect("written");
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()));
        command.arg(format!("--web.listen-address={address}"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().expect("prometheus: install the Debian package of that name");
        Self { process, address, _directory: directory }
    }

    /// Returns the API's answer on that path; `None` without an answer.
    ///
    /// # Panics
    /// The API reports a wrong query.
    fn ask(&self, path: &str) -> Option<Value> {
        let (status, body) = http_get(self.address, path)?;
        let answer: Value = serde_json::from_str(&body).ok()?;
        assert!(status != 400 && status != 422, "{path}: {answer}");
        (status == 200).then(|| answer["data"].clone())
    }

    /// Returns each series' value now.
    pub fn query(&self, query: &str) -> Values {
        let Some(data) = self.ask(&format!("/api/v1/query?query={}", encoded(query))) else {
            return Vec::new();
        };
        let series = data["result"].as_array().expect("a vector");
        let value = |series: &Value| series["value"][1].as_str().and_then(|value| value.parse().ok());
        series.iter().map(|series| value(series).expect("a number")).collect()
    }

    /// Returns every series' values of the last `seconds`, one a second, as for a chart. Empty without an answer.
    pub fn query_range(&self, query: &str, seconds: u64) -> Values {
        let end = runtime::clock::now_s();
        let path = format!(
            "/api/v1/query_range?query={}&start={}&end={end}&step=1",
            encoded(query),
            end.saturating_sub(seconds)
        );
        let Some(data) = self.ask(&path) else { return Vec::new() };
        let series = data["result"].as_array().expect("a matrix").iter();
        let points = series.flat_map(|series| series["values"].as_array().expect("points"));
        let value = |point: &Value| point[1].as_str().and_then(|value| value.parse().ok());
        points.map(|point| value(point).expect("a number")).collect()
    }

    /// Returns every alert with its state. Empty without an answer.
    ///
    /// # Panics
    /// An expression cannot be evaluated.
    pub fn alerts(&self) -> Vec<Alert> {
        let data = self.ask("/api/v1/rules?type=alert").unwrap_or_default();
        let groups = data["groups"].as_array().into_iter().flatten();
        groups.filter_map(|group| group["rules"].as_array()).flatten().map(alert).collect()
    }

    /// Returns a label's values among the series of that selector.
    pub fn label_values(&self, selector: &str, label: &str) -> Vec<String> {
        let path = format!("/api/v1/label/{label}/values?match[]={}", encoded(selector));
        let data = self.ask(&path).unwrap_or_default();
        let values = data.as_array().cloned().unwrap_or_default();
        values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect()
    }
}

fn alert(rule: &Value) -> Alert {
    assert!(rule["health"] != "err", "{rule}");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let name = text(&rule["name"]);
    let labels = &rule["labels"];
    let which = [&labels["window"], &labels["severity"]].into_iter().find_map(Value::as_str);
    let id = format!("{}/{}", name.trim_start_matches("Changtong"), which.expect("a severity"));
    let sample = |active: &Value| {
        let labels = active["labels"].as_object().expect("labels");
        labels.iter().map(|(name, value)| format!("{name}={} ", text(value))).collect()
    };
    let samples = rule["alerts"].as_array().into_iter().flatten().map(sample).collect();
    Alert { id, samples, evaluated: text(&rule["lastEvaluation"]) }
}

fn encoded(query: &str) -> String {
    query.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
