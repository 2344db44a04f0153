//! The completeness net: every primitive of the registry, on every case it declares, against every check.
//!
//! Derivatives are compared with finite differences in float64 and values with the oracle backend, never one rule of
//! ours with another: both could share an error. This crate must not know any primitive by name; what a primitive
//! needs said about it, its cases say.

pub mod checks;
pub mod compare;
pub mod coverage;
pub mod data;
pub mod draw;
pub mod layouts;
pub mod ledger;
pub mod matrix;
pub mod settings;

use isobit_core::backend::{self, Backend};

/// Why a check failed.
#[derive(Debug)]
pub struct Failure(pub String);

impl From<isobit_core::Error> for Failure {
    fn from(e: isobit_core::Error) -> Failure {
        Failure(format!("error: {e}"))
    }
}
impl From<String> for Failure {
    fn from(s: String) -> Failure {
        Failure(s)
    }
}
impl Failure {
    /// The same failure, with where it happened in front.
    pub fn at(self, place: impl std::fmt::Display) -> Failure {
        Failure(format!("{place}: {}", self.0))
    }
}

/// What a check comes to.
pub type Checked<T = ()> = Result<T, Failure>;

fn named(name: &str) -> &'static dyn Backend {
    backend::by_name(name).unwrap_or_else(|| panic!("the backend {name} is not linked into this test"))
}

/// Runs `f` with the oracle backend.
pub fn on_oracle<R>(f: impl FnOnce() -> R) -> R {
    backend::with(named("ref"), f)
}

/// Runs `f` with the backend under test: `ISOBIT_BACKEND`, else the CPU.
pub fn on_subject<R>(f: impl FnOnce() -> R) -> R {
    use std::sync::OnceLock;
    static NAME: OnceLock<String> = OnceLock::new();
    let name = NAME.get_or_init(|| std::env::var("ISOBIT_BACKEND").unwrap_or_else(|_| "cpu".to_string()));
    backend::with(named(name), f)
}
