//! Paths of pages that other pages name: of the page on which a query stands, of a press, and the way back after a form.

use registry::Flow;
use serde::Deserialize;

/// The page on which the module stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Page {
    /// The first application.
    Apply,
    /// An application for a ward.
    Ward,
    /// The modification of one code, by its number within the session.
    Modify(u64),
    /// The success page of one punch, by its press: each punch has a query of its own.
    Place(PressId),
}

impl Page {
    /// Its name in paths.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Apply => "apply".to_owned(),
            Self::Ward => "ward".to_owned(),
            Self::Modify(code) => format!("modify-{code:016x}"),
            Self::Place(punch) => format!("place-{}", punch.to_text()),
        }
    }

    /// The page with that name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let plain = |text: &str| text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = |text: &str| plain(text).then(|| u64::from_str_radix(text, 16).ok()).flatten();
        match name.split_once('-') {
            None if name == "apply" => Some(Self::Apply),
            None if name == "ward" => Some(Self::Ward),
            Some(("modify", text)) => number(text).map(Self::Modify),
            Some(("place", text)) => PressId::from_text(text).map(Self::Place),
            Some(_) | None => None,
        }
    }

    /// The purpose of a consent that is given there.
    pub(crate) const fn flow(self) -> Flow {
        match self {
            Self::Apply | Self::Ward => Flow::Apply,
            Self::Modify(_) => Flow::Modify,
            Self::Place(_) => Flow::Scan,
        }
    }

    /// The form's own path; a place page has none and says where it is.
    pub(crate) fn form_path(self) -> Option<String> {
        match self {
            Self::Apply => Some("/apply".to_owned()),
            Self::Ward => Some("/apply/ward".to_owned()),
            Self::Modify(code) => Some(format!("/modify/{code:016x}")),
            Self::Place(_) => None,
        }
    }
}

/// One press; not secret, but only its session sees what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PressId(pub(crate) [u8; 16]);

impl PressId {
    /// Hexadecimal, for a path.
    pub(crate) fn to_text(self) -> String {
        hex::encode(self.0)
    }

    /// Reads it back.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        Some(Self(hex::decode(text).ok()?.try_into().ok()?))
    }
}

/// The place where the visitor goes after signing in; one of our own paths.
#[derive(Deserialize)]
pub(crate) struct Next {
    next: Option<String>,
}

impl Next {
    /// Wraps the path that one of our own forms sent back.
    pub(crate) fn of(next: Option<String>) -> Self {
        Self { next }
    }

    /// A path of this site and nothing else: a link may not send people elsewhere.
    pub(crate) fn path(&self) -> &str {
        self.made_of(b"/-_")
    }

    /// The same with a query string.
    pub(crate) fn here(&self) -> &str {
        self.made_of(b"/-_?=&")
    }

    fn made_of(&self, marks: &[u8]) -> &str {
        let path = self.next.as_deref().unwrap_or("/");
        let plain = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || marks.contains(&byte));
        if path.starts_with('/') && !path.starts_with("//") && plain { path } else { "/" }
    }
}
