//! A table of the configuration, read key by key: a key that is missing, unknown or of the wrong kind is noted with its line, and reading
//! goes on, so that all faults are reported at once. The limits of a value are checked elsewhere.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use strsim::osa_distance;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

/// A fault of the file.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Fault {
    /// From 1.
    pub(crate) line: usize,
    pub(crate) what: String,
}

/// The line of each key, by its path: `quic.listen`, `carrier.0.url`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines(BTreeMap<String, usize>);

impl Lines {
    /// The key's line; its table's if it is not there, the first if that is not either.
    pub(crate) fn of(&self, key: &str) -> usize {
        match (self.0.get(key), key.rsplit_once('.')) {
            (Some(&line), _) => line,
            (None, Some((table, _))) => self.of(table),
            (None, None) => 1,
        }
    }
}

#[derive(Default)]
struct Notes {
    faults: Vec<Fault>,
    lines: Lines,
}

/// One file that is being read.
pub(super) struct Reader<'a> {
    text: &'a str,
    notes: RefCell<Notes>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, notes: RefCell::default() }
    }

    /// Reads the whole file; errors of its syntax are noted.
    pub(super) fn root(&self) -> Table<'_, 'a> {
        let (root, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let line = self.line_at(error.span().map_or(0, |span| span.start));
            self.fault(line, error.message().to_owned());
        }
        Table { reader: self, path: String::new(), line: 1, rows: root.into_inner(), known: Vec::new() }
    }

    /// Returns the faults, in the order of the file, and the line of each key.
    pub(super) fn finish(self) -> (Vec<Fault>, Lines) {
        let Notes { mut faults, lines } = self.notes.into_inner();
        faults.sort_by_key(|fault| fault.line);
        (faults, lines)
    }

    fn line_at(&self, at: usize) -> usize {
        self.text.get(..at).unwrap_or(self.text).matches('\n').count() + 1
    }

    fn fault(&self, line: usize, what: String) {
        self.notes.borrow_mut().faults.push(Fault { line, what });
    }
}

/// A table of which keys are asked for, one after the other.
pub(super) struct Table<'r, 'a> {
    reader: &'r Reader<'a>,
    path: String,
    line: usize,
    /// The rows that were not asked for yet.
    rows: DeTable<'a>,
    known: Vec<&'static str>,
}

