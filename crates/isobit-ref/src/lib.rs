//! The oracle backend: naive loops in f64 (in pairs of them for complex64) and i128 that follow each operation's definition.
//!
//! It defines what operations mean. No SIMD, no threads, no cleverness; the only `unsafe` is in [`value`], which moves
//! elements between tensors and numbers.

mod complex;
mod elementwise;
mod linalg;
mod matmul;
mod movement;
mod quant;
mod random;
mod reduce;
mod scan;
mod sort;
mod value;

use complex::{C, c};
use isobit_core::backend::{BACKENDS, Backend, Inputs, Outputs, Ran};
use isobit_core::numerics::Level;
use isobit_core::{Dtype, Prim, Result, Spec, Tensor};
use smallvec::smallvec;
use value::{Values, load, store};

/// The oracle.
pub struct Reference;

/// The one instance.
pub static REFERENCE: Reference = Reference;

#[linkme::distributed_slice(BACKENDS)]
static ENTRY: fn() -> &'static dyn Backend = || &REFERENCE;

impl Backend for Reference {
    fn name(&self) -> &'static str {
        "ref"
    }

    fn level(&self, prim: &Prim, _dtype: Dtype) -> Level {
        match prim {
            Prim::Custom(c) => c.0.level(),
            _ => Level::Isa,
        }
    }

    fn copy(&self, t: &Tensor) -> Result<Tensor> {
        store(&load(t)?, &t.spec())
    }

    fn run(&self, prim: &Prim, inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
        let inputs = match isobit_core::view::run(self, prim, inputs, outs)? {
            Ok(t) => return Ok(Ran::Done(smallvec![t])),
            Err(inputs) => inputs,
        };
        let inputs = match prim {
            Prim::Custom(c) => return c.0.run(inputs, outs).map(Ran::Done),
            Prim::LayerNorm(_)
            | Prim::NormVjp(_)
            | Prim::Quantize(_)
            | Prim::QuantizedSdpa(_)
            | Prim::RmsNorm(_)
            | Prim::Rope(_)
            | Prim::Sdpa(_)
            | Prim::SdpaVjp(_) => {
                return Ok(Ran::Decompose(inputs));
            }
            Prim::Split(p) => return Ok(Ran::Done(isobit_core::view::split(&inputs[0], p.axis(), outs))),
            Prim::Depends(p) => return Ok(Ran::Done(inputs.into_iter().take(p.count()).collect())),
            _ => inputs,
        };
        let x: Vec<Values> = inputs.iter().map(load).collect::<Result<_>>()?;
        let shapes: Vec<&[usize]> = inputs.iter().map(Tensor::shape).collect();
        let values = match self.factors(prim, &x, &shapes, &outs[0]) {
            Some(v) => v,
            None => match self.complex_values(prim, &x, &shapes) {
                Some(v) => vec![v],
                None => self.values(prim, &x, &shapes, outs),
            },
        };
        let outs: Result<Outputs> = values.iter().zip(outs).map(|(v, s)| store(v, s)).collect();
        Ok(Ran::Done(outs?))
    }
}

impl Reference {
    /// Factorisations, which have several outputs, and systems of equations.
    fn factors(&self, prim: &Prim, x: &[Values], shapes: &[&[usize]], out: &Spec) -> Option<Vec<Values>> {
        let eps = if out.dtype == Dtype::F64 { f64::EPSILON } else { f64::from(f32::EPSILON) };
        Some(match prim {
            Prim::Cholesky(_) => linalg::cholesky(&x[0], shapes[0]),
            Prim::Eig(p) => linalg::eig(&x[0], shapes[0], p.vectors()),
            Prim::Eigh(p) => linalg::eigh(&x[0], shapes[0], p.vectors()),
            Prim::Lu(_) => linalg::lu(&x[0], shapes[0]),
            Prim::Pinv(_) => linalg::pinv(&x[0], shapes[0], eps),
            Prim::Qr(_) => linalg::qr(&x[0], shapes[0]),
            Prim::SolveTriangular(p) => linalg::solve_triangular(x, shapes, p.upper(), p.unit()),
            Prim::Svd(p) => linalg::svd(&x[0], shapes[0], p.vectors()),
            _ => return None,
        })
    }

