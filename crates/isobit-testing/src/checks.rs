//! The checks, one function per column of the matrix. Each gets one case and says how many comparisons it made.

mod batch;
mod bits;
mod derive;
mod eval;
mod large;
mod memory;

use crate::draw::Rng;
use crate::{Checked, Failure};
use isobit_core::prim::Case;
use isobit_core::{Array, Dtype};

/// What a check sees of its cell.
pub struct Cx<'a> {
    /// The case.
    pub case: &'a Case,
    /// Seeded by the cell's name and the case's number.
    pub rng: Rng,
    /// How many comparisons have been made; a check that makes none does not apply.
    pub compared: usize,
}

/// A column of the matrix.
pub struct Check {
    /// Its name.
    pub name: &'static str,
    /// What it asserts, for `docs/coverage.md`.
    pub about: &'static str,
    /// Runs it on one case.
    pub run: fn(&mut Cx<'_>) -> Checked,
    /// Whether it changes process-wide settings, so that nothing else may run beside it.
    pub alone: bool,
}

/// Every check, in the order of the columns.
pub const CHECKS: &[Check] = &[
    Check {
        name: "eval",
        about: "equal to the oracle for every dtype; `infer` agrees with the kernel",
        run: eval::eval,
        alone: false,
    },
    Check {
        name: "edges",
        about: "NaN, infinities, signed zeros, subnormals and extremes, against the oracle",
        run: eval::edges,
        alone: false,
    },
    Check {
        name: "half",
        about: "float16 and bfloat16: values against the oracle, derivatives keep the dtype and agree with float64",
        run: eval::half,
        alone: false,
    },
    Check {
        name: "layout",
        about: "transposed, offset, reversed, strided and broadcast operands: the bits of contiguous ones",
        run: memory::layout,
        alone: false,
    },
    Check {
        name: "donation",
        about: "inputs given away, held, shared or aliased: same result, held inputs unchanged",
        run: memory::donation,
        alone: false,
    },
    Check {
        name: "jvp",
        about: "forward derivative for every subset of traced inputs = finite differences in float64",
        run: derive::jvp,
        alone: false,
    },
    Check {
        name: "vjp",
        about: "reverse derivative for every subset of traced inputs and outputs = finite differences; where there is no \
                limit of differences (ties), the transpose of the forward one",
        run: derive::vjp,
        alone: false,
    },
    Check { name: "second", about: "jvp of vjp = finite differences of vjp", run: derive::second, alone: false },
    Check {
        name: "vmap",
        about: "every combination of in_axes = loop and stack, bit for bit, in float32 and bfloat16",
        run: batch::vmap,
        alone: false,
    },
    Check {
        name: "vmap_grad",
        about: "vmap of vjp = loop and stack of vjp, bit for bit",
        run: batch::vmap_grad,
        alone: false,
    },
    Check {
        name: "grad_vmap",
        about: "vjp of vmap = sum over a loop of vjp, in float64",
        run: batch::grad_vmap,
        alone: false,
    },
    Check { name: "jvp_vmap", about: "jvp of vmap = loop of jvp, in float64", run: batch::jvp_vmap, alone: false },
    Check { name: "vmap_vmap", about: "nested vmap = nested loop, bit for bit", run: batch::vmap_vmap, alone: false },
    Check {
        name: "large",
        about: "a batch large enough for every parallel path = single calls, bit for bit",
        run: large::large,
        alone: true,
    },
    Check {
        name: "bits",
        about: "every instruction-set level and 1, 2, 3, 7 threads: the same bits",
        run: bits::bits,
        alone: true,
    },
];

impl Cx<'_> {
    /// The primitive on these inputs.
    pub fn call(&self, inputs: &[Array]) -> isobit_core::Result<Vec<Array>> {
        call(self.case, inputs)
    }
}

/// The primitive of a case on these inputs.
pub fn call(case: &Case, inputs: &[Array]) -> isobit_core::Result<Vec<Array>> {
    let refs: Vec<&Array> = inputs.iter().collect();
    isobit_core::array::apply_multi(case.prim.clone(), &refs)
}

/// Positions of the inputs that derivatives exist for.
pub fn traceable(inputs: &[Dtype]) -> Vec<usize> {
    (0..inputs.len()).filter(|&i| inputs[i].is_inexact()).collect()
}

/// `inputs` with those at `at` replaced.
pub fn with_replaced(inputs: &[Array], at: &[usize], by: &[Array]) -> Vec<Array> {
    let mut all = inputs.to_vec();
    for (&i, x) in at.iter().zip(by) {
        all[i] = x.clone();
    }
    all
}

/// Every non-empty subset of a small set; of a large one the singletons, the whole and some more.
pub fn subsets(of: &[usize], rng: &mut Rng) -> Vec<Vec<usize>> {
    let pick = |mask: usize| of.iter().enumerate().filter(|(k, _)| mask >> k & 1 == 1).map(|(_, &i)| i).collect();
    if of.is_empty() {
        return Vec::new();
    }
    let whole = (1usize << of.len()) - 1;
    if of.len() <= 5 {
        return (1..=whole).map(pick).collect();
    }
    let mut masks: Vec<usize> = (0..of.len()).map(|k| 1 << k).collect();
    masks.push(whole);
    masks.extend((0..12).map(|_| 1 + rng.below(whole)));
    masks.into_iter().map(pick).collect()
}

/// Reports a failure with where it happened.
pub fn at<T>(place: impl std::fmt::Display, r: Checked<T>) -> Checked<T> {
    r.map_err(|f: Failure| f.at(place))
}
