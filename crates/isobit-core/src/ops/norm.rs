//! Norms of vectors and matrices.

use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::spec::Axes;

/// Which norm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Order {
    /// Euclidean of vectors, Frobenius of matrices.
    Default,
    /// The number's: of vectors `sum(|x|^p)^(1/p)` (with limits at 0 and the infinities), of matrices the greatest or
    /// least sum of a column (1, -1) or a row (the infinities).
    P(f64),
    /// Frobenius.
    Frobenius,
    /// The sum of the singular values.
    Nuclear,
}

impl Order {
    /// `"fro"` or `"nuc"`.
    ///
    /// # Errors
    /// Another name.
    pub fn named(name: &str) -> Result<Order> {
        match name {
            "fro" | "f" => Ok(Order::Frobenius),
            "nuc" => Ok(Order::Nuclear),
            other => Err(Error::value("norm", format!("expected order \"fro\" or \"nuc\", got {other:?}"))),
        }
    }
}

/// The norm over `axes`: of vectors if there is one axis, of matrices if there are two. With `..` and the default order,
/// the Euclidean norm of all elements.
///
/// # Dtypes
/// Floats; integers and bools are computed in float32.
///
/// # Errors
/// An order that does not exist for the number of axes.
///
/// # Gradients
/// Those of what the norm is made of; of singular values, `u v*`.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[3.0f32, -4.0], &[2])?;
/// assert_eq!(ops::norm(&a, ops::norm::Order::Default, .., false)?.to_vec::<f32>()?, [5.0]);
/// assert_eq!(ops::norm(&a, ops::norm::Order::P(1.0), .., false)?.to_vec::<f32>()?, [7.0]);
/// let m = Array::from_slice(&[0.0f32, -2.0, 3.0, 0.0], &[2, 2])?;
/// assert_eq!(ops::norm(&m, ops::norm::Order::Nuclear, .., false)?.to_vec::<f32>()?, [5.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn norm(a: &Array, order: Order, axes: impl Into<Axes>, keepdims: bool) -> Result<Array> {
    let axes = axes.into();
    let given = super::astype(a, a.dtype().at_least_float())?;
    let a = &given;
    // Most norms are made of magnitudes.
    let a = if a.dtype() == Dtype::C64 { super::abs(a)? } else { a.clone() };
    let all = axes == Axes::All;
    let list: Vec<isize> = match &axes {
        Axes::All => (0..a.ndim() as isize).collect(),
        Axes::List(list) => list.to_vec(),
    };
    axes.resolve("norm", a.ndim())?;
    if all && order == Order::Default {
        return euclidean(&a, &list, keepdims);
    }
    match list.as_slice() {
        [axis] => vector(&a, order, *axis, keepdims),
        [rows, columns] => match order {
            Order::Nuclear => spectral(&given, super::sum, *rows, *columns, keepdims),
            Order::P(2.0) => spectral(&given, super::max, *rows, *columns, keepdims),
            Order::P(-2.0) => spectral(&given, super::min, *rows, *columns, keepdims),
            _ => matrix(&a, order, *rows, *columns, keepdims),
        },
        other => Err(Error::value("norm", format!("expected one axis or two, got {}", other.len()))),
    }
}

fn euclidean(a: &Array, axes: &[isize], keepdims: bool) -> Result<Array> {
    super::sqrt(&super::sum(&super::square(a)?, axes, keepdims)?)
}

fn vector(a: &Array, order: Order, axis: isize, keepdims: bool) -> Result<Array> {
    let p = match order {
        Order::Default => 2.0,
        Order::P(p) => p,
        other => return Err(Error::value("norm", format!("a vector has no norm of order {other:?}"))),
    };
    let size = || super::abs(a);
    match p {
        2.0 => euclidean(a, &[axis], keepdims),
        1.0 => super::sum(&size()?, axis, keepdims),
        0.0 => super::astype(&super::count_nonzero(a, axis, keepdims)?, a.dtype()),
        f64::INFINITY => super::max(&size()?, axis, keepdims),
        f64::NEG_INFINITY => super::min(&size()?, axis, keepdims),
        p => {
            let number = |p: f64| Array::scalar(p, a.dtype());
            let total = super::sum(&super::power(&size()?, &number(p))?, axis, keepdims)?;
            super::power(&total, &number(1.0 / p))
        }
    }
}

fn matrix(a: &Array, order: Order, rows: isize, columns: isize, keepdims: bool) -> Result<Array> {
    let p = match order {
        Order::Default | Order::Frobenius => return euclidean(a, &[rows, columns], keepdims),
        Order::P(p) if matches!(p, 1.0 | -1.0 | f64::INFINITY | f64::NEG_INFINITY) => p,
        Order::P(p) => return Err(Error::value("norm", format!("a matrix has no norm of order {p}"))),
        other => return Err(Error::value("norm", format!("expected an order of magnitudes, got {other:?}"))),
    };
    let (inner, outer) = if p.is_infinite() { (columns, rows) } else { (rows, columns) };
    let sums = super::sum(&super::abs(a)?, inner, true)?;
    let out = if p > 0.0 { super::max(&sums, outer, true)? } else { super::min(&sums, outer, true)? };
    if keepdims { Ok(out) } else { super::squeeze(&out, [rows, columns]) }
}

/// A norm of the singular values of the matrices along two axes.
fn spectral(
    a: &Array,
    combine: impl FnOnce(&Array, isize, bool) -> Result<Array>,
    rows: isize,
    columns: isize,
    keepdims: bool,
) -> Result<Array> {
    let dtype = super::factorisation::real_dtype(a.dtype());
    let wide = if matches!(a.dtype(), Dtype::F16 | Dtype::BF16) { super::astype(a, Dtype::F32)? } else { a.clone() };
    let resolve = |axis| crate::spec::resolve_axis("norm", axis, a.ndim());
    let (i, j) = (resolve(rows)?, resolve(columns)?);
    // Transposed, a matrix has the same singular values: the order of the two axes does not matter.
    let last = super::moveaxis(&super::moveaxis(&wide, i.max(j) as isize, -1)?, i.min(j) as isize, -2)?;
    let out = super::astype(&combine(&super::svdvals(&last)?, -1, false)?, dtype)?;
    if !keepdims {
        return Ok(out);
    }
    super::expand_dims(&super::expand_dims(&out, i.min(j) as isize)?, i.max(j) as isize)
}
