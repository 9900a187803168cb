//! That the overview leaves nothing out: each alert is looked for, or there is a reason why not; and each command that its words and
//! the doctor's send people to exists.

use std::collections::BTreeSet;
use std::path::Path;

use clap::CommandFactory;
use protocol::metric;

use super::between::Between;
use super::recent::Recent;
use super::ring::Ring;
use super::troubles::{Look, findings};
use crate::cli::Cli;
use crate::generate;

/// Alerts that the page does not tell, each with its reason.
const NOT_HERE: [(&str, &str); 7] = [
    ("gone", "the page says it by itself once nobody answers"),
    ("restart-storm", "a process does not know what was before it"),
    ("clock-skew", "it takes half an hour, which is longer than the page remembers"),
    ("disk-filling", "it takes six hours to see where it goes; the room that is left is on the page"),
    ("carrier-waiting", "the table of carriers shows for each what its queries wait here"),
    ("sign-in-flood", "it is about citizens who sign in; the pages' dashboard shows which bound is used up"),
    ("watchdog", "it is always raised, so that its silence is heard"),
];

#[test]
fn every_alert_is_looked_for_or_there_is_a_reason_why_not() {
    let certificate = format!("{}{{certificate=\"quic\"}} 1\n", metric::CERTIFICATE_EXPIRES);
    let (minute, ring, recent) = (Between::new("", &certificate, 60.0), Ring::default(), Recent::default());
    let look = Look {
        text: &certificate,
        minute: &minute,
        ring: &ring,
        recent: &recent,
        stage: "ready",
        now_s: 0,
        parked: &[],
    };
    let looked: BTreeSet<&str> = findings(&look).iter().map(|finding| finding.id).collect();
    let elsewhere: BTreeSet<&str> = NOT_HERE.iter().map(|(id, _)| *id).collect();
    let known: BTreeSet<&str> = generate::known().iter().map(|alert| alert.id).collect();
    assert_eq!(looked.intersection(&elsewhere).count(), 0, "{looked:?}");
    assert_eq!(looked.union(&elsewhere).copied().collect::<BTreeSet<_>>(), known);
    assert!(NOT_HERE.iter().all(|(_, reason)| reason.len() > 20));
}

#[test]
fn every_command_that_words_name_exists() {
    let mut seen = 0;
    for directory in ["src/diagnosis/doctor", "src/overview"] {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
        for entry in std::fs::read_dir(directory).expect("sources") {
            let path = entry.expect("a source").path();
            let text = std::fs::read_to_string(&path).expect("text");
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            for command in code.flat_map(|line| line.split('`').skip(1).step_by(2)) {
                let Some(words) = command.strip_prefix("changtong ") else { continue };
                assert!(exists(words), "{}: {command}", path.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 5, "{seen} commands");
    assert!(!exists("audit person") && !exists("carry") && !exists("doctor --none"));
}

/// Says whether there are these commands, with these flags; what is in capitals is a value.
fn exists(words: &str) -> bool {
    let mut command = Cli::command();
    for word in words.split_whitespace() {
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        if let Some(flag) = word.strip_prefix("--") {
            if !command.get_arguments().any(|argument| argument.get_long() == Some(flag)) {
                return false;
            }
        } else if plain(word) {
            let Some(next) = command.find_subcommand(word).cloned() else { return false };
            command = next;
        }
    }
    true
}
