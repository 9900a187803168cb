//! `changtong tap`: verdicts as they are given, masked, for an operator who looks into a case. What is shown stands in the order;
//! here are lines for people and for programs.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, bail};

use super::desk::Desk;
use crate::admin::Done;
use crate::orders::{Ordered, OrderedAct, TAP_SECONDS_MAX, TapAct, TapLine, Tapped};

/// The city's time: UTC+8, no daylight saving.
const CITY: jiff::tz::Offset = jiff::tz::offset(8);

#[derive(clap::Args)]
pub(crate) struct Tap {
    /// The case that the tap is for; everybody may be in it, so everybody sees it among who looked.
    #[arg(long)]
    case: String,
    /// Only this region's number.
    #[arg(long)]
    region: Option<u16>,
    /// Only green, yellow, red or unknown.
    #[arg(long)]
    colour: Option<String>,
    /// How long to look.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=TAP_SECONDS_MAX))]
    seconds: u64,
    #[command(flatten)]
    desk: Desk,
}

impl Tap {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let Self { case, region, colour, seconds, desk } = self;
        let json = desk.json;
        let (mut screen, mut failed) = (Screen::new(json), None);
        let mut tell = |done: &Done| {
            if let Done::Tapped(tapped) = done
                && let Err(error) = screen.show(tapped)
            {
                failed = Some(error);
            }
            failed.is_none()
        };
        let ordered =
            desk.call_telling(&OrderedAct::Tap { act: TapAct { region, colour, seconds }, case }, &mut tell);
        match failed {
            // Whoever read it has seen enough, such as `head`.
            Some(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
            Some(error) => return Err(error).context("showing verdicts"),
            None => {}
        }
        let Some(ordered) = ordered? else { return Ok(ExitCode::SUCCESS) };
        let Ordered::Tapped { shown, dropped } = ordered else { bail!("that is no answer to a tap") };
        eprintln!("{shown} verdicts shown, {dropped} dropped");
        Ok(ExitCode::SUCCESS)
    }
}

/// Where lines go, and what it has said of those that were dropped.
struct Screen {
    json: bool,
    begun: bool,
    dropped: u64,
}

impl Screen {
    const fn new(json: bool) -> Self {
        Self { json, begun: false, dropped: 0 }
    }

    fn show(&mut self, tapped: &Tapped) -> std::io::Result<()> {
        if !self.begun {
            self.begun = true;
            eprintln!("the tap is open, and on record; Ctrl-C ends it");
        }
        let mut out = std::io::stdout().lock();
        for line in &tapped.lines {
            if self.json {
                serde_json::to_writer(&mut out, line)?;
                writeln!(out)?;
            } else {
                writeln!(out, "{}", text(line))?;
            }
        }
        if tapped.dropped > self.dropped {
            self.dropped = tapped.dropped;
            if self.json {
                writeln!(out, "{{\"dropped\":{}}}", self.dropped)?;
            } else {
                writeln!(out, "dropped {}", self.dropped)?;
            }
        }
        out.flush()
    }
}

fn text(line: &TapLine) -> String {
    let at = i64::try_from(line.at_s).ok().and_then(|at_s| jiff::Timestamp::from_second(at_s).ok());
    let at = at.map(|at| CITY.to_datetime(at).strftime("%H:%M:%S").to_string()).unwrap_or_default();
    let place = match (line.place, &line.place_name) {
        (Some(number), Some(name)) => format!("{number} {name}"),
        (Some(_) | None, _) => "–".to_owned(),
    };
    format!(
        "{at}  {:<6}  {} {}  {place}  {} {}  {:<9} {:<7} {:<7} {:<15} {:<8} {}",
        line.given,
        line.region,
        line.region_name,
        line.device,
        line.device_name,
        line.scan,
        line.direction.as_deref().unwrap_or("–"),
        line.colour,
        line.advice,
        line.basis,
        line.reason
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_place_device_and_verdict() {
        let line = TapLine {
            at_s: 1_582_156_801,
            given: "punch".to_owned(),
            region: 3,
            region_name: "Jing'an".to_owned(),
            place: Some(17),
            place_name: Some("east gate".to_owned()),
            direction: Some("in".to_owned()),
            device: 9,
            device_name: "gate 9".to_owned(),
            scan: "token".to_owned(),
            colour: "red".to_owned(),
            advice: "stop".to_owned(),
            basis: "verified".to_owned(),
            reason: "active-cause".to_owned(),
        };
        let shown = text(&line);
        assert!(shown.starts_with("08:00:01  punch "), "{shown}");
        for part in ["3 Jing'an", "17 east gate", "9 gate 9", "token", " in ", "red", "stop", "active-cause"]
        {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        let verify = TapLine { place: None, place_name: None, direction: None, ..line };
        assert!(text(&verify).contains("  –  9 gate 9"), "{}", text(&verify));
    }
}
