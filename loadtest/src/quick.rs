//! `loadtest quick`: devices of the running development city punch for a while at a given rate; then their acknowledgements
//! are compared with the city's punch log.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bench::cpu::{self, Usage};
use bench::pace::{self, Schedule};
use device::clock;
use device::fleet::{Fleet, FleetDevice};
use device::state::DeviceState;
use device::tokens::Tokens;
use device::wire;
use device::{Counts, Device};
use protocol::{DeviceClass, Epoch, ErrorCode, RegionId};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::citizens::Receipt;
use crate::out::note;
use crate::proof::{self, Claims, Proof};

mod progress;
pub mod queries;
mod traffic;

use queries::{ASKING_MAX, Answers};
use traffic::{People, Shared, Tally, Walk, Walked};

/// Deadline for connecting all devices.
const CONNECT_MAX: Duration = Duration::from_secs(30);
/// Deadline for acknowledgements after the last punch; a gateway restarts within this time.
const PATIENCE: Duration = Duration::from_secs(60);
/// Limit of handshakes at a time.
const DIALLING_MAX: usize = 64;
/// Deadline for closing the connections.
const GOODBYE: Duration = Duration::from_secs(2);
/// Scans that each device verifies before it punches.
const VERIFIES: usize = 10;

/// The options.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Devices that take part
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub devices: u32,
    /// Time for which people come
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub seconds: u32,
    /// People a second, over all devices
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: u32,
    /// The development city's data directory
    #[arg(long, default_value = "./changtong-data")]
    pub data: PathBuf,
    /// Seed: it decides which person comes where
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Trajectory queries beside the punches
    #[command(flatten)]
    pub queries: queries::Options,
}

/// The result of the run.
pub struct QuickReport {
    /// The figures.
    pub tally: Tally,
    /// Scans verified, and how many of them showed the right colour.
    pub verified: (u64, u64),
    /// The answers to trajectory queries, counted.
    pub queries: Answers,
    /// Connections, summed over the devices.
    pub counts: Counts,
    /// Punches sent more than once.
    pub resent: u64,
    /// Punches without an acknowledgement at the end.
    pub unacknowledged: u64,
    /// The gateway's and this program's processor time for each punch.
    pub cpu: (Option<Duration>, Option<Duration>),
    /// Devices that stopped early, with the reason.
    pub stopped: Vec<String>,
    /// The comparison of acknowledgements and punch log.
    pub proof: Proof,
}

impl QuickReport {
    /// Returns true if there is no error at all.
    pub fn is_good(&self) -> bool {
        let (scans, right) = self.verified;
        self.proof.holds()
            && self.unacknowledged == 0
            && self.tally.wrong == 0
            && scans == right
            && self.stopped.is_empty()
    }
}

/// Runs it to its end on a runtime of its own on this thread.
pub fn run(options: &Options) -> anyhow::Result<QuickReport> {
    let fleet = Fleet::load(&options.data)?;
    let people = Arc::new(People::new(&fleet, Tokens::load(&fleet)?));
    let receipts = options.queries.receipts.as_deref().map(queries::load).transpose()?.unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(Run { options, fleet: &fleet, people }.all(receipts))
}

struct Run<'a> {
    options: &'a Options,
    fleet: &'a Fleet,
    people: Arc<People>,
}

