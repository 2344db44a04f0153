//! isobit.
