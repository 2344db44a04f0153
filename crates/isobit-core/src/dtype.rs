//! Element types and the rules by which they combine (MLX's, which follow JAX's lattice).

use crate::error::{Error, Result};
use std::fmt;

/// An element type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Dtype {
    /// `false` or `true`, one byte.
    Bool,
    /// Unsigned 8-bit integer.
    U8,
    /// Unsigned 16-bit integer.
    U16,
    /// Unsigned 32-bit integer.
    U32,
    /// Unsigned 64-bit integer.
    U64,
    /// Signed 8-bit integer.
    I8,
    /// Signed 16-bit integer.
    I16,
    /// Signed 32-bit integer.
    I32,
    /// Signed 64-bit integer.
    I64,
    /// IEEE half precision.
    F16,
    /// The upper half of a float32.
    BF16,
    /// IEEE single precision.
    F32,
    /// IEEE double precision.
    F64,
    /// Two float32: real and imaginary part.
    C64,
}

/// The groups of dtypes, from special to general.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Category {
    /// complex64.
    ComplexFloating,
    /// float16, bfloat16, float32, float64.
    Floating,
    /// Floating or complex.
    Inexact,
    /// int8 .. int64.
    SignedInteger,
    /// uint8 .. uint64.
    UnsignedInteger,
    /// Signed or unsigned.
    Integer,
    /// Integer or inexact.
    Number,
    /// Everything, bool included.
    Generic,
}

impl Category {
    /// Whether everything of this category belongs to `other`.
    pub fn is_within(self, other: Category) -> bool {
        let above = match self {
            Category::ComplexFloating | Category::Floating => Category::Inexact,
            Category::SignedInteger | Category::UnsignedInteger => Category::Integer,
            Category::Inexact | Category::Integer => Category::Number,
            Category::Number => Category::Generic,
            Category::Generic => return other == Category::Generic,
        };
        self == other || above.is_within(other)
    }
}

/// What the numbers of a floating dtype can be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FloatLimits {
    /// The dtype; of a complex one that of its parts.
    pub dtype: Dtype,
    /// The greatest finite number.
    pub max: f64,
    /// From 1 to the next greater number.
    pub eps: f64,
    /// The least positive normal number.
    pub smallest_normal: f64,
}

use Dtype::*;

impl Dtype {
    /// The limits of a floating dtype.
    ///
    /// # Errors
    /// Another dtype.
    pub fn float_limits(self) -> Result<FloatLimits> {
        let (dtype, max, digits, exponent) = match self {
            F16 => (F16, 65504.0, 10, -14),
            BF16 => (BF16, f64::from_bits(0x47EF_E000_0000_0000), 7, -126),
            F32 | C64 => (F32, f64::from(f32::MAX), 23, -126),
            F64 => (F64, f64::MAX, 52, -1022),
            _ => return Err(Error::dtype("finfo", format!("expected a floating dtype, got {self}"))),
        };
        Ok(FloatLimits { dtype, max, eps: 2f64.powi(-digits), smallest_normal: 2f64.powi(exponent) })
    }

    /// The least and the greatest integer of an integer dtype.
    ///
    /// # Errors
    /// Another dtype.
    pub fn integer_limits(self) -> Result<(i128, i128)> {
        let bits = 8 * self.size() as u32;
        match (self.is_signed(), self.is_unsigned()) {
            (true, _) => Ok((-(1 << (bits - 1)), (1 << (bits - 1)) - 1)),
            (_, true) => Ok((0, (1 << bits) - 1)),
            _ => Err(Error::dtype("iinfo", format!("expected an integer dtype, got {self}"))),
        }
    }

    /// Whether the dtype is of a kind of the array API (`"bool"`, `"integral"`, `"real floating"`, ...); `None` for an
    /// unknown kind.
    pub fn is_kind(self, kind: &str) -> Option<bool> {
        Some(match kind {
            "bool" => self == Bool,
            "signed integer" => self.is_signed(),
            "unsigned integer" => self.is_unsigned(),
            "integral" => self.is_integer(),
            "real floating" => self.is_float(),
            "complex floating" => self == C64,
            "numeric" => self != Bool,
            _ => return None,
        })
    }

    /// Every dtype, in the order of MLX's enumeration.
    pub const ALL: [Dtype; 14] = [Bool, U8, U16, U32, U64, I8, I16, I32, I64, F16, BF16, F32, F64, C64];
    /// The dtypes of real floating-point numbers.
    pub const FLOATS: [Dtype; 4] = [F16, BF16, F32, F64];

    /// Bytes per element.
    #[inline]
    pub const fn size(self) -> usize {
        match self {
            Bool | U8 | I8 => 1,
            U16 | I16 | F16 | BF16 => 2,
            U32 | I32 | F32 => 4,
            U64 | I64 | F64 | C64 => 8,
        }
    }

