//! The pages' HTTP: who visits, what every request has to pass, the frame and the words of a page, and files. Knows no page.

pub(super) mod counts;
pub(super) mod extract;
pub(super) mod guard;
pub(super) mod layout;
pub(super) mod paths;
pub(super) mod qr;
pub(super) mod shares;
pub(super) mod statics;
pub(super) mod terms;
pub(super) mod visitor;
pub(super) mod when;
pub(super) mod words;
