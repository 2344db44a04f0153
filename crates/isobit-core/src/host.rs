//! Between Rust values and buffers: the one module that knows host element types.

pub mod foreign;

use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::spec::checked_size;
use crate::tensor::Tensor;
use half::{bf16, f16};

/// A Rust type that is the element type of a [`Dtype`].
///
/// # Safety
/// Every value of the type must be a bit pattern of the dtype, and the sizes must agree.
pub unsafe trait Element: Copy + Send + Sync + 'static {
    /// The dtype.
    const DTYPE: Dtype;
}

macro_rules! elements {
    ($($t:ty => $d:ident),*) => {
        // SAFETY: plain numbers of the dtype's size; `bool` is 0 or 1.
        $(unsafe impl Element for $t { const DTYPE: Dtype = Dtype::$d; })*
    };
}
elements!(bool => Bool, u8 => U8, u16 => U16, u32 => U32, u64 => U64, i8 => I8, i16 => I16, i32 => I32, i64 => I64,
    f16 => F16, bf16 => BF16, f32 => F32, f64 => F64);

/// A number from the host whose dtype is still open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar {
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// An integer beyond `i64`.
    UInt(u64),
    /// A real number.
    Float(f64),
    /// Real and imaginary part.
    Complex(f64, f64),
}

impl Scalar {
    /// The dtype that a scalar takes beside an array of `other` (weak typing, as in MLX): an integer takes the
    /// array's dtype (a bool array's becomes int32), a float takes it if it is a float, else float32.
    pub fn dtype_beside(self, other: Dtype) -> Dtype {
        match self {
            Scalar::Bool(_) => other,
            Scalar::Int(_) | Scalar::UInt(_) if other == Dtype::Bool => Dtype::I32,
            Scalar::Int(_) | Scalar::UInt(_) => other,
            Scalar::Float(_) if other.is_inexact() => other,
            Scalar::Float(_) => Dtype::F32,
            Scalar::Complex(..) => Dtype::C64,
        }
    }

    /// The dtype of an array made of this scalar alone.
    pub fn default_dtype(self) -> Dtype {
        match self {
            Scalar::Bool(_) => Dtype::Bool,
            Scalar::Int(i) if i32::try_from(i).is_ok() => Dtype::I32,
            Scalar::Int(_) => Dtype::I64,
            Scalar::UInt(u) if i32::try_from(u).is_ok() => Dtype::I32,
            Scalar::UInt(u) if i64::try_from(u).is_ok() => Dtype::I64,
            Scalar::UInt(_) => Dtype::U64,
            Scalar::Float(_) => Dtype::F32,
            Scalar::Complex(..) => Dtype::C64,
        }
    }

    /// The number as a float; of a complex one the real part.
    pub fn to_f64(self) -> f64 {
        match self {
            Scalar::Bool(b) => f64::from(u8::from(b)),
            Scalar::Int(i) => i as f64,
            Scalar::UInt(u) => u as f64,
            Scalar::Float(f) | Scalar::Complex(f, _) => f,
        }
    }

    /// The number as an integer; `None` for a float or a complex number.
    pub fn to_i128(self) -> Option<i128> {
        match self {
            Scalar::Bool(b) => Some(i128::from(b)),
            Scalar::Int(i) => Some(i128::from(i)),
            Scalar::UInt(u) => Some(i128::from(u)),
            Scalar::Float(_) | Scalar::Complex(..) => None,
        }
    }

    /// Whether an array of `dtype` can hold the number: only integers can be out of range.
    pub fn fits(self, dtype: Dtype) -> bool {
        match (self.to_i128(), dtype.is_integer()) {
            (Some(i), true) if !matches!(self, Scalar::Bool(_)) => {
                let bits = 8 * dtype.size() as u32;
                let (low, high) =
                    if dtype.is_signed() { (-(1i128 << (bits - 1)), 1i128 << (bits - 1)) } else { (0, 1i128 << bits) };
                // A negative number in an unsigned dtype wraps, as long as its signed twin holds it.
                let low = if dtype.is_unsigned() { -(1i128 << (bits - 1)) } else { low };
                low <= i && i < high
            }
            _ => true,
        }
    }

