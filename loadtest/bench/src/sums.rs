//! `loadtest sums`: cores, memory and disk of a city or a province, computed from measured costs. `floor` measures the costs; SUMS.md has
//! the reasons for the cases. Pure.

use std::fmt::Write;

use serde::Serialize;
use serde_json::{Value, json};

use crate::peers::thousands;

/// A code in memory: the most that the gateway's table takes while it grows.
const CODE_BYTES: f64 = 40.0;
/// The marks of a device in memory: verdict, time and digest of each punch of a gate's window, 16 bytes each.
const MARKS_BYTES: f64 = 64.0 * 16.0;
/// A gate's punch in the log: run, record and mark are 90 bytes, and a batch's 85 bytes are shared by 31 punches, as one sync serves them.
const PUNCH_BYTES: f64 = 93.0;
/// The seconds of a day's busiest rate that make all of its punches: the busiest hour has a tenth of the day, and its busiest minute three
/// times its mean.
const DAY_OF_PEAK_S: f64 = 3_600.0 * 10.0 / 3.0;
/// The days in the log: fourteen, and the one that is written.
const DAYS_KEPT: f64 = 15.0;
/// The servers of a broker that each hold all copies of the punches.
const COPIES: f64 = 3.0;
const GIB: f64 = (1u64 << 30) as f64;

/// The options.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The gateway's processor time for a punch, µs, as `floor` prints it for the shape of the devices
    #[arg(long)]
    pub server_us: f64,
    /// Memory of a connection, KiB, as `floor` prints it
    #[arg(long)]
    pub connection_kib: f64,
    /// Bytes of a punch in the log
    #[arg(long, default_value_t = PUNCH_BYTES)]
    pub punch_bytes: f64,
    /// Share of the processors' time that may be used at the peak: near all of it, answers wait
    #[arg(long, default_value_t = 0.5)]
    pub busy: f64,
    /// Punches a second at the peak, instead of the known cases
    #[arg(long, requires_all = ["devices", "people"])]
    pub punches_per_second: Option<f64>,
    /// Devices
    #[arg(long, requires = "punches_per_second")]
    pub devices: Option<f64>,
    /// People with a code
    #[arg(long, requires = "punches_per_second")]
    pub people: Option<f64>,
    /// Gateways of a fleet: prints what each of them takes while one is away, and what the broker takes
    #[arg(long, value_parser = clap::value_parser!(u32).range(2..))]
    pub gateways: Option<u32>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// A city or a province.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// Punches a second at the peak.
    pub punches_per_second: f64,
    /// Devices.
    pub devices: f64,
    /// People with a code.
    pub people: f64,
}

/// The known cases.
const CASES: [Case; 3] = [
    Case { name: "Nanchang's Monday", punches_per_second: 1_400.0, devices: 10_000.0, people: 6_255_000.0 },
    Case {
        name: "Guangdong's peak",
        punches_per_second: 23_300.0,
        devices: 201_000.0,
        people: 126_000_000.0,
    },
    Case { name: "a province", punches_per_second: 1_000_000.0, devices: 160_000.0, people: 100_000_000.0 },
];

/// The sums of a case.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Sums {
    /// Cores for punches at the peak.
    pub cores: f64,
    /// Memory of the codes, GiB.
    pub codes_gib: f64,
    /// Memory of the devices' connections and marks, GiB.
    pub devices_gib: f64,
    /// Growth of the log in a day, GiB.
    pub day_gib: f64,
    /// The log at its greatest length, GiB.
    pub log_gib: f64,
}

/// The sums of a case for a fleet of gateways.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FleetSums {
    /// Cores of each gateway while one is away.
    pub cores: f64,
    /// Memory of each gateway while one is away, GiB: all codes, and its devices.
    pub memory_gib: f64,
    /// The log of each gateway at its greatest length while all are there, GiB.
    pub log_gib: f64,
    /// The rate at which the broker's servers write at the peak, together, MB/s.
    pub broker_mb_s: f64,
    /// The copies on the disks of the broker's servers together, GiB.
    pub broker_gib: f64,
}

impl Options {
    fn cases(&self) -> Vec<Case> {
        match (self.punches_per_second, self.devices, self.people) {
            (Some(punches_per_second), Some(devices), Some(people)) => {
                vec![Case { name: "as given", punches_per_second, devices, people }]
            }
            (None, _, _) | (_, None, _) | (_, _, None) => CASES.to_vec(),
        }
    }

    fn sums(&self, case: &Case) -> Sums {
        let day_gib = case.punches_per_second * DAY_OF_PEAK_S * self.punch_bytes / GIB;
        Sums {
            cores: case.punches_per_second * self.server_us / 1e6 / self.busy,
            codes_gib: case.people * CODE_BYTES / GIB,
            devices_gib: case.devices * (self.connection_kib * 1024.0 + MARKS_BYTES) / GIB,
            day_gib,
            log_gib: day_gib * DAYS_KEPT,
        }
    }

    fn fleet_sums(&self, case: &Case, gateways: u32) -> FleetSums {
        let sums = self.sums(case);
        let all = f64::from(gateways);
        let without_one = all - 1.0;
        FleetSums {
            cores: sums.cores / without_one,
            memory_gib: sums.codes_gib + sums.devices_gib / without_one,
            log_gib: sums.log_gib / all,
            broker_mb_s: case.punches_per_second * self.punch_bytes * COPIES / 1e6,
            broker_gib: sums.log_gib * COPIES,
        }
    }
}

