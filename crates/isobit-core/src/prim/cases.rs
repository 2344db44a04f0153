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
    /// Numbers of exactly this dtype in an interval (integers inclusive).
    Of(Dtype, f64, f64),
    /// These values, of this dtype.
    Exact(Dtype, Vec<f64>),
}

/// One input of a [`Case`].
#[derive(Clone, Debug)]
pub struct Operand {
    /// Its shape.
    pub shape: Shape,
    /// Its values.
    pub domain: Domain,
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
}

/// The cases of a primitive.
pub type Cases = Vec<Case>;

impl Case {
    /// A differentiable case with the inputs still to be given.
    pub fn new(prim: impl Into<Prim>) -> Case {
        Case { prim: prim.into(), inputs: Vec::new(), differentiable: true, edges: true, exact: false, ulps: 2.0 }
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

    /// Cases of an elementwise primitive: a vector with every head and tail, a matrix, a scalar, size 1, empty.
    pub fn elementwise(prim: impl Into<Prim>, domains: &[Domain]) -> Cases {
        let prim = prim.into();
        let shapes: [&[usize]; 5] = [&[37], &[2, 3], &[], &[1, 1], &[0, 3]];
        shapes.into_iter().map(|s| domains.iter().fold(Case::new(prim.clone()), |c, d| c.input(s, d.clone()))).collect()
    }
}
