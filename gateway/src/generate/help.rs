//! Shell completions and manual pages, written from the command line's own description. What the command line says is in `cli` and
//! beside each command.

use std::io::Write;

use anyhow::Context;
use clap_mangen::Man;

/// As people start it.
const NAME: &str = "changtong";
const MANUAL: &str = "Changtong Gateway";
/// The text that the first page says beside what `--help` does.
const MORE: &str = r#".SH "EXIT STATUS"
.TP
\fB0\fR
It ended in good order.
.TP
\fB1\fR
A part ended that should not have, a shutdown took too long, or a start failed that may not fail again. \fBchangtong doctor\fR: there are warnings.
.TP
\fB2\fR
Something that was given is wrong: a flag, a file, a key, an address; or the punch log is damaged. \fBchangtong doctor\fR: there are failures.
.TP
\fB70\fR
A thread was blocked. Start it again.
.TP
\fB75\fR
The punch log failed. Start it again, which recovers.
.SH SIGNALS
.TP
\fBSIGTERM\fR, \fBSIGINT\fR
Drain: devices are told, what is under way is acknowledged, and the process ends, within 30 seconds.
.TP
\fBSIGHUP\fR
Take the configuration and the files that it names anew. If anything is wrong with them, all stays as it was.
.SH ENVIRONMENT
Configuration is one file and the command line.
.TP
\fBCHANGTONG_CONFIG\fR
The configuration that names the gateway to every command that is given neither \fB--config\fR nor \fB--data\fR.
.PP
A service manager is understood as systemd's:
.TP
\fBLISTEN_FDS\fR, \fBLISTEN_PID\fR, \fBLISTEN_FDNAMES\fR
Sockets that are used instead of the configured addresses: \fBquic\fR (UDP), \fBhttp\fR, \fBenrol\fR, \fBpages\fR (TCP).
.TP
\fBNOTIFY_SOCKET\fR, \fBWATCHDOG_USEC\fR
Where it tells that it is ready, reloading or stopping, and that its threads answer.
.TP
\fBJOURNAL_STREAM\fR
If it names stderr, lines carry their level and no time.
.SH FILES
.TP
\fI/etc/changtong/changtong.toml\fR
What the packaged unit starts it with.
.TP
\fI/usr/share/doc/changtong/changtong.example.toml\fR
Every key, explained.
"#;

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// The completions of one shell.
pub(super) fn completions(shell: Shell, mut command: clap::Command) -> Vec<u8> {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, NAME, &mut text);
    text
}

/// A manual page for each command, by its file's name.
pub(super) fn pages(command: clap::Command) -> anyhow::Result<Vec<(String, String)>> {
    let mut command = command.name(NAME).disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    page(&command, &mut pages)?;
    Ok(pages)
}

fn page(command: &clap::Command, pages: &mut Vec<(String, String)>) -> anyhow::Result<()> {
    let man =
        Man::new(command.clone()).manual(MANUAL).source(concat!("changtong ", env!("CARGO_PKG_VERSION")));
    let mut text = Vec::new();
    man.render(&mut text)?;
    if command.get_name() == NAME {
        text.write_all(MORE.as_bytes())?;
    }
    pages.push((man.get_filename(), String::from_utf8(text).context("a page is text")?));
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        page(command, pages)?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "help_tests.rs"]
mod tests;
