//! A gateway with a configuration file, as in production: `changtong serve` in a directory of its own, on ports of its own, with an
//! authority, certificates and one operator, and stand-ins for the message service and for a carrier.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};

use crate::stand_in::StandIn;
use crate::{binary, http_get, wait_for};

/// A key for requests, in hexadecimal.
const SECRET: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// Writes a secret that only its owner may read.
pub fn write_secret(path: &Path, text: &str) {
    let _ = std::fs::remove_file(path);
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).expect("written");
}

/// Makes a server's certificate for this machine, valid to the end of that year, and its key, both PEM; `authority` is the directory of the
/// authority that signs it.
pub fn server_certificate(authority: &Path, year: i32) -> (String, String) {
    let read = |name: &str| std::fs::read_to_string(authority.join(name)).expect("the authority");
    let signer = KeyPair::from_pem(&read("ca.key")).expect("its key");
    let issuer = Issuer::from_ca_cert_pem(&read("ca.pem"), signer).expect("an authority");
    let mut params = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).expect("names");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.not_after = date_time_ymd(year, 12, 31);
    let key = KeyPair::generate().expect("a key");
    (params.signed_by(&key, &issuer).expect("signed").pem(), key.serialize_pem())
}

/// A running gateway; ends with the value.
pub struct Served {
    directory: tempfile::TempDir,
    /// The directory of the operators' socket.
    door: tempfile::TempDir,
    process: Child,
    /// The address of the metrics.
    pub http: SocketAddr,
    /// The address of the pages.
    pub pages: SocketAddr,
    /// The message service.
    pub messages: StandIn,
    /// The carrier.
    pub carrier: StandIn,
}

impl Served {
    /// Makes all files that it needs, and starts it.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        for name in ["data", "authority"] {
            std::fs::create_dir(at(name)).expect("made");
        }
        // Held until the gateway has them, so that no other process can take their ports.
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
        let [http, pages] = [0, 1].map(|which: usize| listeners[which].local_addr().expect("bound"));
        let (messages, carrier) = (StandIn::start(), StandIn::start());
        make_authority(&at("authority"));
        for name in ["server", "pages"] {
            let (certificate, key) = server_certificate(&at("authority"), 2031);
            std::fs::write(at(&format!("{name}.pem")), certificate).expect("written");
            write_secret(&at(&format!("{name}.key")), &key);
        }
        write_secret(&at("secret.key"), SECRET);
        let door = door();
        std::fs::write(at("policy.toml"), policy::DEVELOPMENT).expect("written");
        std::fs::write(
            at("changtong.toml"),
            text(directory.path(), door.path(), (http, pages), &messages, &carrier),
        )
        .expect("written");
        run(&["keys", "init", "--keys", at("keys").to_str().expect("plain")]);
        let log = std::fs::File::create(at("stderr.log")).expect("a log file");
        let [shell, words @ ..] = crate::handed::handing_over("http:pages");
        let mut command = Command::new(shell);
        command.args(words).arg(binary()).arg("serve").arg("--config").arg(at("changtong.toml"));
        let [stdin, stdout] = listeners.map(|listener| Stdio::from(OwnedFd::from(listener)));
        let process = command.stdin(stdin).stdout(stdout).stderr(log).spawn().expect("the gateway starts");
        drop(command);
        let mut served = Self { directory, door, process, http, pages, messages, carrier };
        wait_for("the gateway's readiness", || {
            let ended = served.process.try_wait().expect("our own process");
            assert!(ended.is_none(), "{}", served.log());
            http_get(http, "/ready").filter(|(status, _)| *status == 200)
        });
        let (data, key) = (served.at("data"), served.at("ward.key"));
        let (data, key) = (data.to_str().expect("plain"), key.to_str().expect("plain"));
        let who = ["operator", "add", "ward", "--authority", "it", "--role", "admin"];
        run(&[&who[..], &["--public-key", &crate::operator_key("ward", key), "--data", data]].concat());
        served
    }

    /// Returns the path of a file of its directory.
    pub fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Returns the path of the operators' socket.
    pub fn socket(&self) -> PathBuf {
        self.door.path().join("operators.sock")
    }

    /// Reads its configuration.
    pub fn text(&self) -> String {
        std::fs::read_to_string(self.at("changtong.toml")).expect("the configuration")
    }

    /// Replaces a part of the configuration; returns the line on which the new part begins.
    pub fn replace(&self, from: &str, to: &str) -> usize {
        let text = self.text();
        let (before, _) = text.split_once(from).unwrap_or_else(|| panic!("{from}"));
        std::fs::write(self.at("changtong.toml"), text.replacen(from, to, 1)).expect("written");
        before.matches('\n').count() + 1
    }

    /// Runs `changtong reload`; returns the exit code and the output.
    pub fn reload(&self) -> (Option<i32>, String) {
        let mut command = Command::new(binary());
        command.arg("reload").arg("--config").arg(self.at("changtong.toml"));
        let output = command.arg("--sign").arg(self.at("ward.key")).output().expect("the program runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    }

    /// Runs a command with `--json` on this gateway's data.
    pub fn json(&self, words: &[&str]) -> serde_json::Value {
        let mut command = Command::new(binary());
        command.args(words).arg("--json").arg("--data").arg(self.at("data"));
        let output = command.output().expect("the program runs");
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{words:?}: {}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Sends it that signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, signal).expect("our own process");
    }

    /// Returns its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.at("stderr.log")).unwrap_or_default()
    }

    /// Returns the sum of a metric's series whose labels contain `labels`.
    pub fn metric(&self, name: &str, labels: &str) -> f64 {
        let (_, body) = http_get(self.http, "/metrics").expect("metrics are served");
        crate::sum(&body, name, labels)
    }

    /// Waits until it has ended.
    pub fn wait_exit(&mut self) -> std::process::ExitStatus {
        let process = &mut self.process;
        wait_for("its end", || process.try_wait().expect("our own process"))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("--- the gateway's log ---\n{}", self.log());
        }
    }
}

