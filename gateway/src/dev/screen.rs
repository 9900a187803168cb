//! What the development city shows in its terminal: where everything is, what to do next, and the messages that phones would get.

use std::path::Path;

use actors::clock;
use actors::sms::ShownSms;

use super::{FLEET, Fleet};
use crate::process::Addresses;

#[allow(clippy::print_stdout, reason = "in development the terminal is the phone")]
pub(super) fn show_sms(sms: &ShownSms) {
    println!("  SMS to {}: {}", sms.phone, sms.code);
}

#[allow(clippy::print_stdout, reason = "this is what the command is for")]
pub(super) fn tell(data: &Path, fleet: &Fleet, addresses: &Addresses) {
    println!("Changtong Gateway, development city in {}", data.display());
    println!("  devices   QUIC   {}   {} of them enrolled", addresses.quic, fleet.devices.len());
    println!("  enrolment HTTPS  {}", addresses.enrol);
    if let Some(pages) = addresses.pages {
        println!("  pages     HTTP   http://localhost:{}/", pages.port());
    }
    println!("  overview  HTTP   http://{}/", addresses.http);
    println!("  metrics   HTTP   http://{}/metrics  /live  /ready", addresses.http);
    if let Some(control) = fleet.carriers.control {
        println!("  carriers  HTTPS  3 simulated; faults are switched at http://{control}/carriers");
    }
    println!("  SMS       HTTP   http://{}/dev/sms", addresses.http);
    println!("  fleet file       {}", data.join(FLEET).display());
    if let Some(doubt) = clock::look().doubt {
        let days = doubt.step_ms() / 86_400_000;
        let signs: Vec<String> =
            fleet.operators.iter().map(|key| format!("--sign {}", key.display())).collect();
        println!(
            "The clock is {days} days from the newest record: the city is there, and nothing in it ends or is forgotten by"
        );
        println!("this clock until its two operators say that it is right, with the time in place of this:");
        println!(
            "  changtong clock believe --time 2020-02-20T08:00 --data {} {}",
            data.display(),
            signs.join(" ")
        );
    }
    println!("Next, in another terminal:");
    println!(
        "  cargo run --release -p loadtest -- quick --devices 100 --seconds 60 --data {}",
        data.display()
    );
    println!("  curl -s http://{}/metrics | grep changtong_punches", addresses.http);
    println!("  changtong carrier people --data {}", data.display());
    println!("Ctrl-C ends it in good order; the city is there again at the next start.");
}
