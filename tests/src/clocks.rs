//! A gateway's wall clock that a test sets while it runs, by Debian's libfaketime, and two operators' confirmation of it.

use std::path::PathBuf;

use policy::trajectory::day_of;
use protocol::metric;
use runtime::clock;

use crate::{City, clock_of, wait_for};

/// A day, in seconds.
pub const DAY_S: i64 = 86_400;

/// The clock of one city's gateways.
pub struct SetClock {
    file: PathBuf,
}

/// Returns a minute of the city's time, as commands take it.
pub fn minute_of(at_s: u64) -> String {
    let minute = (at_s + 8 * 3600) / 60;
    format!("{}T{:02}:{:02}", day_of(at_s), minute / 60 % 24, minute % 60)
}

impl SetClock {
    /// Makes the city's next processes use this clock, which is right until it is set.
    pub fn of(city: &mut City) -> Self {
        let clock = Self { file: city.directory.path().join("clock") };
        clock.set(0);
        let file = format!("FAKETIME_TIMESTAMP_FILE={}", clock.file.display());
        let mut program = clock_of("FAKETIME_NO_CACHE=1").to_vec();
        program.push(&file);
        city.run_under(&program);
        clock
    }

    /// Sets the clock wrong by so many seconds.
    pub fn set(&self, wrong_s: i64) {
        let fresh = self.file.with_extension("new");
        std::fs::write(&fresh, format!("{wrong_s:+}\n")).expect("written");
        std::fs::rename(&fresh, &self.file).expect("in its place");
    }
}

impl City {
    /// Waits until the gateway believes its clock, or does not.
    pub fn wait_believed(&self, is_believed: bool) {
        let disbelieved = f64::from(u8::from(!is_believed));
        wait_for("what is believed of the clock", || {
            (self.metric(metric::CLOCK_DISBELIEVED, "") == disbelieved).then_some(())
        });
    }

    /// Lets operators confirm the clock that is wrong by that much; returns true if it was accepted, and the output.
    pub fn say_right(&self, operators: usize, wrong_s: i64) -> (bool, String) {
        let at_s = clock::now_s().saturating_add_signed(wrong_s);
        let words = ["clock", "believe", "--time", &minute_of(at_s)];
        let (status, out, err) = self.signed_under(operators, &words);
        (status.success(), out + &err)
    }
}
