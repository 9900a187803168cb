//! `changtong generate`: shell completions and manual pages, written from the command line's own description for the package. Dashboards and
//! rules are written by the crate `dashboards`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap_mangen::Man;

use crate::out;

/// The program's name.
const NAME: &str = "changtong";
const MANUAL: &str = "Changtong Gateway";
/// The sections of the first page beside those of `--help`.
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

/// A shell.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

#[derive(clap::Subcommand)]
pub(crate) enum Generate {
    /// Prints the completions for a shell: source them, or put them where your shell looks for them.
    Completions {
        /// The shell.
        #[arg(long)]
        shell: Shell,
    },
    /// Writes a manual page for each command.
    Man {
        /// The directory to write to.
        #[arg(long)]
        out: PathBuf,
    },
}

impl Generate {
    /// Writes or prints the description of `command`, the whole command line.
    pub(crate) fn run(self, command: clap::Command) -> anyhow::Result<ExitCode> {
        match self {
            Self::Completions { shell } => {
                out::text(&String::from_utf8(completions(shell, command))?);
            }
            Self::Man { out } => {
                std::fs::create_dir_all(&out).with_context(|| format!("creating {}", out.display()))?;
                for (name, text) in pages(command)? {
                    let path = out.join(name);
                    std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Returns the completions of one shell.
fn completions(shell: Shell, mut command: clap::Command) -> Vec<u8> {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, NAME, &mut text);
    text
}

/// Returns a manual page for each command, with its file's name.
fn pages(command: clap::Command) -> anyhow::Result<Vec<(String, String)>> {
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
#[path = "generate_tests.rs"]
mod tests;
