//! The events of a fleet: what dies, what is cut off, and what must hold meanwhile. Each measures how long people and operators wait.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use device::clock;
use device::tokens::Person;
use protocol::Colour;
use tokio::task::spawn_blocking;

use super::super::city::Standing;
use super::super::gateways::LOOK;
use super::EventContext;
use crate::scenario::{Event, Part, What};

/// The time within which another gateway acts after the leader's end.
const LEADER_MAX: Duration = Duration::from_secs(5);
/// The longest time for which an order is given again and again.
const ORDER_MAX: Duration = Duration::from_secs(60);
/// The longest time until all gateways have what was ordered.
const FOLLOW_MAX: Duration = Duration::from_secs(180);

impl EventContext {
    pub(super) fn is_fleet(&self) -> bool {
        self.gateways.count() > 1
    }

    /// Kills or ends a gateway, and starts it again when the event is over.
    pub(super) async fn loses_a_gateway(&self, event: &Event, over: Instant) -> anyhow::Result<String> {
        let leader = self.gateways.leader();
        let leads = event.gateway.unwrap_or(Part::Leader) == Part::Leader;
        let gateway = if leads { leader } else { (leader + 1) % self.gateways.count() };
        let (from, name) = (clock::now(), self.gateways.name(gateway));
        let end = async {
            if event.what == What::Kill {
                return self.with_city(move |city| city.kill(gateway)).await;
            }
            let status = self.with_city(move |city| city.terminate(gateway)).await?;
            ensure!(status.success(), "{name} ended with {status}");
            Ok(())
        };
        let mut said = String::new();
        if leads {
            let (ended, acts) = tokio::join!(end, self.another_acts(from, gateway));
            ended?;
            said = format!("{}, ", acts?);
        } else {
            end.await?;
        }
        tokio::time::sleep_until(over.into()).await;
        let took = self.with_city(move |city| city.restart(gateway)).await?.as_secs_f64();
        Ok(format!("{said}{name} back {took:.1} s after it was started"))
    }

