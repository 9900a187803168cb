//! `changtong tap`: verdicts as they are given, masked, for an operator who looks into a case. What is shown stands in the order;
//! here are lines for people and for programs.

use std::process::ExitCode;

use crate::command::desk::Desk;
use crate::operator::orders::{self, CITY, Progress, TAP_SECONDS_MAX, TapAct, TapLine, Tapped};
use crate::out::{self, note};

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
    /// The time to look, in seconds.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=TAP_SECONDS_MAX))]
    seconds: u64,
    #[command(flatten)]
    desk: Desk,
}

impl Tap {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let Self { case, region, colour, seconds, desk } = self;
        let json = desk.json;
        let (mut screen, mut read) = (Screen::new(json), true);
        let mut tell = |done: &Progress| {
            if let Progress::Tapped(tapped) = done {
                read = out::text(&screen.show(tapped));
            }
            read
        };
        let order = orders::Tap { act: TapAct { region, colour, seconds }, case };
        let end = desk.call_telling(order, &mut tell);
        if !read {
            return Ok(ExitCode::SUCCESS);
        }
        let Some(end) = end? else { return Ok(ExitCode::SUCCESS) };
        note!("{} verdicts shown, {} dropped", end.shown, end.dropped);
        Ok(ExitCode::SUCCESS)
    }
}

/// The format of lines, and what it has said of those that were dropped.
struct Screen {
    json: bool,
    begun: bool,
    dropped: u64,
}

impl Screen {
    const fn new(json: bool) -> Self {
        Self { json, begun: false, dropped: 0 }
    }

    fn show(&mut self, tapped: &Tapped) -> String {
        if !self.begun {
            self.begun = true;
            note!("the tap is open, and on record; Ctrl-C ends it");
        }
        let json = |line| serde_json::to_string(line).expect("texts and numbers");
        let lines = tapped.lines.iter().map(|line| if self.json { json(line) } else { text(line) });
        let mut all: Vec<String> = lines.collect();
        if tapped.dropped > self.dropped {
            self.dropped = tapped.dropped;
            let dropped = self.dropped;
            let (json, text) = (format!("{{\"dropped\":{dropped}}}"), format!("dropped {dropped}"));
            all.push(if self.json { json } else { text });
        }
        all.into_iter().map(|line| line + "\n").collect()
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