    fn as_f32(self) -> f32 {
        match self {
            Scalar::Int(i) => i as f32,
            Scalar::UInt(u) => u as f32,
            other => other.to_f64() as f32,
        }
    }

    /// The element of `dtype` that the number converts to, in the first bytes.
    fn bytes_as(self, dtype: Dtype) -> [u8; 8] {
        match dtype {
            Dtype::Bool => {
                u64::from(self.to_f64() != 0.0 || matches!(self, Scalar::Complex(_, im) if im != 0.0)).to_le_bytes()
            }
            Dtype::F16 => widen(f16::from_f64(self.to_f64()).to_bits().to_le_bytes()),
            Dtype::BF16 => widen(bf16::from_f64(self.to_f64()).to_bits().to_le_bytes()),
            Dtype::F32 => widen(self.as_f32().to_le_bytes()),
            Dtype::C64 => {
                let im = if let Scalar::Complex(_, im) = self { im as f32 } else { 0.0 };
                let mut out = widen(self.as_f32().to_le_bytes());
                out[4..].copy_from_slice(&im.to_le_bytes());
                out
            }
            Dtype::F64 => self.to_f64().to_le_bytes(),
            d => self.as_bits(d.is_signed()).to_le_bytes(),
        }
    }

    /// The integer whose low bits are this scalar's value in any integer dtype.
    fn as_bits(self, signed: bool) -> u64 {
        match self {
            Scalar::Bool(b) => u64::from(b),
            Scalar::Int(i) => i as u64,
            Scalar::UInt(u) => u,
            Scalar::Float(f) | Scalar::Complex(f, _) if signed || f < 0.0 => f as i64 as u64,
            Scalar::Float(f) | Scalar::Complex(f, _) => f as u64,
        }
    }
}

macro_rules! scalars {
    ($($t:ty => $v:ident as $w:ty),*) => { $(impl From<$t> for Scalar { fn from(x: $t) -> Scalar { Scalar::$v(x as $w) } })* };
}
scalars!(bool => Bool as bool, i32 => Int as i64, i64 => Int as i64, usize => UInt as u64, u32 => Int as i64, u64 => UInt as u64,
    f64 => Float as f64, f32 => Float as f64, isize => Int as i64, u8 => Int as i64);

