//! NumPy's indexing: `a.index((1, 2..5, NewAxis, &rows))` reads, `a.at(&rows).add(&u)` combines.
//!
//! Integers and ranges are resolved when the graph is built (an integer out of range is an error) and make views.
//! Integer arrays gather and scatter; their values are clamped into range when they are run. A boolean array selects
//! the elements where it is true: reading with one evaluates it, since the shape of the result depends on it.

use super::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::ops::{self, Reduce, slice::Region, slice::slice_region, slice_update::update_region};
use crate::spec::Shape;
use smallvec::{SmallVec, smallvec};

/// One entry of an index.
#[derive(Clone, Debug)]
pub enum Index {
    /// One element along an axis, which disappears; negative counts from the end.
    At(isize),
    /// Every `step`-th element from `start` to before `stop`, as Python's `start:stop:step`.
    Range {
        /// First element; `None` is the end from which the step leads away.
        start: Option<isize>,
        /// The end, which is not included; `None` is the other one.
        stop: Option<isize>,
        /// Not 0; negative runs backwards.
        step: isize,
    },
    /// A new axis of size 1.
    NewAxis,
    /// Whole axes, as many as the other entries leave.
    Ellipsis,
    /// Integers: elements along one axis. Bools: the elements, along as many axes as it has, where it is true.
    Array(Array),
}

/// A new axis of size 1 in an index.
#[derive(Clone, Copy, Debug)]
pub struct NewAxis;

/// Whole axes in an index, as many as the other entries leave.
#[derive(Clone, Copy, Debug)]
pub struct Ellipsis;

impl Index {
    /// `start:stop:step`.
    pub fn range(start: impl Into<Option<isize>>, stop: impl Into<Option<isize>>, step: isize) -> Index {
        Index::Range { start: start.into(), stop: stop.into(), step }
    }
}

/// What [`Array::index`] and [`Array::at`] take: one entry, a tuple of entries, or a list of [`Index`].
pub trait IntoIndices {
    /// The entries.
    fn into_indices(self) -> Vec<Index>;
}

macro_rules! entries {
    ($($t:ty : $x:ident => $e:expr),* $(,)?) => {$(
        impl From<$t> for Index { fn from($x: $t) -> Index { $e } }
        impl IntoIndices for $t { fn into_indices(self) -> Vec<Index> { vec![self.into()] } }
    )*};
}
entries! {
    i32: i => Index::At(i as isize),
    isize: i => Index::At(i),
    usize: i => Index::At(isize::try_from(i).unwrap_or(isize::MAX)),
    NewAxis: _x => Index::NewAxis,
    Ellipsis: _x => Index::Ellipsis,
    Array: a => Index::Array(a),
    &Array: a => Index::Array(a.clone()),
    std::ops::RangeFull: _r => Index::range(None, None, 1),
    std::ops::Range<i32>: r => Index::range(r.start as isize, r.end as isize, 1),
    std::ops::Range<isize>: r => Index::range(r.start, r.end, 1),
    std::ops::Range<usize>: r => Index::range(bound(r.start), bound(r.end), 1),
    std::ops::RangeFrom<i32>: r => Index::range(r.start as isize, None, 1),
    std::ops::RangeFrom<isize>: r => Index::range(r.start, None, 1),
    std::ops::RangeFrom<usize>: r => Index::range(bound(r.start), None, 1),
    std::ops::RangeTo<i32>: r => Index::range(None, r.end as isize, 1),
    std::ops::RangeTo<isize>: r => Index::range(None, r.end, 1),
    std::ops::RangeTo<usize>: r => Index::range(None, bound(r.end), 1),
}

fn bound(n: usize) -> isize {
    isize::try_from(n).unwrap_or(isize::MAX)
}

impl IntoIndices for Index {
    fn into_indices(self) -> Vec<Index> {
        vec![self]
    }
}
impl IntoIndices for Vec<Index> {
    fn into_indices(self) -> Vec<Index> {
        self
    }
}
impl IntoIndices for &[Index] {
    fn into_indices(self) -> Vec<Index> {
        self.to_vec()
    }
}
impl<const N: usize> IntoIndices for [Index; N] {
    fn into_indices(self) -> Vec<Index> {
        self.into()
    }
}
macro_rules! tuples {
    ($(($($t:ident $i:tt),*))*) => {$(
        impl<$($t: Into<Index>),*> IntoIndices for ($($t,)*) {
            fn into_indices(self) -> Vec<Index> { vec![$(self.$i.into()),*] }
        }
    )*};
}
tuples! {
    (A 0) (A 0, B 1) (A 0, B 1, C 2) (A 0, B 1, C 2, D 3) (A 0, B 1, C 2, D 3, E 4) (A 0, B 1, C 2, D 3, E 4, F 5)
}

