//! The steps and the result of the search for the limit, as plain lines.

use std::path::Path;

use crate::out::say;
use crate::outcome::Exit;
use crate::run::limit::{Limit, Step};

/// Prints one rate that was tried.
pub(crate) fn step(step: &Step) {
    let [verify, punch] = step.p99_ms;
    let busy = step.generator_busy.map_or_else(|| "-".to_owned(), |busy| format!("{:.0} %", busy * 100.0));
    let held = if step.exit == Exit::Pass { "held" } else { "broke" };
    say!(
        "  {:>9.0}/s {held:<6}{:>9.0}/s answered   p99 {verify:.1} / {punch:.1} ms   gateway {} µs each, generator {busy} busy",
        step.rate,
        step.answered,
        step.gateway_us_each.map_or_else(|| "-".to_owned(), |each| format!("{each:.1}")),
    );
    step.reasons.iter().for_each(|reason| say!("  {:>18}{reason}", ""));
}

/// Prints the result of a search for the limit.
pub(crate) fn print(limit: &Limit, folder: &Path) {
    say!("");
    match (limit.holds, limit.breaks) {
        (Some(holds), Some(breaks)) => say!("{holds:.0} people a second hold, {breaks:.0} do not"),
        (Some(holds), None) => say!("{holds:.0} people a second hold, and no limit was found"),
        (None, _) => say!("no rate holds"),
    }
    limit.why.iter().for_each(|reason| say!("  {reason}"));
    if limit.generator {
        say!("  that is the generator's limit on this machine: the gateway's own lies higher");
    }
    say!("  {}", folder.join("limit.json").display());
}
