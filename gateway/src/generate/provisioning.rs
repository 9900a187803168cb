//! Grafana's way to the dashboards and Prometheus, as its provisioning files. The dashboards themselves are elsewhere.

const DASHBOARDS: &str =
    "# Written by `changtong generate dashboards`; change it in gateway/src/generate/provisioning.rs.
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
    "# Written by `changtong generate dashboards`; change it in gateway/src/generate/provisioning.rs.
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

/// Each file with its path below the directory.
pub(super) fn files() -> impl Iterator<Item = (String, String)> {
    [("dashboards/changtong.yml", DASHBOARDS), ("datasources/prometheus.yml", DATASOURCES)]
        .into_iter()
        .map(|(path, text)| (format!("provisioning/{path}"), text.to_owned()))
}