const OP: &str = "index";

/// One axis of the result that is not made by an index array.
enum Kept {
    /// The next axis of the array that a range selects from.
    Old,
    /// A new one.
    New,
}

/// An index resolved against a shape.
struct Plan {
    /// What ranges and integers select; axes of index arrays are whole.
    region: Region,
    /// Axes that integers select one element of (none if there are index arrays: then integers are such).
    dropped: Vec<usize>,
    /// Index arrays, broadcast to one shape, and their axes.
    arrays: Vec<Array>,
    axes: Vec<isize>,
    /// The result's axes that do not come from index arrays.
    kept: Vec<Kept>,
    /// Before how many of those the index arrays' axes stand.
    place: usize,
}

/// The entries with masks as index arrays and the ellipsis as ranges, so that each axis has one.
fn expand(a: &Array, entries: Vec<Index>) -> Result<Vec<Index>> {
    let mut out: Vec<Index> = Vec::with_capacity(entries.len());
    let mut ellipsis = None;
    let mut used = 0;
    for entry in entries {
        match entry {
            Index::Array(m) if m.dtype() == Dtype::Bool => {
                let lead = a.ndim().checked_sub(used).filter(|left| m.ndim() >= 1 && m.ndim() <= *left);
                // Behind an ellipsis the axes are counted from the end, once the rest is known.
                if lead.is_none() {
                    let (m, s) = (m.shape(), a.shape());
                    return Err(Error::index(
                        OP,
                        format!("a mask of shape {m:?} does not fit an array of shape {s:?}"),
                    ));
                }
                used += m.ndim();
                out.push(Index::Array(m));
            }
            Index::Array(i) if !i.dtype().is_integer() => {
                return Err(Error::dtype(
                    OP,
                    format!("expected indices of an integer or bool dtype, got {}", i.dtype()),
                ));
            }
            Index::Ellipsis if ellipsis.is_some() => {
                return Err(Error::index(OP, "expected at most one ellipsis, got two"));
            }
            Index::Ellipsis => ellipsis = Some(out.len()),
            Index::NewAxis => out.push(entry),
            other => {
                used += 1;
                out.push(other);
            }
        }
    }
    let Some(left) = a.ndim().checked_sub(used) else {
        return Err(Error::index(OP, format!("expected at most {} indices, got {used}", a.ndim())));
    };
    let at = ellipsis.unwrap_or(out.len());
    out.splice(at..at, (0..left).map(|_| Index::range(None, None, 1)));
    // Masks, now that it is known which axes they cover.
    let mut axis = 0;
    let mut all = Vec::with_capacity(out.len());
    for entry in out {
        match entry {
            Index::Array(m) if m.dtype() == Dtype::Bool => {
                let covered = &a.shape()[axis..axis + m.ndim()];
                if covered != m.shape() {
                    let m = m.shape();
                    return Err(Error::index(
                        OP,
                        format!("a mask of shape {m:?} does not fit axes of shape {covered:?}"),
                    ));
                }
                axis += m.ndim();
                all.extend(ops::nonzero(&m)?.into_iter().map(Index::Array));
            }
            Index::NewAxis => all.push(entry),
            other => {
                axis += 1;
                all.push(other);
            }
        }
    }
    Ok(all)
}

