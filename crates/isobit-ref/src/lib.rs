//! isobit-ref.
