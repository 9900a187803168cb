//! The paths that a source takes from its own crate: `use crate::…`, `use super::…` with their groups, and such paths in the code. It
//! reads words and signs and knows no more of the language; what is compiled for tests alone is left out.

/// A module's path in its crate; empty for the root.
pub(crate) type Module = Vec<String>;

/// A file of a crate.
pub(crate) struct Source {
    /// Its path in the repository.
    pub(crate) path: String,
    /// The module that it holds.
    pub(crate) module: Module,
    /// Its text.
    pub(crate) text: String,
}

/// A path that a module names.
#[derive(Debug, PartialEq)]
pub(crate) struct Import {
    /// The module that names it.
    pub(crate) from: Module,
    /// The path from the root of the crate. One that begins with neither `crate`, `self` nor `super` is taken for a child's; whether there
    /// is such a child the reader of all modules knows.
    pub(crate) to: Vec<String>,
    /// The name that a `use` gives it in the module.
    pub(crate) name: Option<String>,
    /// The line, from 1.
    pub(crate) line: usize,
}

/// The modules and imports of one source.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Read {
    /// The paths, in their order.
    pub(crate) imports: Vec<Import>,
    /// Modules that are compiled for tests alone, files of their own.
    pub(crate) tests: Vec<Module>,
}

/// A word, a `::` or another sign, with its line.
#[derive(Clone, Copy)]
struct Token<'a> {
    text: &'a str,
    line: usize,
}

/// Reads a source.
pub(crate) fn read(source: &Source) -> Read {
    let mut read = Read::default();
    let tokens = without_tests(&tokens(&source.text), &source.module, &mut read.tests);
    let mut inline: Vec<(usize, String)> = Vec::new();
    let (mut depth, mut at) = (0, 0);
    while let Some(token) = tokens.get(at) {
        let next = |ahead: usize| tokens.get(at + ahead).map_or("", |token| token.text);
        let here = || source.module.iter().chain(inline.iter().map(|(_, name)| name)).cloned().collect();
        let mut taken = 1;
        match token.text {
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                inline.pop_if(|(opened, _)| *opened == depth);
            }
            "mod" if next(2) == "{" => {
                inline.push((depth, next(1).to_owned()));
                (depth, taken) = (depth + 1, 3);
            }
            // `use<…>` says what a type captures.
            "use" if next(1) != "<" => {
                let from: Module = here();
                let end = tokens[at..].iter().position(|token| token.text == ";");
                let tree = &tokens[at + 1..at + end.unwrap_or(tokens.len() - at)];
                leaves(tree, &mut Vec::new(), &mut |segments, name, line| {
                    let to = absolute(&from, segments);
                    read.imports.extend(to.map(|to| Import { from: from.clone(), to, name, line }));
                });
                taken += tree.len();
            }
            "crate" | "super" | "self" if next(1) == "::" && !is_visibility(&tokens[..at]) => {
                let path: Vec<_> = tokens[at..]
                    .chunks(2)
                    .scan(true, |goes_on, pair| {
                        let word = goes_on.then_some(pair[0].text).filter(|text| is_word(text));
                        *goes_on = pair.get(1).is_some_and(|sign| sign.text == "::");
                        word
                    })
                    .collect();
                taken = path.len() * 2 - 1;
                let (from, line): (Module, _) = (here(), token.line);
                let to = absolute(&from, &path);
                read.imports.extend(to.map(|to| Import { from, to, name: None, line }));
            }
            _ => {}
        }
        at += taken;
    }
    read
}

