//! The only output to stdout and stderr. A closed pipe is no error: the rest of the output is dropped, and the command goes on to
//! its end and its exit code.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};

/// The exit code of a command that cannot be run as given.
const USAGE: i32 = 2;

/// Prints a line of the command's result on stdout.
macro_rules! say {
    ($($words:tt)+) => { $crate::out::line(format_args!($($words)+)) };
}

/// Prints a line beside the result, on stderr.
macro_rules! note {
    ($($words:tt)+) => { $crate::out::beside(format_args!($($words)+)) };
}

pub(crate) use {note, say};

/// Prints a line on stdout.
pub(crate) fn line(words: Arguments<'_>) {
    end_if_unwritable(writeln!(io::stdout().lock(), "{words}"));
}

/// Prints text on stdout as it is.
pub(crate) fn text(text: &str) {
    let mut out = io::stdout().lock();
    end_if_unwritable(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// Ends the program if the output cannot be written, for example on a full disk.
fn end_if_unwritable(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        beside(format_args!("loadtest: writing the output: {error}"));
        std::process::exit(USAGE);
    }
}

/// Formats an error and its sources, each text once: some errors repeat their source.
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

/// Prints a line on stderr.
pub fn beside(words: Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{words}");
}
