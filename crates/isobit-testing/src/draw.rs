//! Drawing operands from their domains: deterministic, seeded by the cell's name.

use crate::data::{Data, Values, int_range, parts};
use isobit_core::Dtype;
use isobit_core::prim::{Case, Domain, Operand};

/// SplitMix64: small, good enough, the same everywhere.
#[derive(Clone)]
pub struct Rng(u64);

impl Rng {
    /// A generator whose stream depends on a name and a number.
    pub fn new(name: &str, salt: u64) -> Rng {
        // FNV-1a
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
        Rng(hash ^ salt.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0..n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n.max(1) as u64) as usize
    }

    /// A real number in an interval.
    pub fn real(&mut self, lo: f64, hi: f64) -> f64 {
        lo + (hi - lo) * ((self.bits() >> 11) as f64 / (1u64 << 53) as f64)
    }

    /// An integer in an interval, inclusive.
    pub fn int(&mut self, lo: i128, hi: i128) -> i128 {
        lo + (u128::from(self.bits()) % ((hi - lo) as u128 + 1)) as i128
    }

    /// Random numbers in -1..1, well away from 0: directions for derivatives.
    pub fn direction(&mut self, dtype: Dtype, shape: &[usize]) -> Data {
        let n = parts(dtype) * shape.iter().product::<usize>();
        let v = (0..n).map(|_| self.real(0.25, 1.0) * if self.bits() & 1 == 0 { 1.0 } else { -1.0 }).collect();
        Data::new(dtype, shape, v)
    }
}

/// Which dtypes the open operands of a case take: all `Real`, `Distinct`, `Number` and `Any` ones `real`, all `Integer` and
/// `Bits` ones `int`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Of the operands that may be floats.
    pub real: Dtype,
    /// Of the integer operands.
    pub int: Dtype,
}

impl std::fmt::Display for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.real, self.int)
    }
}

const DEFAULT: Choice = Choice { real: Dtype::F32, int: Dtype::I32 };

enum Group {
    Real,
    Int,
    Fixed,
}

fn group(d: &Domain) -> Group {
    match d {
        Domain::Real(..) | Domain::Distinct(..) | Domain::Number(..) | Domain::Any(..) => Group::Real,
        Domain::Integer(..) | Domain::Bits(..) => Group::Int,
        Domain::Bool | Domain::Of(..) | Domain::Exact(..) | Domain::Key => Group::Fixed,
    }
}

/// The integers of `dtype` in an interval.
fn int_interval(dtype: Dtype, lo: f64, hi: f64) -> Option<(i128, i128)> {
    let (min, max) = int_range(dtype);
    let (lo, hi) = ((lo.ceil() as i128).max(min), (hi.floor() as i128).min(max));
    (lo <= hi).then_some((lo, hi))
}

/// Whether an operand may have that dtype.
fn allows(d: &Domain, dtype: Dtype) -> bool {
    match d {
        Domain::Real(..) | Domain::Distinct(..) => dtype.is_float(),
        Domain::Number(lo, hi) => {
            dtype.is_float() || dtype.is_integer() && int_interval(dtype, *lo, *hi).is_some_and(|(a, b)| a < b)
        }
        Domain::Any(lo, hi) => dtype.is_inexact() || int_interval(dtype, *lo, *hi).is_some_and(|(a, b)| a < b),
        Domain::Integer(lo, hi) => {
            let (min, max) = int_range(dtype);
            dtype.is_integer() && min <= i128::from(*lo) && i128::from(*hi) <= max
        }
        Domain::Bits(lo, hi) => {
            (dtype.is_integer() || dtype == Dtype::Bool) && int_interval(dtype, *lo as f64, *hi as f64).is_some()
        }
        Domain::Bool | Domain::Of(..) | Domain::Exact(..) | Domain::Key => false,
    }
}

/// Every choice of dtypes that the domains of a case allow: each dtype of the open real operands with the default
/// integer, and each integer dtype with the default real.
pub fn choices(case: &Case) -> Vec<Choice> {
    let of = |want: fn(&Group) -> bool| -> Vec<&Domain> {
        case.inputs.iter().map(|o| &o.domain).filter(|d| want(&group(d))).collect()
    };
    let (reals, ints) = (of(|g| matches!(g, Group::Real)), of(|g| matches!(g, Group::Int)));
    let legal = |group: &[&Domain], default: Dtype| -> Vec<Dtype> {
        if group.is_empty() {
            return vec![default];
        }
        Dtype::ALL.into_iter().filter(|&t| group.iter().all(|d| allows(d, t))).collect()
    };
    let (real, int) = (legal(&reals, DEFAULT.real), legal(&ints, DEFAULT.int));
    let prefer = |list: &[Dtype], default: Dtype| {
        if list.contains(&default) { Some(default) } else { list.first().copied() }
    };
    let (Some(r0), Some(i0)) = (prefer(&real, DEFAULT.real), prefer(&int, DEFAULT.int)) else {
        panic!("no dtype fits every open operand of {case:?}");
    };
    let mut out: Vec<Choice> = real.iter().map(|&real| Choice { real, int: i0 }).collect();
    out.extend(int.iter().filter(|&&t| t != i0).map(|&int| Choice { real: r0, int }));
    out
}

/// The choices with one of these dtypes for the real operands, or the first choice if there is none.
pub fn choices_of(case: &Case, reals: &[Dtype]) -> Vec<Choice> {
    let all = choices(case);
    let some: Vec<Choice> = all.iter().copied().filter(|c| reals.contains(&c.real) && c.int == all[0].int).collect();
    if some.is_empty() { all[..1].to_vec() } else { some }
}

