//! How kernels walk strided operands: axes merged where every operand allows it, elements gathered in row-major order.

use isobit_core::{Dtype, Error, Result, Tensor};
use isobit_kernels::dtype::Dtype as Kind;
use smallvec::SmallVec;

/// The kernels' name of a dtype.
///
/// # Errors
/// complex64, which nothing computes with yet.
pub fn dtype_of(dtype: Dtype) -> Result<Kind> {
    Ok(match dtype {
        Dtype::Bool => Kind::Bool,
        Dtype::U8 => Kind::U8,
        Dtype::U16 => Kind::U16,
        Dtype::U32 => Kind::U32,
        Dtype::U64 => Kind::U64,
        Dtype::I8 => Kind::I8,
        Dtype::I16 => Kind::I16,
        Dtype::I32 => Kind::I32,
        Dtype::I64 => Kind::I64,
        Dtype::F16 => Kind::F16,
        Dtype::BF16 => Kind::BF16,
        Dtype::F32 => Kind::F32,
        Dtype::F64 => Kind::F64,
        Dtype::C64 => return Err(Error::dtype("eval", "complex64 arrays have no kernels yet")),
    })
}

type Axes<T> = SmallVec<[T; 4]>;

/// The axes over which several operands of one shape are walked together, in row-major order, and each operand's
/// strides along them. There is at least one axis, and none of size 1 unless it is the only one.
pub struct Steps {
    shape: Axes<usize>,
    strides: SmallVec<[Axes<isize>; 3]>,
    len: usize,
}

impl Steps {
    /// The axes of `shape`, neighbours merged where each operand steps through both as through one.
    pub fn merge<'a>(shape: &[usize], operands: impl Iterator<Item = &'a Tensor>) -> Steps {
        let all: SmallVec<[&[isize]; 3]> = operands.map(Tensor::strides).collect();
        let mut merged: Axes<usize> = Axes::new();
        let mut strides: SmallVec<[Axes<isize>; 3]> = all.iter().map(|_| Axes::new()).collect();
        for (d, &n) in shape.iter().enumerate() {
            if n == 1 {
                continue;
            }
            let continues = |i: usize| strides[i].last().is_some_and(|&outer| outer == all[i][d] * n as isize);
            if !merged.is_empty() && (0..all.len()).all(continues) {
                if let Some(last) = merged.last_mut() {
                    *last *= n;
                }
                for (s, a) in strides.iter_mut().zip(&all) {
                    if let Some(last) = s.last_mut() {
                        *last = a[d];
                    }
                }
            } else {
                merged.push(n);
                strides.iter_mut().zip(&all).for_each(|(s, a)| s.push(a[d]));
            }
        }
        if merged.is_empty() {
            merged.push(1);
            strides.iter_mut().for_each(|s| s.push(0));
        }
        let len = merged.iter().product();
        Steps { shape: merged, strides, len }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Size of the last axis.
    pub fn inner(&self) -> usize {
        self.shape[self.shape.len() - 1]
    }

    /// Stride of operand `i` along the last axis.
    pub fn inner_stride(&self, i: usize) -> isize {
        self.strides[i][self.shape.len() - 1]
    }

    /// Elements from operand `i`'s first to the first of its `row`-th row along the last axis.
    pub fn row(&self, i: usize, mut row: usize) -> isize {
        let mut offset = 0;
        for d in (0..self.shape.len() - 1).rev() {
            offset += (row % self.shape[d]) as isize * self.strides[i][d];
            row /= self.shape[d];
        }
        offset
    }
}

/// Reads one operand's elements in row-major order, some at a time.
pub struct Gather<'a> {
    shape: &'a [usize],
    strides: &'a [isize],
    index: Axes<usize>,
    /// Elements from the first to the next.
    offset: isize,
}

