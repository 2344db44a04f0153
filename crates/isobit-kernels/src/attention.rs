//! Fused scaled-dot-product attention, forward: grouped heads, masks, sinks, any strides.
//!
//! `out[b, h, i, :] = Σ_j softmax_j(scale · q[b, h, i] · k[b, h / g, j] + mask) v[b, h / g, j, :]`
//!
//! One row of the result is a function of its query, of the keys and values that it may see (with their positions), of
//! the additive mask on them and of its sink, and of nothing else: not of the number of queries or keys in the call, its
//! place among them, the way its keys were masked (causal, boolean, `-inf`, or not there yet), the other heads, strides,
//! threads or instruction set. A masked key is never multiplied, so a NaN or an infinity behind a mask stays there.
//! The gradient is in [`vjp`].
//!
//! # The order
//! All in f32; half precision is widened exactly and the result rounded once. Keys are cut into blocks of 64 and spans
//! of 512 from key 0, both ascending. In a span, from `m = -inf`, `l[0..16] = 0`, `acc = 0`, for each block:
//!
//! ```text
//! s[j]  = fma chain over d ascending from +0 of (q[d]·scale rounded) · k[j][d];   s[j] += mask[j] if there is one
//! m'    = max(m, s of the unmasked keys);  c = exp(m - m')                        (m' = -inf counts as 0 in exp)
//! p[j]  = exp(s[j] - m'), 0 where masked
//! l[t]  = fma(l[t], c, (p[t] + p[16 + t]) + (p[32 + t] + p[48 + t]))              t = 0..16
//! acc   = acc·c, then fma(p[j], v[j], acc) over unmasked j ascending
//! ```
//!
//! At a span's end `l` is summed in the fixed tree and the span joins the total (which starts as m = -inf, zeros):
//! `M' = max(M, m); L = fma(l, exp(m - M'), L·exp(M - M')); O = fma(acc, exp(m - M'), O·exp(M - M'))`. A sink joins last, as
//! a span with `l = 1` and `acc = 0`. Then `out = O / L + 0` (the sum turns -0 into +0, as a masked key must not show in
//! a zero's sign), `lse = M + log(L)`. Blocks and spans without an unmasked key change no bit in these formulas, so they are skipped.
//!
//! **A row without any unmasked key is zero**, and its log-sum-exp is -inf (with a sink: the sink). MLX 0.32 gives the mean
//! of all values, NaN or zero there, depending on the kind of mask.
//!
//! # How
//! 1. The rows of all heads that share keys are one list, so grouped heads read keys once.
//! 2. Keys are packed transposed (lanes = keys), 64 at a time, in L1, and serve up to 96 rows before the next block.
//! 3. Register tiles of 6 rows x 64 keys for the scores and 6 rows x 64 values for the sum.
//! 4. Few rows and many keys (decode): spans are computed by different threads and joined in order.
//! 5. Keys and values in codes: [`codes`].
//!
//! Known cost: decoding one row pays the packing, about a third of its computing.

mod ahead;
mod block;
mod codes;
mod double;
mod mask;
mod pack;
mod scratch;
mod source;
mod span;
mod tile;
pub mod vjp;

pub use codes::{QuantizedAttentionElement, QuantizedOperand, attention_quantized};

use crate::disjoint::Disjoint;
use crate::float_lanes::FloatLanes;
use crate::isa;
use crate::par;
use half::{bf16, f16};
use scratch::Scratch;
use source::{Checked, Source};
use span::{Finish, Merge, Rows};
use std::ops::Range;

/// Keys per block; part of the order.
const BLOCK: usize = 64;
/// Keys per span, a multiple of [`BLOCK`]; part of the order.
const SPAN: usize = 512;
/// Rows that one task works on together; not part of the order.
const ROWS: usize = 96;

/// The sizes of an attention call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttentionShape {
    /// Independent problems.
    pub batch: usize,
    /// Query heads, a multiple of `kv_heads`.
    pub q_heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Queries per head.
    pub q_len: usize,
    /// Keys per head.
    pub k_len: usize,
    /// Elements of a query and of a key.
    pub head_dim: usize,
    /// Elements of a value and of an output row.
    pub value_dim: usize,
}

/// An operand `[batch, heads, length, dim]` with any strides (in elements) but a contiguous last axis.
#[derive(Clone, Copy)]
pub struct Operand<'a, T> {
    /// The elements that the strides walk over.
    pub data: &'a [T],
    /// Where element `[0, 0, 0, 0]` lies.
    pub offset: usize,
    /// Strides of batch, head and length; zero and negative ones are fine.
    pub strides: [isize; 3],
}

/// A mask operand `[batch, q_heads, q_len, k_len]` with any strides.
#[derive(Clone, Copy)]
pub struct MaskOperand<'a, T> {
    /// The elements that the strides walk over.
    pub data: &'a [T],
    /// Where element `[0, 0, 0, 0]` lies.
    pub offset: usize,
    /// Strides of batch, head, query and key; zero where the mask is broadcast.
    pub strides: [isize; 4],
}

