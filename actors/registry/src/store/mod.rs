//! The registry as a file: the lock of its directory, copies, checks, the progress of imports, and the voucher for the punch log.
//! The statements on its tables are in the folders of their subjects.

pub(crate) mod copy;
pub(crate) mod health;
pub mod imports;
pub(crate) mod lock;
pub(crate) mod voucher;
