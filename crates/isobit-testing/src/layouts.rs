//! The same values laid out differently in memory: what a kernel must not notice.

use crate::Checked;
use crate::data::{Data, Values};
use isobit_core::{Array, Dtype, ops};

/// How an operand lies in its buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Dense, row-major.
    Contiguous,
    /// Axes stored in reverse order.
    Transposed,
    /// A block inside a larger array.
    Offset,
    /// Every axis stored backwards.
    Reversed,
    /// Every second element along every axis.
    Strided,
    /// The first axis of size > 1 stored once, with stride 0.
    Broadcast,
    /// The last axis of size > 1 stored once, with stride 0.
    BroadcastLast,
}

impl Layout {
    /// Every layout.
    pub const ALL: [Layout; 7] = [
        Layout::Contiguous,
        Layout::Transposed,
        Layout::Offset,
        Layout::Reversed,
        Layout::Strided,
        Layout::Broadcast,
        Layout::BroadcastLast,
    ];

    /// The axis that this layout stores once.
    fn repeated(self, shape: &[usize]) -> Option<usize> {
        match self {
            Layout::Broadcast => shape.iter().position(|&n| n > 1),
            Layout::BroadcastLast => shape.iter().rposition(|&n| n > 1),
            _ => None,
        }
    }

    /// The values that an array of this layout can hold: made equal along the repeated axis.
    pub fn fit(self, x: &Data) -> Data {
        match self.repeated(&x.shape) {
            Some(axis) => x.repeated_along(axis),
            None => x.clone(),
        }
    }

    /// An evaluated array with these values (of [`Layout::fit`]) in this layout. What lies between the elements is NaN, or an
    /// extreme integer.
    pub fn array(self, x: &Data) -> Checked<Array> {
        let nd = x.shape.len();
        let signed: Vec<isize> = x.shape.iter().map(|&n| n as isize).collect();
        let a = match self {
            Layout::Contiguous => x.array(),
            Layout::Transposed => {
                let perm: Vec<usize> = (0..nd).rev().collect();
                let back: Vec<isize> = perm.iter().map(|&d| d as isize).collect();
                ops::transpose(&transposed(x, &perm).array(), back.as_slice())?
            }
            Layout::Broadcast | Layout::BroadcastLast => match self.repeated(&x.shape) {
                None => x.array(),
                Some(axis) => {
                    let one = ops::expand_dims(&x.take(axis, 0).array(), axis as isize)?;
                    ops::broadcast_to(&one, &x.shape)?
                }
            },
            Layout::Offset | Layout::Reversed | Layout::Strided => {
                let mut big = x.shape.clone();
                let (mut start, mut stop, mut step) = (vec![0isize; nd], signed.clone(), vec![1isize; nd]);
                for d in 0..nd {
                    let n = x.shape[d] as isize;
                    match self {
                        Layout::Offset => {
                            big[d] += 3;
                            (start[d], stop[d]) = (1, n + 1);
                        }
                        Layout::Strided => {
                            big[d] = 2 * x.shape[d] + 1;
                            (start[d], stop[d], step[d]) = (1, 2 * n + 1, 2);
                        }
                        _ if n > 0 => (start[d], stop[d], step[d]) = (n - 1, isize::MIN, -1),
                        _ => {}
                    }
                }
                ops::slice(&embedded(x, &big, &start, &step).array(), &start, &stop, &step)?
            }
        };
        a.eval()?;
        Ok(a)
    }
}

fn unravel(mut i: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for d in (0..shape.len()).rev() {
        index[d] = i % shape[d];
        i /= shape[d];
    }
    index
}

fn ravel(index: impl Iterator<Item = usize>, shape: &[usize]) -> usize {
    index.zip(shape).fold(0, |at, (i, &n)| at * n + i)
}

fn transposed(x: &Data, perm: &[usize]) -> Data {
    let shape: Vec<usize> = perm.iter().map(|&d| x.shape[d]).collect();
    let places: Vec<usize> = (0..x.size())
        .map(|i| {
            let at = unravel(i, &shape);
            let mut source = vec![0; perm.len()];
            for (k, &d) in perm.iter().enumerate() {
                source[d] = at[k];
            }
            ravel(source.into_iter(), &x.shape)
        })
        .collect();
    x.pick(&shape, places.into_iter())
}

fn embedded(x: &Data, big: &[usize], start: &[isize], step: &[isize]) -> Data {
    let n: usize = big.iter().product();
    let place = |i: usize| {
        let at = unravel(i, &x.shape);
        ravel(at.iter().enumerate().map(|(d, &k)| (start[d] + step[d] * k as isize) as usize), big)
    };
    let values = match &x.values {
        Values::F(v) => {
            let mut out = vec![f64::NAN; n];
            v.iter().enumerate().for_each(|(i, &x)| out[place(i)] = x);
            Values::F(out)
        }
        Values::C(v) => {
            let mut out = vec![[f64::NAN; 2]; n];
            v.iter().enumerate().for_each(|(i, &x)| out[place(i)] = x);
            Values::C(out)
        }
        Values::I(v) => {
            let junk = if x.dtype == Dtype::Bool { 1 } else { crate::data::int_range(x.dtype).1 };
            let mut out = vec![junk; n];
            v.iter().enumerate().for_each(|(i, &x)| out[place(i)] = x);
            Values::I(out)
        }
    };
    Data { dtype: x.dtype, shape: big.to_vec(), values }
}
