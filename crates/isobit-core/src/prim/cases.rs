//! Test inputs that a primitive declares about itself. Every check of the matrix runs on them.

use super::Prim;
use crate::dtype::Dtype;
use crate::spec::Shape;

/// Values from which an operand is drawn.
#[derive(Clone, Debug)]
pub enum Domain {
    /// Real numbers in an interval; checks choose the float dtype.
    Real(f64, f64),
    /// As `Real`, but well separated from one another, so that order statistics have derivatives.
    Distinct(f64, f64),
    /// Numbers in an interval; checks choose float and integer dtypes.
    Number(f64, f64),
    /// Any dtype: bool, integers, floats, in an interval.
    Any(f64, f64),
    /// Integers in an interval (inclusive); checks choose the integer dtype.
    Integer(i64, i64),
    /// Bools and integers in an interval (inclusive).
    Bits(i64, i64),
    /// `bool`.
    Bool,
    /// Numbers of exactly this dtype in an interval (integers inclusive). Of complex numbers both parts, and with either
    /// sign if the interval is positive: off the axes, where branch cuts are.
    Of(Dtype, f64, f64),
    /// These values, of this dtype (of complex numbers real and imaginary parts in turn).
    Exact(Dtype, Vec<f64>),
    /// Keys of the random number generator: any `uint32`.
    Key,
}

/// One input of a [`Case`].
#[derive(Clone, Debug)]
pub struct Operand {
    /// Its shape.
    pub shape: Shape,
    /// Its values.
    pub domain: Domain,
}

/// How rounding errors of a sum inside the primitive add to its error against the oracle, which sums in float64.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Accumulation {
    /// Nothing is summed.
    None,
    /// Each output element is a sum of `terms` products of inputs: the error is measured against the same sum with all
    /// inputs replaced by their absolute values.
    Sum {
        /// How many terms.
        terms: f64,
    },
    /// Each output element comes from sums of `terms` numbers and has an error on the scale of `magnitude`.
    Bounded {
        /// How many terms.
        terms: f64,
        /// The scale.
        magnitude: f64,
    },
}

/// One application of a primitive with inputs to be drawn.
#[derive(Clone, Debug)]
pub struct Case {
    /// The primitive with its parameters.
    pub prim: Prim,
    /// Its inputs.
    pub inputs: Vec<Operand>,
    /// Whether derivatives are compared with finite differences (false for operations that have none, or whose
    /// derivative is deliberately not the limit of differences).
    pub differentiable: bool,
    /// Whether NaN, infinities, signed zeros and extremes are also tried.
    pub edges: bool,
    /// Whether the result is exact in every dtype (data movement, integer arithmetic), so that the oracle must agree
    /// bit for bit.
    pub exact: bool,
    /// Error bound against the oracle in units of the last place of the result's dtype, on top of a bound for sums.
    pub ulps: f64,
    /// What a sum inside adds to that bound.
    pub accumulation: Accumulation,
}

/// The cases of a primitive.
pub type Cases = Vec<Case>;

impl Case {
    /// A differentiable case with the inputs still to be given.
    pub fn new(prim: impl Into<Prim>) -> Case {
        Case {
            prim: prim.into(),
            inputs: Vec::new(),
            differentiable: true,
            edges: true,
            exact: false,
            ulps: 2.0,
            accumulation: Accumulation::None,
        }
    }

    /// Adds an input.
    pub fn input(mut self, shape: &[usize], domain: Domain) -> Case {
        self.inputs.push(Operand { shape: Shape::from_slice(shape), domain });
        self
    }

    /// Not compared with finite differences.
    pub fn no_grad(mut self) -> Case {
        self.differentiable = false;
        self
    }

    /// Not tried with NaN, infinities and extremes.
    pub fn no_edges(mut self) -> Case {
        self.edges = false;
        self
    }

    /// Bit for bit equal to the oracle in every dtype.
    pub fn exact(mut self) -> Case {
        self.exact = true;
        self
    }

    /// Error bound against the oracle, in ulps.
    pub fn ulps(mut self, ulps: f64) -> Case {
        self.ulps = ulps;
        self
    }

    /// Each output element is a sum of `terms` products of inputs, accumulated in float32 (float64 for float64): allows
    /// the error of such a sum, which is relative to the sum of the terms' absolute values. Without this, a sum that
    /// nearly cancels fails.
    pub fn sums(mut self, terms: usize) -> Case {
        self.accumulation = Accumulation::Sum { terms: terms as f64 };
        self
    }

    /// The outputs come from sums of `terms` numbers (softmax, norms, attention) and carry an error on the scale of
    /// `magnitude`: allows about `2 sqrt(terms) + 4` roundings of a float32 (float64) of that size, on top of the ulps.
    pub fn accumulates(mut self, terms: usize, magnitude: f64) -> Case {
        self.accumulation = Accumulation::Bounded { terms: terms as f64, magnitude };
        self
    }

    /// Cases of an elementwise primitive: a vector with every head and tail, a matrix, a scalar, size 1, empty.
    pub fn elementwise(prim: impl Into<Prim>, domains: &[Domain]) -> Cases {
        let prim = prim.into();
        let shapes: [&[usize]; 5] = [&[37], &[2, 3], &[], &[1, 1], &[0, 3]];
        shapes.into_iter().map(|s| domains.iter().fold(Case::new(prim.clone()), |c, d| c.input(s, d.clone()))).collect()
    }

    /// [`Case::elementwise`] on complex numbers whose parts are in these intervals. For operations on the parts alone.
    pub fn complex(prim: impl Into<Prim>, parts: &[(f64, f64)]) -> Cases {
        let domains: Vec<Domain> = parts.iter().map(|&(low, high)| Domain::Of(Dtype::C64, low, high)).collect();
        Case::elementwise(prim, &domains)
    }

    /// [`Case::complex`] for functions of both parts: without infinities and extremes, of which the oracle's wider range and
    /// other formulas may make something else.
    pub fn analytic(prim: impl Into<Prim>, parts: &[(f64, f64)]) -> Cases {
        Case::complex(prim, parts).into_iter().map(|c| c.no_edges().ulps(4.0)).collect()
    }
}
