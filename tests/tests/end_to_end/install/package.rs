//! The installation by an operator: the package's content is put into a clean root, and the unit's own command is started there on
//! inherited sockets. With `tests/run --long` the content comes out of a real .deb.

use std::collections::BTreeSet;
use std::fs;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use tests::repository::{read, read_toml, root, run};
use tests::walk::{device, endpoint, punch};
use tests::{City, PATIENCE, binary, block_on, heard_until, wait_for};

/// The files of `package/build`, as the manifest has it.
const MADE: &str = "../target/package/";
/// The place where the gateway in the root tells how it is.
const NOTIFY: &str = "run/notify";
/// The shell script that starts the program in the root, on the sockets quic and http, with the environment that systemd gives.
const UNIT: &str = "root=$0; exec 3<&0 4<&1 </dev/null >/dev/null; \
    export LISTEN_FDS=2 LISTEN_PID=$$ LISTEN_FDNAMES=quic:http; \
    exec unshare --map-root-user chroot \"$root\" \"$@\"";

/// A file of the package.
struct Asset {
    /// The path from the gateway's folder; `*` stands in the last part only.
    from: String,
    /// The path below the root: a file, or with a pattern a folder.
    to: String,
}

fn assets() -> Vec<Asset> {
    let manifest = read_toml("gateway/Cargo.toml");
    let rows = manifest["package"]["metadata"]["deb"]["assets"].as_array().expect("a list of assets");
    let text = |row: &toml::Value, at: usize| row[at].as_str().expect("text").to_owned();
    let asset = |row| {
        let (from, to) = (text(row, 0), text(row, 1));
        let name = from.rsplit('/').next().expect("split has a last part");
        let to = if to.ends_with('/') && !name.contains('*') { format!("{to}{name}") } else { to };
        Asset { from, to }
    };
    rows.iter().map(asset).collect()
}

/// Returns the files that a pattern means.
fn matching(pattern: &Path) -> Vec<PathBuf> {
    let name = pattern.file_name().and_then(|name| name.to_str()).expect("a plain name");
    let Some((before, after)) = name.split_once('*') else { return vec![pattern.to_owned()] };
    let fits = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a plain name");
        name.starts_with(before) && name.ends_with(after)
    };
    let entries = fs::read_dir(pattern.parent().expect("a folder")).expect("readable");
    entries.map(|entry| entry.expect("readable").path()).filter(fits).collect()
}

#[test]
fn every_asset_is_there_or_made_and_lands_in_a_place_of_its_own() {
    let build = read("gateway/package/build");
    let mut places = BTreeSet::new();
    for Asset { from, to } in assets() {
        assert!(places.insert(to), "{from} lands on another");
        match from.strip_prefix(MADE) {
            Some(made) => {
                let made = made.strip_suffix("/*.1").unwrap_or(made);
                assert!(build.contains(&format!("$made/{made}")), "package/build does not make {made}");
            }
            None => {
                let files = matching(&root().join("gateway").join(&from));
                assert!(!files.is_empty() && files.iter().all(|file| file.is_file()), "{from}");
            }
        }
    }
    for file in [
        "usr/bin/changtong",
        "usr/lib/systemd/system/changtong.service",
        "usr/lib/sysusers.d/changtong.conf",
        "usr/lib/tmpfiles.d/changtong.conf",
    ] {
        assert!(places.contains(file), "{file}");
    }
    for script in ["postinst", "prerm", "postrm"] {
        run(Command::new("sh").arg("-n").arg(root().join("gateway/package/scripts").join(script)));
    }
    run(Command::new("bash").arg("-n").arg(root().join("gateway/package/build")));
}

#[test]
fn bash_completes_commands_and_options() {
    let script = "source <(\"$0\" generate completions --shell bash); \
        complete_with() { COMP_WORDS=(\"$@\") COMP_CWORD=$(($# - 1)); _changtong changtong \"${!#}\"; \
        echo \"${COMPREPLY[*]}\"; }; complete_with changtong ser; complete_with changtong serve --con";
    let said = run(Command::new("bash").args(["-c", script]).arg(binary()));
    assert_eq!(said, "serve\n--config\n");
}

/// Puts the package's content into the root: out of the .deb if the runner of long tests says so, otherwise as the manifest says,
/// with the program that is built here.
fn unpack(into: &Path) {
    if option_env!("CHANGTONG_KILL_ROUNDS").is_some() {
        let said = run(&mut Command::new(root().join("gateway/package/build")));
        let package = root().join(said.lines().next().expect("the package's path"));
        eprintln!("{}", run(Command::new("dpkg-deb").arg("--info").arg(&package)));
        run(Command::new("dpkg-deb").arg("-x").arg(&package).arg(into));
        return;
    }
    let generate = |words: &[&str]| run(Command::new(binary()).arg("generate").args(words));
    for Asset { from, to } in assets() {
        let to = into.join(to);
        let folder = if from.contains('*') { Some(to.as_path()) } else { to.parent() };
        fs::create_dir_all(folder.expect("below the root")).expect("made");
        match from.strip_prefix(MADE) {
            Some("changtong") => {
                fs::copy(binary(), &to).expect("copied");
            }
            Some("man/*.1") => drop(generate(&["man", "--out", to.to_str().expect("a plain path")])),
            Some(made) => {
                let shell = made.strip_prefix("changtong.").unwrap_or("zsh");
                fs::write(&to, generate(&["completions", "--shell", shell])).expect("written");
            }
            None => {
                for file in matching(&root().join("gateway").join(&from)) {
                    let to = if from.contains('*') {
                        to.join(file.file_name().expect("a name"))
                    } else {
                        to.clone()
                    };
                    fs::copy(&file, to).expect("copied");
                }
            }
        }
    }
}

