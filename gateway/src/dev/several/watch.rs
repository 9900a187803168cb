//! The watch over a development fleet: it tells who leads, what has died and what is back, and starts again what is dead.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use fleet::Standing;
use runtime::clock;

use super::brokers::Brokers;
use super::gateways::Gateway;
use super::process::{AGAIN, Process};
use crate::out::say;

/// The processes of the fleet, and what was told of them last.
pub(super) struct Watch {
    pub(super) root: PathBuf,
    pub(super) brokers: Brokers,
    pub(super) gateways: Vec<Gateway>,
    /// The name of the gateway that led last.
    leader: Option<String>,
    /// The leader that died, until another one leads.
    died: Option<(String, Instant)>,
    /// The gateways that were started again and neither lead nor follow yet.
    coming: Vec<String>,
}

impl Watch {
    pub(super) const fn new(root: PathBuf, brokers: Brokers) -> Self {
        Self { root, brokers, gateways: Vec::new(), leader: None, died: None, coming: Vec::new() }
    }

    /// Tells where everything is. Who leads is told by the first look.
    pub(super) fn tell(&self) {
        let (gateways, brokers) = (self.gateways.len(), self.brokers.processes.len());
        say!(
            "Changtong Gateway, a fleet of {gateways} gateways and {brokers} brokers in {}",
            self.root.display()
        );
        for gateway in &self.gateways {
            let process = &gateway.process;
            say!("  {:<9}{}  pid {}", process.name(), gateway.addresses(), process.pid());
        }
        for (process, server) in self.brokers.processes.iter().zip(&self.brokers.servers) {
            say!("  {:<9}{server}  pid {}", process.name(), process.pid());
        }
        say!("Who leads, for you and for a load balancer:");
        if let Some(gateway) = self.gateways.last() {
            say!("  changtong fleet status --data {}", gateway.data().display());
            say!("  curl -i http://{}/leader", gateway.http());
        }
        let again = AGAIN.as_secs();
        say!(
            "What dies is started again after {again} s. Ctrl-C ends all of it; the fleet is there again at the next start."
        );
    }

    /// Looks at every process once, and tells what is new.
    pub(super) async fn look(&mut self) -> anyhow::Result<()> {
        self.look_at_brokers()?;
        for gateway in &mut self.gateways {
            let process = &mut gateway.process;
            if let Some(how) = process.death()? {
                let leads = self.leader.as_deref() == Some(process.name());
                let what = if leads { "it led" } else { "it followed; people notice nothing" };
                say_death(process, how, what);
                if leads {
                    (self.leader, self.died) = (None, Some((process.name().to_owned(), clock::now())));
                }
            }
            if process.revive()? {
                self.coming.push(process.name().to_owned());
            }
        }
        let mut standings = Vec::with_capacity(self.gateways.len());
        for gateway in &self.gateways {
            standings.push(gateway.standing().await);
        }
        self.compare(&standings);
        Ok(())
    }

    fn look_at_brokers(&mut self) -> anyhow::Result<()> {
        let brokers = &mut self.brokers.processes;
        for index in 0..brokers.len() {
            if let Some(how) = brokers[index].death()? {
                let runs = brokers.iter().filter(|broker| broker.runs()).count();
                let what = match 2 * runs > brokers.len() {
                    true => "the others hold every change",
                    false => "without a majority nobody leads: punches go on, forms and orders wait",
                };
                say_death(&brokers[index], how, what);
            }
            if brokers[index].revive()? {
                say!("{} runs again, pid {}", brokers[index].name(), brokers[index].pid());
            }
        }
        Ok(())
    }

    /// Tells which gateway leads now, if that is another one, and which is back.
    fn compare(&mut self, standings: &[Option<Standing>]) {
        for (gateway, standing) in self.gateways.iter().zip(standings) {
            let Some(standing) = standing else { continue };
            let (name, pid) = (gateway.process.name(), gateway.process.pid());
            if standing.leads && self.leader.as_deref() != Some(name) {
                match self.died.take() {
                    Some((dead, at)) => {
                        say!("{name} leads, {:.1} s after {dead} died", clock::since(at).as_secs_f64());
                    }
                    None => say!("{name} leads"),
                }
                say!("  try what happens when its machine dies: kill -9 {pid}");
                self.leader = Some(name.to_owned());
                self.coming.retain(|coming| coming != name);
            }
            let follows = standing.leader.as_ref().filter(|_| !standing.is_adrift() && standing.lag() == 0);
            if let Some(leader) = follows.filter(|_| self.coming.iter().any(|coming| coming == name)) {
                say!("{name} is back and follows {}, pid {pid}", leader.name);
                self.coming.retain(|coming| coming != name);
            }
        }
    }

    /// Ends the gateways, then the brokers.
    pub(super) async fn end(&mut self, gateway: Duration, broker: Duration) -> anyhow::Result<()> {
        let gateways = std::mem::take(&mut self.gateways);
        gateways.iter().filter(|one| one.process.runs()).for_each(|one| one.process.tell_to_end());
        for one in gateways {
            one.process.end(gateway).await?;
        }
        for one in std::mem::take(&mut self.brokers.processes) {
            one.end(broker).await?;
        }
        Ok(())
    }
}

fn say_death(process: &Process, how: ExitStatus, what: &str) {
    say!("{} died, {how}: {what}; it starts again in {} s", process.name(), AGAIN.as_secs());
}
