//! A `changtong tap` that runs beside a test: its lines are read as they come, or left alone.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use runtime::lock::lock;
use rustix::process::Pid;
use serde_json::Value;

use crate::wait_for;

type Lines = Arc<Mutex<Vec<String>>>;

/// A tap that prints lines of JSON; it ends with the value.
pub struct Tapping {
    process: Child,
    out: Lines,
    err: Lines,
    readers: Vec<JoinHandle<()>>,
}

fn collect(from: impl Read + Send + 'static) -> (Lines, JoinHandle<()>) {
    let lines = Lines::default();
    let mine = Arc::clone(&lines);
    let read = move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            lock(&mine).push(line);
        }
    };
    (lines, std::thread::spawn(read))
}

impl Tapping {
    /// Begins it; with `reads`, its lines are read.
    pub fn begin(mut command: Command, reads: bool) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("the program runs");
        let (err, reader) = collect(process.stderr.take().expect("piped"));
        let mut tapping = Self { process, out: Lines::default(), err, readers: vec![reader] };
        if reads {
            tapping.read();
        }
        tapping
    }

    /// Waits until it has said that beside its lines.
    pub fn wait_until_it_says(self, what: &str) -> Self {
        wait_for(what, || self.said().contains(what).then_some(()));
        self
    }

    /// Begins to read its lines.
    pub fn read(&mut self) {
        let (out, reader) = collect(self.process.stdout.take().expect("not read yet"));
        self.out = out;
        self.readers.push(reader);
    }

    /// Returns what it said beside its lines.
    pub fn said(&self) -> String {
        lock(&self.err).iter().map(|line| format!("{line}\n")).collect()
    }

    /// Returns its lines so far.
    pub fn lines(&self) -> Vec<Value> {
        let lines = lock(&self.out);
        lines.iter().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// Returns the process's number.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    /// Kills the process.
    pub fn kill(&mut self) {
        self.process.kill().expect("our own process");
    }

    /// Waits for the end and the whole output; returns the exit code.
    pub fn end(mut self) -> (Option<i32>, Vec<Value>, String) {
        let status = wait_for("the tap's end", || self.process.try_wait().expect("our own process"));
        self.readers.drain(..).for_each(|reader| reader.join().expect("it reads to the end"));
        (status.code(), self.lines(), self.said())
    }
}

impl Drop for Tapping {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
