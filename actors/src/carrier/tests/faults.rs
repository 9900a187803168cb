//! Carriers that fail.