/// Formats the cases as a table of Markdown.
pub fn table(options: &Options) -> String {
    let mut text =
        options.gateways.map_or_else(|| alone_table(options), |gateways| fleet_table(options, gateways));
    let Options { server_us, connection_kib, punch_bytes, busy, .. } = options;
    let _ = writeln!(
        text,
        "\n{server_us} µs a punch, {connection_kib} KiB a connection, {punch_bytes} bytes a punch; processors {:.0} % busy at the peak.",
        busy * 100.0
    );
    text
}

fn fleet_table(options: &Options, gateways: u32) -> String {
    let mut text = String::from(
        "| case | gateways | each: cores | each: memory, GiB | each: log, GiB | broker: written, MB/s | broker: disks, GiB |\n",
    );
    text += "|---|---|---|---|---|---|---|\n";
    let whole = |figure: f64| thousands(figure.round() as u64);
    for case in options.cases() {
        let FleetSums { cores, memory_gib, log_gib, broker_mb_s, broker_gib } =
            options.fleet_sums(&case, gateways);
        let _ = writeln!(
            text,
            "| {} | {gateways} | {cores:.2} | {memory_gib:.2} | {} | {broker_mb_s:.1} | {} |",
            case.name,
            whole(log_gib),
            whole(broker_gib),
        );
    }
    text
}

fn alone_table(options: &Options) -> String {
    let mut text = String::from(
        "| case | punches/s | devices | codes | cores | memory: codes, GiB | memory: devices, GiB | log a day, GiB | log, GiB |\n",
    );
    text += "|---|---|---|---|---|---|---|---|---|\n";
    let whole = |figure: f64| thousands(figure.round() as u64);
    for case in options.cases() {
        let Sums { cores, codes_gib, devices_gib, day_gib, log_gib } = options.sums(&case);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {cores:.2} | {codes_gib:.2} | {devices_gib:.2} | {day_gib:.1} | {} |",
            case.name,
            whole(case.punches_per_second),
            whole(case.devices),
            whole(case.people),
            whole(log_gib),
        );
    }
    text
}

/// Returns the costs and the cases.
pub fn json(options: &Options) -> Value {
    let cases = options.cases().into_iter().map(|case| {
        let fleet = options.gateways.map(|gateways| options.fleet_sums(&case, gateways));
        json!({"case": case, "sums": options.sums(&case), "fleet": fleet})
    });
    json!({
        "server_us": options.server_us, "connection_kib": options.connection_kib, "punch_bytes": options.punch_bytes,
        "busy": options.busy, "gateways": options.gateways, "cases": cases.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        options: Options,
    }

    fn parse(arguments: &str) -> Result<Options, clap::Error> {
        Command::try_parse_from(format!("sums {arguments}").split_whitespace()).map(|command| command.options)
    }

    #[test]
    fn cores_memory_and_disk_follow_from_the_costs() {
        let options = parse(
            "--server-us 20 --connection-kib 31 --punch-bytes 100 --punches-per-second 100000 --devices 1048576 --people 268435456",
        );
        let options = options.unwrap();
        let sums = options.sums(&options.cases()[0]);
        assert_eq!((sums.cores, sums.codes_gib, sums.devices_gib), (4.0, 10.0, 32.0));
        let day = 100_000.0 * 12_000.0 * 100.0 / GIB;
        assert!((sums.day_gib - day).abs() < 1e-9 && (sums.log_gib - 15.0 * day).abs() < 1e-9, "{sums:?}");
    }

    #[test]
    fn each_gateway_of_a_fleet_takes_its_share_and_that_of_one_which_is_away() {
        let options = parse("--server-us 20 --connection-kib 31 --punch-bytes 100 --gateways 5").unwrap();
        let province = options.cases()[2];
        let (alone, fleet) = (options.sums(&province), options.fleet_sums(&province, 5));
        assert_eq!((fleet.cores, fleet.broker_mb_s), (10.0, 300.0));
        assert_eq!((fleet.log_gib, fleet.broker_gib), (alone.log_gib / 5.0, alone.log_gib * 3.0));
        assert!((fleet.memory_gib - (alone.codes_gib + alone.devices_gib / 4.0)).abs() < 1e-9, "{fleet:?}");
        let text = table(&options);
        let rows: Vec<_> = text.lines().filter(|line| line.starts_with('|')).collect();
        assert!(rows.len() == 5 && rows.iter().all(|row| row.matches('|').count() == 8), "{text}");
        assert_eq!(json(&options)["cases"][2]["fleet"]["cores"].as_f64(), Some(10.0));
        assert!(parse("--server-us 20 --connection-kib 31 --gateways 1").is_err(), "one gateway is no fleet");
    }

    #[test]
    fn the_known_cases_are_one_table_and_half_a_case_is_refused() {
        let options = parse("--server-us 20 --connection-kib 31").unwrap();
        let text = table(&options);
        let rows: Vec<_> = text.lines().filter(|line| line.starts_with('|')).collect();
        assert!(rows.len() == 5 && rows.iter().all(|row| row.matches('|').count() == 10), "{text}");
        assert!(text.contains("| a province | 1,000,000 | 160,000 | 100,000,000 | 40.00 |"), "{text}");
        assert_eq!(json(&options)["cases"].as_array().map(Vec::len), Some(3));
        assert!(parse("--server-us 20 --connection-kib 31 --devices 5").is_err());
        assert!(parse("--connection-kib 31").is_err(), "a cost that was not measured is no sum");
    }
}
