//! Commands that make what a gateway starts with: a configuration, keys, certificates; and a development city's carriers.

pub(super) mod authority;
pub(super) mod carrier;
pub(super) mod check;
pub(super) mod fleet;
pub(super) mod keys;
pub(super) mod new_config;
