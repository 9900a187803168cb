//! The one way to stdout and stderr. Whoever closes a pipe has seen enough: nothing is said about it, and the command goes on to
//! its end and its exit code.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};

/// The exit code of what could not be done as it was asked.
const USAGE: i32 = 2;

/// Prints a line of what the command is for.
macro_rules! say {
    ($($words:tt)+) => { $crate::out::line(format_args!($($words)+)) };
}

/// Tells a line beside it, on stderr.
macro_rules! note {
    ($($words:tt)+) => { $crate::out::beside(format_args!($($words)+)) };
}

pub(crate) use {note, say};

/// Prints a line.
pub(crate) fn line(words: Arguments<'_>) {
    end_if_unwritable(writeln!(io::stdout().lock(), "{words}"));
}

/// Prints text as it is.
pub(crate) fn text(text: &str) {
    let mut out = io::stdout().lock();
    end_if_unwritable(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// Ends the program where the output cannot be written, on a full disk: nothing was reported.
fn end_if_unwritable(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        beside(format_args!("loadtest: writing the output: {error}"));
        std::process::exit(USAGE);
    }
}

/// Says what an error says to people, each of its parts once: some say what is under them themselves.
pub fn words_of(error: &anyhow::Error) -> String {
    let mut words = String::new();
    for said in error.chain().map(ToString::to_string) {
        if !words.contains(&said) {
            let between = if words.is_empty() { "" } else { ": " };
            words = words + between + &said;
        }
    }
    words
}

/// Tells a line on stderr.
pub fn beside(words: Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{words}");
}
