//! The fields of an application's or a modification's form, as they are sent and kept while a query runs.

use actors::residence;
use registry::Person;
use serde::Deserialize;

use crate::portal::http::paths::Next;

/// A guardian's word of a ward: it was with the phone where that was.
pub(crate) const ALONG: &str = "along";
/// The characters of a field that are kept: more than any valid value has.
const TYPED_CHARS_MAX: usize = 96;
/// A form as it is sent. What is missing is empty, what stands twice is refused before it comes here.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Fields {
    pub(crate) back: String,
    pub(crate) agree: String,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) number: String,
    pub(crate) district: String,
    pub(crate) street: String,
    pub(crate) community: String,
    pub(crate) declared: String,
    /// The view that the visitor switches to.
    pub(crate) elder: String,
}

/// It names a person: not shown.
impl std::fmt::Debug for Fields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fields(…)")
    }
}

impl Fields {
    /// Returns the fields that the visitor has typed, without those of the page.
    pub(crate) fn typed(&self) -> Self {
        let cut = |text: &String| text.chars().take(TYPED_CHARS_MAX).collect();
        Self {
            back: String::new(),
            agree: String::new(),
            elder: String::new(),
            name: cut(&self.name),
            kind: cut(&self.kind),
            number: cut(&self.number),
            district: cut(&self.district),
            street: cut(&self.street),
            community: cut(&self.community),
            declared: cut(&self.declared),
        }
    }

    /// Returns the path to which the visitor goes afterwards.
    pub(crate) fn back(&self) -> String {
        Next::of((!self.back.is_empty()).then(|| self.back.clone())).path().to_owned()
    }

    /// Returns what is registered, as a form shows it.
    pub(crate) fn of(person: &Person) -> Self {
        let is_street =
            residence::streets(&person.district).iter().any(|(code, _)| *code == person.community);
        let community = person.community.clone();
        let (street, community) =
            if is_street { (community, String::new()) } else { (String::new(), community) };
        let (name, district) = (person.name.clone(), person.district.clone());
        Self { name, district, street, community, ..Self::default() }
    }
}
