//! `changtong tap`: verdicts as they are given, masked, for an operator who looks into a case. What is shown stands in the order;
//! here are lines for people and for programs.

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde_json::json;

use crate::command::desk::Desk;
use crate::operator::orders::{self, CITY, Progress, TAP_SECONDS_MAX, TapAct, TapLine, TapShare, Tapped};
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
    /// The verdicts of all gateways of the fleet; each line names its gateway.
    #[arg(long)]
    fleet: bool,
    #[command(flatten)]
    desk: Desk,
}

impl Tap {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let Self { case, region, colour, seconds, fleet, desk } = self;
        let json = desk.json;
        let (mut screen, mut read) = (Screen::new(json), true);
        let mut tell = |done: &Progress| {
            if let Progress::Tapped(tapped) = done {
                read = out::text(&screen.show(tapped));
            }
            read
        };
        let order = orders::Tap { act: TapAct { region, colour, seconds }, case, fleet };
        let end = desk.call_telling(order, &mut tell);
        if !read {
            return Ok(ExitCode::SUCCESS);
        }
        let Some(end) = end? else { return Ok(ExitCode::SUCCESS) };
        note!("{} verdicts shown, {} dropped", end.shown, end.dropped);
        for TapShare { gateway, shown, dropped } in end.fleet.iter().flat_map(|fleet| &fleet.gateways) {
            note!("{gateway}: {shown} shown, {dropped} dropped");
        }
        Ok(orders::exit_code::<orders::Tap>(&end))
    }
}

/// The format of lines, and what it has said of those that were dropped at each gateway whose tap is open.
struct Screen {
    json: bool,
    dropped: BTreeMap<Option<String>, u64>,
}

impl Screen {
    const fn new(json: bool) -> Self {
        Self { json, dropped: BTreeMap::new() }
    }

    fn show(&mut self, tapped: &Tapped) -> String {
        let Tapped { gateway, lines, dropped, away } = tapped;
        if self.dropped.is_empty() {
            note!("the tap is open, and on record; Ctrl-C ends it");
        }
        let name = gateway.as_deref().unwrap_or_default();
        let is_open = self.dropped.contains_key(gateway);
        if let Some(why) = away {
            note!("INCOMPLETE: {name} is not shown{}: {why}", if is_open { " any more" } else { "" });
        } else if gateway.is_some() && !is_open {
            note!("{name} is shown");
        }
        let said = self.dropped.entry(gateway.clone()).or_default();
        let json = |line| serde_json::to_string(line).expect("texts and numbers");
        let lines = lines.iter().map(|line| if self.json { json(line) } else { text(line) });
        let mut all: Vec<String> = lines.collect();
        if *dropped > *said {
            *said = *dropped;
            all.push(match (self.json, gateway) {
                (true, Some(gateway)) => json!({ "gateway": gateway, "dropped": dropped }).to_string(),
                (true, None) => json!({ "dropped": dropped }).to_string(),
                (false, Some(gateway)) => format!("{gateway}  dropped {dropped}"),
                (false, None) => format!("dropped {dropped}"),
            });
        }
        if let (true, Some(why)) = (self.json, away) {
            all.push(json!({ "gateway": gateway, "away": why }).to_string());
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
    let gateway = line.gateway.iter().map(|gateway| format!("{gateway:<8}  ")).collect::<String>();
    format!(
        "{at}  {gateway}{:<6}  {} {}  {place}  {} {}  {:<9} {:<7} {:<7} {:<15} {:<8} {}",
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
            gateway: None,
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
        let elsewhere = TapLine { gateway: Some("south".to_owned()), ..line.clone() };
        assert!(text(&elsewhere).starts_with("08:00:01  south     punch "), "{}", text(&elsewhere));
        let verify = TapLine { place: None, place_name: None, direction: None, ..line };
        assert!(text(&verify).contains("  –  9 gate 9"), "{}", text(&verify));
    }

    #[test]
    fn what_was_dropped_is_told_once_for_each_gateway_and_one_that_is_away_by_its_name() {
        let tapped = |gateway: Option<&str>, dropped, away: Option<&str>| Tapped {
            gateway: gateway.map(str::to_owned),
            dropped,
            away: away.map(str::to_owned),
            ..Tapped::default()
        };
        for (json, told, expected) in [
            (false, tapped(None, 0, None), ""),
            (false, tapped(None, 3, None), "dropped 3\n"),
            (false, tapped(Some("south"), 4, None), "south  dropped 4\n"),
            (true, tapped(None, 3, None), "{\"dropped\":3}\n"),
            (true, tapped(Some("south"), 4, None), "{\"dropped\":4,\"gateway\":\"south\"}\n"),
            (true, tapped(Some("south"), 0, Some("gone")), "{\"away\":\"gone\",\"gateway\":\"south\"}\n"),
        ] {
            let mut screen = Screen::new(json);
            assert_eq!(screen.show(&told), expected);
            let again = screen.show(&Tapped { away: None, ..told });
            assert_eq!(again, "", "it is said already");
        }
    }
}