    /// The primitives that mean something of their own for complex numbers.
    fn complex_values(&self, prim: &Prim, x: &[Values], shapes: &[&[usize]]) -> Option<Values> {
        use elementwise::{compare_complex, complex, complex_pair, part};
        let (first, shape) = (x.first().filter(|x| x.is_complex())?, shapes[0]);
        Some(match prim {
            Prim::Conjugate(_) => complex(first, C::conj),
            Prim::Real(_) => part(first, |z| z.re),
            Prim::Imag(_) => part(first, |z| z.im),
            Prim::Abs(_) => part(first, C::abs),
            Prim::Arccos(_) => complex(first, C::acos),
            Prim::Arccosh(_) => complex(first, C::acosh),
            Prim::Arcsin(_) => complex(first, C::asin),
            Prim::Arcsinh(_) => complex(first, C::asinh),
            Prim::Arctan(_) => complex(first, C::atan),
            Prim::Arctanh(_) => complex(first, C::atanh),
            Prim::Cos(_) => complex(first, C::cos),
            Prim::Cosh(_) => complex(first, C::cosh),
            Prim::Exp(_) => complex(first, C::exp),
            Prim::Log(_) => complex(first, C::ln),
            Prim::Log10(_) => complex(first, |z| z.log(10.0)),
            Prim::Log1p(_) => complex(first, C::log1p),
            Prim::Log2(_) => complex(first, |z| z.log(2.0)),
            Prim::Negative(_) => complex(first, |z| -z),
            Prim::Round(_) => complex(first, |z| c(z.re.round_ties_even(), z.im.round_ties_even())),
            Prim::Rsqrt(_) => complex(first, C::rsqrt),
            Prim::Sign(_) => complex(first, C::sign),
            Prim::Sin(_) => complex(first, C::sin),
            Prim::Sinh(_) => complex(first, C::sinh),
            Prim::Sqrt(_) => complex(first, C::sqrt),
            Prim::Square(_) => complex(first, |z| z * z),
            Prim::Tan(_) => complex(first, C::tan),
            Prim::Tanh(_) => complex(first, C::tanh),
            Prim::Add(_) => complex_pair(x, |a, b| a + b),
            Prim::Subtract(_) => complex_pair(x, |a, b| a - b),
            Prim::Multiply(_) => complex_pair(x, |a, b| a * b),
            Prim::Divide(_) => complex_pair(x, |a, b| a / b),
            Prim::Power(_) => complex_pair(x, C::pow),
            Prim::Logaddexp(_) => complex_pair(x, C::logaddexp),
            Prim::Maximum(_) => complex_pair(x, C::maximum),
            Prim::Minimum(_) => complex_pair(x, C::minimum),
            Prim::Equal(_) => compare_complex(x, |a, b| a == b),
            Prim::NotEqual(_) => compare_complex(x, |a, b| a != b),
            Prim::Less(_) => compare_complex(x, C::less),
            Prim::LessEqual(_) => compare_complex(x, |a, b| a.less(b) || a == b),
            Prim::Sum(p) => reduce::fold_complex(first, shape, p.axes(), c(0.0, 0.0), |a, b| a + b),
            Prim::Prod(p) => reduce::fold_complex(first, shape, p.axes(), c(1.0, 0.0), |a, b| a * b),
            Prim::Max(p) => reduce::fold_complex(first, shape, p.axes(), c(0.0, 0.0), C::larger),
            Prim::Min(p) => reduce::fold_complex(first, shape, p.axes(), c(0.0, 0.0), C::smaller),
            Prim::Cumsum(p) => scan::scan_complex(first, shape, p.scan(), c(0.0, 0.0), |a, b| a + b),
            Prim::Cumprod(p) => scan::scan_complex(first, shape, p.scan(), c(1.0, 0.0), |a, b| a * b),
            Prim::Cummax(p) => {
                let least = c(f64::NEG_INFINITY, f64::NEG_INFINITY);
                scan::scan_complex(first, shape, p.scan(), least, C::larger)
            }
            Prim::Cummin(p) => scan::scan_complex(first, shape, p.scan(), c(f64::INFINITY, f64::INFINITY), C::smaller),
            _ => return None,
        })
    }

