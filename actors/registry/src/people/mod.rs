//! People: one row each, sealed, found by the keyed hash of phone or document. One document, one code; a document is its number, of
//! whatever kind somebody says that it is.

pub mod departures;
pub(crate) mod gone;
pub(crate) mod proven;
pub(crate) mod sign_outs;
pub(crate) mod withdrawals;

use protocol::CodeId;
use rusqlite::OptionalExtension;
use zeroize::Zeroizing;

use crate::codes::colours::CodeEntry;
use crate::personal::seal::{Column, Hash};
use crate::personal::{DocumentKind, DocumentNumber, Phone};
use crate::{Registry, RegistryError, is_conflict};

/// Between the sealed fields; names are checked to hold no control characters.
const SEPARATOR: char = '\u{1f}';

/// A document's hash, and the ones that it had in earlier releases.
pub(super) const DOCUMENT_HASHES: usize = 1 + DocumentKind::ALL.len();

/// Everything known of a person besides the code.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// The name.
    pub name: String,
    /// The document.
    pub document: DocumentNumber,
    /// The phone.
    pub phone: Phone,
    /// The place where the person lives: a district's code, or a development zone's name.
    pub district: String,
    /// The place within: a street's code, a community's name, or nothing.
    pub community: String,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Person(…)")
    }
}

/// The outcome of adding a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    New,
    /// Somebody has this document already.
    SameDocument,
    /// The code exists already.
    SameCode,
}

impl Registry {
    /// Adds a person with a code. Part of the caller's transaction; nothing is written unless the person is new.
    pub fn add_person(
        &self,
        person: &Person,
        code: CodeId,
        entry: CodeEntry,
    ) -> Result<Added, RegistryError> {
        let document = self.document_hash(&person.document);
        // While an import runs, five look-ups more for each line count.
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

    /// The person with that code.
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

    /// The code of whoever has that document.
    pub fn code_of_document(&self, document: &DocumentNumber) -> Result<Option<CodeId>, RegistryError> {
        // Earlier releases took the same number of another kind for another person: whoever is found as now comes first.
        let sql = "SELECT code FROM people WHERE document_hash IN (?1, ?2, ?3, ?4, ?5, ?6)
            ORDER BY document_hash <> ?1, id LIMIT 1";
        Ok(self.codes_by(sql, self.document_hashes(document))?.into_iter().next())
    }

    /// The codes registered with that phone: a guardian's and those of the wards.
    pub fn codes_of_phone(&self, phone: &Phone) -> Result<Vec<CodeId>, RegistryError> {
        let sql = "SELECT code FROM people WHERE phone_hash = ?1 ORDER BY code";
        self.codes_by(sql, [self.phone_hash(phone)])
    }

    /// Writes what is known of the holder anew; the document's number stays. Part of the caller's transaction.
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

    /// The document's hash, and those that earlier releases made of its number and of each kind.
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

    /// Says how many people there are.
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
    // Those of the first release end here.
    let community = fields.next().unwrap_or_default().to_owned();
    Some(Person { name, document, phone, district, community })
}
