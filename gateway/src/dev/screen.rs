//! The terminal of the development city: its addresses and files, the next commands, and the messages that phones would get.

use std::path::Path;

use actors::sms::ShownSms;
use runtime::clock;

use super::{FLEET, Fleet};
use crate::out::{self, say};
use crate::process::Addresses;

pub(super) fn show_sms(sms: &ShownSms) {
    out::show(format_args!("  SMS to {}: {}", sms.phone, sms.code));
}

pub(super) fn tell(data: &Path, fleet: &Fleet, addresses: &Addresses) {
    say!("Changtong Gateway, development city in {}", data.display());
    say!("  devices   QUIC   {}   {} of them enrolled", addresses.quic, fleet.devices.len());
    say!("  enrolment HTTPS  {}", addresses.enrol);
    if let Some(pages) = addresses.pages {
        say!("  pages     HTTP   http://localhost:{}/", pages.port());
    }
    say!("  overview  HTTP   http://{}/", addresses.http);
    say!("  metrics   HTTP   http://{}/metrics  /live  /ready", addresses.http);
    if let Some(control) = fleet.carriers.control {
        say!("  carriers  HTTPS  3 simulated; faults are switched at http://{control}/carriers");
    }
    say!("  SMS       HTTP   http://{}/dev/sms", addresses.http);
    say!("  fleet file       {}", data.join(FLEET).display());
    if let Some(doubt) = clock::look().doubt {
        let days = doubt.step_ms() / 86_400_000;
        let signs: Vec<String> =
            fleet.operators.iter().map(|key| format!("--sign {}", key.display())).collect();
        say!(
            "The clock is {days} days from the newest record: the city is there, and nothing in it ends or is forgotten by"
        );
        say!("this clock until its two operators say that it is right, with the time in place of this:");
        say!(
            "  changtong clock believe --time 2020-02-20T08:00 --data {} {}",
            data.display(),
            signs.join(" ")
        );
    }
    say!("Next, in another terminal:");
    say!("  cargo run --release -p loadtest -- quick --devices 100 --seconds 60 --data {}", data.display());
    say!("  curl -s http://{}/metrics | grep changtong_punches", addresses.http);
    say!("  changtong carrier people --data {}", data.display());
    say!("Ctrl-C ends it in good order; the city is there again at the next start.");
}