    /// Waits until another gateway leads and takes an order; returns it in words.
    async fn another_acts(&self, from: Instant, without: usize) -> anyhow::Result<String> {
        let person = self.one_green()?;
        self.shared.model.ordered(person, Colour::Red, clock::now());
        let (mut led, end) = (None, from + ORDER_MAX);
        loop {
            if let Some(leader) = self.gateways.find_leader(Some(without)).await {
                let led = *led.get_or_insert(clock::since(from));
                if self.turn_red(leader, &person).await.is_ok() {
                    let acted = clock::since(from);
                    self.acknowledged(&person)?;
                    self.gateways.promised(
                        "another gateway takes an order after the leader's",
                        LEADER_MAX,
                        acted,
                    );
                    let name = self.gateways.name(leader);
                    let (led, acted) = (led.as_secs_f64(), acted.as_secs_f64());
                    return Ok(format!(
                        "{name} leads after {led:.1} s and has taken an order after {acted:.1} s"
                    ));
                }
                self.again();
            }
            ensure!(clock::now() < end, "no other gateway takes orders");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Ends each gateway by SIGTERM and starts it again with the same program, the leader last.
    pub(super) async fn roll(&self) -> anyhow::Result<String> {
        let (leader, count) = (self.gateways.leader(), self.gateways.count());
        let mut said = Vec::new();
        for gateway in (1..=count).map(|n| (leader + n) % count) {
            let from = clock::now();
            let end = self.with_city(move |city| city.terminate(gateway));
            let status = if gateway == leader {
                let (ended, acts) = tokio::join!(end, self.another_acts(from, gateway));
                said.push(acts?);
                ended?
            } else {
                end.await?
            };
            let name = self.gateways.name(gateway);
            ensure!(status.success(), "{name} ended with {status}");
            let ended = clock::since(from).as_secs_f64();
            let took = self.with_city(move |city| city.restart(gateway)).await?.as_secs_f64();
            said.push(format!("{name} ended after {ended:.1} s and was back {took:.1} s after its start"));
        }
        Ok(said.join(", "))
    }

    /// Ends brokers and starts them again. Without their majority nobody leads, and no order is taken.
    pub(super) async fn brokers(&self, event: &Event, over: Instant) -> anyhow::Result<String> {
        let (count, wipe) = (event.count.unwrap_or(1) as usize, event.wipe);
        let is_majority = 2 * count > crate::brokers::SERVERS;
        self.with_city(move |city| city.kill_brokers(count)).await?;
        let from = clock::now();
        let person = if is_majority {
            self.refuses(self.gateways.leader(), "without a majority of the brokers").await?
        } else {
            self.order().await?;
            self.one_green()?
        };
        let took = clock::since(from).as_secs_f64();
        tokio::time::sleep_until(over.into()).await;
        self.with_city(move |city| city.restart_brokers(count, wipe)).await?;
        let back = clock::now();
        self.insist(person).await?;
        let acted = clock::since(back).as_secs_f64();
        let meanwhile = if is_majority { "refused" } else { "taken" };
        Ok(format!(
            "an order was {meanwhile} after {took:.1} s; with all brokers one was taken after {acted:.1} s"
        ))
    }

    /// Cuts the leader off from the brokers. Another gateway leads, and the one that is cut off takes no order.
    pub(super) async fn cut(&self, over: Instant) -> anyhow::Result<String> {
        let gateway = self.gateways.leader();
        self.with_city(move |city| city.cut(gateway, true)).await?;
        let (acts, refused) = tokio::join!(
            self.another_acts(clock::now(), gateway),
            self.refuses(gateway, "cut off from the brokers")
        );
        tokio::time::sleep_until(over.into()).await;
        self.with_city(move |city| city.cut(gateway, false)).await?;
        self.insist(refused?).await?;
        acts
    }

    /// Gives an order at a gateway that must not take it; returns the person. The order may hold later, if it was not certain what became of it.
    async fn refuses(&self, gateway: usize, when: &str) -> anyhow::Result<Person> {
        let person = self.one_green()?;
        self.shared.model.ordered(person, Colour::Red, clock::now());
        if self.turn_red(gateway, &person).await.is_ok() {
            self.gateways.wrong(format!("{} took an order {when}", self.gateways.name(gateway)));
        }
        Ok(person)
    }

    /// Has operators turn people red one after another, at whichever gateway leads, and waits until all gateways have it.
    pub(super) async fn orders(&self, count: usize) -> anyhow::Result<String> {
        let mut longest = Duration::ZERO;
        let mut people = Vec::new();
        for _ in 0..count {
            let from = clock::now();
            people.push(self.order().await?);
            longest = longest.max(clock::since(from));
        }
        self.all_follow().await?;
        people.iter().for_each(|person| self.shared.model.done(person.code, clock::now()));
        Ok(format!(
            "{count} people turned red by two operators, {:.1} s at most for one",
            longest.as_secs_f64()
        ))
    }

    /// Gives one order until it is acknowledged; returns the person.
    async fn order(&self) -> anyhow::Result<Person> {
        let person = self.one_green()?;
        self.insist(person).await?;
        Ok(person)
    }

    /// Gives that order until it is acknowledged.
    async fn insist(&self, person: Person) -> anyhow::Result<()> {
        let end = clock::now() + ORDER_MAX;
        self.shared.model.ordered(person, Colour::Red, clock::now());
        while let Err(error) = self.turn_red(self.gateways.leader(), &person).await {
            ensure!(clock::now() < end, "an order was never taken: {error:#}");
            self.again();
            tokio::time::sleep(LOOK).await;
        }
        self.acknowledged(&person)
    }

    /// Waits until every gateway has what the leader has now.
    async fn all_follow(&self) -> anyhow::Result<()> {
        let end = clock::now() + FOLLOW_MAX;
        let mut wanted = None;
        let mut left: Vec<usize> = (0..self.gateways.count()).collect();
        while !left.is_empty() {
            for gateway in left.clone() {
                let fleet = self.gateways.fleet(gateway).clone();
                let Some(at) = spawn_blocking(move || Standing::of(&fleet)).await? else { continue };
                if at.leads {
                    wanted.get_or_insert(at.position);
                }
                if wanted.is_some_and(|wanted| at.position >= wanted) {
                    left.retain(|other| *other != gateway);
                }
            }
            ensure!(clock::now() < end, "not all gateways follow");
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    fn one_green(&self) -> anyhow::Result<Person> {
        self.green(1).pop().context("the city has too few green people")
    }

    fn acknowledged(&self, person: &Person) -> anyhow::Result<()> {
        self.gateways.orders.set(self.gateways.orders.get() + 1);
        self.note_red(person)
    }

    fn again(&self) {
        self.gateways.orders_again.set(self.gateways.orders_again.get() + 1);
    }
}
