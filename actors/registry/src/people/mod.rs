//! People: one sealed row each, found by the keyed hash of phone or document. One document number has one code, whatever kind of
//! document it is said to be.

pub mod departures;
pub(crate) mod proven;
pub(crate) mod sign_outs;
pub(crate) mod withdrawals;
pub(crate) mod withdrawn_list;

use protocol::CodeId;
use rusqlite::OptionalExtension;
use zeroize::Zeroizing;

use crate::codes::colours::CodeEntry;
use crate::personal::seal::{Column, Hash};
use crate::personal::{DocumentKind, DocumentNumber, Phone};
use crate::{Registry, RegistryError, is_conflict};

/// The separator of the sealed fields; names hold no control characters.
const SEPARATOR: char = '\u{1f}';

/// The present hash of a document, and those of earlier releases.
pub(super) const DOCUMENT_HASHES: usize = 1 + DocumentKind::ALL.len();

/// The data of a person, without the code.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// The name.
    pub name: String,
    /// The document.
    pub document: DocumentNumber,
    /// The phone.
    pub phone: Phone,
    /// The residence: a district's code, or a development zone's name.
    pub district: String,
    /// The residence within the district: a street's code, a community's name, or empty.
    pub community: String,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Person(…)")
    }
}

/// The result of adding a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    New,
    /// A person with this document exists.
    SameDocument,
    /// The code exists.
    SameCode,
}

impl Registry {
    /// Adds a person with a code; writes nothing unless the result is [`Added::New`]. Runs in the caller's transaction.
    pub fn add_person(
        &self,
        person: &Person,
        code: CodeId,
        entry: CodeEntry,
    ) -> Result<Added, RegistryError> {
        let document = self.document_hash(&person.document);
        // Five more look-ups for each line would slow an import down.
        let known = if self.sealer.has_old_people() {
            self.document_hashes(&person.document)
        } else {
            [document; DOCUMENT_HASHES]
        };
        let sql = "SELECT 1 FROM people WHERE document_hash IN (?1, ?2, ?3, ?4, ?5, ?6)";
        if self.connection.prepare_cached(sql)?.exists(known)? {
            return Ok(Added::SameDocument);
        }
        if !self.insert_code(code, entry)? {
            return Ok(Added::SameCode);
        }
        let phone = self.phone_hash(&person.phone);
        let sealed = self.sealer.seal(Column::Person, code.get(), fields(person).as_bytes())?;
        let sql = "INSERT INTO people (code, document_hash, phone_hash, sealed) VALUES (?1, ?2, ?3, ?4)";
        let result = self.connection.prepare_cached(sql)?.execute(rusqlite::params![
            code.get() as i64,
            document,
            phone,
            sealed
        ]);
        match result {
            Ok(_) => Ok(Added::New),
            Err(error) if is_conflict(&error) => Err(RegistryError::Exists { what: "person" }),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the person with this code.
    pub fn person(&self, code: CodeId) -> Result<Option<Person>, RegistryError> {
        let sql = "SELECT sealed FROM people WHERE code = ?1";
        let sealed: Option<Vec<u8>> =
            self.connection.query_row(sql, [code.get() as i64], |row| row.get(0)).optional()?;
        sealed.map(|sealed| self.open_person(code, &sealed)).transpose()
    }

    pub(super) fn open_person(&self, code: CodeId, sealed: &[u8]) -> Result<Person, RegistryError> {
        let damaged = || RegistryError::Damaged { what: "person" };
        let plain = Zeroizing::new(self.sealer.open(Column::Person, code.get(), sealed).ok_or_else(damaged)?);
        std::str::from_utf8(&plain).ok().and_then(read_fields).ok_or_else(damaged)
    }

    /// Returns the code of the holder of this document.
    pub fn code_of_document(&self, document: &DocumentNumber) -> Result<Option<CodeId>, RegistryError> {
        // Earlier releases took the same number of another kind for another person; a match by the present hash comes first.
        let sql = "SELECT code FROM people WHERE document_hash IN (?1, ?2, ?3, ?4, ?5, ?6)
            ORDER BY document_hash <> ?1, id LIMIT 1";
        Ok(self.codes_by(sql, self.document_hashes(document))?.into_iter().next())
    }

    /// Returns the codes registered with this phone: the owner's and those of wards.
    pub fn codes_of_phone(&self, phone: &Phone) -> Result<Vec<CodeId>, RegistryError> {
        let sql = "SELECT code FROM people WHERE phone_hash = ?1 ORDER BY code";
        self.codes_by(sql, [self.phone_hash(phone)])
    }

    /// Replaces the holder's data; the document's number must stay the same. Runs in the caller's transaction.
    pub fn update_person(&self, code: CodeId, person: &Person) -> Result<(), RegistryError> {
        let sealed = self.sealer.seal(Column::Person, code.get(), fields(person).as_bytes())?;
        let sql = "UPDATE people SET phone_hash = ?2, sealed = ?3 WHERE code = ?1";
        let parameters = rusqlite::params![code.get() as i64, self.phone_hash(&person.phone), sealed];
        match self.connection.prepare_cached(sql)?.execute(parameters)? {
            1 => Ok(()),
            _ => Err(RegistryError::Missing { what: "person with that code".to_owned() }),
        }
    }

    pub(super) fn document_hash(&self, document: &DocumentNumber) -> Hash {
        self.sealer.hash("document", document.reveal())
    }

    /// Returns the document's present hash, and those that earlier releases made of number and kind.
    pub(super) fn document_hashes(&self, document: &DocumentNumber) -> [Hash; DOCUMENT_HASHES] {
        let mut hashes = [self.document_hash(document); DOCUMENT_HASHES];
        for (hash, kind) in hashes[1..].iter_mut().zip(DocumentKind::ALL) {
            *hash = self.sealer.hash(kind.name(), document.reveal());
        }
        hashes
    }

    pub(super) fn phone_hash(&self, phone: &Phone) -> Hash {
        self.sealer.hash("phone", phone.reveal())
    }

    /// Counts the people.
    pub fn people(&self) -> Result<u64, RegistryError> {
        let count: i64 = self.connection.query_row("SELECT count(*) FROM people", [], |row| row.get(0))?;
        Ok(count as u64)
    }
}

pub(super) fn fields(person: &Person) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(128));
    let kind = person.document.kind().name();
    for field in [&person.name, kind, person.document.reveal(), person.phone.reveal()] {
        text.push_str(field);
        text.push(SEPARATOR);
    }
    text.push_str(&person.district);
    text.push(SEPARATOR);
    text.push_str(&person.community);
    text
}

fn read_fields(text: &str) -> Option<Person> {
    let mut fields = text.splitn(6, SEPARATOR);
    let name = fields.next()?.to_owned();
    let kind = DocumentKind::from_name(fields.next()?)?;
    let document = DocumentNumber::kept(kind, fields.next()?);
    let phone = Phone::parse(fields.next()?)?;
    let district = fields.next()?.to_owned();
    // Rows of the first release end here.
    let community = fields.next().unwrap_or_default().to_owned();
    Some(Person { name, document, phone, district, community })
}
