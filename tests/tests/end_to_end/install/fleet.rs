//! The example of three machines: nats-server takes its configurations, and gateways with its sections lead and follow over its three brokers,
//! which run on three addresses of this machine.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use tests::members::Member;
use tests::repository::{read, root};
use tests::{City, binary, python};

const MACHINES: [&str; 3] = ["north", "south", "east"];
const FOLDER: &str = "gateway/package/fleet";

/// The brokers of the example; they end with the value.
struct Brokers(Vec<Child>);

impl Drop for Brokers {
    fn drop(&mut self) {
        for broker in &mut self.0 {
            let _ = broker.kill();
            let _ = broker.wait();
        }
    }
}

/// The files of the brokers' authority in a directory.
fn certify(directory: &Path) {
    fs::create_dir_all(directory).expect("made");
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, "brokers of the example");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let own = authority.self_signed(&key).expect("signed").pem();
    fs::write(directory.join("ca.pem"), own).expect("written");
    let issuer = Issuer::new(authority, key);
    let (serves, asks) = (ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth);
    for (name, hosts, uses) in [
        ("server", &["127.0.0.1", "127.0.0.2", "127.0.0.3"][..], vec![serves, asks.clone()]),
        ("gateway", &["gateway.changtong.internal"][..], vec![asks]),
    ] {
        let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
        let mut params = CertificateParams::new(hosts).expect("names");
        params.extended_key_usages = uses;
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &issuer).expect("signed").pem();
        fs::write(directory.join(format!("{name}.pem")), certificate).expect("written");
        let path = directory.join(format!("{name}.key"));
        fs::write(&path, key.serialize_pem()).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
    }
}

/// The example on this machine: its addresses are loopback's, and its files are below a directory.
struct Here {
    root: PathBuf,
    /// The ports in the place of 4222 and 6222.
    ports: [u16; 2],
    /// The public half of the recovery keys.
    recovery: String,
}

impl Here {
    fn new(root: &Path) -> Self {
        let held = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
        let ports = held.map(|listener| listener.local_addr().expect("an address").port());
        certify(&root.join("tls"));
        let key = root.join("recovery.key");
        let made = Command::new(binary()).args(["fleet", "recovery-key", "--out"]).arg(&key).output();
        let line = String::from_utf8(made.expect("it runs").stdout).expect("text");
        let recovery = line.split('"').nth(1).expect("the public half").to_owned();
        Self { root: root.to_owned(), ports, recovery }
    }

    fn text(&self, file: &str, machine: usize) -> String {
        let (tls, [client, cluster]) = (self.root.join("tls").display().to_string(), self.ports);
        let store = self.root.join("store").join(MACHINES[machine]).display().to_string();
        let own = format!("127.0.0.{}", machine + 1);
        [
            ("/etc/nats/tls", &*tls),
            ("/etc/changtong/broker", &*tls),
            ("/var/lib/nats-fleet", &*store),
            ("200GB", "1GB"),
            ("0.0.0.0", &*own),
            ("10.0.0.", "127.0.0."),
            (":4222", &*format!(":{client}")),
            (":6222", &*format!(":{cluster}")),
            (":9464", ":0"),
            ("RECOVERY", &*self.recovery),
        ]
        .iter()
        .fold(read(&format!("{FOLDER}/{file}")), |text, (from, to)| text.replace(from, to))
    }

    /// Writes a machine's configuration of its broker, has it checked, and starts the broker.
    fn broker(&self, program: &Path, machine: usize) -> Child {
        let name = MACHINES[machine];
        let folder = self.root.join(format!("etc-{name}"));
        fs::create_dir_all(&folder).expect("made");
        fs::write(folder.join("nats-fleet.conf"), self.text("nats-fleet.conf", machine)).expect("written");
        let config = folder.join(format!("nats-{name}.conf"));
        fs::write(&config, self.text(&format!("nats-{name}.conf"), machine)).expect("written");
        let checked = Command::new(program).arg("-t").arg("-c").arg(&config).output().expect("it runs");
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
        let log = fs::File::create(folder.join("log")).expect("a file");
        let mut command = Command::new(program);
        command.arg("-c").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command.spawn().expect("it starts")
    }

    /// Puts a machine's section of the example into a gateway's configuration, and has that checked.
    fn configure(&self, machine: usize) {
        let path = self.root.join(MACHINES[machine]).join("changtong.toml");
        let text = fs::read_to_string(&path).expect("a configuration");
        let (own, _) = text.split_once("[fleet]").expect("a member's");
        let own = own.replace("[http]\nlisten = \"127.0.0.1:0\"\n", "");
        let example = self.text(&format!("changtong-{}.toml", MACHINES[machine]), machine);
        fs::write(&path, own + &example).expect("written");
        let checked = Command::new(binary()).arg("check-config").arg(&path).output().expect("it runs");
        let said = String::from_utf8_lossy(&checked.stdout).into_owned();
        assert!(checked.status.success(), "{said}{}", String::from_utf8_lossy(&checked.stderr));
    }
}

#[test]
fn the_example_of_three_machines_runs_as_it_is() {
    let files = env!("CARGO_TARGET_TMPDIR");
    python::run(files, &[]);
    let program = Path::new(files).join(python::SERVER);
    let directory = tempfile::tempdir().expect("a directory");
    let here = Here::new(directory.path());
    let _brokers = Brokers((0..MACHINES.len()).map(|machine| here.broker(&program, machine)).collect());

    let mut city = City::start(100, 1);
    assert!(city.terminate().success(), "{}", city.log());
    let mut north = Member::first(&city, directory.path(), "north", "nats://127.0.0.1:1");
    here.configure(0);
    north.start();
    north.wait_to_lead();
    let mut south = north.another(&city, directory.path(), "south", "nats://127.0.0.1:1");
    here.configure(1);
    south.start();
    south.wait_for_all_of(&north);
    let (status, out, err) = south.command(&["fleet", "status"]);
    assert!(status.success() && out.contains("north, at https://code.example"), "{out}{err}");
    let config = directory.path().join("south/changtong.toml");
    let doctor = Command::new(binary()).arg("doctor").arg("--config").arg(config).output().expect("it runs");
    let found = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert_eq!(found.matches("answers: nats-server").count(), 3, "{found}");
    assert!(found.contains("south follows north"), "{found}");
}

#[test]
fn every_file_of_the_example_has_its_place_in_its_description() {
    let described = read(&format!("{FOLDER}/README.md"));
    let files = fs::read_dir(root().join(FOLDER)).expect("the folder");
    for file in files {
        let name = file.expect("readable").file_name().into_string().expect("a plain name");
        let kind = MACHINES[1..].iter().fold(name.clone(), |name, machine| name.replace(machine, "north"));
        assert!(name == "README.md" || described.contains(&kind), "{name}");
    }
    let balancer = read(&format!("{FOLDER}/haproxy.cfg"));
    assert!(balancer.contains("GET uri /leader") && balancer.contains("check port 9464"), "{balancer}");
}
