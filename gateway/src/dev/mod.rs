//! The development city: all that a gateway needs, made up, in one directory, with nothing to prepare. Devices and load tests find it by
//! `fleet.json`.

pub(crate) mod carriers;
mod estate;
mod file;
mod screen;
mod several;
mod staff;

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use actors::sms::DevelopmentSms;
use actors::sunset;
use anyhow::{Context, anyhow, bail};
use file::{Device, Fleet, LegacySample, Place, Running, TokenKey};
use keys::Keys;
use protocol::{DeviceClass, DeviceId, PlaceId, RegionId};
use registry::{DeviceRow, DirectoryLock, Registry};
use simulator::city;

use crate::config::Settings;
use crate::config::named;
use crate::config::{self, CONNECTIONS, Fronts, LOG_LEVEL, QUEUE_PUNCHES, RETENTION_DAYS, SEGMENT_BYTES};
use crate::host::service::Service;
use crate::out::note;
use crate::process::{self, Sockets};
use crate::reload::Behind;
use crate::tls::pki::{Authority, write_new};

pub(crate) use estate::{estate_of, settings_of};
use several::GATEWAYS;
pub(crate) use staff::first_operator;

const PLACES_A_REGION: u32 = 4;
const PEOPLE: u32 = 50_000;
const GATES: u64 = 190;
const CONCENTRATORS: u64 = 10;
const HANDHELDS: u64 = 10;
/// Development certificates are not renewed.
const CERTIFICATE_DAYS: i64 = 365;
const SEED: u64 = 2020;
const PORTS: &str = "--quic, --http, --enrol and --pages name other ports, 0 any that is free";
const FLEET: &str = "fleet.json";
const POLICY: &str = "policy.toml";
const CODES: &str = "codes.csv";

#[derive(clap::Args, Debug)]
pub(crate) struct Dev {
    /// The place where the city lives; made on the first start.
    #[arg(long, default_value = named::DATA)]
    data: PathBuf,
    /// UDP address for devices.
    #[arg(long, default_value = "127.0.0.1:7443")]
    quic: SocketAddr,
    /// Threads that serve devices, each with a socket on that one address: a number, or auto, one for each core but one.
    #[arg(long, default_value_t = Fronts::Auto)]
    fronts: Fronts,
    /// TCP address for metrics and health.
    #[arg(long, default_value = "127.0.0.1:9464")]
    http: SocketAddr,
    /// TCP address for enrolment.
    #[arg(long, default_value = "127.0.0.1:7444")]
    enrol: SocketAddr,
    /// TCP address, on this machine, at which faults of the simulated carriers are switched.
    #[arg(long, default_value = "127.0.0.1:7445")]
    control: SocketAddr,
    /// TCP address for the citizens' pages.
    #[arg(long, default_value = "127.0.0.1:8080")]
    pages: SocketAddr,
    /// People of a new city [default: 50000].
    #[arg(long)]
    people: Option<u32>,
    /// Gates of a new city; concentrators and handhelds come beside them [default: 190].
    #[arg(long)]
    devices: Option<u64>,
    /// The seed that a new city is made from [default: 2020].
    #[arg(long)]
    seed: Option<u64>,
    /// Runs a fleet of so many gateways with three brokers, each gateway's ports 100 above those of the one before; a new city has 5000
    /// people then, and lives in ./changtong-fleet.
    #[arg(long, value_name = "GATEWAYS", value_parser = clap::value_parser!(u64).range(GATEWAYS))]
    fleet: Option<u64>,
    /// The brokers' program [default: the nats-server on the PATH].
    #[arg(long, value_name = "PROGRAM", requires = "fleet")]
    nats: Option<PathBuf>,
    /// Makes the city a member of a fleet, under this name: --fleet runs each of its gateways so.
    #[arg(long, value_name = "NAME", requires = "brokers", conflicts_with = "fleet")]
    member: Option<String>,
    /// The brokers of that fleet, nats://HOST:PORT, with commas between them.
    #[arg(long, value_name = "SERVERS", value_delimiter = ',')]
    brokers: Vec<String>,
    /// Has the member acknowledge a punch only when its second copy has it, too, with this public key of changtong fleet recovery-key.
    #[arg(long, value_name = "RECOVERY_KEY", requires = "member")]
    replicated: Option<String>,
}

impl Default for Dev {
    fn default() -> Self {
        let parse = |address: &str| address.parse().expect("a constant address");
        Self {
            data: PathBuf::from(named::DATA),
            quic: parse("127.0.0.1:7443"),
            fronts: Fronts::Auto,
            http: parse("127.0.0.1:9464"),
            enrol: parse("127.0.0.1:7444"),
            pages: parse("127.0.0.1:8080"),
            control: parse("127.0.0.1:7445"),
            people: None,
            devices: None,
            seed: None,
            fleet: None,
            nats: None,
            member: None,
            brokers: Vec::new(),
            replicated: None,
        }
    }
}

