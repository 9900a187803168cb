//! Grafana's files: ten dashboards and their provisioning.

mod boards;
mod dashboard;
mod layout;
mod panel;
mod provisioning;
mod query;
#[cfg(test)]
mod tests;

/// Returns every file with its path below Grafana's directory. Links to runbooks begin with `runbooks`.
pub(crate) fn files(runbooks: &str) -> Vec<(String, String)> {
    let boards = boards::all();
    let boards = boards.iter().map(|one| (format!("dashboards/{}.json", one.name), one.text(runbooks)));
    boards.chain(provisioning::files()).collect()
}
