//! The events of a run: each is one task, from its time until its end, and reports its result.

use std::cell::{Cell, RefCell};
use std::process::Command;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use device::clock;
use device::tokens::{self, Person};
use protocol::{Basis, Colour, metric};
use tokio::task::spawn_blocking;

use super::city::City;
use super::city::figures;
use super::gateways::Gateways;
use super::post::Inbox;
use super::shared::Shared;
use super::view::View;
use crate::impair::{Conditions, Proxy};
use crate::outcome::EventReport;
use crate::scenario::{Event, What};

mod fleet;

/// The interval between two looks at the gateway.
const LOOK: Duration = Duration::from_millis(100);
/// The days for which people who are turned red in a run stay red.
const RED_DAYS: i64 = 14;

/// The objects of events.
pub(super) struct EventContext {
    pub(super) start: Instant,
    /// The city; its lock is held while the gateway is killed or started.
    pub(super) city: Arc<Mutex<City>>,
    pub(super) gateways: Rc<Gateways>,
    pub(super) shared: Rc<Shared>,
    /// The number of people whom orders have named.
    pub(super) ordered: Cell<usize>,
    pub(super) inboxes: Vec<Rc<Inbox>>,
    pub(super) proxy: Option<Proxy>,
    /// The conditions of the network without an event.
    pub(super) network: Conditions,
    /// The display of progress.
    pub(super) view: Rc<RefCell<View>>,
}

impl EventContext {
    /// Makes the event happen and reports its result.
    pub(super) async fn happen(self: Rc<Self>, event: Event) -> EventReport {
        tokio::time::sleep_until(self.moment(event.at_s).into()).await;
        let (what, from_s) = (event.words(), self.elapsed_s());
        self.say(&format!("{from_s:.0} s: {what}"));
        let (done, outcome) = match self.act(&event).await {
            Ok(outcome) => (true, outcome),
            Err(error) => (false, format!("could not be done: {error:#}")),
        };
        self.say(&format!("{:.0} s: {what}: {outcome}", self.elapsed_s()));
        let to_s = event.for_s.map(|_| self.elapsed_s());
        EventReport { from_s, to_s, what, done, outcome }
    }

    async fn act(&self, event: &Event) -> anyhow::Result<String> {
        let over = self.moment(event.at_s + event.for_s.unwrap_or(0.0));
        match event.what {
            What::Carrier => self.carrier(event, over).await,
            What::Kill | What::Terminate if self.is_fleet() => self.loses_a_gateway(event, over).await,
            What::Roll => self.roll().await,
            What::Brokers => self.brokers(event, over).await,
            What::Cut => self.cut(over).await,
            What::Kill => {
                self.with_city(|city| city.kill(0)).await?;
                tokio::time::sleep_until(over.into()).await;
                let took = self.with_city(|city| city.restart(0)).await?;
                Ok(format!("ready again {:.1} s after it was started", took.as_secs_f64()))
            }
            What::Terminate => {
                let from = clock::now();
                let status = self.with_city(|city| city.terminate(0)).await?;
                let ended = clock::since(from).as_secs_f64();
                ensure!(status.success(), "it ended with {status}");
                tokio::time::sleep_until(over.into()).await;
                let took = self.with_city(|city| city.restart(0)).await?.as_secs_f64();
                Ok(format!("ended in good order after {ended:.1} s, ready {took:.1} s after it was started"))
            }
            What::FillDisk => {
                let ballast = self.with_city(City::fill_disk).await?;
                let noticed = self.notices_full_disk(over).await;
                tokio::time::sleep_until(over.into()).await;
                spawn_blocking(move || ballast.remove()).await??;
                ensure!(noticed, "the gateway never needed room: more punches, or a longer time");
                Ok("punches were refused until there was room again".to_owned())
            }
            What::Network => {
                let conditions = event.network.context("an event without a network")?;
                self.proxy()?.set(conditions);
                if event.for_s.is_some() {
                    tokio::time::sleep_until(over.into()).await;
                    self.proxy()?.set(self.network);
                    return Ok("the network is what it was".to_owned());
                }
                Ok("until the end".to_owned())
            }
            What::Rebind => {
                self.proxy()?.rebind();
                Ok("every device appears under another port".to_owned())
            }
            What::Disconnect => {
                self.inboxes.iter().for_each(|inbox| inbox.disconnect());
                Ok(format!("{} devices lost their connections", self.inboxes.len()))
            }
            What::Colours if self.is_fleet() => self.orders(event.count.unwrap_or(0) as usize).await,
            What::Colours => self.colours(event.count.unwrap_or(0) as usize).await,
        }
    }