impl Plan {
    fn new(a: &Array, entries: Vec<Index>) -> Result<Plan> {
        let entries = expand(a, entries)?;
        let advanced = entries.iter().any(|e| matches!(e, Index::Array(_)));
        let mut plan = Plan {
            region: Region { start: smallvec![], step: smallvec![], shape: Shape::new() },
            dropped: Vec::new(),
            arrays: Vec::new(),
            axes: Vec::new(),
            kept: Vec::new(),
            place: 0,
        };
        // Where the index arrays' axes go: to the first of them if they stand side by side, else in front.
        let (mut begun, mut ended, mut apart) = (None, false, false);
        for entry in entries {
            let d = plan.region.shape.len();
            let is_array = match &entry {
                Index::Array(_) => true,
                Index::At(_) => advanced,
                _ => false,
            };
            if is_array {
                apart |= ended;
                begun.get_or_insert(plan.kept.len());
            } else {
                ended = begun.is_some();
            }
            match entry {
                Index::NewAxis => plan.kept.push(Kept::New),
                Index::Range { start, stop, step } => {
                    let n = a.shape()[d];
                    let (first, last) = if step > 0 { (0, n as isize) } else { (n as isize - 1, isize::MIN) };
                    let (start, stop) = (start.unwrap_or(first), stop.unwrap_or(last));
                    let one = Region::resolve(OP, &[n], &[start], &[stop], &[step])?;
                    plan.push(one.start[0], one.step[0], one.shape[0]);
                    plan.kept.push(Kept::Old);
                }
                Index::At(i) => {
                    let n = a.shape()[d] as isize;
                    if i < -n || i >= n {
                        return Err(Error::index(OP, format!("index {i} is out of range for axis {d} of size {n}")));
                    }
                    let i = if i < 0 { i + n } else { i };
                    if advanced {
                        plan.push(0, 1, n as usize);
                        plan.axes.push(d as isize);
                        let dtype = if i32::try_from(i).is_ok() { Dtype::I32 } else { Dtype::I64 };
                        plan.arrays.push(Array::scalar(i, dtype));
                    } else {
                        plan.push(i, 1, 1);
                        plan.dropped.push(d);
                    }
                }
                Index::Array(i) => {
                    if a.shape()[d] == 0 && i.size() > 0 {
                        return Err(Error::index(OP, format!("axis {d} is empty: there is nothing to index")));
                    }
                    plan.push(0, 1, a.shape()[d]);
                    plan.axes.push(d as isize);
                    plan.arrays.push(i);
                }
                Index::Ellipsis => return Err(Error::runtime(OP, "an ellipsis was left over")),
            }
        }
        plan.arrays = ops::broadcast_arrays(&plan.arrays)?;
        plan.place = if apart { 0 } else { begun.unwrap_or(0) };
        Ok(plan)
    }

    fn push(&mut self, start: isize, step: isize, count: usize) {
        self.region.start.push(start);
        self.region.step.push(step);
        self.region.shape.push(count);
    }

    /// Shape of the index arrays.
    fn lead(&self) -> &[usize] {
        self.arrays.first().map_or(&[], |a| a.shape())
    }

    /// Where new axes stand among the kept ones, `shift` further back.
    fn new_axes(&self, shift: usize) -> Vec<isize> {
        let new = self.kept.iter().enumerate().filter(|(_, k)| matches!(k, Kept::New));
        new.map(|(i, _)| (i + shift) as isize).collect()
    }

    /// Axes of the array that are not in the result.
    fn gone(&self) -> Vec<usize> {
        let mut gone: Vec<usize> = self.dropped.iter().copied().chain(self.axes.iter().map(|&d| d as usize)).collect();
        gone.sort_unstable();
        gone
    }

    fn read(&self, a: &Array) -> Result<Array> {
        let part = slice_region(a, self.region.clone())?;
        let lead = self.lead().len();
        let part = if self.arrays.is_empty() {
            part
        } else {
            let mut window = part.spec().shape.clone();
            self.axes.iter().for_each(|&d| window[d as usize] = 1);
            ops::gather(&part, &self.arrays, &self.axes, &window)?
        };
        let gone: Vec<isize> = self.gone().iter().map(|&d| (d + lead) as isize).collect();
        let part = if gone.is_empty() { part } else { ops::squeeze(&part, gone.as_slice())? };
        let part = ops::expand_dims(&part, self.new_axes(lead).as_slice())?;
        if lead == 0 || self.place == 0 {
            return Ok(part);
        }
        // Axes of the index arrays behind the first `place` others.
        let order = (lead..lead + self.place).chain(0..lead).chain(lead + self.place..part.ndim());
        ops::transpose(&part, order.map(|d| d as isize).collect::<Vec<_>>().as_slice())
    }

