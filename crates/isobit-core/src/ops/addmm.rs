//! Matrix product with something added before the one rounding.

use super::matmul::{adjoint, product_cases, product_spec, promoted_inexact, same_batch};
use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::prim::{Batched, Case, Cases, Domain, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::{Shape, Spec};
use smallvec::smallvec;

/// `alpha * (a @ b) + beta * c`, rounded once.
///
/// # Shapes
/// As [`matmul`](super::matmul()); `c` broadcasts to the product's shape.
///
/// # Dtypes
/// Floats and complex64, promoted; accumulates in float32 (float64 for float64), where also `alpha` and `beta` act.
///
/// # Gradients
/// `beta * ct`, `alpha * ct @ b.T`, `alpha * a.T @ ct`.
///
/// # Errors
/// As [`matmul`](super::matmul()); a `c` that does not broadcast.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 2.0], &[1, 2])?;
/// let b = Array::from_slice(&[3.0f32, 4.0], &[2, 1])?;
/// let c = Array::from_slice(&[100.0f32], &[1])?;
/// assert_eq!(ops::addmm(&c, &a, &b, 2.0, 0.5)?.to_vec::<f32>()?, [72.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn addmm(c: &Array, a: &Array, b: &Array, alpha: f64, beta: f64) -> Result<Array> {
    let (a, b) = promoted_inexact("addmm", a, b)?;
    let dtype = a.dtype().promote(c.dtype());
    let (a, b, c) = (super::astype(&a, dtype)?, super::astype(&b, dtype)?, super::astype(c, dtype)?);
    if !dtype.is_inexact() {
        return Err(Error::dtype("addmm", format!("expected floating dtypes, got {dtype}")));
    }
    let (row, column) = (a.ndim() == 1, b.ndim() == 1);
    let a = if row { super::expand_dims(&a, 0)? } else { a };
    let b = if column { super::expand_dims(&b, 1)? } else { b };
    // `c` broadcasts to the result as the caller sees it; give it the axes that were added here.
    let mut shown = lead_of(&a, &b)?;
    if !row {
        shown.push(a.shape()[a.ndim() - 2]);
    }
    if !column {
        shown.push(b.shape()[b.ndim() - 1]);
    }
    let mut c = super::broadcast_to(&c, &shown)?;
    if column {
        c = super::expand_dims(&c, -1)?;
    }
    if row {
        c = super::expand_dims(&c, -2)?;
    }
    let out = product(&Addmm::new(alpha, beta), &c, &a, &b)?;
    let out = if row { super::squeeze(&out, -2)? } else { out };
    if column { super::squeeze(&out, -1) } else { Ok(out) }
}

fn lead_of(a: &Array, b: &Array) -> Result<Shape> {
    crate::spec::broadcast_shapes("addmm", &a.shape()[..a.ndim() - 2], &b.shape()[..b.ndim() - 2])
}

/// The primitive on operands of at least two axes and a `c` that broadcasts.
fn product(prim: &Addmm, c: &Array, a: &Array, b: &Array) -> Result<Array> {
    if b.ndim() == 2 && a.ndim() > 2 {
        let (k, n) = (b.shape()[0] as isize, b.shape()[1] as isize);
        let mut shape = Shape::from_slice(&a.shape()[..a.ndim() - 1]);
        shape.push(n as usize);
        let back: Vec<isize> = shape.iter().map(|&d| d as isize).collect();
        let rows = a.shape()[..a.ndim() - 1].iter().product::<usize>() as isize;
        let c = super::reshape(&super::broadcast_to(c, &shape)?, &[rows, n])?;
        let out = apply(prim.clone(), &[&c, &super::reshape(a, &[rows, k])?, b])?;
        return super::reshape(&out, &back);
    }
    let (a, b) = same_batch("addmm", a, b)?;
    let mut shape = Shape::from_slice(&a.shape()[..a.ndim() - 1]);
    shape.push(b.shape()[b.ndim() - 1]);
    apply(prim.clone(), &[&super::broadcast_to(c, &shape)?, &a, &b])
}