    /// MLX's and NumPy's name: `float32`, `uint8`, `bool`, ...
    pub const fn name(self) -> &'static str {
        match self {
            Bool => "bool",
            U8 => "uint8",
            U16 => "uint16",
            U32 => "uint32",
            U64 => "uint64",
            I8 => "int8",
            I16 => "int16",
            I32 => "int32",
            I64 => "int64",
            F16 => "float16",
            BF16 => "bfloat16",
            F32 => "float32",
            F64 => "float64",
            C64 => "complex64",
        }
    }

    /// The dtype of that name.
    pub fn parse(name: &str) -> Option<Dtype> {
        Dtype::ALL.into_iter().find(|d| d.name() == name)
    }

    /// float16, bfloat16, float32 or float64.
    #[inline]
    pub const fn is_float(self) -> bool {
        matches!(self, F16 | BF16 | F32 | F64)
    }

    /// Floating or complex: what a derivative exists for.
    #[inline]
    pub const fn is_inexact(self) -> bool {
        matches!(self, F16 | BF16 | F32 | F64 | C64)
    }

    /// Signed or unsigned integer (not bool).
    #[inline]
    pub const fn is_integer(self) -> bool {
        matches!(self, U8 | U16 | U32 | U64 | I8 | I16 | I32 | I64)
    }

    /// Signed integer.
    #[inline]
    pub const fn is_signed(self) -> bool {
        matches!(self, I8 | I16 | I32 | I64)
    }

    /// Unsigned integer.
    #[inline]
    pub const fn is_unsigned(self) -> bool {
        matches!(self, U8 | U16 | U32 | U64)
    }

    /// The most special category that holds this dtype.
    pub const fn category(self) -> Category {
        match self {
            Bool => Category::Generic,
            U8 | U16 | U32 | U64 => Category::UnsignedInteger,
            I8 | I16 | I32 | I64 => Category::SignedInteger,
            F16 | BF16 | F32 | F64 => Category::Floating,
            C64 => Category::ComplexFloating,
        }
    }

    /// Whether this dtype belongs to `category`.
    pub const fn is(self, category: Category) -> bool {
        match category {
            Category::Generic => true,
            Category::Number => !matches!(self, Bool),
            Category::Integer => self.is_integer(),
            Category::SignedInteger => self.is_signed(),
            Category::UnsignedInteger => self.is_unsigned(),
            Category::Inexact => self.is_inexact(),
            Category::Floating => self.is_float(),
            Category::ComplexFloating => matches!(self, C64),
        }
    }

    /// The dtype in which values of both dtypes are computed.
    ///
    /// Follows MLX: bool gives way to anything, an unsigned and a signed integer meet in the next wider signed one
    /// (`uint64` and any signed integer in `float32`), any float wins over any integer, `float16` and `bfloat16` meet
    /// in `float32`, and complex64 wins over all.
    pub const fn promote(self, other: Dtype) -> Dtype {
        let (a, b) = (self, other);
        if a as u8 == b as u8 {
            return a;
        }
        match (a, b) {
            (C64, _) | (_, C64) => C64,
            (F64, _) | (_, F64) => F64,
            (F32, _) | (_, F32) => F32,
            (F16, BF16) | (BF16, F16) => F32,
            (F16, _) | (_, F16) => F16,
            (BF16, _) | (_, BF16) => BF16,
            (Bool, x) | (x, Bool) => x,
            _ => match (a.is_signed(), b.is_signed()) {
                (true, true) | (false, false) => {
                    if a.size() >= b.size() {
                        a
                    } else {
                        b
                    }
                }
                (true, false) => signed_unsigned(a, b),
                (false, true) => signed_unsigned(b, a),
            },
        }
    }

    /// The dtype of the parts of complex numbers, any other itself.
    pub const fn real(self) -> Dtype {
        if matches!(self, C64) { F32 } else { self }
    }

    /// This dtype if it is inexact, else the float dtype that a function of floats computes integers in (float32).
    pub const fn at_least_float(self) -> Dtype {
        if self.is_inexact() { self } else { F32 }
    }

    /// The dtype that values of this one take beside an array of `other` if they are weak, as a host's numbers are: that of
    /// the array, unless it has no such numbers at all.
    pub const fn weak_beside(self, other: Dtype) -> Dtype {
        let fits = match self {
            Bool => true,
            C64 => false,
            d if d.is_integer() => !matches!(other, Bool),
            _ => other.is_inexact(),
        };
        if fits { other } else { self }
    }
}

const fn signed_unsigned(s: Dtype, u: Dtype) -> Dtype {
    match u {
        U64 => F32,
        U32 => I64,
        U16 => {
            if s.size() > 2 {
                s
            } else {
                I32
            }
        }
        _ => {
            if s.size() > 1 {
                s
            } else {
                I16
            }
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promotion_is_commutative_and_follows_the_table() {
        for a in Dtype::ALL {
            for b in Dtype::ALL {
                assert_eq!(a.promote(b), b.promote(a), "{a} {b}");
            }
        }
        for (a, b, want) in [
            (Bool, U8, U8),
            (U8, I8, I16),
            (U8, I32, I32),
            (U16, I8, I32),
            (U16, I16, I32),
            (U16, I64, I64),
            (U32, I8, I64),
            (U64, I8, F32),
            (U64, I64, F32),
            (I64, F16, F16),
            (F16, BF16, F32),
            (BF16, F32, F32),
            (F64, C64, C64),
            (U8, U32, U32),
            (I16, I64, I64),
        ] {
            assert_eq!(a.promote(b), want, "{a} {b}");
        }
    }
}
