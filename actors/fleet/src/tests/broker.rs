//! A `nats-server` on this machine, and a way to it that can be held up in either direction.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use runtime::clock;
use runtime::lock::lock;

/// Far longer than anything takes on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until the condition gives a value.
pub(super) fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let began = clock::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(clock::since(began) < PATIENCE, "waited too long for {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// A running server; it ends with the value.
pub(super) struct Nats {
    directory: tempfile::TempDir,
    process: Child,
    pub(super) port: u16,
}

impl Nats {
    /// Starts a server with these lines in its configuration.
    pub(super) fn start(lines: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let process = spawn(directory.path(), -1, lines);
        let port = port(directory.path(), &process);
        Self { directory, process, port }
    }

    pub(super) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Ends the server at once, without a chance to write anything.
    pub(super) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Returns true if a file of the server's store contains these bytes.
    pub(super) fn holds(&self, bytes: &[u8]) -> bool {
        fn search(path: &Path, bytes: &[u8]) -> bool {
            let Ok(entries) = std::fs::read_dir(path) else {
                let content = std::fs::read(path).unwrap_or_default();
                return content.windows(bytes.len()).any(|window| window == bytes);
            };
            entries.flatten().any(|entry| search(&entry.path(), bytes))
        }
        search(&self.directory.path().join("store"), bytes)
    }

    /// Destroys the data of a server that has ended.
    pub(super) fn wipe(&self) {
        std::fs::remove_dir_all(self.directory.path().join("store")).unwrap();
    }

    /// Returns a copy of the data of a server that has ended.
    pub(super) fn data(&self) -> tempfile::TempDir {
        let copied = tempfile::tempdir().unwrap();
        copy(&self.directory.path().join("store"), copied.path());
        copied
    }

    /// Puts a copy in the place of the data of a server that has ended.
    pub(super) fn restore(&self, data: &Path) {
        self.wipe();
        copy(data, &self.directory.path().join("store"));
    }

    /// Starts the server again, with its data, on its port.
    pub(super) fn restart(&mut self) {
        self.process = spawn(self.directory.path(), self.port.into(), "");
        port(self.directory.path(), &self.process);
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() { copy(&path, &to) } else { std::fs::copy(&path, &to).map(drop).unwrap() }
    }
}

fn program() -> PathBuf {
    let known = ["/usr/sbin/nats-server", "/usr/bin/nats-server", "/usr/local/bin/nats-server"];
    let found = known.iter().map(PathBuf::from).find(|path| path.exists());
    found.expect("nats-server is installed: `apt-get install nats-server`")
}

fn spawn(directory: &Path, port: i32, lines: &str) -> Child {
    let path = directory.display();
    let text = format!(
        "listen: \"127.0.0.1:{port}\"\nports_file_dir: \"{path}\"\njetstream {{ store_dir: \"{path}/store\" }}\n{lines}\n"
    );
    let config = directory.join("nats.conf");
    std::fs::write(&config, text).unwrap();
    let log = std::fs::File::create(directory.join("nats.log")).unwrap();
    let mut command = Command::new(program());
    command.arg("-c").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command.spawn().expect("nats-server starts")
}

/// Reads the port that the server has written beside its data.
fn port(directory: &Path, process: &Child) -> u16 {
    let file = directory.join(format!("nats-server_{}.ports", process.id()));
    wait_for("the server's port", || {
        let text = std::fs::read_to_string(&file).ok()?;
        let (_, after) = text.split_once("nats://127.0.0.1:")?;
        let port: u16 = after.split('"').next()?.parse().ok()?;
        TcpStream::connect(("127.0.0.1", port)).is_ok().then_some(port)
    })
}

#[derive(Default)]
struct Held {
    to_server: bool,
    to_client: bool,
}

/// A way to a server. What is held up is not lost: it goes on later, in its order.
pub(super) struct Way {
    port: u16,
    held: Arc<(Mutex<Held>, Condvar)>,
}

impl Way {
    pub(super) fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().port();
        let held = Arc::<(Mutex<Held>, Condvar)>::default();
        let ways = Arc::clone(&held);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                for (from, to, is_to_server) in [
                    (client.try_clone().unwrap(), server.try_clone().unwrap(), true),
                    (server, client, false),
                ] {
                    let held = Arc::clone(&ways);
                    std::thread::spawn(move || carry(from, to, is_to_server, &held));
                }
            }
        });
        Self { port: own, held }
    }

    pub(super) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Holds up what goes to the server, and what comes from it.
    pub(super) fn hold(&self, to_server: bool, to_client: bool) {
        *lock(&self.held.0) = Held { to_server, to_client };
        self.held.1.notify_all();
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, is_to_server: bool, held: &(Mutex<Held>, Condvar)) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        let is_held = |held: &mut Held| if is_to_server { held.to_server } else { held.to_client };
        drop(held.1.wait_while(lock(&held.0), is_held));
        if to.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