/// Returns true if the path behind these tokens is part of a visibility, as in `pub(in crate::a)`.
fn is_visibility(before: &[Token<'_>]) -> bool {
    matches!(before, [.., bracket, word] if (bracket.text, word.text) == ("(", "in"))
}

/// Returns the path from the root of the crate; `None` if it leads above that.
fn absolute(from: &Module, segments: &[&str]) -> Option<Vec<String>> {
    let mut module = from.clone();
    let mut rest = segments;
    while let Some((&first, after)) = rest.split_first() {
        match first {
            "crate" => module.clear(),
            "self" => {}
            "super" => drop(module.pop()?),
            _ => break,
        }
        rest = after;
    }
    module.extend(rest.iter().map(|segment| (*segment).to_owned()));
    Some(module)
}

/// Calls `leaf` for each path of a tree of `use`: its segments, the name that it gets, its line.
fn leaves<'a>(
    tree: &[Token<'a>],
    before: &mut Vec<&'a str>,
    leaf: &mut impl FnMut(&[&str], Option<String>, usize),
) {
    let length = before.len();
    let (mut alias, mut is_alias, mut line) = (None, false, tree.first().map_or(0, |token| token.line));
    for (at, token) in tree.iter().enumerate() {
        match token.text {
            "{" => {
                let inner = &tree[at + 1..at + 1 + closing(&tree[at + 1..])];
                split(inner).for_each(|part| leaves(part, before, leaf));
                before.truncate(length);
                return;
            }
            "as" => is_alias = true,
            "::" => {}
            word if is_alias => alias = Some(word.to_owned()),
            word => {
                before.push(word);
                line = token.line;
            }
        }
    }
    if before.last() == Some(&"self") && before.len() > 1 {
        before.pop();
    }
    let name = alias.or_else(|| before.last().map(|last| (*last).to_owned()));
    if !tree.is_empty() {
        leaf(before, name.filter(|name| is_word(name)), line);
    }
    before.truncate(length);
}

/// Returns the parts of a group between its commas.
fn split<'s, 'a>(group: &'s [Token<'a>]) -> impl Iterator<Item = &'s [Token<'a>]> {
    let mut depth = 0;
    group.split(move |token| {
        depth += i32::from(token.text == "{") - i32::from(token.text == "}");
        depth == 0 && token.text == ","
    })
}

/// Returns the place of the sign that closes what was opened before the first token.
fn closing(tokens: &[Token<'_>]) -> usize {
    let mut depth = 1;
    let closes = |token: &Token<'_>| {
        depth += i32::from(["{", "(", "["].contains(&token.text));
        depth -= i32::from(["}", ")", "]"].contains(&token.text));
        depth == 0
    };
    tokens.iter().position(closes).unwrap_or(tokens.len())
}

/// Returns the tokens without the items under `#[cfg(test)]`; modules among these that have a file of their own are added to `modules`.
fn without_tests<'a>(tokens: &[Token<'a>], module: &Module, modules: &mut Vec<Module>) -> Vec<Token<'a>> {
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        let Some(end) = attribute(&tokens[at..]) else {
            kept.push(tokens[at]);
            at += 1;
            continue;
        };
        let of_tests = is_test(&tokens[at..at + end]);
        at += end;
        if !of_tests {
            continue;
        }
        while let Some(end) = attribute(&tokens[at..]) {
            at += end;
        }
        let item = &tokens[at..at + item(&tokens[at..])];
        let name = item.iter().position(|token| token.text == "mod").and_then(|at| item.get(at + 1));
        modules.extend(name.map(|name| [&module[..], &[name.text.to_owned()]].concat()));
        at += item.len();
    }
    kept
}

/// Returns the length of the attribute that stands there; `None` if there is none.
fn attribute(tokens: &[Token<'_>]) -> Option<usize> {
    let opened = match tokens {
        [hash, bracket, ..] if (hash.text, bracket.text) == ("#", "[") => 2,
        [hash, bang, bracket, ..] if (hash.text, bang.text, bracket.text) == ("#", "!", "[") => 3,
        _ => return None,
    };
    Some(opened + closing(&tokens[opened..]) + 1)
}

fn is_test(attribute: &[Token<'_>]) -> bool {
    let words: Vec<_> = attribute.iter().map(|token| token.text).filter(|text| is_word(text)).collect();
    matches!(words[..], ["cfg", "test"] | ["cfg", "all", "test", ..])
}

/// Returns the length of the item that stands there: to its semicolon, or to the end of its body.
fn item(tokens: &[Token<'_>]) -> usize {
    let visibility = ["pub", "(", "crate", "super", "in", ")"];
    let begin = tokens.iter().find(|token| !visibility.contains(&token.text));
    let is_use = begin.is_some_and(|token| token.text == "use");
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token.text {
            ";" => return at,
            // The last field of a struct.
            "}" | ")" | "]" => return at - 1,
            "{" | "(" | "[" => {
                at += closing(&tokens[at..]) + 1;
                if token.text == "{" && !is_use {
                    return at.min(tokens.len());
                }
            }
            _ => {}
        }
    }
    tokens.len()
}

fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_alphanumeric() || first == '_')
}