    /// `update`, broadcast to the shape of [`Plan::read`], in the form that a scatter (or a region) takes.
    fn spread(&self, update: &Array) -> Result<Array> {
        let lead = self.lead();
        let mut shape: Vec<usize> = Vec::new();
        let mut old = (0..self.region.shape.len()).filter(|d| !self.gone().contains(d));
        for kept in &self.kept {
            shape.push(match kept {
                Kept::New => 1,
                Kept::Old => old.next().map_or(1, |d| self.region.shape[d]),
            });
        }
        shape.splice(self.place..self.place, lead.iter().copied());
        // As in NumPy, an update may have more axes of size 1 in front.
        let extra = update.ndim().saturating_sub(shape.len());
        let update = if update.shape()[..extra].iter().all(|&n| n == 1) {
            ops::reshape(update, &ops::broadcast::signed(&update.shape()[extra..]))?
        } else {
            update.clone()
        };
        let u = ops::broadcast_to(&update, &shape)?;
        let p = self.place;
        let order = (p..p + lead.len()).chain(0..p).chain(p + lead.len()..shape.len());
        let u = ops::transpose(&u, order.map(|d| d as isize).collect::<Vec<_>>().as_slice())?;
        let new = self.new_axes(lead.len());
        let u = if new.is_empty() { u } else { ops::squeeze(&u, new.as_slice())? };
        let gone: Vec<isize> = self.gone().iter().map(|&d| (d + lead.len()) as isize).collect();
        ops::expand_dims(&u, gone.as_slice())
    }
}

impl Array {
    /// The elements that an index selects, as NumPy's `a[...]`.
    ///
    /// Integers and ranges make views. A boolean array is evaluated; integer arrays are not, and their values are
    /// clamped into range.
    ///
    /// # Errors
    /// An integer out of range, too many entries, a mask of another shape, indices that are neither integers nor bools.
    ///
    /// # Examples
    /// ```
    /// # use isobit::{Array, NewAxis};
    /// let a = Array::from_slice(&[1i32, 2, 3, 4, 5, 6], &[2, 3])?;
    /// assert_eq!(a.index((-1, ..))?.to_vec::<i32>()?, [4, 5, 6]);
    /// let rows = Array::from_slice(&[1i32, 1, 0], &[3])?;
    /// assert_eq!(a.index((NewAxis, &rows, 0..2))?.shape(), [1, 3, 2]);
    /// # Ok::<(), isobit::Error>(())
    /// ```
    pub fn index(&self, index: impl IntoIndices) -> Result<Array> {
        Plan::new(self, index.into_indices())?.read(self)
    }

    /// The places that an index selects, to make an array with other values there: `a.at(0..2).set(&u)`.
    ///
    /// Unlike assignments to a NumPy index, updates that meet in one place all count.
    pub fn at(&self, index: impl IntoIndices) -> At<'_> {
        At { array: self, entries: index.into_indices() }
    }
}

/// See [`Array::at`]. Updates are broadcast to the shape of [`Array::index`] and converted to the array's dtype.
pub struct At<'a> {
    array: &'a Array,
    entries: Vec<Index>,
}

