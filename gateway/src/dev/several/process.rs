//! One process of a development fleet: its start, its death, and its next start after a while. It ends with its value.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use runtime::clock;
use rustix::process::{Pid, Signal, kill_process};

/// The pause before a dead process is started again: longer than another gateway needs to lead, so that this can be watched.
pub(super) const AGAIN: Duration = Duration::from_secs(10);
/// The interval of looks at a process that is told to end.
const LOOK: Duration = Duration::from_millis(50);

/// The program of a process, with its words and the file that gets what it prints.
pub(super) struct Program {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) words: Vec<OsString>,
    pub(super) log: PathBuf,
}

/// A process that runs, or is going to be started again.
pub(super) struct Process {
    program: Program,
    child: Child,
    died: Option<Instant>,
}

impl Program {
    /// Starts it, out of reach of the terminal's Ctrl-C: it is told to end in its turn.
    fn spawn(&self) -> anyhow::Result<Child> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("opening {}", self.log.display()))?;
        let mut command = Command::new(&self.path);
        command.args(&self.words).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        command.process_group(0).spawn().with_context(|| format!("starting {}", self.path.display()))
    }
}

impl Process {
    pub(super) fn start(program: Program) -> anyhow::Result<Self> {
        let child = program.spawn()?;
        Ok(Self { program, child, died: None })
    }

    pub(super) fn name(&self) -> &str {
        &self.program.name
    }

    pub(super) fn log(&self) -> std::path::Display<'_> {
        self.program.log.display()
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) const fn runs(&self) -> bool {
        self.died.is_none()
    }

    /// Returns how it ended, once for each death.
    pub(super) fn death(&mut self) -> std::io::Result<Option<ExitStatus>> {
        if self.died.is_some() {
            return Ok(None);
        }
        let ended = self.child.try_wait()?;
        self.died = ended.map(|_| clock::now());
        Ok(ended)
    }

    /// Starts it again if it has been dead for long enough; returns true if it does.
    pub(super) fn revive(&mut self) -> anyhow::Result<bool> {
        if self.died.is_none_or(|died| clock::since(died) < AGAIN) {
            return Ok(false);
        }
        self.child = self.program.spawn()?;
        self.died = None;
        Ok(true)
    }

    /// Tells it to end, and waits; after `patience` it is killed.
    pub(super) async fn end(mut self, patience: Duration) -> anyhow::Result<()> {
        let began = clock::now();
        if self.death()?.is_none() && self.runs() {
            self.tell_to_end();
        }
        while self.runs() && clock::since(began) < patience {
            tokio::time::sleep(LOOK).await;
            self.death()?;
        }
        Ok(())
    }

    /// Sends SIGTERM. A process that is gone meanwhile is what was asked for.
    pub(super) fn tell_to_end(&self) {
        if let Some(pid) = i32::try_from(self.pid()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.runs() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
