//! The registry as a file: the lock of its directory, copies of it, its own check, and the files beside it that it knows of. What is in
//! its tables is in the folders of their subjects.

pub(crate) mod copy;
pub(crate) mod health;
pub mod imports;
pub(crate) mod lock;
pub(crate) mod voucher;