impl Array {
    /// An array of those elements, row-major.
    ///
    /// # Errors
    /// A slice whose length is not the shape's size.
    ///
    /// # Examples
    /// ```
    /// # use isobit::Array;
    /// let a = Array::from_slice(&[1.0f32, 2.0, 3.0, 4.0], &[2, 2])?;
    /// assert_eq!(a.shape(), [2, 2]);
    /// # Ok::<(), isobit::Error>(())
    /// ```
    pub fn from_slice<T: Element>(data: &[T], shape: &[usize]) -> Result<Array> {
        let n = checked_size("array", shape, T::DTYPE.size())?;
        if n != data.len() {
            return Err(Error::value(
                "array",
                format!("expected {n} elements for shape {shape:?}, got {}", data.len()),
            ));
        }
        let t = Tensor::alloc(shape, T::DTYPE)?;
        // SAFETY: the fresh buffer has room for `n` elements of `T`.
        unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), t.as_mut_ptr::<T>(), n) };
        Ok(Array::from_tensor(t))
    }

    /// An array of dtype `dtype` from its elements' bytes, row-major, in this machine's byte order.
    ///
    /// # Errors
    /// A number of bytes that is not the shape's, or bytes of a bool array other than 0 and 1.
    pub fn from_bytes(bytes: &[u8], shape: &[usize], dtype: Dtype) -> Result<Array> {
        let n = checked_size("array", shape, dtype.size())? * dtype.size();
        if n != bytes.len() {
            return Err(Error::value(
                "array",
                format!("expected {n} bytes for {dtype} {shape:?}, got {}", bytes.len()),
            ));
        }
        if dtype == Dtype::Bool && bytes.iter().any(|&b| b > 1) {
            return Err(Error::value("array", "expected bytes 0 and 1 in a bool array"));
        }
        let t = Tensor::alloc(shape, dtype)?;
        // SAFETY: the fresh buffer has room for `n` bytes.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), t.as_mut_byte_ptr(), n) };
        Ok(Array::from_tensor(t))
    }

    /// A 0-dimensional array.
    pub fn scalar(value: impl Into<Scalar>, dtype: Dtype) -> Array {
        let bytes = value.into().bytes_as(dtype);
        let t = match Tensor::alloc(&[], dtype) {
            Ok(t) => t,
            // A tensor of at most 8 bytes lives inside its own allocation.
            Err(_) => unreachable!("tiny buffers do not fail"),
        };
        // SAFETY: the buffer has `dtype.size()` bytes; little endian puts the low bytes first.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), t.as_mut_byte_ptr(), dtype.size()) };
        Array::from_tensor(t)
    }

    /// An array of numbers whose dtype is still open, row-major: of `dtype`, else of the one that all of them promote to
    /// (float32 if there are none).
    ///
    /// # Errors
    /// As many numbers as the shape does not have; an integer that `dtype` cannot hold.
    pub fn from_scalars(values: &[Scalar], shape: &[usize], dtype: Option<Dtype>) -> Result<Array> {
        let found = values.iter().map(|v| v.default_dtype()).reduce(Dtype::promote);
        let dtype = dtype.or(found).unwrap_or(Dtype::F32);
        let mut bytes = Vec::with_capacity(values.len() * dtype.size());
        for v in values {
            if !v.fits(dtype) {
                return Err(Error::value("array", format!("{v:?} is out of range for {dtype}")));
            }
            bytes.extend_from_slice(&v.bytes_as(dtype)[..dtype.size()]);
        }
        Array::from_bytes(&bytes, shape, dtype)
    }

    /// The elements, row-major, whatever their dtype. Evaluates.
    pub fn values(&self) -> Result<Vec<Value>> {
        let t = crate::backend::current()?.contiguous(self.tensor()?)?;
        let bytes = bytes_of(&t)?;
        let flat = t.clone().with_layout([t.size()].as_slice().into(), [1].as_slice().into(), t.offset());
        debug_assert_eq!(bytes.len(), t.size() * t.dtype().size());
        Ok((0..t.size()).map(|i| element(&flat, &[i])).collect())
    }

    /// The one element of an array of size 1, whatever its dtype. Evaluates.
    ///
    /// # Errors
    /// More or fewer elements than one.
    pub fn value(&self) -> Result<Value> {
        if self.size() != 1 {
            return Err(Error::value("item", format!("expected one element, got shape {:?}", self.shape())));
        }
        let t = self.tensor()?;
        Ok(element(&t, &[0; 32][..t.ndim().min(32)]))
    }

    /// The elements, row-major. Evaluates.
    ///
    /// # Errors
    /// Another dtype than `T`'s; whatever evaluation returns.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        if self.dtype() != T::DTYPE {
            return Err(Error::dtype("to_vec", format!("expected an array of {}, got {}", T::DTYPE, self.dtype())));
        }
        let t = crate::backend::current()?.contiguous(self.tensor()?)?;
        // SAFETY: the dtype is `T`'s and the tensor is contiguous.
        let all = unsafe { t.as_slice::<T>() };
        all.map(<[T]>::to_vec).ok_or_else(|| Error::runtime("to_vec", "the backend returned a strided tensor"))
    }

    /// The elements' bytes, row-major. Evaluates.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let t = crate::backend::current()?.contiguous(self.tensor()?)?;
        Ok(bytes_of(&t)?.to_vec())
    }

    /// The one element of an array of size 1. Evaluates.
    ///
    /// # Errors
    /// More or fewer elements than one; another dtype than `T`'s.
    pub fn item<T: Element>(&self) -> Result<T> {
        if self.size() != 1 {
            return Err(Error::value("item", format!("expected one element, got shape {:?}", self.shape())));
        }
        let all = self.to_vec::<T>()?;
        all.first().copied().ok_or_else(|| Error::runtime("item", "the array has no value"))
    }
}

