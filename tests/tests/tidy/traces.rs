//! The traces of ARCHITECTURE.md, followed: a section "…, in N files" names N files in numbered lines, and each name in such a line is
//! found in the file that stands before it. Also, every path of the repository that ARCHITECTURE.md names exists.
//!
//! A name is `Type::function`, `function` or `CONSTANT`, which the file has to define, or `Type`, which it has to mention.

use std::collections::BTreeSet;

use tests::repository::{files, read};

use super::check;

/// The numbers that a title may have.
const NUMBERS: [&str; 12] =
    ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];

#[test]
fn the_traces_of_the_architecture_can_be_followed() {
    let text = read("ARCHITECTURE.md");
    let titles = sections(&text).filter(|(title, _)| length(title).is_some()).count();
    assert!(titles >= 2, "ARCHITECTURE.md has {titles} traces");
    let files = files();
    let findings = faults(&text, |path| files.iter().any(|file| file == path).then(|| read(path)));
    check("ARCHITECTURE.md", &findings);
}

#[test]
fn the_architecture_names_paths_that_exist() {
    let text = read("ARCHITECTURE.md");
    let files = files();
    let tops: BTreeSet<&str> = files.iter().filter_map(|path| top(path)).collect();
    let is_there =
        |name: &str| files.iter().any(|path| path == name || path.starts_with(&format!("{name}/")));
    let named = code_spans(&text).filter(|span| top(span).is_some_and(|top| tops.contains(top)));
    let paths = named.filter_map(|span| span.split_whitespace().next());
    let missing = paths.map(|path| path.trim_end_matches('/')).filter(|path| !is_there(path));
    check("ARCHITECTURE.md names no such file", &missing.map(str::to_owned).collect::<Vec<_>>());
}

/// Returns what is wrong with the traces of a text. `source` returns the text of a file, `None` if there is none.
fn faults(text: &str, source: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut faults = Vec::new();
    for (title, body) in sections(text) {
        let Some(expected) = length(title) else { continue };
        let mut paths = BTreeSet::new();
        for item in items(body) {
            let mut file: Option<(&str, String)> = None;
            for span in code_spans(&item) {
                if span.contains('/') {
                    paths.insert(span.to_owned());
                    file = source(span).map(|text| (span, text));
                    faults.extend(file.is_none().then(|| format!("{title}: there is no {span}")));
                } else if let Some((path, text)) = &file
                    && !has(text, span)
                {
                    faults.push(format!("{title}: {path} has no {span}"));
                }
            }
        }
        if paths.len() != expected {
            faults.push(format!("{title}: its lines name {} files", paths.len()));
        }
    }
    faults
}

/// Returns the sections of a text, each with its title.
fn sections(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split("\n## ").skip(1).filter_map(|section| section.split_once('\n'))
}

/// Returns the number of files that a title promises: "…, in six files".
fn length(title: &str) -> Option<usize> {
    let number = title.strip_suffix(" files")?.rsplit_once(", in ")?.1;
    NUMBERS.iter().position(|word| *word == number).map(|at| at + 1)
}

/// Returns the numbered lines of a section, each with the indented lines that continue it.
fn items(body: &str) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    let mut inside = false;
    for line in body.lines() {
        let is_first =
            line.split_once(". ").is_some_and(|(number, _)| number.bytes().all(|byte| byte.is_ascii_digit()));
        inside = is_first || (inside && line.starts_with(' '));
        if is_first {
            items.push(line.to_owned());
        } else if inside && let Some(last) = items.last_mut() {
            last.push_str(line);
        }
    }
    items
}

/// Returns the texts between backticks.
fn code_spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Returns the first folder of a path; `None` for what is no path below a folder.
fn top(path: &str) -> Option<&str> {
    path.split_once('/').map(|(top, _)| top)
}

/// Reports whether a source defines that function or constant, or mentions that type.
fn has(source: &str, name: &str) -> bool {
    match name.split_once("::") {
        Some((owner, member)) => blocks(source, owner).any(|block| defines(block, member)),
        None if name.starts_with(char::is_uppercase) && name.contains(char::is_lowercase) => {
            words(source).any(|word| word == name)
        }
        None => defines(source, name),
    }
}

/// Returns the `impl` and `trait` blocks of a formatted source whose first line names that type.
fn blocks<'a>(source: &'a str, owner: &str) -> impl Iterator<Item = &'a str> {
    let block = |start: &'a str| start.split_once("\n}").map_or(start, |(block, _)| block);
    let opens = |line: &str| {
        ["impl", "trait", "pub trait", "pub(crate) trait"].iter().any(|word| line.starts_with(word))
    };
    let starts = source.match_indices('\n').map(|(at, _)| &source[at + 1..]).filter(move |rest| opens(rest));
    let owner = owner.to_owned();
    starts.map(block).filter(move |block| {
        words(block.split_once('{').map_or("", |(head, _)| head)).any(|word| word == owner)
    })
}

/// Reports whether a source has a function or constant of that name.
fn defines(source: &str, name: &str) -> bool {
    let words: Vec<&str> = words(source).collect();
    words.windows(2).any(|pair| ["fn", "const"].contains(&pair[0]) && pair[1] == name)
}

/// Returns the words of a source's code, without its comments.
fn words(source: &str) -> impl Iterator<Item = &str> {
    let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_'))
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod made_up {
    use super::*;

    const SOURCE: &str = "//! fn lost() is a comment.\n\nimpl<T> Log<T> {\n    pub(crate) fn commit(&self) -> Busy {}\n}\n\n\
                          impl Other {\n    fn other() {}\n}\n\nconst ROWS_MAX: usize = 1;\n";

    fn faults_of(title: &str, line: &str) -> Vec<String> {
        let text = format!(
            "# Made up\n\n## {title}\n\n{line}\n\nNot a line: `nothing`.\n\n## Next\n\n1. `no/trace.rs`\n"
        );
        faults(&text, |path| ["a/log.rs", "a/b.rs"].contains(&path).then(|| SOURCE.to_owned()))
    }

    #[test]
    fn a_trace_that_leads_somewhere_has_no_faults() {
        let lines = "1. `a/log.rs`: `Log::commit`, or `Busy`;\n   `ROWS_MAX`, `other`\n2. `a/b.rs`: `commit`";
        assert_eq!(faults_of("A write, in two files", lines), Vec::<String>::new());
    }

    #[test]
    fn a_wrong_path_name_or_number_is_found() {
        let title = "A write, in two files";
        for (line, expected) in [
            ("`a/lag.rs`: `Log::commit`", "there is no a/lag.rs"),
            ("`a/log.rs`: `Log::comit`", "a/log.rs has no Log::comit"),
            ("`a/log.rs`: `Log::other`", "a/log.rs has no Log::other"),
            ("`a/log.rs`: `Lag::commit`", "a/log.rs has no Lag::commit"),
            ("`a/log.rs`: `lost`", "a/log.rs has no lost"),
            ("`a/log.rs`: `Idle`", "a/log.rs has no Idle"),
            ("`a/log.rs`: on\n   more lines `ROWS_MIN`", "a/log.rs has no ROWS_MIN"),
            ("`a/b.rs` again", "its lines name 1 files"),
        ] {
            let lines = format!("1. `a/b.rs`: `commit`\n2. {line}");
            assert_eq!(faults_of(title, &lines), [format!("{title}: {expected}")], "{line}");
        }
    }
}