impl Run<'_> {
    async fn all(self, receipts: Vec<Receipt>) -> anyhow::Result<QuickReport> {
        let endpoint = wire::endpoint(self.fleet.quic[0]).context("opening a UDP socket")?;
        let mut candidates = self.all_devices();
        let devices = self.connect(&endpoint, &mut candidates, self.options.devices as usize).await?;
        let asking = self.connect(&endpoint, &mut candidates, receipts.len().min(ASKING_MAX)).await?;
        let (devices, verified) = self.verify(devices).await?;
        let address = self.fleet.quic[0];
        let (gateway, own) = (Usage::of_port(address), Usage::own());
        let tally = Shared::default();
        let (walked, queries) =
            tokio::try_join!(self.walk(devices, &tally), queries::ask(with_regions(asking)?, receipts))?;
        let tally = tally.lock().clone();
        let cpu = (
            cpu::each(gateway, Usage::of_port(address), tally.acknowledged),
            cpu::each(own, Usage::own(), tally.acknowledged),
        );
        let claims = claims(&walked);
        let outcome = QuickReport {
            tally,
            verified,
            queries,
            counts: sum(&walked),
            resent: walked.iter().map(|one| one.device.state().resent()).sum(),
            unacknowledged: walked.iter().map(|one| one.device.state().unacknowledged() as u64).sum(),
            cpu,
            stopped: walked.iter().filter_map(stopped).collect(),
            proof: Proof::default(),
        };
        drop(walked);
        let _ = tokio::time::timeout(GOODBYE, endpoint.wait_idle()).await;
        let proof = proof::prove(self.fleet, &claims)?;
        Ok(QuickReport { proof, ..outcome })
    }

    /// Returns the devices in the order in which they are taken: gates first, then what people carry, then concentrators.
    fn all_devices(&self) -> impl Iterator<Item = &FleetDevice> {
        let classes = [DeviceClass::Gate, DeviceClass::Handheld, DeviceClass::Concentrator];
        classes.into_iter().flat_map(|class| self.fleet.of_class(class))
    }

    /// Connects the first `wanted` of them. Revoked ones are reported, and others take their place.
    async fn connect<'f>(
        &self,
        endpoint: &quinn::Endpoint,
        candidates: &mut (impl Iterator<Item = &'f FleetDevice> + Send),
        wanted: usize,
    ) -> anyhow::Result<Vec<(Device, &'f FleetDevice)>> {
        let epoch = Epoch(clock::now_s());
        let mut connecting = JoinSet::new();
        let permits = Arc::new(Semaphore::new(DIALLING_MAX));
        let mut rows: Vec<&FleetDevice> = Vec::new();
        let mut devices = Vec::with_capacity(wanted);
        let all = async {
            loop {
                while devices.len() + connecting.len() < wanted {
                    let row = candidates.next().with_context(|| {
                        format!(
                            "the city has {} devices that may punch and {wanted} take part; start it with more (changtong dev \
                             --devices), or ask for fewer",
                            devices.len() + connecting.len()
                        )
                    })?;
                    let mut device = Device::new(endpoint, self.fleet, row, DeviceState::new(epoch))?;
                    let (index, permits) = (rows.len(), Arc::clone(&permits));
                    rows.push(row);
                    connecting.spawn(async move {
                        let _permit = permits.acquire_owned().await;
                        (index, device.connect_afresh().await.map(|_| device))
                    });
                }
                let Some(joined) = connecting.join_next().await else { return anyhow::Ok(()) };
                let (index, device) = joined?;
                let id = rows[index].id();
                match device {
                    Err(error) if error.is(ErrorCode::DeviceRevoked) => {
                        note!("device {id} is revoked and takes no part");
                    }
                    device => {
                        let device = device.with_context(|| format!("connecting device {id}"))?;
                        devices.push((device, rows[index]));
                    }
                }
            }
        };
        match tokio::time::timeout(CONNECT_MAX, all).await {
            Ok(connected) => connected?,
            Err(_) => {
                bail!("the city at {} does not welcome its devices; is it running?", self.fleet.quic[0])
            }
        }
        Ok(devices)
    }

    /// Lets every device verify some scans, which records nothing, and compares the colours.
    async fn verify<'f>(
        &self,
        devices: Vec<(Device, &'f FleetDevice)>,
    ) -> anyhow::Result<(Vec<(Device, &'f FleetDevice)>, (u64, u64))> {
        let mut verified = Vec::with_capacity(devices.len());
        let (mut scans, mut right) = (0, 0);
        let mut random = fastrand::Rng::with_seed(self.options.seed);
        for (mut device, row) in devices {
            let (_, region) = row.places().next().context("a device without places")?;
            let (scanned, colours): (Vec<_>, Vec<_>) =
                self.people.scans(&mut random, VERIFIES).into_iter().unzip();
            let verdicts = tokio::time::timeout(CONNECT_MAX, device.verify(region, scanned))
                .await
                .context("verifying")??;
            ensure!(verdicts.len() == colours.len(), "the gateway left scans out");
            scans += colours.len() as u64;
            right +=
                verdicts.iter().zip(&colours).filter(|(verdict, colour)| verdict.colour == **colour).count()
                    as u64;
            verified.push((device, row));
        }
        Ok((verified, (scans, right)))
    }

    async fn walk(
        &self,
        devices: Vec<(Device, &FleetDevice)>,
        tally: &Shared,
    ) -> anyhow::Result<Vec<Walked>> {
        let mut walking = JoinSet::new();
        let start = clock::now();
        let length = Duration::from_secs(self.options.seconds.into());
        let schedule = Schedule { start, rate: self.options.rate, end: start + length };
        let (lanes, keep) = pace::lanes(schedule, devices.len());
        let keeping = tokio::spawn(keep);
        for (index, ((device, row), lane)) in devices.into_iter().zip(lanes).enumerate() {
            let seed = self.options.seed.wrapping_mul(1_000_003).wrapping_add(index as u64);
            let places = row.places().collect();
            let walk = Walk::new(device, places, Arc::clone(&self.people), tally.clone(), seed);
            walking.spawn(walk.run(lane, PATIENCE));
        }
        let mut progress = progress::Progress::start(length);
        let mut walked = Vec::new();
        loop {
            tokio::select! {
                joined = walking.join_next() => match joined {
                    Some(joined) => walked.push(joined?),
                    None => break,
                },
                () = tokio::time::sleep(progress::EVERY) => progress.show(clock::since(start), &tally.lock()),
            }
        }
        progress.end();
        keeping.await?.context("keeping the schedule")?;
        Ok(walked)
    }
}

/// Adds to each device a region that it may ask for.
fn with_regions(devices: Vec<(Device, &FleetDevice)>) -> anyhow::Result<Vec<(Device, RegionId)>> {
    let region = |row: &FleetDevice| row.places().next().map(|(_, region)| region);
    let devices = devices.into_iter().map(|(device, row)| {
        let region = region(row).context("a device without places")?;
        Ok((device, region))
    });
    devices.collect()
}

/// Returns the devices' acknowledgements.
fn claims(walked: &[Walked]) -> Claims {
    let claims = walked.iter().map(|one| ((one.device.id(), one.epoch()), one.claim.clone()));
    Claims(claims.collect())
}

fn sum(walked: &[Walked]) -> Counts {
    walked.iter().map(Walked::counts).fold(Counts::default(), |sum, one| Counts {
        welcomes: sum.welcomes + one.welcomes,
        losses: sum.losses + one.losses,
        busy: sum.busy + one.busy,
        gaps: sum.gaps + one.gaps,
        drains: sum.drains + one.drains,
    })
}

fn stopped(walked: &Walked) -> Option<String> {
    walked.error.as_ref().map(|error| format!("device {}: {error}", walked.device.id()))
}