/// One element, widened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A truth value.
    Bool(bool),
    /// An integer of any width.
    Int(i128),
    /// A real number of any precision.
    Float(f64),
    /// Real and imaginary part.
    Complex(f64, f64),
}

/// The element at that index, one entry per axis.
///
/// # Panics
/// When an entry is out of range.
pub(crate) fn element(t: &Tensor, index: &[usize]) -> Value {
    assert!(index.len() == t.ndim() && index.iter().zip(t.shape()).all(|(i, n)| i < n));
    let at: isize = index.iter().zip(t.strides()).map(|(&i, &s)| i as isize * s).sum();
    macro_rules! read {
        ($t:ty) => {
            // SAFETY: the index is inside the tensor, whose elements are of its dtype.
            unsafe { *t.as_ptr::<$t>().offset(at) }
        };
    }
    match t.dtype() {
        Dtype::Bool => Value::Bool(read!(u8) != 0),
        Dtype::U8 => Value::Int(read!(u8).into()),
        Dtype::U16 => Value::Int(read!(u16).into()),
        Dtype::U32 => Value::Int(read!(u32).into()),
        Dtype::U64 => Value::Int(read!(u64).into()),
        Dtype::I8 => Value::Int(read!(i8).into()),
        Dtype::I16 => Value::Int(read!(i16).into()),
        Dtype::I32 => Value::Int(read!(i32).into()),
        Dtype::I64 => Value::Int(read!(i64).into()),
        Dtype::F16 => Value::Float(read!(f16).to_f64()),
        Dtype::BF16 => Value::Float(read!(bf16).to_f64()),
        Dtype::F32 => Value::Float(read!(f32).into()),
        Dtype::F64 => Value::Float(read!(f64)),
        Dtype::C64 => {
            let [re, im] = read!([f32; 2]);
            Value::Complex(re.into(), im.into())
        }
    }
}

/// A tensor whose elements' bytes, row-major and in this machine's order, `fill` writes.
pub(crate) fn tensor_from(
    op: &'static str,
    spec: &crate::spec::Spec,
    fill: impl FnOnce(&mut [u8]) -> Result<()>,
) -> Result<Tensor> {
    let t = Tensor::alloc(&spec.shape, spec.dtype)?;
    let len = t.size() * spec.dtype.size();
    // SAFETY: the fresh buffer has room for these bytes, nobody else has it, and they are written before they are borrowed.
    let bytes = unsafe {
        t.as_mut_byte_ptr().write_bytes(0, len);
        std::slice::from_raw_parts_mut(t.as_mut_byte_ptr(), len)
    };
    fill(bytes)?;
    if spec.dtype == Dtype::Bool && bytes.iter().any(|&b| b > 1) {
        return Err(Error::io(op, "expected bytes 0 and 1 in a bool array"));
    }
    Ok(t)
}

/// The bytes of a contiguous tensor, in this machine's order.
pub(crate) fn bytes_of(t: &Tensor) -> Result<&[u8]> {
    if !t.is_contiguous() {
        return Err(Error::runtime("to_bytes", "the backend returned a strided tensor"));
    }
    // SAFETY: a contiguous tensor spans its elements' bytes from its first one.
    Ok(unsafe { std::slice::from_raw_parts(t.as_byte_ptr(), t.size() * t.dtype().size()) })
}

fn widen<const N: usize>(b: [u8; N]) -> [u8; 8] {
    let mut out = [0; 8];
    out[..N].copy_from_slice(&b);
    out
}
