//! The option of activations rounded to eight bits.

use clap::{Args, ValueEnum};

/// How products with quantized weights take their inputs.
#[derive(Args, Clone, Copy)]
pub struct ActivationOptions {
    /// What products with quantized weights do with their inputs: take them as they are, or round them to eight bits (faster;
    /// results differ, and are the same bits however they are computed)
    #[arg(long, value_name = "KIND", default_value = "exact")]
    activations: Kind,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Kind {
    Exact,
    Int8,
}

impl ActivationOptions {
    /// What was asked for.
    pub fn get(self) -> isobit_nn::Activations {
        match self.activations {
            Kind::Exact => isobit_nn::Activations::Exact,
            Kind::Int8 => isobit_nn::Activations::Int8,
        }
    }
}