/// The dtype of an operand under a choice.
pub fn dtype_of(o: &Operand, choice: Choice) -> Dtype {
    match (&o.domain, group(&o.domain)) {
        (_, Group::Real) => choice.real,
        (_, Group::Int) => choice.int,
        (Domain::Of(d, ..) | Domain::Exact(d, _), _) => *d,
        (Domain::Key, _) => Dtype::U32,
        _ => Dtype::Bool,
    }
}

/// Values for one operand; `extra` inserts axes (each a position in the final shape, ascending) of these sizes.
pub fn operand(rng: &mut Rng, o: &Operand, choice: Choice, extra: &[(usize, usize)]) -> Data {
    let dtype = dtype_of(o, choice);
    let mut shape = o.shape.to_vec();
    for &(axis, n) in extra {
        shape.insert(axis, n);
    }
    let n: usize = shape.iter().product();
    let (lo, hi) =
        match &o.domain {
            Domain::Real(a, b) | Domain::Number(a, b) | Domain::Any(a, b) | Domain::Of(_, a, b) => (*a, *b),
            Domain::Distinct(a, b) => {
                return Data::new(dtype, &shape, distinct(rng, n, *a, *b));
            }
            Domain::Integer(a, b) | Domain::Bits(a, b) => (*a as f64, *b as f64),
            Domain::Bool => (0.0, 1.0),
            Domain::Key => (0.0, f64::from(u32::MAX)),
            Domain::Exact(_, values) => {
                let one = Data::new(dtype, &o.shape, values.clone());
                return extra.iter().fold(one, |x, &(axis, n)| {
                    if n == 0 { x.none_along(axis) } else { Data::stack(&vec![x; n], axis) }
                });
            }
        };
    if dtype.is_float() {
        return Data::new(dtype, &shape, (0..n).map(|_| rng.real(lo, hi)).collect());
    }
    if dtype == Dtype::C64 {
        let mut part = || {
            let x = rng.real(lo, hi);
            if lo > 0.0 && rng.bits() & 1 == 0 { -x } else { x }
        };
        return Data::new(dtype, &shape, (0..2 * n).map(|_| part()).collect());
    }
    let (lo, hi) = int_interval(dtype, lo, hi).unwrap_or((0, 1));
    Data { dtype, shape, values: Values::I((0..n).map(|_| rng.int(lo, hi)).collect()) }
}

/// Evenly spread values in random order, each moved by less than a tenth of the spacing.
fn distinct(rng: &mut Rng, n: usize, lo: f64, hi: f64) -> Vec<f64> {
    let step = (hi - lo) / n.max(1) as f64;
    let mut v: Vec<f64> = (0..n).map(|i| lo + step * (i as f64 + rng.real(0.4, 0.6))).collect();
    for i in (1..n).rev() {
        v.swap(i, rng.below(i + 1));
    }
    v
}

/// Values for every operand of a case.
pub fn operands(rng: &mut Rng, case: &Case, choice: Choice) -> Vec<Data> {
    case.inputs.iter().map(|o| operand(rng, o, choice, &[])).collect()
}

/// Replaces about two thirds of an operand's elements by NaN, infinities, zeros of both signs and extremes; operands whose
/// values are indices, keys or given stay as they are. In sums there are no largest numbers (the oracle's float64 does not overflow on
/// the way to a finite sum) and no subnormal bfloat16 (the contract flushes them).
pub fn sprinkle_edges(rng: &mut Rng, o: &Operand, x: &mut Data, in_sums: bool) {
    let of_complex = matches!(o.domain, Domain::Of(Dtype::C64, ..));
    if !of_complex
        && !matches!(
            o.domain,
            Domain::Real(..) | Domain::Distinct(..) | Domain::Number(..) | Domain::Any(..) | Domain::Bits(..)
        )
    {
        return;
    }
    let dtype = x.dtype;
    match &mut x.values {
        Values::F(v) => {
            let (min, sub, max) = match dtype {
                Dtype::F16 => (2f64.powi(-14), 2f64.powi(-24), 65504.0),
                Dtype::BF16 => (2f64.powi(-126), 2f64.powi(-133), half::bf16::MAX.to_f64()),
                Dtype::F32 => (f64::from(f32::MIN_POSITIVE), 2f64.powi(-149), f64::from(f32::MAX)),
                _ => (f64::MIN_POSITIVE, f64::from_bits(1), f64::MAX),
            };
            let mut list = vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0];
            list.extend([min, -min]);
            if !in_sums {
                list.extend([max, -max]);
            }
            if !(in_sums && dtype == Dtype::BF16) {
                list.extend([sub, -sub]);
            }
            for x in v {
                if rng.below(3) > 0 {
                    *x = list[rng.below(list.len())];
                }
            }
        }
        Values::C(v) => {
            // No largest numbers: products of parts overflow where the oracle's do not.
            let (min, sub) = (f64::from(f32::MIN_POSITIVE), 2f64.powi(-149));
            let list = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1.0, -1.0, 0.5, -2.0, min, -min, sub];
            for x in v.as_flattened_mut() {
                if rng.below(3) == 0 {
                    *x = list[rng.below(list.len())];
                }
            }
        }
        Values::I(v) => {
            let (min, max) = int_range(dtype);
            let list = [min, max, 0, 1, (-1).max(min), max - 1, (min + 1).min(max)];
            for x in v {
                if rng.below(3) > 0 {
                    *x = list[rng.below(list.len())];
                }
            }
        }
    }
}
