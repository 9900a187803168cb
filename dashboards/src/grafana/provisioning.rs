//! Grafana's provisioning files: where it finds the dashboards and Prometheus.

const DASHBOARDS: &str =
    "# Written by `cargo run -p dashboards -- grafana`; change it in dashboards/src/grafana/provisioning.rs.
apiVersion: 1
providers:
  - name: changtong
    folder: Changtong
    type: file
    allowUiUpdates: false
    options:
      # Where this repository's dashboards/grafana/dashboards lies on the Grafana machine.
      path: /etc/changtong/dashboards
";
const DATASOURCES: &str =
    "# Written by `cargo run -p dashboards -- grafana`; change it in dashboards/src/grafana/provisioning.rs.
apiVersion: 1
datasources:
  - name: Prometheus
    uid: prometheus
    type: prometheus
    access: proxy
    url: http://127.0.0.1:9090
    isDefault: true
    jsonData:
      # As in prometheus.yml: Grafana derives the window of rates from it.
      timeInterval: 5s
";

/// Returns each file with its path below Grafana's directory.
pub(super) fn files() -> impl Iterator<Item = (String, String)> {
    [("dashboards/changtong.yml", DASHBOARDS), ("datasources/prometheus.yml", DATASOURCES)]
        .into_iter()
        .map(|(path, text)| (format!("provisioning/{path}"), text.to_owned()))
}
