//! The codes that a visitor's phone opens: own ones first, then wards'. Paths and forms name them by numbers that are good within one
//! session and say nothing elsewhere.

use actors::registrar::RegistrarError;
use protocol::CodeId;

use super::visitor::Visitor;

/// A code that the phone opens.
pub(crate) struct Holding {
    pub(crate) code: CodeId,
    /// Of a ward, whose guardian holds it.
    pub(crate) guardian: Option<CodeId>,
    /// The first character of the name, and stars.
    pub(crate) masked_name: String,
}

impl Visitor {
    /// The codes that the phone opens; `None` while too many read the registry. None at all for whoever is not signed in.
    pub(crate) fn holdings(&self) -> Option<Vec<Holding>> {
        let Some(proven) = self.proven() else { return Some(Vec::new()) };
        let read = self.portal.read(|registrar| {
            let codes = registrar.codes_of(proven, self.now_s)?;
            let mut wards = Vec::new();
            for &code in &codes {
                wards.extend(registrar.wards(code, proven, self.now_s)?.into_iter().map(|ward| (ward, code)));
            }
            let mut holdings = Vec::new();
            for code in codes {
                let guardian = wards.iter().find(|(ward, _)| *ward == code).map(|(_, guardian)| *guardian);
                let masked_name = masked(&registrar.person_of(code, proven, self.now_s)?.name);
                holdings.push(Holding { code, guardian, masked_name });
            }
            holdings.sort_by_key(|holding| holding.guardian.is_some());
            Ok::<_, RegistrarError>(holdings)
        });
        read?.ok()
    }

    /// What names a code in this session's paths.
    pub(crate) fn number_of(&self, code: CodeId) -> u64 {
        let mark = self.portal.sessions.mark(&self.session, code.get());
        u64::from_str_radix(&mark[..16], 16).expect("a mark is hexadecimal, and longer")
    }
}

fn masked(name: &str) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .map(|first| format!("{first}{}", "＊".repeat(letters.count().clamp(1, 2))))
        .unwrap_or_default()
}
