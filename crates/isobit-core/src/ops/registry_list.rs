//! The one list of primitives. It expands to the closed enum, its dispatch and the registry that tests walk.

use crate::array::Array;
use crate::error::{Error, Result};
use crate::prim::custom::Custom;
use crate::prim::{Batched, Cases, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::spec::Spec;
use std::ops::Range;

macro_rules! primitives {
    (fused: { $($fm:ident :: $f:ident),* $(,)? } boxed: { $($bm:ident :: $b:ident),* $(,)? } plain: { $($m:ident :: $p:ident),* $(,)? }) => {
        /// Every primitive there is; users' own ones are `Custom`.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs)]
        pub enum Prim {
            $($f(super::$fm::$f),)*
            $($b(Box<super::$bm::$b>),)*
            $($p(super::$m::$p),)*
            Custom(Custom),
        }
        $(impl From<super::$fm::$f> for Prim { fn from(p: super::$fm::$f) -> Prim { Prim::$f(p) } })*
        $(impl From<super::$bm::$b> for Prim { fn from(p: super::$bm::$b) -> Prim { Prim::$b(Box::new(p)) } })*
        $(impl From<super::$m::$p> for Prim { fn from(p: super::$m::$p) -> Prim { Prim::$p(p) } })*
        impl From<Custom> for Prim { fn from(p: Custom) -> Prim { Prim::Custom(p) } }

        macro_rules! each {
            ($self:ident, $x:ident => $e:expr) => {
                match $self { $(Prim::$f($x) => $e,)* $(Prim::$b($x) => { let $x = &**$x; $e })* $(Prim::$p($x) => $e,)* Prim::Custom($x) => $e }
            };
        }

        impl Prim {
            /// The primitive's name; a custom one's own.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Prim::$f(_) => <super::$fm::$f as Primitive>::NAME,)*
                    $(Prim::$b(_) => <super::$bm::$b as Primitive>::NAME,)*
                    $(Prim::$p(_) => <super::$m::$p as Primitive>::NAME,)*
                    Prim::Custom(c) => c.0.name(),
                }
            }
            /// See [`Primitive::ELEMENTWISE`].
            #[inline]
            pub fn is_elementwise(&self) -> bool {
                match self {
                    $(Prim::$f(_) => <super::$fm::$f as Primitive>::ELEMENTWISE,)*
                    $(Prim::$b(_) => <super::$bm::$b as Primitive>::ELEMENTWISE,)*
                    $(Prim::$p(_) => <super::$m::$p as Primitive>::ELEMENTWISE,)*
                    Prim::Custom(_) => false,
                }
            }
            /// Whether its application to operands of other sizes is the same but for them, once operands are broadcast anew.
            pub(crate) fn serves_any_sizes(&self) -> bool {
                self.is_elementwise() || matches!(self, Prim::Broadcast(_) | Prim::Identity(_))
            }
            /// See [`Primitive::selectors`].
            pub fn selectors(&self) -> Range<usize> { each!(self, p => Primitive::selectors(p)) }
            /// See [`Primitive::infer`].
            pub fn infer(&self, inputs: &[Spec]) -> Result<Specs> { each!(self, p => Primitive::infer(p, inputs)) }
            /// See [`Primitive::jvp`].
            pub fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> { each!(self, p => Primitive::jvp(p, cx)) }
            /// See [`Primitive::vjp`].
            pub fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> { each!(self, p => Primitive::vjp(p, cx)) }
            /// See [`Primitive::vmap`].
            pub fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> { each!(self, p => Primitive::vmap(p, cx)) }
            /// The primitive in terms of others, for those that are defined so.
            pub fn decompose(&self, inputs: &[Array]) -> Result<Vec<Array>> {
                match self {
                    $(Prim::$f(p) => crate::prim::adaptors::Fused::decompose(p, inputs),)*
                    other => Err(Error::runtime("eval", format!("{} has no decomposition", other.name()))),
                }
            }
        }

        /// Every primitive with its test inputs.
        pub static REGISTRY: &[Entry] = &[
            $(Entry { name: <super::$fm::$f as Primitive>::NAME, cases: <super::$fm::$f as Primitive>::cases },)*
            $(Entry { name: <super::$bm::$b as Primitive>::NAME, cases: <super::$bm::$b as Primitive>::cases },)*
            $(Entry { name: <super::$m::$p as Primitive>::NAME, cases: <super::$m::$p as Primitive>::cases },)*
            Entry { name: <Custom as Primitive>::NAME, cases: <Custom as Primitive>::cases },
        ];
    };
}

