//! The codes that a visitor's phone opens: own ones first, then wards'. Paths and forms name them by numbers that are good within one
//! session and say nothing elsewhere.

use actors::registry::Holder;
use protocol::CodeId;

use super::visitor::Visitor;

impl Visitor {
    /// Whose codes the phone opens; `None` while too many read the registry. None at all for whoever is not signed in.
    pub(crate) fn holdings(&self) -> Option<Vec<Holder>> {
        let Some(proven) = self.proven() else { return Some(Vec::new()) };
        self.portal.read(|registrar| registrar.holders(proven, self.now_s))?.ok()
    }

    /// What names a code in this session's paths.
    pub(crate) fn number_of(&self, code: CodeId) -> u64 {
        let mark = self.portal.sessions.mark(&self.session, code.get());
        u64::from_str_radix(&mark[..16], 16).expect("a mark is hexadecimal, and longer")
    }
}
