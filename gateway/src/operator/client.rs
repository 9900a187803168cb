//! The client of the operators' socket. A command sends its act to the running gateway; if none runs, the command performs the act itself.
//! An answer that stops before its end is an error, never a short answer.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;

use actors::sunset;
use anyhow::{Context, bail};
use keys::Keys;
use registry::{DirectoryLock, Registry};
use rustix::process::geteuid;

use super::act::{Act, Done, PATIENCE, perform};
use super::orders::Tell;
use crate::config::Settings;
use crate::config::named::{Named, NotThere};
use crate::host::owner;
use crate::operator::OperatorContext;
use crate::operator::orders::limits;

/// Sends the act to the named gateway, or, if it does not run, performs it in this process. Returns the final answer; a refusal is an
/// error. `tell` receives the progress of a long act; once it returns false, an act that only shows something ends.
pub(crate) fn call(named: &Named, act: &Act, tell: &mut Tell<'_>) -> anyhow::Result<Done> {
    let mut last = None;
    let mut hear = |done: Done| {
        if let Done::Progress(progress) = &done {
            return tell(progress);
        }
        last = Some(done);
        true
    };
    match UnixStream::connect(&named.socket) {
        Ok(stream) => ask(&stream, act, &mut hear)?,
        Err(error) => {
            refuse_without(named, &error)?;
            // After the end of the measure there are no keys any more.
            sunset::refuse(&named.data)?;
            let (data, keys_directory) = (&named.data, named.keys()?);
            owner::refuse_root(data)?;
            let (keys, path) = (Keys::load(&keys_directory)?, Settings::registry_path(data));
            if !path.exists() && !matches!(act, Act::Begin) {
                bail!("{} has no registry yet: add the first operator, or start the gateway", data.display());
            }
            let log = Settings::ledger_path(data);
            if !path.exists() && std::fs::read_dir(&log).is_ok_and(|mut files| files.next().is_some()) {
                bail!(
                    "{} has a punch log and no registry: is a disk not mounted? bring back what belongs together; if it is meant, \
                     order `changtong stores accept`",
                    data.display()
                );
            }
            let _lock = DirectoryLock::take(data).context("no gateway answers operators there")?;
            let registry = Registry::open(&path, &keys)?;
            // A running gateway accepts no longer line.
            limits::line_of(act)?;
            let admin = OperatorContext::offline(data, &keys_directory, registry, keys)?;
            perform(act, &admin, geteuid().as_raw(), &mut |done| hear(done.clone()));
        }
    }
    plain(last.with_context(cut)?)
}

/// Reports whether a process answers at that gateway's socket.
pub(crate) fn runs(named: &Named) -> bool {
    UnixStream::connect(&named.socket).is_ok()
}

/// Returns an error if the act cannot be done without a running gateway; `error` is that of the connection.
fn refuse_without(named: &Named, error: &std::io::Error) -> anyhow::Result<()> {
    let socket = named.socket.display();
    if error.kind() == ErrorKind::PermissionDenied {
        bail!("this user may not speak to the gateway at {socket}: operators are those of its group");
    }
    if named.is_socket_alone() {
        let what = format!("no gateway answers at {socket}: start it, or do this as its user with --config");
        return Err(NotThere::error(what));
    }
    named.there()
}

/// Sends the act to the named gateway and returns the final answer; `None` if the gateway does not run.
pub(crate) fn ask_running(named: &Named, act: &Act) -> anyhow::Result<Option<Done>> {
    let stream = match UnixStream::connect(&named.socket) {
        Ok(stream) => stream,
        Err(error) => {
            refuse_without(named, &error)?;
            return Ok(None);
        }
    };
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut last = None;
    ask(&stream, act, &mut |done| {
        last = Some(done);
        true
    })?;
    plain(last.with_context(cut)?).map(Some)
}

/// Returns the answer; a refusal becomes an error.
fn plain(done: Done) -> anyhow::Result<Done> {
    if let Done::Refused(why) = done {
        bail!("{why}");
    }
    Ok(done)
}

fn ask(stream: &UnixStream, act: &Act, hear: &mut dyn FnMut(Done) -> bool) -> anyhow::Result<()> {
    let mut gateway = stream;
    gateway.write_all(&limits::line_of(act)?)?;
    let (mut answers, mut line) = (BufReader::new(stream), String::new());
    while answers.read_line(&mut line)? > 0 {
        if !line.ends_with('\n') {
            bail!(cut());
        }
        if !hear(serde_json::from_str(&line)?) {
            break;
        }
        line.clear();
    }
    Ok(())
}

/// Returns the error text for an answer without an end.
fn cut() -> String {
    let patience = PATIENCE.as_secs();
    format!("the gateway was not done: it ended, or nobody took what it told for {patience} s; do it again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_cut_is_an_error_wherever_it_is_cut() {
        let whole = "{\"exported\":\"a\\n\"}\n{\"exported\":\"b\\n\"}\n";
        for length in 0..=whole.len() {
            let (ours, mut gateways) = UnixStream::pair().unwrap();
            gateways.write_all(&whole.as_bytes()[..length]).unwrap();
            gateways.shutdown(std::net::Shutdown::Write).unwrap();
            let mut heard = 0;
            let asked = ask(&ours, &Act::Vitals, &mut |_| {
                heard += 1;
                true
            });
            let lines = whole[..length].matches('\n').count();
            assert_eq!(heard, lines, "{length}");
            let at_an_end = length == 0 || whole[..length].ends_with('\n');
            match asked {
                Ok(()) => assert!(at_an_end, "{length}"),
                Err(error) => assert!(!at_an_end && error.to_string().contains("nobody took"), "{error:#}"),
            }
        }
    }
}
