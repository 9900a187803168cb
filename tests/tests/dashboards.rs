//! What operators look at, against the real thing: a gateway under load, a Prometheus that scrapes it, and every query of the
//! dashboard.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

use tests::prometheus::{dashboards, promtool};
use tests::walk::{Stop, Walker, endpoint};
use tests::{City, block_on, http_get, wait_for};

/// Every query of the dashboard, with all gateways chosen.
fn queries() -> Vec<String> {
    let path = dashboards().join("grafana/dashboards/overview.json");
    let text = std::fs::read_to_string(path).expect("the dashboard");
    let dashboard: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().expect("a query").replace("$instance", ".*")).collect()
}

/// A Prometheus with a directory and a port of its own.
struct Prometheus {
    process: Child,
    address: SocketAddr,
    _directory: tempfile::TempDir,
}

impl Prometheus {
    fn start(scraped: SocketAddr) -> Self {
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

    /// How many series a query gives, and whether any of them is a number.
    fn has_data(&self, query: &str) -> bool {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let Some((200, body)) = http_get(self.address, &format!("/api/v1/query?query={encoded}")) else {
            return false;
        };
        let answer: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        let series = answer["data"]["result"].as_array().expect("a vector");
        series.iter().any(|series| series["value"][1].as_str().is_some_and(|value| value != "NaN"))
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn every_query_of_the_dashboard_has_data() {
    let city = City::start(500, 10);
    let fleet = city.fleet();
    block_on(async {
        let (stop, endpoint) = (Stop::default(), endpoint(&fleet));
        let walkers: Vec<_> = (0..5)
            .map(|index| tokio::task::spawn_local(Walker::new(&endpoint, &fleet, index).walk(stop.clone())))
            .collect();
        let looked = tokio::task::spawn_blocking(move || {
            let prometheus = Prometheus::start(fleet.http);
            let queries = queries();
            assert!(queries.len() > 20, "{queries:?}");
            for query in &queries {
                wait_for(query, || prometheus.has_data(query).then_some(()));
            }
            let (_, metrics) = city.get("/metrics").expect("metrics");
            assert!(metrics.lines().filter(|line| line.starts_with("changtong_punches_total")).count() >= 14);
            let series = metrics.lines().filter(|line| !line.starts_with('#')).count();
            assert!(series <= 2_000, "{series} series");
            promtool(&["check", "metrics"], &metrics);
        });
        looked.await.expect("every query has data");
        stop.stop();
        for walker in walkers {
            walker.abort();
        }
    });
}
