//! The output of commands: the one way to stdout and stderr. Whoever closes a pipe has seen enough: nothing is said about it, and the
//! command goes on to its end and its exit code. What is printed stands in `command`.

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

/// Prints text as it is; false when nobody reads it any more.
pub(crate) fn text(text: &str) -> bool {
    let mut out = io::stdout().lock();
    heard(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Says whether somebody reads. An output that cannot be written otherwise, on a full disk, ends the command: its work would look done.
fn heard(written: io::Result<()>) -> bool {
    let Err(error) = written else { return true };
    if error.kind() != ErrorKind::BrokenPipe {
        beside(format_args!("changtong: writing the output: {error}"));
        std::process::exit(EXIT_FAILED.into());
    }
    false
}

/// Shows a line of a running process, which goes on whoever reads it.
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