fn run(words: &[&str]) {
    let output = Command::new(binary()).args(words).output().expect("the program runs");
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn make_authority(directory: &Path) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "an authority for tests");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("signed").pem();
    std::fs::write(directory.join("ca.pem"), certificate).expect("written");
    write_secret(&directory.join("ca.key"), &key.serialize_pem());
}

/// Returns the group of the operators' socket, if this process may change groups; else its own.
pub fn operators_group() -> u32 {
    if rustix::process::geteuid().is_root() { 12_345 } else { rustix::process::getegid().as_raw() }
}

/// Makes a directory of that group, as the package does.
fn door() -> tempfile::TempDir {
    let door = tempfile::tempdir().expect("a directory");
    std::os::unix::fs::chown(door.path(), None, Some(operators_group())).expect("given to the group");
    std::fs::set_permissions(door.path(), std::fs::Permissions::from_mode(0o2750)).expect("opened to it");
    door
}

fn text(
    directory: &Path,
    door: &Path,
    (http, pages): (SocketAddr, SocketAddr),
    messages: &StandIn,
    carrier: &StandIn,
) -> String {
    let (directory, door, group) = (directory.display(), door.display(), operators_group());
    let (messages, carrier) = (messages.url(), carrier.url());
    format!(
        r#"data = "{directory}/data"
keys = "{directory}/keys"
policy = "{directory}/policy.toml"

[log]
level = "warn"

[operators]
socket = "{door}/operators.sock"
group = "{group}"

[quic]
listen = "127.0.0.1:0"
certificate = "{directory}/server.pem"
key = "{directory}/server.key"

[http]
listen = "{http}"

[enrol]
listen = "127.0.0.1:0"
authority = "{directory}/authority"

[[carrier]]
id = "china-mobile"
name = "China Mobile"
name_zh = "中国移动"
url = "{carrier}"
authority = "{directory}/authority/ca.pem"
key_id = "k"
key = "{directory}/secret.key"
reserved = "13400000000"
travel_page = "https://travel.example"

[sms]
url = "{messages}/send"
authority = "{directory}/authority/ca.pem"
key_id = "k"
key = "{directory}/secret.key"

[pages]
listen = "{pages}"
host = "localhost"
certificate = "{directory}/pages.pem"
key = "{directory}/pages.key"
"#
    )
}
