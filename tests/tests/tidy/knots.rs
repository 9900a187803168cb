//! Dependencies between the modules of a crate run one way: at the first level of modules, and at the first two, none needs itself through
//! another. What a module and its own parent know of each other does not count.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write;

use tests::repository::{files_ending, read};

use super::imports::{self, Import, Module, Source};
use super::{CRATES, check};

/// Levels of modules that are looked at.
const LEVELS: [usize; 2] = [1, 2];
/// A re-export of a re-export, and some.
const REEXPORTS_MAX: usize = 8;

/// The lines that make one module depend on another.
type Edges = BTreeMap<Module, BTreeMap<Module, Vec<String>>>;

#[test]
fn dependencies_between_modules_run_one_way() {
    let mut findings = Vec::new();
    for krate in CRATES {
        for level in LEVELS {
            let edges = edges(&sources(krate), level);
            findings.extend(knots(&edges).iter().map(|knot| sentence(krate, knot, &edges)));
        }
    }
    check("modules that need themselves through others", &findings);
}

/// Returns the files of a crate's library or program, tests left out.
fn sources(krate: &str) -> Vec<Source> {
    let folder = format!("{krate}/src/");
    // A file of tests beside the one that it tests may have a `#[path]` of its own: it goes by its name.
    let is_product = |path: &String| path.starts_with(&folder) && !path.ends_with("_tests.rs");
    let all = files_ending(&[".rs"]).into_iter().filter(is_product);
    let sources = all.map(|path| Source { module: module(&path[folder.len()..]), text: read(&path), path });
    sources.collect()
}

/// Returns the module that lies in a file of `src`.
fn module(path: &str) -> Module {
    let mut module: Module = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    let is_parents =
        |last: &String| last == "mod" || (!path.contains('/') && ["lib", "main"].contains(&last.as_str()));
    module.pop_if(|last| is_parents(last));
    module
}

/// Returns the dependencies between the modules of that level.
fn edges(sources: &[Source], level: usize) -> Edges {
    let read: Vec<_> = sources.iter().map(imports::read).collect();
    let tests: Vec<&Module> = read.iter().flat_map(|read| &read.tests).collect();
    let is_test = |module: &Module| tests.iter().any(|test| module.starts_with(test));
    let modules: BTreeSet<&Module> = sources.iter().map(|source| &source.module).collect();
    let of_product = sources.iter().zip(&read).filter(|(source, _)| !is_test(&source.module));
    let imports: Vec<(&Source, &Import)> = of_product
        .flat_map(|(source, read)| read.imports.iter().map(move |import| (source, import)))
        .collect();
    let names = imports
        .iter()
        .filter_map(|(_, import)| {
            let name = [&import.from[..], &[import.name.clone()?]].concat();
            (name != import.to).then_some((name, import.to.clone()))
        })
        .collect();
    let mut edges = Edges::new();
    for (source, import) in imports {
        let Some(target) = target(&import.to, &modules, &names) else { continue };
        let cut = |module: &Module| module[..level.min(module.len())].to_vec();
        let (from, to) = (cut(&import.from), cut(&target));
        let is_own = from.starts_with(&to) || to.starts_with(&from);
        if !is_own && !is_test(&target) {
            let line = format!("{}:{} {}", source.path, import.line, import.to.join("::"));
            edges.entry(from).or_default().entry(to).or_default().push(line);
        }
    }
    edges
}

/// Returns the module in which a path ends, through what modules export again; `None` outside the crate.
fn target(
    path: &[String],
    modules: &BTreeSet<&Module>,
    names: &BTreeMap<Module, Vec<String>>,
) -> Option<Module> {
    let mut path = path.to_vec();
    for _ in 0..REEXPORTS_MAX {
        let length = (0..=path.len()).rev().find(|&length| modules.contains(&path[..length].to_vec()))?;
        let exported = path.get(..=length).and_then(|name| names.get(name));
        let Some(exported) = exported else { return Some(path[..length].to_vec()) };
        path = [&exported[..], &path[length + 1..]].concat();
    }
    None
}

/// Returns the groups of modules of which each needs itself through the others.
fn knots(edges: &Edges) -> Vec<BTreeSet<&Module>> {
    let reached = |from| {
        let mut found = BTreeSet::new();
        let mut ahead = VecDeque::from([from]);
        while let Some(module) = ahead.pop_front() {
            ahead.extend(
                edges.get(module).into_iter().flat_map(BTreeMap::keys).filter(|to| found.insert(*to)),
            );
        }
        found
    };
    let reach: BTreeMap<&Module, BTreeSet<&Module>> =
        edges.keys().map(|from| (from, reached(from))).collect();
    let mut knots: Vec<BTreeSet<&Module>> = Vec::new();
    for (from, reached) in &reach {
        if reached.contains(from) && !knots.iter().any(|knot| knot.contains(from)) {
            let back = |to: &&Module| reach.get(*to).is_some_and(|reached| reached.contains(from));
            knots.push(reached.iter().copied().filter(back).collect());
        }
    }
    knots
}

