//! Every n-th element between bounds, along each axis.

use crate::array::{Array, apply};
use crate::error::{Error, Result};
use crate::prim::adaptors::Linear;
use crate::prim::{Case, Cases, Domain};
use crate::spec::{Shape, Spec, resolve_axis};
use smallvec::SmallVec;

/// The elements `start, start + step, ...` before `stop` along each axis, as NumPy's `a[start:stop:step]`. A view.
///
/// Negative bounds count from the end and bounds beyond the array are clamped; a negative step runs backwards (then
/// `stop = isize::MIN` means "through the first element"). The lists may be shorter than the number of axes: the rest
/// is taken whole.
///
/// # Gradients
/// The cotangent, put into zeros.
///
/// # Errors
/// A step of 0, lists of different lengths or longer than the number of axes.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2, 3, 4, 5, 6], &[2, 3])?;
/// assert_eq!(ops::slice(&a, &[0, 0], &[2, 3], &[1, 2])?.to_vec::<i32>()?, [1, 3, 4, 6]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn slice(a: &Array, start: &[isize], stop: &[isize], step: &[isize]) -> Result<Array> {
    let region = Region::resolve("slice", a.shape(), start, stop, step)?;
    slice_region(a, region)
}

/// [`slice()`] with resolved bounds.
pub(crate) fn slice_region(a: &Array, region: Region) -> Result<Array> {
    if region.is_whole(a.shape()) {
        crate::eval::sizes_matter();
        return Ok(a.clone());
    }
    apply(Slice { region: Box::new(region) }, &[a])
}

/// Element `index` along `axis`, without that axis.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1i32, 2, 3, 4], &[2, 2])?;
/// assert_eq!(ops::take_index(&a, 1, 0)?.to_vec::<i32>()?, [3, 4]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn take_index(a: &Array, index: usize, axis: isize) -> Result<Array> {
    let d = resolve_axis("take", axis, a.ndim())?;
    if index >= a.shape()[d] {
        return Err(Error::index(
            "take",
            format!("index {index} is out of range for axis {axis} of size {}", a.shape()[d]),
        ));
    }
    let mut start = vec![0; a.ndim()];
    let mut stop: Vec<isize> = a.shape().iter().map(|&n| n as isize).collect();
    (start[d], stop[d]) = (index as isize, index as isize + 1);
    super::squeeze(&slice(a, &start, &stop, &vec![1; a.ndim()])?, d as isize)
}

/// A rectangular, possibly strided region of an array, all numbers resolved.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Region {
    pub(crate) start: SmallVec<[isize; 4]>,
    pub(crate) step: SmallVec<[isize; 4]>,
    pub(crate) shape: Shape,
}

impl Region {
    /// Resolves NumPy-style bounds against `shape`.
    pub fn resolve(
        op: &'static str,
        shape: &[usize],
        start: &[isize],
        stop: &[isize],
        step: &[isize],
    ) -> Result<Region> {
        if start.len() != stop.len() || start.len() != step.len() || start.len() > shape.len() {
            return Err(Error::value(
                op,
                format!(
                    "expected start, stop and step of one length up to {}, got {}, {} and {}",
                    shape.len(),
                    start.len(),
                    stop.len(),
                    step.len()
                ),
            ));
        }
        let mut region = Region { start: SmallVec::new(), step: SmallVec::new(), shape: Shape::new() };
        for (d, &n) in shape.iter().enumerate() {
            let (s, e, k) = if d < start.len() { (start[d], stop[d], step[d]) } else { (0, n as isize, 1) };
            if k == 0 {
                return Err(Error::value(op, "expected a step other than 0"));
            }
            let n = n as isize;
            let (low, high) = if k > 0 { (0, n) } else { (-1, n - 1) };
            let clamp = |x: isize| if x < 0 { x.saturating_add(n).max(low) } else { x.min(high) };
            let (s, e) = (clamp(s), clamp(e));
            let span = if k > 0 { e - s } else { s - e };
            let count = if span > 0 { (span - 1) / k.abs() + 1 } else { 0 };
            region.start.push(if count == 0 { 0 } else { s });
            region.step.push(k);
            region.shape.push(count as usize);
        }
        Ok(region)
    }

    /// Whether the region is the whole of an array of that shape, in order.
    pub fn is_whole(&self, shape: &[usize]) -> bool {
        self.shape.as_slice() == shape && self.step.iter().zip(shape).all(|(&k, &n)| k == 1 || n <= 1)
    }

    /// The same region of every element of a batch of `n` (batch axis in front).
    pub fn batched(&self, n: usize) -> Region {
        let mut r = self.clone();
        r.start.insert(0, 0);
        r.step.insert(0, 1);
        r.shape.insert(0, n);
        r
    }

    /// First index along each axis.
    pub fn start(&self) -> &[isize] {
        &self.start
    }

    /// Step along each axis.
    pub fn step(&self) -> &[isize] {
        &self.step
    }

    /// Number of elements along each axis.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// An error unless the region lies inside an array of that shape.
    pub fn check(&self, op: &'static str, shape: &[usize]) -> Result<()> {
        let inside = self.shape.len() == shape.len()
            && (0..shape.len()).all(|d| {
                let last = self.start[d] + self.step[d] * (self.shape[d] as isize - 1);
                self.shape[d] == 0
                    || (0..shape[d] as isize).contains(&self.start[d].min(last))
                        && self.start[d].max(last) < shape[d] as isize
            });
        if inside { Ok(()) } else { Err(Error::value(op, format!("region {self:?} does not fit shape {shape:?}"))) }
    }
}

/// The primitive of [`slice()`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Slice {
    region: Box<Region>,
}

impl Slice {
    /// First index along each axis.
    pub fn start(&self) -> &[isize] {
        &self.region.start
    }

    /// Step along each axis.
    pub fn step(&self) -> &[isize] {
        &self.region.step
    }
}

impl Linear for Slice {
    const NAME: &'static str = "slice";

    fn infer(&self, x: &Spec) -> Result<Spec> {
        self.region.check("slice", &x.shape)?;
        Ok(Spec { shape: self.region.shape.clone(), dtype: x.dtype })
    }

    fn transposed(&self, x: &Spec, ct: &Array) -> Result<Array> {
        let zeros = super::zeros(&x.shape, x.dtype)?;
        super::slice_update::update_region(&zeros, ct, (*self.region).clone())
    }

    fn batched(&self, x: &Array) -> Result<Array> {
        apply(Slice { region: Box::new(self.region.batched(x.shape()[0])) }, &[x])
    }

    fn cases() -> Cases {
        let case = |shape: &[usize], start: &[isize], step: &[isize], count: &[usize]| {
            let region = Region { start: start.into(), step: step.into(), shape: count.into() };
            Case::new(Slice { region: Box::new(region) }).input(shape, Domain::Any(-4.0, 4.0)).exact()
        };
        vec![
            case(&[7], &[1], &[2], &[3]),
            case(&[7], &[6], &[-1], &[7]),
            case(&[4, 5], &[1, 4], &[1, -2], &[2, 3]),
            case(&[2, 3, 4], &[0, 1, 0], &[1, 1, 1], &[2, 1, 4]),
            case(&[3], &[0], &[1], &[0]),
        ]
    }
}

crate::primitive_via!(Linear, Slice);
