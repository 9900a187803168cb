//! Another policy takes effect on a real registry.
