//! Attention in f64: one row at a time, plainly.
//!
//! The order: scores are fma chains over `d` ascending (queries scaled first); the maximum of the unmasked scores; then
//! over the unmasked keys ascending `p = exp(score - max)`, `l += p`, `acc = fma(p, v, acc)`; the sink joins last; `acc / l + 0`.

use super::{AttentionInputs, BLOCK, Group, Mask};
use crate::disjoint::Disjoint;
use crate::par;

pub(super) fn run(x: &AttentionInputs<f64>, out: &mut [f64], lse: Option<&mut [f32]>) {
    let s = x.shape;
    let (group, dv) = (s.q_heads / s.kv_heads, s.value_dim);
    let out = Disjoint::new(out);
    let lse = lse.map(Disjoint::new);
    par::run(s.batch * s.q_heads * s.q_len, |t| {
        let (b, head, query) = (t / (s.q_heads * s.q_len), t / s.q_len % s.q_heads, t % s.q_len);
        let at = Group { batch: b, kv_head: head / group, size: group };
        // SAFETY: every row belongs to one task.
        let l = row(x, at, head, query, unsafe { out.slice(t * dv, dv) });
        if let Some(lse) = &lse {
            // SAFETY: as above.
            unsafe { lse.slice(t, 1)[0] = l as f32 };
        }
    });
}

fn row(x: &AttentionInputs<f64>, group: Group, head: usize, query: usize, out: &mut [f64]) -> f64 {
    let s = x.shape;
    let (b, h) = (group.batch, group.kv_head);
    // SAFETY: `attention` checked that every row of every operand lies in its slice.
    let slice = |p: *const f64, n: usize| unsafe { std::slice::from_raw_parts(p, n) };
    let q: Vec<f64> = slice(x.q.row(b, head, query), s.head_dim).iter().map(|q| q * x.scale).collect();
    let mut scores = Vec::new();
    let mut bias = [0f32; BLOCK];
    for first in (0..s.k_len).step_by(BLOCK) {
        let mut keep = x.keep(b, head, query, first, &mut bias);
        while keep != 0 {
            let j = keep.trailing_zeros() as usize;
            keep &= keep - 1;
            let key = slice(x.k.row(b, h, first + j), s.head_dim);
            let mut score = q.iter().zip(key).fold(0f64, |sum, (q, k)| q.mul_add(*k, sum));
            if let Mask::AddF64(m) = x.mask {
                // In full precision; the f32 copy in `bias` only said whether the key is masked.
                // SAFETY: `attention` checked the mask's strides.
                score += unsafe { *m.at(b, head, query, first + j) };
            } else if x.has_bias() {
                score += bias[j] as f64;
            }
            scores.push((first + j, score));
        }
    }
    let sink = x.sinks.map(|l| l[head] as f64);
    let top = scores.iter().map(|s| s.1).chain(sink).fold(f64::NEG_INFINITY, |m, s| if s > m { s } else { m });
    let base = if top == f64::NEG_INFINITY { 0.0 } else { top };
    let mut l = 0.0;
    out.fill(0.0);
    for (j, score) in scores {
        let p = libm::exp(score - base);
        l += p;
        for (o, v) in out.iter_mut().zip(slice(x.v.row(b, h, j), s.value_dim)) {
            *o = p.mul_add(*v, *o);
        }
    }
    if let Some(sink) = sink {
        l += libm::exp(sink - base);
    }
    if l == 0.0 {
        out.fill(0.0);
        return f64::NEG_INFINITY;
    }
    out.iter_mut().for_each(|o| *o = *o / l + 0.0);
    top + libm::log(l)
}
