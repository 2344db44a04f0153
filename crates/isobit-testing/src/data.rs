//! Arrays on the host, as exact numbers: what checks draw, cut, stack and compare.
//!
//! Written independently of the oracle's own loader, so that a mistake there shows.

use crate::{Checked, Failure};
use half::{bf16, f16};
use isobit_core::{Array, Dtype};

/// Elements, row-major.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Floats.
    F(Vec<f64>),
    /// Integers and bools.
    I(Vec<i128>),
    /// Complex numbers: real and imaginary part.
    C(Vec<[f64; 2]>),
}

/// An array on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Data {
    /// Element type.
    pub dtype: Dtype,
    /// Sizes of the axes.
    pub shape: Vec<usize>,
    /// Elements, row-major, all representable in `dtype`.
    pub values: Values,
}

/// Smallest and largest value of an integer dtype (or bool).
pub fn int_range(dtype: Dtype) -> (i128, i128) {
    match dtype {
        Dtype::Bool => (0, 1),
        d if d.is_unsigned() => (0, (1i128 << (8 * d.size())) - 1),
        d => (-(1i128 << (8 * d.size() - 1)), (1i128 << (8 * d.size() - 1)) - 1),
    }
}

/// How many floats an element is.
pub fn parts(dtype: Dtype) -> usize {
    if dtype == Dtype::C64 { 2 } else { 1 }
}

/// `x` rounded to a float dtype.
pub fn round_to(x: f64, dtype: Dtype) -> f64 {
    match dtype {
        Dtype::F16 => f16::from_f64(x).to_f64(),
        Dtype::BF16 => bf16::from_f64(x).to_f64(),
        Dtype::F32 => f64::from(x as f32),
        _ => x,
    }
}

impl Data {
    /// Floats rounded to `dtype`, or truncated to it if it is an integer. Of complex numbers real and imaginary parts in turn.
    pub fn new(dtype: Dtype, shape: &[usize], values: Vec<f64>) -> Data {
        assert_eq!(values.len(), parts(dtype) * shape.iter().product::<usize>());
        let values = if dtype == Dtype::C64 {
            Values::C(values.chunks(2).map(|z| [z[0], z[1]].map(|x| round_to(x, Dtype::F32))).collect())
        } else if dtype.is_float() {
            Values::F(values.into_iter().map(|x| round_to(x, dtype)).collect())
        } else {
            Values::I(values.into_iter().map(|x| x as i128).collect())
        };
        Data { dtype, shape: shape.to_vec(), values }
    }

    /// Number of elements.
    pub fn size(&self) -> usize {
        self.shape.iter().product()
    }

    /// The elements as floats; of complex numbers real and imaginary parts in turn.
    pub fn floats(&self) -> Vec<f64> {
        match &self.values {
            Values::F(v) => v.clone(),
            Values::I(v) => v.iter().map(|&i| i as f64).collect(),
            Values::C(v) => v.as_flattened().to_vec(),
        }
    }

    /// A fresh contiguous array.
    pub fn array(&self) -> Array {
        let mut bytes: Vec<u8> = Vec::with_capacity(self.size() * self.dtype.size());
        match &self.values {
            Values::F(v) => {
                for &x in v {
                    match self.dtype {
                        Dtype::F16 => bytes.extend(f16::from_f64(x).to_ne_bytes()),
                        Dtype::BF16 => bytes.extend(bf16::from_f64(x).to_ne_bytes()),
                        Dtype::F32 => bytes.extend((x as f32).to_ne_bytes()),
                        _ => bytes.extend(x.to_ne_bytes()),
                    }
                }
            }
            Values::C(v) => v.as_flattened().iter().for_each(|&x| bytes.extend((x as f32).to_ne_bytes())),
            // Two's complement: the low bytes of the wide integer are the narrow one.
            Values::I(v) => v.iter().for_each(|&x| bytes.extend(&x.to_le_bytes()[..self.dtype.size()])),
        }
        Array::from_bytes(&bytes, &self.shape, self.dtype).expect("host data fits its own shape")
    }