    /// One arm per primitive, no wildcard: a primitive without a definition does not compile.
    fn values(&self, prim: &Prim, x: &[Values], shapes: &[&[usize]], outs: &[Spec]) -> Vec<Values> {
        let out = &outs[0];
        let bits = 8 * out.dtype.size() as i128;
        let one = match prim {
            Prim::Cholesky(_)
            | Prim::Eig(_)
            | Prim::Eigh(_)
            | Prim::Lu(_)
            | Prim::Pinv(_)
            | Prim::Qr(_)
            | Prim::SolveTriangular(_)
            | Prim::Svd(_) => unreachable!("{} is of matrices", prim.name()),
            Prim::Conjugate(_) | Prim::Imag(_) | Prim::Real(_) => unreachable!("{} is of complex numbers", prim.name()),
            // Views, and those that `run` has handled.
            Prim::Broadcast(_)
            | Prim::Custom(_)
            | Prim::Depends(_)
            | Prim::ExpandDims(_)
            | Prim::Identity(_)
            | Prim::LayerNorm(_)
            | Prim::NormVjp(_)
            | Prim::Quantize(_)
            | Prim::QuantizedSdpa(_)
            | Prim::RmsNorm(_)
            | Prim::Rope(_)
            | Prim::Sdpa(_)
            | Prim::SdpaVjp(_)
            | Prim::Reshape(_)
            | Prim::Slice(_)
            | Prim::Split(_)
            | Prim::Squeeze(_)
            | Prim::StopGradient(_)
            | Prim::StraightThrough(_)
            | Prim::Transpose(_)
            | Prim::View(_) => unreachable!("{} is run as a view", prim.name()),
            Prim::Abs(_) => elementwise::unary(&x[0], f64::abs, i128::abs),
            Prim::Arccos(_) => elementwise::real(&x[0], libm::acos),
            // `libm` answers for some arguments below 1.
            Prim::Arccosh(_) => elementwise::real(&x[0], |a| if a < 1.0 { f64::NAN } else { libm::acosh(a) }),
            Prim::Arcsin(_) => elementwise::real(&x[0], libm::asin),
            Prim::Arcsinh(_) => elementwise::real(&x[0], libm::asinh),
            Prim::Arctan(_) => elementwise::real(&x[0], libm::atan),
            Prim::Arctan2(_) => elementwise::binary(x, out, libm::atan2, |_, _| 0),
            Prim::Arctanh(_) => elementwise::real(&x[0], libm::atanh),
            Prim::BitwiseAnd(_) => elementwise::bits(x, |a, b| a & b),
            Prim::BitwiseInvert(_) => elementwise::invert(&x[0], out),
            Prim::BitwiseOr(_) => elementwise::bits(x, |a, b| a | b),
            Prim::BitwiseXor(_) => elementwise::bits(x, |a, b| a ^ b),
            Prim::Ceil(_) => elementwise::real(&x[0], f64::ceil),
            Prim::Cos(_) => elementwise::real(&x[0], libm::cos),
            Prim::Cosh(_) => elementwise::real(&x[0], libm::cosh),
            Prim::Divide(_) => elementwise::binary(x, out, |a, b| a / b, |_, _| 0),
            Prim::Equal(_) => elementwise::compare(x, |a, b| a == b, |a, b| a == b),
            Prim::Erf(_) => elementwise::real(&x[0], libm::erf),
            Prim::Erfinv(_) => elementwise::real(&x[0], elementwise::erfinv),
            Prim::Expm1(_) => elementwise::real(&x[0], libm::expm1),
            Prim::Floor(_) => elementwise::real(&x[0], f64::floor),
            Prim::FloorDivide(_) => {
                elementwise::binary(x, out, elementwise::floor_divide, elementwise::integer_floor_divide)
            }
            Prim::LeftShift(_) => elementwise::bits(x, |a, b| if (0..bits).contains(&b) { a << b } else { 0 }),
            Prim::Less(_) => elementwise::compare(x, |a, b| a < b, |a, b| a < b),
            Prim::LessEqual(_) => elementwise::compare(x, |a, b| a <= b, |a, b| a <= b),
            Prim::Log(_) => elementwise::real(&x[0], libm::log),
            Prim::Log10(_) => elementwise::real(&x[0], libm::log10),
            Prim::Log1p(_) => elementwise::real(&x[0], libm::log1p),
            Prim::Log2(_) => elementwise::real(&x[0], libm::log2),
            Prim::Logaddexp(_) => elementwise::binary(x, out, elementwise::logaddexp, |_, _| 0),
            Prim::Maximum(_) => elementwise::binary(x, out, elementwise::maximum, i128::max),
            Prim::Minimum(_) => elementwise::binary(x, out, |a, b| -elementwise::maximum(-a, -b), i128::min),
            Prim::NotEqual(_) => elementwise::compare(x, |a, b| a != b, |a, b| a != b),
            Prim::Power(_) => elementwise::binary(x, out, libm::pow, elementwise::integer_power),
            Prim::Remainder(_) => elementwise::binary(x, out, elementwise::remainder, elementwise::integer_remainder),
            Prim::RightShift(_) => elementwise::bits(x, |a, b| a >> if (0..bits).contains(&b) { b } else { 127 }),
            Prim::Round(_) => elementwise::real(&x[0], f64::round_ties_even),
            Prim::Rsqrt(_) => elementwise::real(&x[0], |a| 1.0 / a.sqrt()),
            Prim::Select(_) => elementwise::select(&x[0], &x[1], &x[2]),
            Prim::Sigmoid(_) => elementwise::real(&x[0], elementwise::sigmoid),
            Prim::Sign(_) => elementwise::unary(&x[0], elementwise::sign, i128::signum),
            Prim::Sin(_) => elementwise::real(&x[0], libm::sin),
            Prim::Sinh(_) => elementwise::real(&x[0], libm::sinh),
            Prim::Sqrt(_) => elementwise::real(&x[0], f64::sqrt),
            Prim::Square(_) => elementwise::unary(&x[0], |a| a * a, |a| a.wrapping_mul(a)),
            Prim::Subtract(_) => elementwise::binary(x, out, |a, b| a - b, |a, b| a - b),
            Prim::Tan(_) => elementwise::real(&x[0], libm::tan),
            Prim::Tanh(_) => elementwise::real(&x[0], libm::tanh),
            Prim::Trunc(_) => elementwise::real(&x[0], f64::trunc),
            Prim::Add(_) => elementwise::binary(x, out, |a, b| a + b, |a, b| a + b),
            Prim::Addmm(p) => matmul::addmm(x, shapes, p.alpha(), p.beta()),
            Prim::Astype(_) => elementwise::convert(&x[0], out),
            Prim::Concatenate(p) => movement::concatenate(x, shapes, p.axis(), out),
            Prim::Exp(_) => elementwise::real(&x[0], libm::exp),
            Prim::GatherMm(_) => quant::gather_mm(x, shapes),
            Prim::GatherQmm(p) if p.int8() => {
                let rounded = [&[quant::int8(&x[0], p.format())], &x[1..]].concat();
                quant::gather_qmm(&rounded, shapes, p.format(), p.transpose())
            }
            Prim::GatherQmm(p) => quant::gather_qmm(x, shapes, p.format(), p.transpose()),
            Prim::PackBits(p) => quant::pack_bits(&x[0], last(shapes[0]), p.bits()),
            Prim::Qqmm(_) => x[4].clone(),
            Prim::QuantizedMatmul(p) if p.int8() => {
                let rounded = [&[quant::int8(&x[0], p.format())], &x[1..]].concat();
                quant::quantized_matmul(&rounded, shapes, p.format(), p.transpose())
            }
            Prim::QuantizedMatmul(p) => quant::quantized_matmul(x, shapes, p.format(), p.transpose()),
            Prim::UnpackBits(p) => quant::unpack_bits(&x[0], last(shapes[0]), p.bits()),
            Prim::SegmentedMm(_) => matmul::segmented_mm(x, shapes),
            Prim::SegmentedOuter(_) => matmul::segmented_outer(x, shapes),
            Prim::Matmul(_) => matmul::matmul(&x[0], shapes[0], &x[1], shapes[1]),
            Prim::Multiply(_) => elementwise::binary(x, out, |a, b| a * b, |a, b| a.wrapping_mul(b)),
            Prim::Negative(_) => elementwise::unary(&x[0], |a| -a, |a| -a),
            Prim::SliceUpdate(p) => movement::slice_update(&x[0], &x[1], p.region(), shapes[0]),
            Prim::Arange(p) => movement::arange(p, out),
            Prim::Contiguous(_) => x[0].clone(),
            Prim::Gather(p) => movement::gather(x, shapes, p),
            Prim::Linspace(p) => movement::linspace(p, out),
            Prim::Pad(p) => movement::pad(&x[0], &x[1], &p.inner(shapes[0]), out),
            Prim::PutAlongAxis(p) => movement::put_along_axis(x, shapes, p),
            Prim::Scatter(p) => movement::scatter(x, shapes, p),
            Prim::TakeAlongAxis(p) => movement::take_along_axis(x, shapes, p.axis()),
            Prim::All(p) => reduce::fold(&x[0], shapes[0], p.axes(), 1.0, 1, f64::min, i128::min),
            Prim::Any(p) => reduce::fold(&x[0], shapes[0], p.axes(), 0.0, 0, f64::max, i128::max),
            Prim::ArgMax(p) => reduce::arg(&x[0], shapes[0], p.axis(), false),
            Prim::ArgMin(p) => reduce::arg(&x[0], shapes[0], p.axis(), true),
            Prim::Argpartition(p) => sort::positions(&x[0], shapes[0], p.axis(), Some(p.kth())),
            Prim::Argsort(p) => sort::positions(&x[0], shapes[0], p.axis(), None),
            Prim::Cummax(p) => {
                scan::scan(&x[0], shapes[0], p.scan(), scan::extremes(out.dtype)[0], reduce::larger, i128::max)
            }
            Prim::Cummin(p) => {
                scan::scan(&x[0], shapes[0], p.scan(), scan::extremes(out.dtype)[1], reduce::smaller, i128::min)
            }
            Prim::Cumprod(p) => {
                scan::scan(&x[0], shapes[0], p.scan(), (1.0, 1), |a, b| a * b, |a, b| a.wrapping_mul(b))
            }
            Prim::Cumsum(p) => scan::scan(&x[0], shapes[0], p.scan(), (0.0, 0), |a, b| a + b, |a, b| a.wrapping_add(b)),
            Prim::LinearRecurrence(p) => scan::linear_recurrence(&x[0], &x[1], shapes[0], p.scan()),
            Prim::LogSumExp(p) => reduce::each(&x[0], shapes[0], p.axes(), reduce::logsumexp, |_| 0),
            Prim::Logcumsumexp(p) => scan::logcumsumexp(&x[0], shapes[0], p.scan()),
            Prim::Max(p) => {
                let top = |g: &[f64]| g.iter().copied().reduce(reduce::larger).unwrap_or(f64::NAN);
                reduce::each(&x[0], shapes[0], p.axes(), top, |g| g.iter().copied().max().unwrap_or(0))
            }
            Prim::Min(p) => {
                let bottom = |g: &[f64]| g.iter().copied().reduce(reduce::smaller).unwrap_or(f64::NAN);
                reduce::each(&x[0], shapes[0], p.axes(), bottom, |g| g.iter().copied().min().unwrap_or(0))
            }
            Prim::Partition(p) => sort::elements(&x[0], shapes[0], p.axis(), Some(p.kth())),
            Prim::Prod(p) => reduce::fold(&x[0], shapes[0], p.axes(), 1.0, 1, |a, b| a * b, |a, b| a.wrapping_mul(b)),
            Prim::RandomBits(p) => random::bits(&x[0], p.bytes_per_key(), out.dtype.size()),
            Prim::Searchsorted(p) => {
                let last = |i: usize| shapes[i].last().copied().unwrap_or(0);
                sort::searchsorted(&x[0], last(0), &x[1], last(1), p.side())
            }
            Prim::Softmax(p) => reduce::softmax(&x[0], shapes[0], p.axes()),
            Prim::Sort(p) => sort::elements(&x[0], shapes[0], p.axis(), None),
            Prim::Sum(p) => reduce::fold(&x[0], shapes[0], p.axes(), 0.0, 0, |a, b| a + b, |a, b| a.wrapping_add(b)),
        };
        vec![one]
    }
}

/// The size of the last axis.
fn last(shape: &[usize]) -> usize {
    shape.last().copied().unwrap_or(1)
}