/// A row of the registry.
pub struct Entry {
    /// The primitive's name.
    pub name: &'static str,
    /// Its test inputs.
    pub cases: fn() -> Cases,
}

// Sorted. One line per primitive, so that two branches that add one each merge. A primitive of more than 48 bytes is
// `boxed`, to keep graph nodes small: their size decides what a scalar operation costs.
primitives! {
    fused: {
        layer_norm::LayerNorm,
        norm_vjp::NormVjp,
        quantize::Quantize,
        quantized_sdpa::QuantizedSdpa,
        rms_norm::RmsNorm,
        rope::Rope,
        sdpa::Sdpa,
        sdpa_vjp::SdpaVjp,
    }
    boxed: {
        gather::Gather,
        pad::Pad,
        random_bits::RandomBits,
        scatter::Scatter,
        slice::Slice,
        slice_update::SliceUpdate,
        split::Split,
    }
    plain: {
        abs::Abs,
        add::Add,
        addmm::Addmm,
        all::All,
        any::Any,
        arange::Arange,
        arccos::Arccos,
        arccosh::Arccosh,
        arcsin::Arcsin,
        arcsinh::Arcsinh,
        arctan2::Arctan2,
        arctan::Arctan,
        arctanh::Arctanh,
        argmax::ArgMax,
        argmin::ArgMin,
        argpartition::Argpartition,
        argsort::Argsort,
        astype::Astype,
        bitwise_and::BitwiseAnd,
        bitwise_invert::BitwiseInvert,
        bitwise_or::BitwiseOr,
        bitwise_xor::BitwiseXor,
        broadcast::Broadcast,
        ceil::Ceil,
        cholesky::Cholesky,
        concatenate::Concatenate,
        contiguous::Contiguous,
        cos::Cos,
        cosh::Cosh,
        cummax::Cummax,
        cummin::Cummin,
        cumprod::Cumprod,
        cumsum::Cumsum,
        depends::Depends,
        divide::Divide,
        eig::Eig,
        eigh::Eigh,
        equal::Equal,
        erf::Erf,
        erfinv::Erfinv,
        exp::Exp,
        expand_dims::ExpandDims,
        expm1::Expm1,
        floor::Floor,
        floor_divide::FloorDivide,
        gather_mm::GatherMm,
        gather_qmm::GatherQmm,
        identity::Identity,
        left_shift::LeftShift,
        less::Less,
        less_equal::LessEqual,
        linear_recurrence::LinearRecurrence,
        linspace::Linspace,
        log10::Log10,
        log1p::Log1p,
        log2::Log2,
        log::Log,
        logaddexp::Logaddexp,
        logcumsumexp::Logcumsumexp,
        logsumexp::LogSumExp,
        lu::Lu,
        matmul::Matmul,
        max::Max,
        maximum::Maximum,
        min::Min,
        minimum::Minimum,
        multiply::Multiply,
        negative::Negative,
        not_equal::NotEqual,
        pack_bits::PackBits,
        pack_bits::UnpackBits,
        partition::Partition,
        parts::Conjugate,
        parts::Imag,
        parts::Real,
        pinv::Pinv,
        power::Power,
        prod::Prod,
        put_along_axis::PutAlongAxis,
        qqmm::Qqmm,
        qr::Qr,
        quantized_matmul::QuantizedMatmul,
        remainder::Remainder,
        reshape::Reshape,
        right_shift::RightShift,
        round::Round,
        rsqrt::Rsqrt,
        searchsorted::Searchsorted,
        segmented_mm::SegmentedMm,
        segmented_mm::SegmentedOuter,
        select::Select,
        sigmoid::Sigmoid,
        sign::Sign,
        sin::Sin,
        sinh::Sinh,
        softmax::Softmax,
        solve_triangular::SolveTriangular,
        sort::Sort,
        sqrt::Sqrt,
        square::Square,
        squeeze::Squeeze,
        stop_gradient::StopGradient,
        straight_through::StraightThrough,
        subtract::Subtract,
        sum::Sum,
        svd::Svd,
        take_along_axis::TakeAlongAxis,
        tan::Tan,
        tanh::Tanh,
        transpose::Transpose,
        trunc::Trunc,
        view::View,
    }
}
