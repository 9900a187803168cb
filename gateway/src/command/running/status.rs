//! `changtong status`: how the running gateway is, for people and programs. What it says is made in `status`.

use std::process::ExitCode;
use std::time::Duration;

use alerts::RUNBOOKS;
use anyhow::bail;
use runtime::clock;

use crate::config::named::{At, NotThere};
use crate::operator::{self, Act, Done};
use crate::out::{note, say};
use crate::status::{Status, Trouble};

/// Between two looks at a gateway that is not ready yet.
const LOOK: Duration = Duration::from_millis(100);
/// A large city's codes are loaded within a minute.
const WAIT_S_MAX: u64 = 600;

#[derive(clap::Args)]
pub(crate) struct StatusOf {
    #[command(flatten)]
    at: At,
    /// Waits until it is ready, so many seconds at most; also for one that is not there yet.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=WAIT_S_MAX))]
    wait: Option<u64>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

impl StatusOf {
    /// Returns the exit code: 0 if it is ready, 1 if an alert that wakes an operator is active, 2 if it does not run or is not ready.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let status = look(&self.at, Duration::from_secs(self.wait.unwrap_or(0)))?;
        if self.json {
            say!("{}", serde_json::to_string(&status)?);
        } else {
            show(&status);
        }
        let wakes = status.troubles.iter().any(|trouble| trouble.severity == "page");
        Ok(ExitCode::from(if status.stage != "ready" { 2 } else { u8::from(wakes) }))
    }
}

fn look(at: &At, patience: Duration) -> anyhow::Result<Status> {
    let start = clock::now();
    loop {
        let late = clock::since(start) >= patience;
        match asked(at) {
            Ok(status) if late || status.stage == "ready" => return Ok(status),
            Err(error) if late || !error.is::<NotThere>() => return Err(error),
            Ok(_) | Err(_) => std::thread::park_timeout(LOOK),
        }
    }
}

/// Asks once. Finds the gateway anew each time: its directory and its socket may appear during the wait.
fn asked(at: &At) -> anyhow::Result<Status> {
    let named = at.find()?;
    named.there()?;
    match operator::ask_running(&named, &Act::Status)? {
        Some(Done::Status(status)) => Ok(*status),
        Some(_) => bail!("that is no answer about a gateway"),
        None => Err(NotThere::error(format!(
            "no gateway runs on {}: `changtong serve` starts it, its log says why it ended, `changtong doctor` looks at it",
            named.display()
        ))),
    }
}

fn show(status: &Status) {
    let Status { version, pid, data, test, up_s, listens, stage, devices, durable_lsn, clock, .. } = status;
    let whose = if *test { "a gateway for tests: everybody is made up" } else { "a gateway" };
    say!("Changtong Gateway {version}, {whose}, process {pid}, up {}", span(*up_s));
    let rate =
        |rate: Option<f64>| rate.map_or("not known yet".to_owned(), |rate| format!("{rate:.1} a second"));
    let pages = listens.pages.as_ref().map_or(String::new(), |pages| format!(", pages {pages}"));
    let clock = match clock.believed {
        true => "believed".to_owned(),
        false => format!("{:+.0} s off, and not believed: `changtong clock status`", clock.step_s),
    };
    for (name, value) in [
        ("data", data.display().to_string()),
        (
            "listens",
            format!(
                "devices {} ({}), enrolment {}, overview http://{}/{pages}",
                listens.quic,
                counted(listens.fronts),
                listens.enrol,
                listens.http
            ),
        ),
        ("is", stage.clone()),
        ("devices", format!("{} connected of {} enrolled", devices.connected, devices.enrolled)),
        ("punches", rate(status.punches)),
        ("verifies", rate(status.verifies)),
        ("on disk", format!("up to LSN {durable_lsn}")),
        ("clock", clock),
    ] {
        say!("  {name:<10}{value}");
    }
    match status.troubles.as_slice() {
        [] => say!("  {:<10}nothing", "wrong now"),
        troubles => troubles.iter().for_each(tell),
    }
    if devices.enrolled == 0 {
        note!("next: changtong place add NAME --region N --sign KEY");
    }
}

fn counted(fronts: usize) -> String {
    if fronts == 1 { "1 front".to_owned() } else { format!("{fronts} fronts") }
}

fn tell(Trouble { id, severity, what, action, runbook }: &Trouble) {
    say!("  {severity:<10}{id}: {what}");
    say!("  {:<10}{action}", "");
    say!("  {:<10}{RUNBOOKS}/{runbook}.md#{id}", "");
}

fn span(seconds: u64) -> String {
    match (seconds / 86_400, seconds / 3_600, seconds / 60) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {} min", minutes % 60),
        (days, hours, _) => format!("{days} d {} h", hours % 24),
    }
}
