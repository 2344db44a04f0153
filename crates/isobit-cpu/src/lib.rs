//! isobit-cpu.