/// Which keys a query sees, or what is added to its scores.
#[derive(Clone, Copy)]
pub enum Mask<'a> {
    /// Every key.
    None,
    /// Query `i` sees key `j` if `j <= i + k_len - q_len`.
    Causal,
    /// Bytes 0 (masked) and 1 (seen).
    Keep(MaskOperand<'a, u8>),
    /// Added to the scaled scores; `-inf` masks.
    AddF32(MaskOperand<'a, f32>),
    /// The same in half precision.
    AddF16(MaskOperand<'a, f16>),
    /// The same in bfloat16.
    AddBf16(MaskOperand<'a, bf16>),
    /// The same in double precision, rounded to f32 first for f32 and half-precision operands.
    AddF64(MaskOperand<'a, f64>),
}

/// The inputs of an attention call.
#[derive(Clone, Copy)]
pub struct AttentionInputs<'a, T, K = Operand<'a, T>> {
    /// The sizes.
    pub shape: AttentionShape,
    /// Queries `[batch, q_heads, q_len, head_dim]`.
    pub q: Operand<'a, T>,
    /// Keys `[batch, kv_heads, k_len, head_dim]`.
    pub k: K,
    /// Values `[batch, kv_heads, k_len, value_dim]`.
    pub v: K,
    /// The factor on the queries.
    pub scale: f64,
    /// The mask.
    pub mask: Mask<'a>,
    /// One more logit per query head, whose value is zero.
    pub sinks: Option<&'a [f32]>,
}

/// A float type that attention works on.
pub trait AttentionElement: Copy + Send + Sync + 'static {
    #[doc(hidden)]
    fn run(x: &AttentionInputs<Self>, out: &mut [Self], lse: Option<&mut [f32]>);
}

/// Computes attention into the contiguous `out` `[batch, q_heads, q_len, value_dim]` and, if wanted, every row's
/// log-sum-exp (of scaled, masked scores and the sink) into `lse` `[batch, q_heads, q_len]`.
///
/// # Panics
/// If an operand, an output or `sinks` is too short for the shape, or `q_heads` is not a multiple of `kv_heads`.
pub fn attention<T: AttentionElement>(x: &AttentionInputs<T>, out: &mut [T], lse: Option<&mut [f32]>) {
    let s = x.shape;
    let rows = s.batch * s.q_heads * s.q_len;
    assert_eq!(out.len(), rows * s.value_dim, "attention: output size");
    assert!(lse.as_ref().is_none_or(|l| l.len() == rows), "attention: log-sum-exp size");
    x.check();
    if rows > 0 {
        T::run(x, out, lse);
    }
}

impl<T, K: Checked> AttentionInputs<'_, T, K> {
    /// Panics unless all operands are long enough for the shape.
    fn check(&self) {
        let (x, s) = (self, self.shape);
        assert!(x.sinks.is_none_or(|l| l.len() == s.q_heads), "attention: one sink per query head");
        let groups = if s.kv_heads == 0 { s.q_heads == 0 } else { s.q_heads.is_multiple_of(s.kv_heads) };
        assert!(groups, "attention: query heads in groups per key head");
        x.q.check(&[s.batch, s.q_heads, s.q_len], s.head_dim, "attention: the queries");
        x.k.check(&[s.batch, s.kv_heads, s.k_len], s.head_dim, "attention: the keys");
        x.v.check(&[s.batch, s.kv_heads, s.k_len], s.value_dim, "attention: the values");
        let dims = [s.batch, s.q_heads, s.q_len, s.k_len];
        match x.mask {
            Mask::None | Mask::Causal => {}
            Mask::Keep(m) => check(m.data.len(), m.offset, &dims, &m.strides, 1, "attention: the mask elements"),
            Mask::AddF32(m) => check(m.data.len(), m.offset, &dims, &m.strides, 1, "attention: the mask elements"),
            Mask::AddF16(m) => check(m.data.len(), m.offset, &dims, &m.strides, 1, "attention: the mask elements"),
            Mask::AddBf16(m) => check(m.data.len(), m.offset, &dims, &m.strides, 1, "attention: the mask elements"),
            Mask::AddF64(m) => check(m.data.len(), m.offset, &dims, &m.strides, 1, "attention: the mask elements"),
        }
    }
}

/// Every address that the strides can reach, and `last` elements from there, must be in the slice.
fn check(len: usize, offset: usize, dims: &[usize], strides: &[isize], last: usize, what: &str) {
    if last == 0 || dims.contains(&0) {
        return;
    }
    let (mut low, mut high) = (offset as i128, offset as i128 + last as i128);
    for (&d, &s) in dims.iter().zip(strides) {
        let reach = (d as i128 - 1) * s as i128;
        low += reach.min(0);
        high += reach.max(0);
    }
    assert!(low >= 0 && high <= len as i128, "{what} reach {low}..{high} of {len} elements");
}

impl<T> Operand<'_, T> {
    /// Panics unless every row of `dim` elements lies in the slice.
    pub(crate) fn check(&self, dims: &[usize; 3], dim: usize, what: &str) {
        check(self.data.len(), self.offset, dims, &self.strides, dim, what);
    }

    /// The address of row `[b, h, i]`.
    #[inline(always)]
    pub(crate) fn row(&self, b: usize, h: usize, i: usize) -> *const T {
        let at = self.offset as isize
            + b as isize * self.strides[0]
            + h as isize * self.strides[1]
            + i as isize * self.strides[2];
        self.data.as_ptr().wrapping_offset(at)
    }
}

macro_rules! attention_element {
    ($($t:ty)*) => {$(
        impl AttentionElement for $t {
            fn run(x: &AttentionInputs<Self>, out: &mut [Self], lse: Option<&mut [f32]>) {
                run(x, out, lse)
            }
        }
    )*};
}
attention_element!(f32 f16 bf16);

impl AttentionElement for f64 {
    fn run(x: &AttentionInputs<Self>, out: &mut [Self], lse: Option<&mut [f32]>) {
        double::run(x, out, lse)
    }
}

/// The rows of one key head: row `r` is query `r / group` of head `kv_head * group + r % group`.
#[derive(Clone, Copy)]
struct Group {
    batch: usize,
    kv_head: usize,
    /// Query heads per key head.
    size: usize,
}

impl Group {
    #[inline(always)]
    fn place(&self, row: usize) -> (usize, usize) {
        (self.kv_head * self.size + row % self.size, row / self.size)
    }

    /// The row's number in the output.
    #[inline(always)]
    fn out_row(&self, shape: &AttentionShape, row: usize) -> usize {
        let (head, query) = self.place(row);
        (self.batch * shape.q_heads + head) * shape.q_len + query
    }
}

fn run<T: FloatLanes, K: Source>(x: &AttentionInputs<T, K>, out: &mut [T], lse: Option<&mut [f32]>) {
    let s = x.shape;
    let group = s.q_heads / s.kv_heads;
    let rows = group * s.q_len;
    let chunks = rows.div_ceil(ROWS);
    let spans = s.k_len.div_ceil(SPAN);
    let tasks = s.batch * s.kv_heads * chunks;
    let out = Disjoint::new(out);
    let lse = lse.map(Disjoint::new);
    let level = isa::level();
    // The last chunk first: under a causal mask it has the most keys.
    let place = |t: usize| {
        let (pair, chunk) = (t / chunks, chunks - 1 - t % chunks);
        let group = Group { batch: pair / s.kv_heads, kv_head: pair % s.kv_heads, size: group };
        (group, chunk * ROWS..((chunk + 1) * ROWS).min(rows))
    };
    let finish = |group: Group, range: Range<usize>, merged: &[f32]| {
        let dvp = s.value_dim.next_multiple_of(16);
        for (i, r) in range.enumerate() {
            let sink = x.sinks.map(|l| l[group.place(r).0]);
            let at = group.out_row(&s, r);
            // SAFETY: every row belongs to one task.
            let out = unsafe { out.slice(at * s.value_dim, s.value_dim) };
            let state = &merged[i * (dvp + 2)..(i + 1) * (dvp + 2)];
            let l = Finish { state, sink, out }.at(level);
            if let Some(lse) = &lse {
                // SAFETY: every row belongs to one task.
                unsafe { lse.slice(at, 1)[0] = l };
            }
        }
    };
    if spans <= 1 || tasks >= 2 * par::threads() || par::threads() == 1 {
        par::run(tasks, |t| {
            let (group, range) = place(t);
            let mut scratch = Scratch::take();
            let mut rows = Rows::new(x, level, group, range.clone(), &mut scratch);
            let mut state = rows.empty_state();
            for span in 0..spans {
                if rows.span(span) {
                    rows.merge_into(&mut state);
                }
            }
            finish(group, range, &state);
        });
        return;
    }
    // One state per (task, span), joined in the order of the spans.
    let size = ROWS.min(rows) * (s.value_dim.next_multiple_of(16) + 2);
    let mut states = vec![0f32; tasks * spans * size];
    {
        let states = Disjoint::new(&mut states);
        par::run(tasks * spans, |t| {
            let (group, range) = place(t / spans);
            let mut scratch = Scratch::take();
            let mut rows = Rows::new(x, level, group, range, &mut scratch);
            let any = rows.span(t % spans);
            // SAFETY: every (task, span) has its own state.
            rows.write_state(any, unsafe { states.slice(t * size, size) });
        });
    }
    let states = Disjoint::new(&mut states);
    par::run(tasks, |t| {
        let (group, range) = place(t);
        let dvp = s.value_dim.next_multiple_of(16);
        let used = range.len() * (dvp + 2);
        let mut total = span::empty(range.len(), dvp);
        for span in 0..spans {
            // SAFETY: every task joins its own states.
            let part = unsafe { states.slice((t * spans + span) * size, used) };
            Merge { rows: range.len(), dvp, part, total: &mut total }.at(level);
        }
        finish(group, range, &total);
    });
}

#[cfg(feature = "self-test")]
mod tests;