impl<'a> Table<'_, 'a> {
    /// The key's value; its absence is a fault.
    pub(super) fn required<T: DeserializeOwned>(&mut self, key: &'static str) -> Option<T> {
        let value = self.take_required(key)?;
        self.read(key, value)
    }

    /// The key's value, if it is there.
    pub(super) fn optional<T: DeserializeOwned>(&mut self, key: &'static str) -> Option<T> {
        let value = self.take(key)?;
        self.read(key, value)
    }

    /// The table of that name; its absence is a fault.
    pub(super) fn section(&mut self, key: &'static str) -> Option<Self> {
        let value = self.take_required(key)?;
        self.table(self.path_of(key), self.line_of(key), value.into_inner())
    }

    /// The table of that name, if it is there.
    pub(super) fn optional_section(&mut self, key: &'static str) -> Option<Self> {
        let value = self.take(key)?;
        self.table(self.path_of(key), self.line_of(key), value.into_inner())
    }

    /// Each table of an array of that name.
    pub(super) fn sections(&mut self, key: &'static str) -> Vec<Self> {
        let Some(value) = self.take(key) else { return Vec::new() };
        let DeValue::Array(rows) = value.into_inner() else {
            self.reader.fault(self.line_of(key), format!("`{key}` is written [[{key}]], once for each"));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for (at, row) in rows.into_iter().enumerate() {
            let (path, line) = (self.path_of(&at_of(key, at)), self.reader.line_at(row.span().start));
            self.reader.notes.borrow_mut().lines.0.insert(path.clone(), line);
            tables.extend(self.table(path, line, row.into_inner()));
        }
        tables
    }

    /// Ends the table: each key that was not asked for is a fault.
    pub(super) fn end(self) {
        for name in self.rows.keys() {
            let known = match nearest(name.get_ref(), &self.known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", self.known.join(", ")),
            };
            let what = format!("unknown key `{}`; {known}", self.path_of(name.get_ref()));
            self.reader.fault(self.reader.line_at(name.span().start), what);
        }
    }

    fn take(&mut self, key: &'static str) -> Option<Spanned<DeValue<'a>>> {
        self.known.push(key);
        let (name, value) = self.rows.remove_entry(key)?;
        let line = self.reader.line_at(name.span().start);
        self.reader.notes.borrow_mut().lines.0.insert(self.path_of(key), line);
        Some(value)
    }

    fn take_required(&mut self, key: &'static str) -> Option<Spanned<DeValue<'a>>> {
        let value = self.take(key);
        if value.is_none() {
            self.reader.fault(self.line, format!("`{}` is missing", self.path_of(key)));
        }
        value
    }

    fn read<T: DeserializeOwned>(&self, key: &str, value: Spanned<DeValue<'a>>) -> Option<T> {
        let line = self.reader.line_at(value.span().start);
        let read = T::deserialize(ValueDeserializer::from(value));
        let wrong =
            |error: &toml::de::Error| format!("`{}`: {}", self.path_of(key), error.message().trim_end());
        read.inspect_err(|error| self.reader.fault(line, wrong(error))).ok()
    }

    fn table(&self, path: String, line: usize, value: DeValue<'a>) -> Option<Self> {
        let DeValue::Table(rows) = value else {
            self.reader.fault(line, format!("`{path}` is a table"));
            return None;
        };
        Some(Self { reader: self.reader, path, line, rows, known: Vec::new() })
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn line_of(&self, key: &str) -> usize {
        self.reader.notes.borrow().lines.of(&self.path_of(key))
    }
}

/// The name of one of an array's tables.
pub(crate) fn at_of(key: &str, at: usize) -> String {
    format!("{key}.{at}")
}

/// Finds the known word that was probably meant.
fn nearest(word: &str, known: &[&'static str]) -> Option<&'static str> {
    let close = |name: &&str| osa_distance(word, name) <= (name.len() / 3).max(1);
    known.iter().copied().filter(close).min_by_key(|name| osa_distance(word, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_keys_is_understood_and_another_word_is_not() {
        let known = ["listen", "certificate", "key", "host"];
        for (word, expected) in [
            ("listne", Some("listen")),
            ("listen_on", None),
            ("certifcate", Some("certificate")),
            ("keys", Some("key")),
            ("certificates", Some("certificate")),
            ("port", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, &known), expected, "{word}");
        }
    }

    #[test]
    fn a_key_that_is_not_there_stands_where_its_table_does() {
        let reader = Reader::new("a = 1\n[b]\nc = 2\n[[d]]\ne = 1\n[[d]]\n");
        let mut root = reader.root();
        assert_eq!(root.required::<u8>("a"), Some(1));
        let mut b = root.section("b").unwrap();
        assert_eq!(b.required::<u8>("c"), Some(2));
        b.end();
        let mut tables = root.sections("d");
        assert_eq!(tables.len(), 2);
        let mut last = tables.pop().unwrap();
        assert_eq!(last.required::<u8>("e"), None);
        root.end();
        drop((tables, last));
        let (faults, lines) = reader.finish();
        assert_eq!(faults, [Fault { line: 6, what: "`d.1.e` is missing".to_owned() }]);
        for (key, line) in
            [("a", 1), ("b", 2), ("b.c", 3), ("b.x", 2), ("d.0.e", 4), ("d.1.e", 6), ("x.y", 1)]
        {
            assert_eq!(lines.of(key), line, "{key}");
        }
    }
}