impl Dev {
    pub(crate) fn run(self, service: Service, behind: Behind) -> anyhow::Result<ExitCode> {
        if let Some(gateways) = self.fleet {
            return several::run(&self, usize::try_from(gateways)?);
        }
        service.inherited.check_fronts(self.fronts).map_err(|what| anyhow!("--fronts: {what}"))?;
        // Before a city is built, which takes a while.
        let sockets = Sockets::bind(&self.settings(&self.data), service.inherited)
            .map_err(|error| anyhow!("{error:#}; {PORTS}"))?;
        if self.data.exists() {
            self.say_what_is_not_taken();
        } else {
            self.build()?;
        }
        let data = self.data.canonicalize()?;
        sunset::refuse(&data)?;
        let fleet_path = data.join(FLEET);
        let fleet = std::fs::read(&fleet_path)
            .with_context(|| format!("{} is no development city: reading {FLEET}", data.display()))?;
        let mut fleet: Fleet = serde_json::from_slice(&fleet)
            .with_context(|| format!("{} does not read; remove the directory", fleet_path.display()))?;
        let mut settings = self.settings(&data);
        settings.connections_max = CONNECTIONS.max(fleet.devices.len());
        if !settings.policy.exists() {
            std::fs::write(&settings.policy, policy::DEVELOPMENT)?;
        }
        fleet.lie_in(&data);
        let simulators = carriers::start(&data, self.control, fleet.seed)?;
        fleet.carriers = carriers::running(&simulators);
        settings.carriers = carriers::entries(&data, &simulators);
        if fleet.operators.is_empty() {
            fleet.operators = staff::employ_late(&data, &settings)?;
        }
        let code = process::run(&settings, sockets, service.notify, behind, |addresses| {
            fleet.quic = vec![addresses.quic];
            (fleet.http, fleet.enrol) = (addresses.http, addresses.enrol);
            fleet.pages = addresses.pages;
            fleet.binary = std::env::current_exe()?;
            fleet.write(&fleet_path)?;
            screen::tell(&data, &fleet, addresses);
            Ok(())
        })?;
        simulators.stop();
        Ok(code)
    }

    /// Tells which flags for a new city are ignored, because the city exists.
    fn say_what_is_not_taken(&self) {
        let data = self.data.display();
        for (flag, given) in [
            ("--people", self.people.is_some()),
            ("--devices", self.devices.is_some()),
            ("--seed", self.seed.is_some()),
        ] {
            if given {
                note!(
                    "{flag} is for a new city, and one is in {data} already: name another place with --data for a new one"
                );
            }
        }
    }

    fn settings(&self, data: &Path) -> Settings {
        Settings {
            data: data.to_owned(),
            test: true,
            keys: data.join("keys"),
            authority: data.join("authority"),
            certificate: data.join("server.pem"),
            key: data.join("server.key"),
            quic: self.quic,
            fronts: self.fronts,
            connections_max: CONNECTIONS,
            http: self.http,
            enrol: self.enrol,
            pages: Some(config::Pages::development(self.pages)),
            segment_bytes_max: SEGMENT_BYTES,
            queue_punches_max: QUEUE_PUNCHES,
            retention_days: RETENTION_DAYS,
            policy: data.join(POLICY),
            log: LOG_LEVEL.to_owned(),
            operators: config::Operators::default(),
            carriers: Vec::new(),
            sms: config::Sms::Development(DevelopmentSms::new(screen::show_sms)),
            fleet: self.member.clone().map(|name| {
                let address = format!("http://localhost:{}", self.pages.port());
                let addresses = (address, self.quic.to_string());
                config::Fleet::development(name, addresses, self.brokers.clone(), self.replicated.clone())
            }),
        }
    }

