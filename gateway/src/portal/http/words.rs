//! The words of pages, in Chinese first and English second, from two Fluent files. A key that is missing in either fails a test, and
//! shows as the key itself rather than ending a page.

use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use maud::{Markup, html};

const ZH: &str = include_str!("../../../pages/zh.ftl");
const EN: &str = include_str!("../../../pages/en.ftl");

/// The two languages; read once.
pub(crate) struct Words {
    zh: FluentBundle<FluentResource>,
    en: FluentBundle<FluentResource>,
}

static WORDS: LazyLock<Words> = LazyLock::new(|| Words { zh: bundle("zh-CN", ZH), en: bundle("en", EN) });

fn bundle(language: &str, text: &str) -> FluentBundle<FluentResource> {
    let mut bundle = FluentBundle::new_concurrent(vec![language.parse().expect("a language tag")]);
    // Isolation marks around what is filled in would be read out by screen readers.
    bundle.set_use_isolating(false);
    let resource = FluentResource::try_new(text.to_owned()).unwrap_or_else(|(resource, _)| resource);
    // A key that stands twice fails a test.
    let _ = bundle.add_resource(resource);
    bundle
}

fn say(bundle: &FluentBundle<FluentResource>, key: &str, args: &[(&str, &str)]) -> String {
    let Some(pattern) = bundle.get_message(key).and_then(|message| message.value()) else {
        return key.to_owned();
    };
    let mut filled = FluentArgs::new();
    for (name, value) in args {
        filled.set(*name, *value);
    }
    bundle.format_pattern(pattern, Some(&filled), &mut Vec::new()).into_owned()
}

/// The Chinese text.
pub(crate) fn zh(key: &str) -> String {
    say(&WORDS.zh, key, &[])
}

/// The English text.
pub(crate) fn en(key: &str) -> String {
    say(&WORDS.en, key, &[])
}

/// Both, the English one smaller below.
pub(crate) fn both(key: &str) -> Markup {
    both_with(key, &[])
}

/// Both, filled in.
pub(crate) fn both_with(key: &str, args: &[(&str, &str)]) -> Markup {
    html! { (say(&WORDS.zh, key, args)) span.en lang="en" { (say(&WORDS.en, key, args)) } }
}

/// Both on one line, for attributes and titles.
pub(crate) fn line(key: &str) -> String {
    format!("{} {}", zh(key), en(key))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn keys(text: &'static str) -> Vec<&'static str> {
        text.lines()
            .filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()))
            .filter_map(|line| line.split_once(" =").map(|(key, _)| key))
            .collect()
    }

    #[test]
    fn no_key_is_missing_in_either_language_or_stands_twice() {
        let (zh, en) = (keys(ZH), keys(EN));
        let set = |keys: &[&'static str]| keys.iter().copied().collect::<BTreeSet<_>>();
        assert_eq!(set(&zh), set(&en));
        assert_eq!((zh.len(), en.len()), (set(&zh).len(), set(&en).len()), "a key stands twice");
        for text in [ZH, EN] {
            assert!(FluentResource::try_new(text.to_owned()).is_ok(), "a file does not parse");
        }
        for key in &zh {
            for bundle in [&WORDS.zh, &WORDS.en] {
                assert!(bundle.get_message(key).and_then(|message| message.value()).is_some(), "{key}");
            }
        }
    }

    #[test]
    fn every_key_that_pages_name_exists() {
        let known: BTreeSet<&str> = keys(ZH).into_iter().collect();
        let portal = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/portal");
        let mut named = 0;
        let mut folders = vec![portal];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap();
                for call in ["both(\"", "both_with(\"", "zh(\"", "en(\"", "line(\""] {
                    for (_, rest) in text.match_indices(call).map(|(at, _)| text.split_at(at + call.len())) {
                        let key = rest.split('"').next().unwrap();
                        if key.is_empty() || key.contains(',') {
                            continue;
                        }
                        named += 1;
                        assert!(known.contains(key), "{key} in {}", path.display());
                    }
                }
            }
        }
        assert!(named > 20, "{named} keys found in the pages");
    }
}
