//! Every command and argument has a help text, each command a manual page, and each command that a text names exists.

use std::collections::BTreeSet;
use std::path::Path;

use clap::CommandFactory;

use super::*;
use crate::cli::Cli;

/// Every command with its words.
fn commands(command: &clap::Command, words: &str, found: &mut Vec<(String, clap::Command)>) {
    found.push((words.to_owned(), command.clone()));
    for command in command.get_subcommands() {
        commands(command, &format!("{words} {}", command.get_name()), found);
    }
}

fn all() -> Vec<(String, clap::Command)> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut found = Vec::new();
    commands(&command, NAME, &mut found);
    found
}

#[test]
fn every_command_and_every_argument_says_what_it_is() {
    let mut findings = Vec::new();
    let mut check = |what: String, help: Option<&clap::builder::StyledStr>| {
        let help = help.map(ToString::to_string).unwrap_or_default();
        if help.len() < 4 || help.contains("  ") {
            findings.push(format!("{what}: {help:?}"));
        }
    };
    for (words, command) in all() {
        check(words.clone(), command.get_about());
        for argument in command.get_arguments() {
            check(format!("{words} {}", argument.get_id()), argument.get_help());
        }
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn every_command_has_a_page_that_names_its_arguments() {
    let pages = pages(Cli::command()).expect("pages");
    let names: BTreeSet<_> = pages.iter().map(|(name, _)| name.clone()).collect();
    let expected = all();
    assert_eq!(names.len(), pages.len(), "one page each");
    assert_eq!(names.len(), expected.len());
    for (words, command) in expected {
        let name = format!("{}.1", words.replace(' ', "-"));
        let (_, text) = pages.iter().find(|(page, _)| *page == name).unwrap_or_else(|| panic!("{name}"));
        assert!(text.contains(".TH ") && text.contains(".SH NAME"), "{name}");
        for long in command.get_arguments().filter_map(clap::Arg::get_long) {
            assert!(text.contains(&format!("\\-\\-{}", long.replace('-', "\\-"))), "{name}: --{long}");
        }
    }
}

#[test]
fn every_shell_is_told_every_command() {
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let text = String::from_utf8(completions(shell, Cli::command())).expect("text");
        for (words, _) in all() {
            let last = words.rsplit(' ').next().expect("split has a last part");
            assert!(text.contains(last), "{shell:?}: {words}");
        }
    }
}

#[test]
fn every_command_that_words_name_exists() {
    let mut seen = 0;
    for directory in ["src/diagnosis", "src/diagnosis/doctor", "../dashboards/alerts/src"] {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
        for entry in std::fs::read_dir(directory).expect("sources") {
            let path = entry.expect("a source").path();
            if path.is_dir() {
                continue;
            }
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

/// Reports whether these commands with these flags exist; a word in capitals is a value.
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
