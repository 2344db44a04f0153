//! isobit-core.
