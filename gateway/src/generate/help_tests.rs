//! Every command and argument has a help text, and each command a manual page.

use std::collections::BTreeSet;

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