    /// Builds the city beside its place and moves it there when it is whole.
    fn build(&self) -> anyhow::Result<()> {
        note!(
            "building a development city of {} made-up people in {} …",
            self.people.unwrap_or(PEOPLE),
            self.data.display()
        );
        let name = self.data.file_name().context("--data has no name")?.to_string_lossy().into_owned();
        let parent = match self.data.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            Some(_) | None => PathBuf::from("."),
        };
        std::fs::create_dir_all(&parent)?;
        let parent = parent.canonicalize()?;
        let (target, fresh) = (parent.join(&name), parent.join(format!("{name}.new")));
        if fresh.exists() {
            std::fs::remove_dir_all(&fresh)?;
        }
        for directory in [&fresh, &fresh.join("authority"), &fresh.join("devices")] {
            std::fs::create_dir(directory)?;
        }
        self.fill(&fresh, &target)?;
        // Once for all files: one sync for each of ten thousand devices takes minutes.
        rustix::fs::syncfs(File::open(&fresh)?)?;
        std::fs::rename(&fresh, &target)?;
        Ok(())
    }

    fn fill(&self, fresh: &Path, target: &Path) -> anyhow::Result<()> {
        let _lock = DirectoryLock::take(fresh)?;
        Keys::init(&fresh.join("keys"))?;
        let keys = Keys::load(&fresh.join("keys"))?;
        let authority = Authority::create(&fresh.join("authority"))?;
        let server = authority.issue_server(&["localhost".to_owned(), "127.0.0.1".to_owned()])?;
        write_new(&fresh.join("server.pem"), &server.certificate, 0o644)?;
        write_new(&fresh.join("server.key"), &server.key, 0o600)?;
        let mut registry = Registry::open(&Settings::registry_path(fresh), &keys)?;
        let report =
            city::build(&mut registry, &keys, self.people.unwrap_or(PEOPLE), self.seed.unwrap_or(SEED))?;
        let places = add_places(&mut registry)?;
        let devices = self.add_devices(&mut registry, &authority, &places, fresh, target)?;
        write_codes(&registry, &fresh.join(CODES))?;
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let id = keys.current_token(runtime::clock::now_s());
        let fleet = Fleet {
            version: 1,
            server_name: "localhost".to_owned(),
            quic: vec![loopback],
            http: loopback,
            enrol: loopback,
            pages: None,
            ca: target.join("authority/ca.pem"),
            server_certificate: target.join("server.pem"),
            server_key: target.join("server.key"),
            data: target.to_owned(),
            binary: PathBuf::new(),
            token_key: TokenKey {
                id,
                hex: hex::encode(keys.token_key_bytes(id).context("the token key was made just now")?),
            },
            codes: target.join(CODES),
            legacy_samples: report
                .legacy_samples
                .into_iter()
                .map(|(text, colour)| LegacySample { text, colour })
                .collect(),
            operators: staff::employ(&mut registry, fresh, target)?,
            devices,
            seed: self.seed.unwrap_or(SEED),
            carriers: Running::default(),
        };
        carriers::make_keys(fresh)?;
        fleet.write(&fresh.join(FLEET))
    }

    fn add_devices(
        &self,
        registry: &mut Registry,
        authority: &Authority,
        places: &[Place],
        fresh: &Path,
        target: &Path,
    ) -> anyhow::Result<Vec<Device>> {
        let gates = self.devices.unwrap_or(GATES);
        let class = |number| match number {
            number if number < CONCENTRATORS => DeviceClass::Concentrator,
            number if number < CONCENTRATORS + gates => DeviceClass::Gate,
            _ => DeviceClass::Handheld,
        };
        let (mut devices, mut rows) = (Vec::new(), Vec::new());
        for number in 0..CONCENTRATORS + gates + HANDHELDS {
            let (id, class) = (DeviceId(number + 1), class(number));
            let (identity, issued) = authority.issue_device(id, CERTIFICATE_DAYS)?;
            let names = [format!("devices/{id}.pem"), format!("devices/{id}.key")];
            write(&fresh.join(&names[0]), &identity.certificate, 0o644)?;
            write(&fresh.join(&names[1]), &identity.key, 0o600)?;
            let own = own_places(class, number as usize, places);
            rows.push(DeviceRow {
                id,
                class,
                name: format!("{class}-{id}"),
                regions: regions_of(&own),
                places: Some(own.iter().map(|place| PlaceId(place.place)).collect()),
                certificate_serial: Some(issued.serial),
                previous_serial: None,
                revoked: false,
                not_after_s: issued.not_after_s,
            });
            let [certificate, key] = names.map(|name| target.join(name));
            devices.push(Device { id: id.0, class: class.name().to_owned(), certificate, key, places: own });
        }
        registry.add_devices(&rows)?;
        Ok(devices)
    }
}

/// Writes a new file. It is not synced: the city gets its name only when all of it is on disk.
fn write(path: &Path, content: &str, mode: u32) -> anyhow::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let written = file.and_then(|mut file| file.write_all(content.as_bytes()));
    written.with_context(|| format!("writing {}", path.display()))
}

/// Returns a device's places: one for a gate or handheld, all of a region for a concentrator, of two regions for the last of them.
fn own_places(class: DeviceClass, number: usize, places: &[Place]) -> Vec<Place> {
    match class {
        DeviceClass::Concentrator => {
            let per_region = PLACES_A_REGION as usize;
            let regions = places.len() / per_region;
            let first = number % regions * per_region;
            places[first..first + per_region].to_vec()
        }
        DeviceClass::Gate | DeviceClass::Handheld | DeviceClass::Portal => {
            vec![places[number % places.len()]]
        }
    }
}

fn regions_of(places: &[Place]) -> Vec<RegionId> {
    let mut regions: Vec<_> = places.iter().map(|place| RegionId(place.region)).collect();
    regions.dedup();
    regions
}

fn add_places(registry: &mut Registry) -> anyhow::Result<Vec<Place>> {
    let mut places = Vec::new();
    for region in registry.regions()? {
        for number in 1..=PLACES_A_REGION {
            let place = registry.add_place(region.id, &format!("{} gate {number}", region.name_en))?;
            places.push(Place { place: place.0, region: region.id.0 });
        }
    }
    if places.is_empty() {
        bail!("the region table is empty");
    }
    Ok(places)
}

fn write_codes(registry: &Registry, path: &Path) -> anyhow::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    writeln!(out, "code,colour,basis,class")?;
    let mut result = Ok(());
    registry.for_each_code(|code, entry| {
        if result.is_ok() {
            result = writeln!(out, "{},{},{},{}", code.get(), entry.colour(), entry.basis(), entry.class());
        }
    })?;
    result?;
    out.flush()?;
    Ok(())
}
