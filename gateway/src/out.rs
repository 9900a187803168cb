//! The output of commands: the only code that writes to stdout and stderr. A closed pipe is not reported as an error: the command goes
//! on to its end and its exit code. The texts are in `command`.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};

use crate::ending::EXIT_FAILED;

/// Prints a line of what the command is for.
macro_rules! say {
    ($($words:tt)+) => { $crate::out::line(format_args!($($words)+)) };
}

/// Tells a line beside it, on stderr: how far it is, what to do next.
macro_rules! note {
    ($($words:tt)+) => { $crate::out::beside(format_args!($($words)+)) };
}

pub(crate) use {note, say};

/// Prints a line.
pub(crate) fn line(words: Arguments<'_>) {
    heard(writeln!(io::stdout().lock(), "{words}"));
}

/// Prints text as it is; returns false if the pipe is closed.
pub(crate) fn text(text: &str) -> bool {
    let mut out = io::stdout().lock();
    heard(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Returns false if the pipe is closed. Any other error, such as a full disk, ends the command: its work would look done.
fn heard(written: io::Result<()>) -> bool {
    let Err(error) = written else { return true };
    if error.kind() != ErrorKind::BrokenPipe {
        beside(format_args!("changtong: writing the output: {error}"));
        std::process::exit(EXIT_FAILED.into());
    }
    false
}

/// Shows a line of a running process. Errors are ignored: the process goes on even if its output is closed.
pub(crate) fn show(words: Arguments<'_>) {
    let _ = writeln!(io::stdout().lock(), "{words}");
}

/// Tells a line on stderr.
pub(crate) fn beside(words: Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{words}");
}

/// Tells how far something is, over what was told before.
pub(crate) fn progress(words: Arguments<'_>) {
    let _ = write!(io::stderr().lock(), "\r{words}");
}
