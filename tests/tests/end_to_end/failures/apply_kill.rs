//! `kill -9` between every two steps of an application and a modification: afterwards either nothing of it has happened or all of it.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use keys::Keys;
use protocol::Colour;
use registry::{DocumentKind, DocumentNumber, Registry};

/// The state of the registry: applied, modified, or neither. Anything between is a fault.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stands {
    Nothing,
    Applied,
    Modified,
}

fn stands(directory: &Path, step: u32) -> Stands {
    let keys = Keys::load(&directory.join("keys")).expect("keys");
    let registry = Registry::open(&directory.join("registry.db"), &keys).expect("a registry");
    let document = DocumentNumber::parse(DocumentKind::Passport, "MADEUP1").expect("a passport");
    let consents = registry.verify_consents().expect("consents are in order");
    let Some(code) = registry.code_of_document(&document).expect("reads") else {
        assert_eq!(
            (registry.count_codes().expect("reads"), registry.people().expect("reads")),
            (0, 0),
            "step {step}"
        );
        assert_eq!(consents.consents, 0, "step {step}");
        return Stands::Nothing;
    };
    assert_eq!(
        (registry.count_codes().expect("reads"), registry.people().expect("reads")),
        (1, 1),
        "step {step}"
    );
    let entry = registry.code(code).expect("reads").expect("a person has a code");
    let colours: Vec<_> = registry
        .decisions(code)
        .expect("reads")
        .iter()
        .map(|decision| (decision.from, decision.to))
        .collect();
    let causes = registry.causes(code).expect("reads").len();
    let applied = (Colour::Unknown, Colour::Green);
    match entry.colour() {
        Colour::Green => {
            assert_eq!((causes, colours, consents.used), (0, vec![applied], 1), "step {step}");
            Stands::Applied
        }
        Colour::Red => {
            let decisions = vec![applied, (Colour::Green, Colour::Red)];
            assert_eq!((causes, colours, consents.used), (1, decisions, 2), "step {step}");
            Stands::Modified
        }
        Colour::Yellow | Colour::Unknown => panic!("step {step}: {}", entry.colour()),
    }
}

#[test]
fn killed_between_any_two_steps_an_act_has_happened_whole_or_not_at_all() {
    let mut seen = Vec::new();
    for step in 0..100 {
        let directory = tempfile::tempdir().expect("a directory");
        Keys::init(&directory.path().join("keys")).expect("keys");
        let mut command = Command::new(env!("CARGO_BIN_EXE_apply"));
        let status = command.arg(directory.path()).arg(step.to_string()).status().expect("runs");
        seen.push(stands(directory.path(), step));
        if status.success() {
            break;
        }
        assert_eq!(status.signal(), Some(9), "step {step}: {status}");
    }
    assert!(seen.is_sorted(), "{seen:?}");
    let count = |stands| seen.iter().filter(|&known| *known == stands).count();
    assert!(
        count(Stands::Nothing) > 5 && count(Stands::Applied) > 5 && count(Stands::Modified) >= 2,
        "{seen:?}"
    );
    assert_eq!(seen.last(), Some(&Stands::Modified));
}
