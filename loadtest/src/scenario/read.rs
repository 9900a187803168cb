//! The reader of scenarios, from a file or from those that come with the program. Errors name file and line before
//! anything runs; `check.rs` has the rules.

use std::fs;
use std::io;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::check::{self, Step, Violation};
use super::{SHIPPED, Scenario};

/// The reason why a scenario cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// A name of no scenario.
    #[error(
        "there is no scenario called {name:?}{near}; `loadtest list` shows them, and a path with a / runs that file"
    )]
    Unknown {
        /// The name.
        name: String,
        /// The most similar name, in words.
        near: String,
    },
    /// The file cannot be read.
    #[error("reading {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// The cause.
        source: io::Error,
    },
    /// The scenario is malformed.
    #[error("{path}:{line}: {text}")]
    Wrong {
        /// The file, or a shipped scenario's name.
        path: String,
        /// The line, from 1.
        line: usize,
        /// The fault.
        text: String,
    },
}

/// Reads the scenario that comes with the program under that name, or the file at that path.
pub fn load(name: &str) -> Result<Scenario, ScenarioError> {
    if let Some(shipped) = SHIPPED.iter().find(|shipped| shipped.name == name) {
        return parse(shipped.text, &format!("{name}.toml"));
    }
    if !name.contains(['/', '.']) {
        return Err(ScenarioError::Unknown { name: name.to_owned(), near: near(name) });
    }
    let text = fs::read_to_string(Path::new(name))
        .map_err(|source| ScenarioError::Read { path: name.to_owned(), source })?;
    parse(&text, name)
}

/// Parses and checks a scenario; `path` is for error messages.
pub fn parse(text: &str, path: &str) -> Result<Scenario, ScenarioError> {
    let wrong = |at: usize, said: String| {
        let line = text.get(..at).unwrap_or(text).matches('\n').count() + 1;
        ScenarioError::Wrong { path: path.to_owned(), line, text: said }
    };
    let scenario: Scenario = toml::from_str(text).map_err(|error| {
        let said = error.message().trim_end().replace('\n', ", ");
        wrong(error.span().map_or(0, |span| span.start), said)
    })?;
    match check::check(&scenario) {
        Ok(()) => Ok(scenario),
        Err(Violation { at, text: said }) => Err(wrong(place(text, &at), said)),
    }
}

/// Returns the line of a path in the file, or of the last step that exists.
fn place(text: &str, path: &[Step]) -> usize {
    let Ok(root) = DeTable::parse(text) else { return 0 };
    let root = Spanned::new(root.span(), DeValue::Table(root.into_inner()));
    let (mut at, mut value) = (0, &root);
    for step in path {
        let next = match (step, value.get_ref()) {
            (Step::Key(key), DeValue::Table(table)) => table.get(*key),
            (Step::Index(index), DeValue::Array(array)) => array.get(*index),
            (Step::Key(_) | Step::Index(_), _) => None,
        };
        let Some(next) = next else { break };
        at = next.span().start;
        value = next;
    }
    at
}

/// Returns the shipped name with the longest common beginning.
fn near(name: &str) -> String {
    let common = |other: &str| name.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    let nearest = SHIPPED.iter().max_by_key(|shipped| common(shipped.name));
    match nearest.filter(|shipped| common(shipped.name) >= 2) {
        Some(shipped) => format!(", did you mean {:?}", shipped.name),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"name = "x"
about = "a test"
[city]
people = 100
gates = 4
[[fleet]]
class = "gate"
count = 4
[[stage]]
name = "a"
kind = "step"
seconds = 2.0
rate = 10.0
[[event]]
at_s = 1.0
do = "rebind"
[[threshold]]
of = "punch"
figure = "p99_ms"
max = 10.0
"#;

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        assert!(parse(GOOD, "x.toml").is_ok());
        for (from, to, line, expected) in [
            ("people = 100", "poeple = 100", 4, "unknown field `poeple`"),
            ("people = 100", "people = 0", 4, "people"),
            ("count = 4", "count = 0", 8, "count"),
            ("count = 4", "count = 5", 8, "4 gates"),
            ("seconds = 2.0", "seconds = -2.0", 12, "seconds"),
            ("rate = 10.0", "", 9, "rate"),
            ("rate = 10.0", "rate = nan", 13, "rate"),
            ("at_s = 1.0", "at_s = 9.0", 15, "ends after 2 s"),
            ("do = \"rebind\"", "do = \"kill\"", 14, "for_s"),
            ("do = \"rebind\"", "do = \"rebnd\"", 16, "unknown variant"),
            ("do = \"rebind\"", "do = \"roll\"", 14, "of a fleet"),
            ("gates = 4", "gates = 4\ngateways = 3", 15, "of one gateway"),
            ("gates = 4", "gates = 4\ngateways = 9", 6, "1 to 5"),
            ("of = \"punch\"", "of = \"query\"", 18, "the mix has no query"),
            ("max = 10.0", "", 17, "max or min"),
            ("max = 10.0", "max = 10.0\nstage = \"b\"", 21, "no stage"),
            ("[city]", "mix = { verify = -1 }\n[city]", 3, "mix"),
        ] {
            let error = parse(&GOOD.replacen(from, to, 1), "x.toml").unwrap_err().to_string();
            let start = format!("x.toml:{line}: ");
            assert!(error.starts_with(&start) && error.contains(expected), "{from} → {to}: {error}");
        }
    }

    #[test]
    fn a_name_that_is_none_gets_the_nearest() {
        let error = load("stedy").unwrap_err().to_string();
        assert!(error.contains("did you mean \"steady\""), "{error}");
        assert!(load("./nowhere.toml").unwrap_err().to_string().contains("nowhere.toml"));
    }

    #[test]
    fn every_shipped_scenario_reads_and_has_its_own_name() {
        for shipped in SHIPPED {
            let scenario = load(shipped.name).unwrap();
            assert_eq!(scenario.name, shipped.name);
            assert_eq!(scenario.expected.is_some(), shipped.drill, "{}", shipped.name);
        }
    }

    #[test]
    fn the_reference_names_every_key_and_its_example_reads() {
        let reference = include_str!("../../SCENARIOS.md");
        let schema = serde_json::to_value(schemars::schema_for!(Scenario)).unwrap();
        let tables = schema["$defs"].as_object().unwrap().values().chain([&schema]);
        let keys = tables.filter_map(|table| table["properties"].as_object()).flat_map(|table| table.keys());
        for key in keys {
            assert!(reference.contains(key.as_str()), "SCENARIOS.md does not explain {key}");
        }
        let example = reference.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
        // The first stage of the example stands for any.
        let example = example.replace("ramp\"  ", "step\"  ");
        parse(&example, "SCENARIOS.md").unwrap();
    }
}