impl At<'_> {
    /// The array with the places replaced; of several updates of one place the last stays.
    ///
    /// # Errors
    /// As [`Array::index`]; updates that do not broadcast. The same holds for the other methods.
    pub fn set(self, updates: &Array) -> Result<Array> {
        self.update(updates, Reduce::Set, |_, u| Ok(u.clone()))
    }

    /// The array with updates added.
    #[allow(clippy::should_implement_trait)] // `at(..).add(x)` is the name that users know
    pub fn add(self, updates: &Array) -> Result<Array> {
        self.update(updates, Reduce::Add, ops::add)
    }

    /// The array with updates subtracted.
    pub fn subtract(self, updates: &Array) -> Result<Array> {
        let updates = ops::negative(&ops::astype(updates, self.array.dtype())?)?;
        self.add(&updates)
    }

    /// The array multiplied by updates.
    pub fn multiply(self, updates: &Array) -> Result<Array> {
        self.update(updates, Reduce::Multiply, ops::multiply)
    }

    /// The array divided by updates.
    ///
    /// # Errors
    /// An integer array.
    pub fn divide(self, updates: &Array) -> Result<Array> {
        let a = self.array;
        if !a.dtype().is_inexact() {
            return Err(Error::dtype("at", format!("expected a floating array to divide, got {}", a.dtype())));
        }
        // Divided by the product of all updates of a place: exactly a / u where there is one.
        let ones = ops::ones_like(a)?;
        let product = At { array: &ones, entries: self.entries }.multiply(updates)?;
        ops::divide(a, &product)
    }

    /// The larger of the array and its updates.
    pub fn maximum(self, updates: &Array) -> Result<Array> {
        self.update(updates, Reduce::Maximum, ops::maximum)
    }

    /// The smaller of the array and its updates.
    pub fn minimum(self, updates: &Array) -> Result<Array> {
        self.update(updates, Reduce::Minimum, ops::minimum)
    }

    fn update(
        self,
        updates: &Array,
        reduce: Reduce,
        combine: impl Fn(&Array, &Array) -> Result<Array>,
    ) -> Result<Array> {
        let a = self.array;
        let updates = ops::astype(updates, a.dtype())?;
        if let Some((mask, axis)) = self.mask() {
            return masked(a, &mask, axis, &updates, reduce, combine);
        }
        let plan = Plan::new(a, self.entries)?;
        let u = plan.spread(&updates)?;
        if plan.region.is_whole(a.shape()) && !plan.arrays.is_empty() {
            return ops::scatter(a, &plan.arrays, &u, &plan.axes, reduce);
        }
        let part = slice_region(a, plan.region.clone())?;
        let part = if plan.arrays.is_empty() {
            combine(&part, &u)?
        } else {
            ops::scatter(&part, &plan.arrays, &u, &plan.axes, reduce)?
        };
        update_region(a, &part, plan.region)
    }

    /// The mask and its first axis, if the index is one mask among whole axes.
    fn mask(&self) -> Option<(Array, usize)> {
        let mut found = None;
        let (mut before, mut after, mut open) = (0, 0, None);
        for entry in &self.entries {
            match entry {
                Index::Array(m) if m.dtype() == Dtype::Bool && found.is_none() => found = Some(m.clone()),
                Index::Range { start: None, stop: None, step: 1 } if found.is_none() => before += 1,
                Index::Range { start: None, stop: None, step: 1 } => after += 1,
                Index::Ellipsis if open.is_none() => open = Some(found.is_none()),
                _ => return None,
            }
        }
        let mask = found?;
        let n = self.array.ndim();
        let axis = if open == Some(true) { n.checked_sub(after + mask.ndim())? } else { before };
        let fits = axis >= before && axis + mask.ndim() + after <= n;
        (fits && self.array.shape()[axis..axis + mask.ndim()] == *mask.shape()).then_some((mask, axis))
    }
}

/// Updates where a mask over the axes from `axis` on is true; needs no values of the mask, so it works in every
/// transform.
fn masked(
    a: &Array,
    mask: &Array,
    axis: usize,
    updates: &Array,
    reduce: Reduce,
    combine: impl Fn(&Array, &Array) -> Result<Array>,
) -> Result<Array> {
    let behind = a.ndim() - axis - mask.ndim();
    let mut shape: SmallVec<[isize; 4]> = ops::broadcast::signed(mask.shape()).into();
    shape.extend(std::iter::repeat_n(1, behind));
    let spread = ops::reshape(mask, &shape)?;
    // The result of a read would be: axes before, one for the selected elements, axes behind.
    let per_element = updates.ndim() > behind && updates.shape()[updates.ndim() - behind - 1] != 1;
    let full = if !per_element {
        let lead = updates.ndim().saturating_sub(behind + 1);
        let (outer, inner) = updates.shape().split_at(updates.ndim().saturating_sub(behind));
        let mut shape = ops::broadcast::signed(&outer[..lead]);
        if updates.ndim() > behind {
            shape.extend(std::iter::repeat_n(1, mask.ndim()));
        }
        shape.extend(ops::broadcast::signed(inner));
        ops::broadcast_to(&ops::reshape(updates, &shape)?, a.shape())?
    } else {
        // The k-th selected element takes update k: its number is the count of those before it.
        let along = (updates.ndim() - behind - 1) as isize;
        if let Some(count) = known_count(mask)?
            && count > updates.shape()[along as usize]
        {
            let got = updates.shape()[along as usize];
            return Err(Error::value("at", format!("expected 1 or at least {count} updates for the mask, got {got}")));
        }
        if updates.size() == 0 {
            return Ok(a.clone());
        }
        let flat = ops::reshape(&ops::astype(mask, Dtype::I32)?, &[-1])?;
        let number = ops::reshape(&ops::cumsum(&flat, 0, false, false)?, &ops::broadcast::signed(mask.shape()))?;
        ops::broadcast_to(&ops::take(updates, &number, along)?, a.shape())?
    };
    let changed = if reduce == Reduce::Set { full } else { combine(a, &full)? };
    ops::where_(&spread, &changed, a)
}

/// How many elements a mask selects, if it has a value.
fn known_count(mask: &Array) -> Result<Option<usize>> {
    if mask.is_traced() {
        return Ok(None);
    }
    Ok(Some(mask.to_vec::<bool>()?.into_iter().filter(|&b| b).count()))
}