/// Cuts a source into words and signs; comments, texts and characters are left out.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let (mut tokens, mut rest, mut line) = (Vec::new(), text, 1);
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (length, is_token) = match first {
            '/' if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), false),
            '/' if rest.starts_with("/*") => (comment(rest), false),
            '"' => (quoted(rest, '"'), false),
            '\'' => (character(rest), false),
            _ if word > 0 => match literal(&rest[..word], &rest[word..]) {
                Some(literal) => (word + literal, false),
                None => (word, true),
            },
            ':' if rest.starts_with("::") => (2, true),
            _ => (first.len_utf8(), !first.is_whitespace()),
        };
        let (taken, after) = rest.split_at(length);
        if is_token {
            tokens.push(Token { text: taken, line });
        }
        line += taken.matches('\n').count();
        rest = after;
    }
    tokens
}

/// Returns the length of a comment between `/*` and `*/`, with those in it.
fn comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let step = match text.as_bytes()[at..] {
            [b'/', b'*', ..] => 1,
            [b'*', b'/', ..] => -1,
            _ => 0,
        };
        depth += step;
        at += if step == 0 { 1 } else { 2 };
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// Returns the length of what begins with a quote and ends with another that no backslash precedes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|&(_, c)| {
        let ends = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |(at, _)| at + quote.len_utf8())
}

/// Returns the length of a character; of a lifetime, that of its quote.
fn character(text: &str) -> usize {
    let mut characters = text.chars().skip(1);
    match (characters.next(), characters.next()) {
        (Some('\\'), _) => quoted(text, '\''),
        (Some(one), Some('\'')) => one.len_utf8() + 2,
        _ => 1,
    }
}

/// Returns the length of a text behind its prefix: `b"…"`, `r#"…"#` and their like; `None` if the word is none.
fn literal(word: &str, rest: &str) -> Option<usize> {
    match word {
        "b" if rest.starts_with('\'') => Some(character(rest)),
        "b" | "c" if rest.starts_with('"') => Some(quoted(rest, '"')),
        "r" | "br" | "cr" => {
            let hashes = rest.len() - rest.trim_start_matches('#').len();
            let end = format!("\"{}", &rest[..hashes]);
            let body = rest[hashes..].strip_prefix('"')?;
            Some(hashes + 1 + body.find(&end).map_or(body.len(), |at| at + end.len()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<(String, usize)> {
        let module = vec!["here".to_owned(), "below".to_owned()];
        let source = Source { path: "here/below.rs".to_owned(), module, text: text.to_owned() };
        read(&source).imports.into_iter().map(|import| (import.to.join("::"), import.line)).collect()
    }

    #[test]
    fn groups_of_use_are_read_with_their_lines() {
        let text = "use std::fmt;\nuse crate::{\n    a::{self, B as C, d::*},\n    super_one,\n};\nuse super::{x, super::y};\n";
        let expected = [
            ("here::below::std::fmt", 1),
            ("a", 3),
            ("a::B", 3),
            ("a::d::*", 3),
            ("super_one", 4),
            ("here::x", 6),
            ("y", 6),
        ];
        assert_eq!(paths(text), expected.map(|(path, line)| (path.to_owned(), line)));
    }

    #[test]
    fn paths_in_the_code_are_read_and_texts_comments_and_visibilities_are_not() {
        let text = r##"
// crate::a::b
/* crate::c /* crate::d */ crate::e */
pub(in crate::f) fn g<'a>(h: &'a str) -> char { crate::i::j(super::k, '"'); r#"" crate::l"#; "\" crate::m"; '\'' }
mod n { fn o() { super::p::q() } }
fn r() -> impl Sized + use<'static> { super::s }
"##;
        let expected = [("i::j", 4), ("here::k", 4), ("here::below::p::q", 5), ("here::s", 6)];
        assert_eq!(paths(text), expected.map(|(path, line)| (path.to_owned(), line)));
    }

    #[test]
    fn what_is_compiled_for_tests_alone_is_left_out() {
        let text = "#[cfg(test)]\nuse crate::{a, b};\n#[cfg(test)]\nmod tests {\n use crate::c;\n}\n#[cfg(test)]\n\
                    #[path = \"x\"]\nmod many;\n#[cfg(any(test, fuzzing))]\nuse crate::d;\n#[cfg(test)]\nfn e() { crate::f() }\nuse crate::g;\n";
        assert_eq!(paths(text), [("d".to_owned(), 11), ("g".to_owned(), 14)]);
        let source = Source { path: String::new(), module: vec!["h".to_owned()], text: text.to_owned() };
        let tests = read(&source).tests;
        assert_eq!(tests, [["h", "tests"].map(str::to_owned), ["h", "many"].map(str::to_owned)]);
    }
}