impl<'a> Gather<'a> {
    /// Starts at the `start`-th element of operand `i`.
    pub fn new(steps: &'a Steps, i: usize, start: usize) -> Gather<'a> {
        let (shape, strides) = (steps.shape.as_slice(), steps.strides[i].as_slice());
        let mut index = Axes::from_elem(0, shape.len());
        let (mut left, mut offset) = (start, 0);
        for d in (0..shape.len()).rev() {
            index[d] = left % shape[d];
            left /= shape[d];
            offset += index[d] as isize * strides[d];
        }
        Gather { shape, strides, index, offset }
    }

    /// Copies the next `n` elements of `size` bytes (1, 2, 4 or 8) to `to`. `base` is the operand's first element.
    ///
    /// # Safety
    /// The operand has that layout from `base`, `n` elements are left, and `to` has room for them.
    pub unsafe fn take(&mut self, base: *const u8, size: usize, mut to: *mut u8, n: usize) {
        let last = self.shape.len() - 1;
        let stride = self.strides[last];
        let mut left = n;
        while left > 0 {
            let run = (self.shape[last] - self.index[last]).min(left);
            let from = base.wrapping_offset(self.offset * size as isize);
            // SAFETY: the run lies inside one row of the operand; `to` has room for what is left.
            unsafe { copy_run(from, stride, size, to, run) };
            to = to.wrapping_add(run * size);
            left -= run;
            self.advance(run);
        }
    }

    /// Steps over `run` elements of the present row.
    fn advance(&mut self, run: usize) {
        let last = self.shape.len() - 1;
        self.index[last] += run;
        self.offset += run as isize * self.strides[last];
        let mut d = last;
        while self.index[d] == self.shape[d] && d > 0 {
            self.offset -= self.shape[d] as isize * self.strides[d];
            self.index[d] = 0;
            d -= 1;
            self.index[d] += 1;
            self.offset += self.strides[d];
        }
    }
}

/// # Safety
/// `run` elements at that stride from `from` are readable, and as many from `to` writable.
unsafe fn copy_run(from: *const u8, stride: isize, size: usize, to: *mut u8, run: usize) {
    if stride == 1 {
        // SAFETY: the caller's promise.
        return unsafe { std::ptr::copy_nonoverlapping(from, to, run * size) };
    }
    macro_rules! each {
        ($t:ty) => {{
            let (from, to) = (from.cast::<$t>(), to.cast::<$t>());
            if stride == 0 {
                // SAFETY: the caller's promise.
                unsafe { std::slice::from_raw_parts_mut(to.cast::<std::mem::MaybeUninit<$t>>(), run) }
                    // SAFETY: as above.
                    .fill(std::mem::MaybeUninit::new(unsafe { from.read() }));
            } else {
                for k in 0..run {
                    // SAFETY: the caller's promise.
                    unsafe { to.add(k).write(from.wrapping_offset(k as isize * stride).read()) };
                }
            }
        }};
    }
    match size {
        1 => each!(u8),
        2 => each!(u16),
        4 => each!(u32),
        _ => each!(u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isobit_core::spec::Shape;

    #[test]
    fn axes_merge_where_all_operands_agree() {
        let t = |shape: &[usize], strides: &[isize]| {
            let t = Tensor::alloc(&[1000], Dtype::F32).unwrap();
            t.with_layout(Shape::from_slice(shape), strides.into(), 0)
        };
        let (dense, row) = (t(&[2, 1, 3, 4], &[12, 7, 4, 1]), t(&[2, 1, 3, 4], &[0, 0, 4, 1]));
        let one = Steps::merge(&[2, 1, 3, 4], [&dense].into_iter());
        assert_eq!((one.shape.as_slice(), one.strides[0].as_slice()), (&[24][..], &[1][..]));
        let two = Steps::merge(&[2, 1, 3, 4], [&dense, &row].into_iter());
        assert_eq!(two.shape.as_slice(), [2, 12]);
        assert_eq!((two.strides[0].as_slice(), two.strides[1].as_slice()), (&[12, 1][..], &[0, 1][..]));
        assert_eq!((two.row(0, 1), two.row(1, 1)), (12, 0));
    }

    #[test]
    fn gathering_in_pieces_is_gathering_at_once() {
        let data: Vec<u32> = (0..60).collect();
        let t = Tensor::alloc(&[60], Dtype::U32).unwrap();
        // SAFETY: room for 60 elements.
        unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), t.as_mut_ptr::<u32>(), 60) };
        let t = t.with_layout(Shape::from_slice(&[3, 4, 5]), [-5isize, 15, 1][..].into(), 10);
        let want: Vec<u32> =
            (0..60).map(|i| (10 - 5 * (i / 20) as i32 + 15 * (i / 5 % 4) as i32 + i as i32 % 5) as u32).collect();
        let steps = Steps::merge(t.shape(), std::iter::once(&t));
        for piece in [1, 3, 7, 60] {
            let mut got = vec![0u32; 60];
            let mut start = 0;
            while start < 60 {
                let n = piece.min(60 - start);
                let mut gather = Gather::new(&steps, 0, start);
                // SAFETY: `got` has room.
                unsafe { gather.take(t.as_byte_ptr(), 4, got[start..].as_mut_ptr().cast(), n) };
                start += n;
            }
            assert_eq!(got, want);
        }
    }
}