/// Describes the shortest circle of modules through the first of the knot, with the lines that make them depend on each other.
fn sentence(krate: &str, knot: &BTreeSet<&Module>, edges: &Edges) -> String {
    let first = *knot.first().expect("a knot has modules");
    let mut before: BTreeMap<&Module, &Module> = BTreeMap::new();
    let mut ahead = VecDeque::from([first]);
    while !before.contains_key(first)
        && let Some(module) = ahead.pop_front()
    {
        for to in edges[module].keys().filter(|to| knot.contains(to)) {
            if !before.contains_key(to) {
                before.insert(to, module);
                ahead.push_back(to);
            }
        }
    }
    let mut circle = vec![first];
    loop {
        let from = before[circle[circle.len() - 1]];
        circle.push(from);
        if from == first {
            break;
        }
    }
    circle.reverse();
    let names: Vec<String> = circle.iter().map(|module| module.join("::")).collect();
    let mut sentence = format!("{krate}: {} form a circle", names.join(" → "));
    for pair in circle.windows(2) {
        let lines = edges[pair[0]][pair[1]].join(", ");
        let _ = write!(sentence, "\n    {} → {}: {lines}", pair[0].join("::"), pair[1].join("::"));
    }
    sentence
}

#[cfg(test)]
mod made_up {
    use super::*;

    fn crate_of(files: &[(&str, &str)]) -> Vec<Source> {
        let source = |&(path, text): &(&str, &str)| Source {
            path: format!("made/src/{path}"),
            module: module(path),
            text: text.to_owned(),
        };
        files.iter().map(source).collect()
    }

    fn circles(files: &[(&str, &str)], level: usize) -> Vec<String> {
        let edges = edges(&crate_of(files), level);
        knots(&edges).iter().map(|knot| sentence("made", knot, &edges)).collect()
    }

    #[test]
    fn a_circle_is_found_and_named_with_the_lines_that_make_it() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\nmod c;\nmod d;\n"),
            ("a.rs", "use crate::b::B;\nuse crate::d;\n"),
            ("b.rs", "use std::fmt;\n\nuse super::{c::C, d::D};\n"),
            ("c.rs", "fn f() { crate::a::inner::g() }\n"),
            ("d.rs", ""),
        ];
        let expected = "made: a → b → c → a form a circle\n    a → b: made/src/a.rs:1 b::B\n    b → c: made/src/b.rs:3 c::C\n    \
                        c → a: made/src/c.rs:1 a::inner::g";
        assert_eq!(circles(&files, 1), [expected]);
    }

    #[test]
    fn a_parent_and_its_child_are_no_circle_and_two_children_are() {
        let files = [
            ("lib.rs", "mod a;\n"),
            ("a/mod.rs", "mod b;\nmod c;\nuse b::B;\n"),
            ("a/b.rs", "use super::A;\n"),
            ("a/c.rs", "use super::b;\nuse crate::a;\n"),
        ];
        assert_eq!(circles(&files, 1), Vec::<String>::new());
        assert_eq!(circles(&files, 2), Vec::<String>::new());
        let mut files = files;
        files[2].1 = "use super::{A, c::{self, C}};\n";
        assert_eq!(circles(&files, 1), Vec::<String>::new());
        let found = circles(&files, 2);
        assert!(
            found.len() == 1 && found[0].starts_with("made: a::b → a::c → a::b form a circle\n"),
            "{found:?}"
        );
    }

    #[test]
    fn what_the_root_exports_again_hides_no_circle() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\npub use a::A;\n"),
            ("a.rs", "use crate::b::B;\n"),
            ("b.rs", "use super::A;\n"),
        ];
        assert_eq!(circles(&files, 1).len(), 1);
    }

    #[test]
    fn what_is_compiled_for_tests_alone_makes_no_circle() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\n#[cfg(test)]\nmod many;\n"),
            ("a.rs", "use crate::b::B;\n"),
            ("b.rs", "#[cfg(test)]\nuse crate::a::A;\n#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}\n"),
            ("many.rs", "use crate::{a, b};\n"),
            ("b/tests.rs", "use crate::a;\n"),
        ];
        assert_eq!(circles(&files, 1), Vec::<String>::new());
    }
}