    /// Waits until the gateway reports a full disk; false if it does not before `over`.
    async fn notices_full_disk(&self, over: Instant) -> bool {
        let http = self.gateways.fleet(0).http;
        while clock::now() < over {
            if let Ok((_, metrics)) = figures::get(http, "/metrics").await
                && figures::value(&metrics, metric::LEDGER_FULL) == Some(1.0)
            {
                return true;
            }
            tokio::time::sleep(LOOK).await;
        }
        false
    }

    async fn carrier(&self, event: &Event, over: Instant) -> anyhow::Result<String> {
        let (carrier, mode) = event.carrier.as_deref().zip(event.mode.as_deref()).context("no carrier")?;
        let ms = event.ms.map(|ms| ms.to_string());
        let mut words = vec!["carrier", "fault", carrier, mode];
        words.extend(ms.iter().flat_map(|ms| ["--ms", ms.as_str()]));
        self.command(0, &words, 0).await?;
        if event.for_s.is_none() {
            return Ok("until the end".to_owned());
        }
        tokio::time::sleep_until(over.into()).await;
        self.command(0, &["carrier", "fault", carrier, "none"], 0).await?;
        Ok("the carrier is well again".to_owned())
    }

    /// Lets two operators turn people red, one after another; a device looks for each until it is seen.
    async fn colours(&self, count: usize) -> anyhow::Result<String> {
        let people = self.green(count);
        for person in &people {
            self.shared.model.ordered(*person, Colour::Red, clock::now());
            if let Err(error) = self.turn_red(0, person).await {
                self.shared.model.refused(person.code);
                return Err(error);
            }
            self.shared.model.done(person.code, clock::now());
            self.note_red(person)?;
        }
        Ok(format!("{} people turned red by two operators", people.len()))
    }

    /// Takes green people whom no order has named.
    fn green(&self, count: usize) -> Vec<Person> {
        let skipped = self.ordered.get();
        self.ordered.set(skipped + count);
        self.shared.people.green(skipped, count)
    }

    /// Has operators turn a person red at that gateway.
    async fn turn_red(&self, gateway: usize, person: &Person) -> anyhow::Result<()> {
        let (code, until) = (person.code.get().to_string(), until()?);
        let words = ["cause", "add", "--code", &code, "--kind", "diagnosis", "--until", &until];
        self.command(gateway, &words, 2).await
    }

    /// Records a changed colour for later runs in the same city.
    fn note_red(&self, person: &Person) -> anyhow::Result<()> {
        let red = Person { colour: Colour::Red, basis: Basis::Verified, ..*person };
        tokens::note(self.gateways.fleet(0), &red).context("noting a changed colour")
    }

    /// Runs a command of the gateway's program on the data of a gateway, signed by so many operators.
    async fn command(&self, gateway: usize, words: &[&str], operators: usize) -> anyhow::Result<()> {
        let fleet = self.gateways.fleet(gateway);
        let mut command = Command::new(&fleet.binary);
        command.args(words).arg("--data").arg(&fleet.data);
        for key in fleet.operators.iter().take(operators) {
            command.arg("--sign").arg(key);
        }
        let output = spawn_blocking(move || command.output()).await??;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        Ok(())
    }

    async fn with_city<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut City) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let city = Arc::clone(&self.city);
        spawn_blocking(move || act(&mut city.lock().unwrap_or_else(PoisonError::into_inner))).await?
    }

    fn proxy(&self) -> anyhow::Result<&Proxy> {
        self.proxy.as_ref().context("there is no simulated network")
    }

    fn moment(&self, at_s: f64) -> Instant {
        self.start + Duration::from_secs_f64(at_s)
    }

    fn elapsed_s(&self) -> f64 {
        clock::since(self.start).as_secs_f64()
    }

    fn say(&self, text: &str) {
        self.view.borrow().say(text);
    }
}

/// Returns the day on which a red of today ends, in the city's calendar.
fn until() -> anyhow::Result<String> {
    let now = jiff::Timestamp::from_millisecond(clock::now_ms().cast_signed())?;
    let day = jiff::tz::Offset::constant(8).to_datetime(now).date();
    Ok(day.checked_add(jiff::Span::new().days(RED_DAYS))?.to_string())
}