/// The primitive of [`addmm`]: inputs `c`, `a`, `b` of one dtype, with the same leading axes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Addmm {
    alpha: u64,
    beta: u64,
}

impl Addmm {
    fn new(alpha: f64, beta: f64) -> Addmm {
        Addmm { alpha: alpha.to_bits(), beta: beta.to_bits() }
    }

    /// Factor of the product.
    pub fn alpha(&self) -> f64 {
        f64::from_bits(self.alpha)
    }

    /// Factor of `c`.
    pub fn beta(&self) -> f64 {
        f64::from_bits(self.beta)
    }
}

fn scaled(x: Array, by: f64) -> Result<Array> {
    if by == 1.0 {
        return Ok(x);
    }
    super::multiply(&x, &Array::scalar(by, x.dtype()))
}

impl Primitive for Addmm {
    const NAME: &'static str = "addmm";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        let out = product_spec("addmm", &inputs[1], &inputs[2])?;
        if inputs[0] != out {
            let (x, y) = (inputs[0].shape.as_slice(), out.shape.as_slice());
            return Err(Error::value("addmm", format!("expected c of shape {y:?} and dtype {}, got {x:?}", out.dtype)));
        }
        Ok(smallvec![out])
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        let mut terms = Vec::new();
        if let Some(t) = &cx.tangents[0] {
            terms.push(scaled(t.clone(), self.beta())?);
        }
        if let Some(t) = &cx.tangents[1] {
            terms.push(scaled(super::matmul(t, &cx.inputs[2])?, self.alpha())?);
        }
        if let Some(t) = &cx.tangents[2] {
            terms.push(scaled(super::matmul(&cx.inputs[1], t)?, self.alpha())?);
        }
        let mut sum: Option<Array> = None;
        for term in terms {
            sum = Some(match sum {
                Some(s) => super::add(&s, &term)?,
                None => term,
            });
        }
        Ok(smallvec![sum])
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        let ct = cx.ct()?;
        cx.each(|i| match i {
            0 => scaled(ct.clone(), self.beta()),
            1 => scaled(super::matmul(&ct, &adjoint(&cx.inputs[2])?)?, self.alpha()),
            _ => scaled(super::matmul(&adjoint(&cx.inputs[1])?, &ct)?, self.alpha()),
        })
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        let (c, a, b) = (cx.front_full(0)?, cx.front(1)?, cx.front(2)?);
        if !cx.batched(1) && !cx.batched(2) {
            return crate::prim::batched_front(product(self, &c, &cx.front_full(1)?, &b)?);
        }
        crate::prim::batched_front(product(self, &c, &a, &b)?)
    }

    fn cases() -> Cases {
        let mut all = Vec::new();
        for (alpha, beta) in [(1.0, 1.0), (0.5, -2.0), (1.5, 0.0)] {
            let prim = || Case::new(Addmm::new(alpha, beta));
            let real = product_cases(prim, || Domain::Real(-2.0, 2.0));
            let complex = product_cases(|| prim().no_edges(), || Domain::Of(Dtype::C64, -2.0, 2.0));
            all.extend(real.into_iter().chain(complex).map(|mut case| {
                let (a, b) = (&case.inputs[0].shape, &case.inputs[1].shape);
                let mut shape = a.clone();
                let last = shape.len() - 1;
                shape[last] = b[last];
                // Terms of either sign: the error is on the scale of a random walk's partial sums.
                let terms = a.last().copied().unwrap_or(1);
                let magnitude = 4.0 * (terms as f64).sqrt() * alpha.abs() + 2.0 * beta.abs();
                case = case.accumulates(terms, magnitude);
                case.inputs.insert(0, crate::prim::Operand { shape, domain: case.inputs[0].domain.clone() });
                case
            }));
        }
        all
    }
}
