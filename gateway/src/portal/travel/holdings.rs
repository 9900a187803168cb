//! The codes that a visitor's phone opens: own ones first, then wards'. Paths and forms name them by numbers that are good within one
//! session and say nothing elsewhere.

use protocol::CodeId;
use registry::{Beneficiary, ConsentTerms, Detail, Holder};

use crate::portal::http::paths::Page;
use crate::portal::http::visitor::Visitor;
use crate::portal::punch::presses::PressOutcome;

/// The versions of the words under `travel-agree`, for the phone's owner and for a ward; a consent names one. Changed words get a new one.
const TEXTS: [&str; 2] = ["pages-1", "pages-ward-1"];

impl Visitor {
    /// Reads the holders whose codes the phone opens, none for a visitor who is not signed in; `None` while too many read the registry.
    pub(crate) fn holdings(&self) -> Option<Vec<Holder>> {
        let Some(proven) = self.proven() else { return Some(Vec::new()) };
        self.portal.read(|registrar| registrar.holders(proven, self.now_s))?.ok()
    }

    /// The holder whom a page is about, if they are registered.
    pub(crate) fn subject(&self, page: Page) -> Option<Holder> {
        let mut holders = self.holdings()?.into_iter();
        match page {
            Page::Apply | Page::Ward => None,
            Page::Modify(number) => holders.find(|holder| self.number_of(holder.code) == number),
            Page::Place(press) => match self.portal.presses.came(press, self.session.id())? {
                PressOutcome::Recorded(recorded) => holders.find(|holder| holder.code == recorded.code),
                PressOutcome::Waiting | PressOutcome::Refused | PressOutcome::Unsure => None,
            },
        }
    }

    /// Returns the beneficiary of a query on that page; `None` while it is not known.
    pub(crate) fn beneficiary(&self, page: Page) -> Option<Beneficiary> {
        Some(match page {
            Page::Apply => Beneficiary::Owner,
            Page::Ward => Beneficiary::Ward(None),
            Page::Modify(_) | Page::Place(_) => match self.subject(page)? {
                Holder { is_ward: true, code, .. } => Beneficiary::Ward(Some(code)),
                Holder { is_ward: false, .. } => Beneficiary::Owner,
            },
        })
    }

    /// Returns the terms of a consent that is given on that page; `None` while its beneficiary is not known.
    pub(crate) fn agreed(&self, page: Page) -> Option<ConsentTerms<'static>> {
        let beneficiary = self.beneficiary(page)?;
        let text = TEXTS[usize::from(beneficiary != Beneficiary::Owner)];
        Some(ConsentTerms { flow: page.flow(), beneficiary, detail: Detail::Stay, text })
    }

    /// Returns the number that names a code in this session's paths.
    pub(crate) fn number_of(&self, code: CodeId) -> u64 {
        let mark = self.portal.sessions.mark(&self.session, code.get());
        u64::from_str_radix(&mark[..16], 16).expect("a mark is hexadecimal, and longer")
    }
}
