//! How kernels walk strided operands: axes merged where every operand allows it.

use isobit_core::{Dtype, Tensor};
use isobit_kernels::dtype::Dtype as Kind;
use smallvec::SmallVec;

/// The kernels' name of a dtype.
pub fn dtype_of(dtype: Dtype) -> Kind {
    match dtype {
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
        Dtype::C64 => Kind::C64,
    }
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

    /// The merged axes.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Operand `i`'s strides along them.
    pub fn strides(&self, i: usize) -> &[isize] {
        &self.strides[i]
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
}
