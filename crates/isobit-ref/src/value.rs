//! Elements as exact numbers: f64 for floats and parts of complex numbers, i128 for integers and bools.

use crate::complex::{C, c};
use half::{bf16, f16};
use isobit_core::{Dtype, Result, Spec, Tensor};

/// The elements of a tensor, row-major.
#[derive(Clone, Debug)]
pub enum Values {
    /// Floats.
    F(Vec<f64>),
    /// Integers and bools.
    I(Vec<i128>),
    /// Complex numbers.
    C(Vec<C>),
}

impl Values {
    /// As floats; of complex numbers the real parts.
    pub fn floats(&self) -> Vec<f64> {
        match self {
            Values::F(v) => v.clone(),
            Values::I(v) => v.iter().map(|&i| i as f64).collect(),
            Values::C(v) => v.iter().map(|z| z.re).collect(),
        }
    }

    /// As complex numbers.
    pub fn complexes(&self) -> Vec<C> {
        match self {
            Values::C(v) => v.clone(),
            _ => self.floats().into_iter().map(|x| c(x, 0.0)).collect(),
        }
    }

    /// Whether they are complex numbers.
    pub fn is_complex(&self) -> bool {
        matches!(self, Values::C(_))
    }

    /// As integers; floats must be integral (indices).
    pub fn ints(&self) -> Vec<i128> {
        match self {
            Values::F(v) => v.iter().map(|&f| f as i128).collect(),
            Values::I(v) => v.clone(),
            Values::C(v) => v.iter().map(|z| z.re as i128).collect(),
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Values::F(v) => v.len(),
            Values::I(v) => v.len(),
            Values::C(v) => v.len(),
        }
    }

    /// The elements at these positions.
    pub fn gather(&self, at: impl Iterator<Item = usize>) -> Values {
        match self {
            Values::F(v) => Values::F(at.map(|i| v[i]).collect()),
            Values::I(v) => Values::I(at.map(|i| v[i]).collect()),
            Values::C(v) => Values::C(at.map(|i| v[i]).collect()),
        }
    }
}

/// Every index of an array of that shape, row-major.
pub fn indices(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> {
    let shape = shape.to_vec();
    let n: usize = shape.iter().product();
    (0..n).map(move |i| unravel(i, &shape))
}

/// The index of the `i`-th element.
pub fn unravel(mut i: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for d in (0..shape.len()).rev() {
        index[d] = i % shape[d];
        i /= shape[d];
    }
    index
}

/// The position of an index.
pub fn ravel(index: &[usize], shape: &[usize]) -> usize {
    index.iter().zip(shape).fold(0, |at, (&i, &n)| at * n + i)
}

/// Reads a tensor, whatever its strides.
pub fn load(t: &Tensor) -> Result<Values> {
    let at: Vec<isize> =
        indices(t.shape()).map(|ix| ix.iter().zip(t.strides()).map(|(&i, &s)| i as isize * s).sum()).collect();
    macro_rules! read {
        ($t:ty, $kind:ident, $f:expr) => {
            // SAFETY: shape and strides of a tensor stay inside its buffer, whose elements are of its dtype.
            Values::$kind(at.iter().map(|&o| $f(unsafe { *t.as_ptr::<$t>().offset(o) })).collect())
        };
    }
    Ok(match t.dtype() {
        Dtype::Bool => read!(u8, I, |b: u8| i128::from(b != 0)),
        Dtype::U8 => read!(u8, I, i128::from),
        Dtype::U16 => read!(u16, I, i128::from),
        Dtype::U32 => read!(u32, I, i128::from),
        Dtype::U64 => read!(u64, I, i128::from),
        Dtype::I8 => read!(i8, I, i128::from),
        Dtype::I16 => read!(i16, I, i128::from),
        Dtype::I32 => read!(i32, I, i128::from),
        Dtype::I64 => read!(i64, I, i128::from),
        Dtype::F16 => read!(f16, F, f16::to_f64),
        Dtype::BF16 => read!(bf16, F, bf16::to_f64),
        Dtype::F32 => read!(f32, F, f64::from),
        Dtype::F64 => read!(f64, F, |x: f64| x),
        Dtype::C64 => read!([f32; 2], C, |[re, im]: [f32; 2]| c(re.into(), im.into())),
    })
}

/// Writes values as a tensor of `spec`, rounding floats once and wrapping integers.
pub fn store(v: &Values, spec: &Spec) -> Result<Tensor> {
    let t = Tensor::alloc(&spec.shape, spec.dtype)?;
    macro_rules! write {
        ($t:ty, $f:expr) => {{
            let p = t.as_mut_ptr::<$t>();
            match v {
                // SAFETY: the fresh tensor has as many elements as its spec says, and so have the values.
                Values::F(v) => v.iter().enumerate().for_each(|(i, &x)| unsafe { *p.add(i) = $f(x, x as i128) }),
                // SAFETY: as above.
                Values::I(v) => v.iter().enumerate().for_each(|(i, &x)| unsafe { *p.add(i) = $f(x as f64, x) }),
                // SAFETY: as above.
                Values::C(v) => v.iter().enumerate().for_each(|(i, &z)| unsafe { *p.add(i) = $f(z.re, z.re as i128) }),
            }
        }};
    }
    assert_eq!(v.len(), spec.size(), "the oracle made another number of elements than {spec:?}");
    match spec.dtype {
        Dtype::C64 => {
            let p = t.as_mut_ptr::<[f32; 2]>();
            for (i, z) in v.complexes().into_iter().enumerate() {
                // SAFETY: as above.
                unsafe { *p.add(i) = [z.re as f32, z.im as f32] };
            }
        }
        Dtype::Bool => write!(u8, |f: f64, _| u8::from(f != 0.0)),
        Dtype::U8 => write!(u8, |_, i: i128| i as u8),
        Dtype::U16 => write!(u16, |_, i: i128| i as u16),
        Dtype::U32 => write!(u32, |_, i: i128| i as u32),
        Dtype::U64 => write!(u64, |_, i: i128| i as u64),
        Dtype::I8 => write!(i8, |_, i: i128| i as i8),
        Dtype::I16 => write!(i16, |_, i: i128| i as i16),
        Dtype::I32 => write!(i32, |_, i: i128| i as i32),
        Dtype::I64 => write!(i64, |_, i: i128| i as i64),
        Dtype::F16 => write!(f16, |f, _| f16::from_f64(f)),
        Dtype::BF16 => write!(bf16, |f, _| bf16::from_f64(f)),
        Dtype::F32 => write!(f32, |f, _| f as f32),
        Dtype::F64 => write!(f64, |f, _| f),
    }
    Ok(t)
}
