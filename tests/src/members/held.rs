//! A disk that takes no change of one database, while everything else goes on.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A program that holds the write lock of a database until the value ends.
pub struct Held(Child);

impl Held {
    /// Takes the lock of that database, and waits until it has it.
    pub fn write_lock(database: &Path) -> Self {
        const PROGRAM: &str = "import sqlite3, sys\n\
                               held = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)\n\
                               held.execute('BEGIN IMMEDIATE')\n\
                               print('held', flush=True)\n\
                               sys.stdin.read()\n\
                               held.execute('ROLLBACK')\n";
        let mut command = Command::new("python3");
        command.args(["-c", PROGRAM]).arg(database).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("python3 is installed");
        let mut line = String::new();
        let out = process.stdout.take().expect("piped");
        BufReader::new(out).read_line(&mut line).expect("it says that it has the lock");
        assert_eq!(line, "held\n");
        Self(process)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
