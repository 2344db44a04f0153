//! CPU kernels: SIMD levels, vector maths, matrix products, attention, reductions, sort and scan.
//!
//! Plain functions over slices and strides, benchable alone. This crate knows no graph, no array type and no
//! transform. Every function gives the same bits at every [`isa::Level`] and for every thread count
//! (`docs/numerics.md` states the orders).

#[cfg(feature = "self-test")]
#[macro_use]
pub mod self_test;

pub mod attention;
pub mod complex;
pub mod copy;
pub mod dtype;
pub mod elementwise;
pub mod gemm;
pub mod isa;
pub mod limits;
pub mod math;
pub mod norm;
pub mod par;
pub mod quant;
pub mod reduce;
pub mod rng;
pub mod rope;
pub mod scan;
pub mod simd;
pub mod softmax;
pub mod sort;

mod disjoint;
mod float_lanes;
#[cfg(feature = "self-test")]
mod test_settings;
mod transpose16;
