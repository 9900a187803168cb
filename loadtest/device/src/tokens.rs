//! Person tokens of a development city's invented people, with the colour that each must show.
//!
//! Only a development city shows the key that seals them. They stand for people's phones.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use protocol::token::{TOKEN_KEY_BYTES, Token, TokenKey};
use protocol::{Basis, Class, CodeId, Colour, Scanned};
use zeroize::Zeroizing;

use crate::fleet::Fleet;

/// The file, in the city's data, of colours that runs have changed since the city was built.
const CHANGED_FILE: &str = "codes-changed.csv";
/// The columns of both lists.
const HEAD: &str = "code,colour,basis,class\n";

/// The reason why tokens cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// The key in the fleet file is not 16 bytes in hexadecimal.
    #[error("the fleet file's token key is not 16 bytes in hexadecimal")]
    Key,
    /// The list of codes cannot be read.
    #[error("reading {path}: {text}")]
    Codes {
        /// The file.
        path: PathBuf,
        /// The fault.
        text: String,
    },
}

/// An invented person's code.
#[derive(Clone, Copy, Debug)]
pub struct Person {
    /// The code.
    pub code: CodeId,
    /// The colour it shows.
    pub colour: Colour,
    /// The basis of the colour.
    pub basis: Basis,
    /// The kind of code it is.
    pub class: Class,
}

/// The people of the city who carry tokens, and the key for those.
pub struct Tokens {
    key: TokenKey,
    people: Vec<Person>,
}

impl Tokens {
    /// Reads the fleet's key and list of codes, with the changes of earlier runs. Codes that need another key (paper) or none
    /// (imported) are left out.
    pub fn load(fleet: &Fleet) -> Result<Self, TokensError> {
        let mut people = read(&fleet.codes)?;
        let changed = fleet.data.join(CHANGED_FILE);
        if changed.exists() {
            let changed = read(&changed)?.into_iter().map(|person| (person.code, person));
            let changed: HashMap<_, _> = changed.collect();
            people.iter_mut().for_each(|person| *person = *changed.get(&person.code).unwrap_or(person));
        }
        people.retain(|person| matches!(person.class, Class::Person | Class::Ward));
        if people.is_empty() {
            return Err(TokensError::Codes { path: fleet.codes.clone(), text: "it names nobody".to_owned() });
        }
        Ok(Self { key: key(fleet)?, people })
    }

    /// Returns the people.
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    /// Returns a random person.
    pub fn anybody(&self, random: &mut fastrand::Rng) -> Person {
        self.people[random.usize(..self.people.len())]
    }

    /// Makes the scan of this person's phone at that time.
    pub fn scan(&self, person: &Person, issued_at_s: u32) -> Scanned {
        Scanned::Token(self.key.seal(Token { code: person.code, issued_at_s, class: person.class }))
    }
}

/// Records this person's new colour in the city's data, for later runs: the city's list of codes is as
/// old as the city.
pub fn note(fleet: &Fleet, person: &Person) -> io::Result<()> {
    let path = fleet.data.join(CHANGED_FILE);
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    let head = if file.metadata()?.len() == 0 { HEAD } else { "" };
    let Person { code, colour, basis, class } = person;
    file.write_all(format!("{head}{},{colour},{},{}\n", code.get(), basis.name(), class.name()).as_bytes())
}

fn key(fleet: &Fleet) -> Result<TokenKey, TokensError> {
    let mut bytes = Zeroizing::new([0; TOKEN_KEY_BYTES]);
    hex::decode_to_slice(&fleet.token_key.hex, bytes.as_mut_slice()).map_err(|_| TokensError::Key)?;
    Ok(TokenKey::new(fleet.token_key.id, &bytes))
}

fn read(path: &Path) -> Result<Vec<Person>, TokensError> {
    let bad = |text: String| TokensError::Codes { path: path.to_owned(), text };
    let mut reader = csv::Reader::from_path(path).map_err(|error| bad(error.to_string()))?;
    let mut people = Vec::new();
    for (row, line) in reader.records().zip(2..) {
        let row = row.map_err(|error| bad(error.to_string()))?;
        people.push(person(&row).ok_or_else(|| bad(format!("line {line} is not code,colour,basis,class")))?);
    }
    Ok(people)
}

fn person(row: &csv::StringRecord) -> Option<Person> {
    Some(Person {
        code: CodeId::from_u64(row.get(0)?.parse().ok()?)?,
        colour: Colour::from_name(row.get(1)?)?,
        basis: Basis::from_name(row.get(2)?)?,
        class: Class::from_name(row.get(3)?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_read_back_and_a_bad_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("codes.csv");
        std::fs::write(&path, "code,colour,basis,class\n7,green,declared,person\n8,red,verified,ward\n")
            .unwrap();
        let people = read(&path).unwrap();
        assert_eq!(people.len(), 2);
        assert_eq!((people[1].code.get(), people[1].colour), (8, Colour::Red));
        std::fs::write(&path, "code,colour,basis,class\n7,green,declared,person\n0,red,verified,ward\n")
            .unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("line 3"));
    }
}