    /// The value of an array.
    pub fn of(a: &Array) -> Checked<Data> {
        let bytes = a.to_bytes()?;
        let (dtype, size) = (a.dtype(), a.dtype().size());
        if bytes.len() != a.size() * size {
            return Err(Failure(format!("{} bytes for {:?}", bytes.len(), a.spec())));
        }
        let parts = bytes.chunks_exact(size);
        let values = match dtype {
            Dtype::F16 => Values::F(parts.map(|b| f16::from_ne_bytes([b[0], b[1]]).to_f64()).collect()),
            Dtype::BF16 => Values::F(parts.map(|b| bf16::from_ne_bytes([b[0], b[1]]).to_f64()).collect()),
            Dtype::F32 => {
                Values::F(parts.map(|b| f64::from(f32::from_ne_bytes(b.try_into().expect("4 bytes")))).collect())
            }
            Dtype::F64 => Values::F(parts.map(|b| f64::from_ne_bytes(b.try_into().expect("8 bytes"))).collect()),
            Dtype::C64 => {
                let part = |b: &[u8]| f64::from(f32::from_ne_bytes(b.try_into().expect("4 bytes")));
                Values::C(parts.map(|b| [part(&b[..4]), part(&b[4..])]).collect())
            }
            d => {
                let whole = |b: &[u8]| {
                    let fill = if d.is_signed() && b[size - 1] & 0x80 != 0 { 0xFF } else { 0 };
                    let mut wide = [fill; 16];
                    wide[..size].copy_from_slice(b);
                    i128::from_le_bytes(wide)
                };
                let v: Vec<i128> = parts.map(whole).collect();
                if d == Dtype::Bool && v.iter().any(|&b| b > 1) {
                    return Err(Failure("a bool array holds a byte other than 0 and 1".into()));
                }
                Values::I(v)
            }
        };
        Ok(Data { dtype, shape: a.shape().to_vec(), values })
    }

    /// The elements at these places, under another shape.
    pub fn pick(&self, shape: &[usize], at: impl Iterator<Item = usize>) -> Data {
        let values = match &self.values {
            Values::F(v) => Values::F(at.map(|i| v[i]).collect()),
            Values::I(v) => Values::I(at.map(|i| v[i]).collect()),
            Values::C(v) => Values::C(at.map(|i| v[i]).collect()),
        };
        Data { dtype: self.dtype, shape: shape.to_vec(), values }
    }

    /// Element `k` along `axis`, without that axis.
    pub fn take(&self, axis: usize, k: usize) -> Data {
        let inner: usize = self.shape[axis + 1..].iter().product();
        let outer: usize = self.shape[..axis].iter().product();
        let n = self.shape[axis];
        let mut shape = self.shape.clone();
        shape.remove(axis);
        self.pick(&shape, (0..outer).flat_map(move |o| (0..inner).map(move |i| (o * n + k) * inner + i)))
    }

    /// With every element along `axis` equal to the first.
    pub fn repeated_along(&self, axis: usize) -> Data {
        let inner: usize = self.shape[axis + 1..].iter().product();
        let n = self.shape[axis];
        self.pick(&self.shape.clone(), (0..self.size()).map(move |i| i / (n * inner) * n * inner + i % inner))
    }

    /// No part along a new axis.
    pub fn none_along(&self, axis: usize) -> Data {
        let mut shape = self.shape.clone();
        shape.insert(axis, 0);
        self.pick(&shape, std::iter::empty())
    }

    /// The parts along a new axis.
    pub fn stack(parts: &[Data], axis: usize) -> Data {
        let first = &parts[0];
        let mut shape = first.shape.clone();
        shape.insert(axis, parts.len());
        let inner: usize = first.shape[axis..].iter().product();
        let n = parts.len();
        let places = (0..shape.iter().product::<usize>()).map(|i| {
            let (o, k, r) = (i / (n * inner), i / inner % n, i % inner);
            (k, o * inner + r)
        });
        let values = match &first.values {
            Values::F(_) => Values::F(places.map(|(k, i)| parts[k].floats_ref()[i]).collect()),
            Values::I(_) => Values::I(places.map(|(k, i)| parts[k].ints_ref()[i]).collect()),
            Values::C(_) => Values::C(places.map(|(k, i)| parts[k].pairs_ref()[i]).collect()),
        };
        Data { dtype: first.dtype, shape, values }
    }

    fn floats_ref(&self) -> &[f64] {
        match &self.values {
            Values::F(v) => v,
            _ => &[],
        }
    }

    fn pairs_ref(&self) -> &[[f64; 2]] {
        match &self.values {
            Values::C(v) => v,
            _ => &[],
        }
    }

    fn ints_ref(&self) -> &[i128] {
        match &self.values {
            Values::I(v) => v,
            _ => &[],
        }
    }

    /// Element by element; of complex numbers part by part.
    pub fn map(&self, f: impl Fn(f64) -> f64, i: impl Fn(i128) -> i128) -> Data {
        let values = match &self.values {
            Values::F(v) => Values::F(v.iter().map(|&x| round_to(f(x), self.dtype)).collect()),
            Values::I(v) => Values::I(v.iter().map(|&x| i(x)).collect()),
            Values::C(v) => Values::C(v.iter().map(|z| z.map(|x| round_to(f(x), Dtype::F32))).collect()),
        };
        Data { values, ..self.clone() }
    }

    /// `self + h * t`, for floats.
    pub fn shifted(&self, t: &Data, h: f64) -> Data {
        let v = self.floats().iter().zip(t.floats()).map(|(x, t)| x + h * t).collect();
        Data::new(self.dtype, &self.shape, v)
    }
}