/// Copies the libraries that the program is linked with: all that the root has beside the package.
fn add_libraries(into: &Path) {
    let listed = run(Command::new("ldd").arg(into.join("usr/bin/changtong")));
    let libraries: Vec<&str> = listed.split_whitespace().filter(|word| word.starts_with('/')).collect();
    assert!(!libraries.is_empty(), "{listed}");
    for library in libraries {
        let to = into.join(&library[1..]);
        fs::create_dir_all(to.parent().expect("below the root")).expect("made");
        fs::copy(library, to).expect("copied");
    }
}

/// Does what an operator does next: the example becomes the configuration, keys, certificates and data come from a city.
fn configure(into: &Path, city: &City) {
    let documents = into.join("usr/share/doc/changtong/changtong.example.toml");
    let example = fs::read_to_string(documents).expect("the package has the example");
    // Carriers, messages and pages need other servers.
    let (own, _) = example.split_once("# Whom to ask for trajectories").expect("carriers in the example");
    let [etc, data] = ["etc/changtong", "var/lib/changtong"].map(|path| into.join(path));
    for folder in [&etc, &data, &into.join("run/changtong"), &into.join("tmp")] {
        fs::create_dir_all(folder).expect("made");
    }
    fs::write(
        etc.join("changtong.toml"),
        own.replace("0.0.0.0:7444", "127.0.0.1:0").replace("\"changtong-operators\"", "\"0\""),
    )
    .expect("written");
    let copy = |names: &[&str], to: &Path| {
        let from = names.iter().map(|name| city.data().join(name));
        run(Command::new("cp").arg("-a").args(from).arg(to));
    };
    copy(&["keys", "authority", "policy.toml", "server.pem", "server.key"], &etc);
    copy(&["registry.db", "ledger"], &data);
    // What was not written into the registry's own file yet belongs to it.
    let beside = city.data().join("registry.db-wal");
    if beside.exists() {
        copy(&["registry.db-wal"], &data);
    }
}

/// The gateway in its root, which ends with the value.
struct Served(Child);

impl Served {
    /// Starts what the installed unit starts, with an environment like systemd's.
    fn start(into: &Path, quic: UdpSocket, http: TcpListener) -> Self {
        let unit =
            fs::read_to_string(into.join("usr/lib/systemd/system/changtong.service")).expect("the unit");
        let words = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("its command");
        let mut command = Command::new("sh");
        command.args(["-c", UNIT]).arg(into).args(words.split(' ')).env_clear();
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("NOTIFY_SOCKET", format!("/{NOTIFY}")).env("WATCHDOG_USEC", "2000000");
        command.stdin(OwnedFd::from(quic)).stdout(OwnedFd::from(http));
        Self(command.spawn().expect("it starts"))
    }

    fn terminate(&mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("our own process");
        wait_for("its end", || self.0.try_wait().expect("our own process")).code()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_units_own_command_runs_in_a_root_with_nothing_but_the_package() {
    let directory = tempfile::tempdir().expect("a directory");
    let into = directory.path();
    unpack(into);
    add_libraries(into);
    // What postinst asks for first: the user that the unit runs as.
    fs::create_dir_all(into.join("etc")).expect("made");
    let root = format!("--root={}", into.display());
    run(Command::new("systemd-sysusers").args([&root, "changtong.conf"]));
    let users = fs::read_to_string(into.join("etc/passwd")).expect("users");
    assert!(users.starts_with("changtong:"), "{users}");
    let mut city = City::start(100, 1);
    let fleet = city.fleet();
    assert!(city.terminate().success());
    configure(into, &city);
    let manager = UnixDatagram::bind(into.join(NOTIFY)).expect("bound");
    manager.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let quic = UdpSocket::bind(loopback).expect("a socket on loopback");
    let address = quic.local_addr().expect("bound");
    let http = TcpListener::bind(loopback).expect("a socket on loopback");
    let mut served = Served::start(into, quic, http);
    heard_until(&manager, "READY=1");
    block_on(async {
        let endpoint = endpoint(&fleet);
        let mut gate = device(&endpoint, &fleet, 0);
        gate.set_address(address);
        let (place, region) = fleet.devices[0].places().next().expect("a place");
        gate.punch(region, punch(place), 0);
        gate.settle().await.expect("acknowledged");
    });
    heard_until(&manager, "WATCHDOG=1");
    assert_eq!(served.terminate(), Some(0));
    heard_until(&manager, "STOPPING=1");
    let ledger = into.join("var/lib/changtong/ledger");
    let segments = fs::read_dir(ledger).expect("a punch log").count();
    assert!(segments > 0, "the punch is in the root's own log");
}
