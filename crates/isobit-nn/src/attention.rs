//! Multi-head attention with rotary positions and grouped heads.

use crate::Module;
use crate::init::Keys;
use crate::kv_cache::KvCache;
use crate::layers::{Linear, RMSNorm};
use crate::quantized::MaybeQuantized;
use isobit::fast::Mask;
use isobit::{Array, Dtype, Error, Result, fast, ops};

/// The numbers that fix an [`Attention`] layer.
#[derive(Clone, Copy, Debug)]
pub struct AttentionShape {
    /// Width of the input and output.
    pub width: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Width of one head.
    pub head_dim: usize,
    /// Base of the rotary angles.
    pub rope_base: f32,
    /// Whether the projections have biases.
    pub bias: bool,
    /// Qwen3's normalisation of each query and key head, with this epsilon.
    pub qk_norm: Option<f32>,
}

/// Grouped-query attention over `[B, L, width]`, named as in Llama-like weight files.
#[derive(Clone, Module)]
pub struct Attention {
    /// To `heads · head_dim`.
    pub q_proj: MaybeQuantized<Linear>,
    /// To `kv_heads · head_dim`.
    pub k_proj: MaybeQuantized<Linear>,
    /// To `kv_heads · head_dim`.
    pub v_proj: MaybeQuantized<Linear>,
    /// Back to `width`.
    pub o_proj: MaybeQuantized<Linear>,
    /// Over each query head.
    pub q_norm: Option<RMSNorm>,
    /// Over each key head.
    pub k_norm: Option<RMSNorm>,
    #[module(skip)]
    shape: AttentionShape,
}

impl Attention {
    /// Random projections, initialised as [`Linear::new`].
    pub fn new(shape: AttentionShape, keys: &mut Keys) -> Result<Attention> {
        Attention::with(shape, Dtype::F32, |inputs, outputs| Linear::new(inputs, outputs, shape.bias, keys))
    }

    /// All zeros, to be filled by [`Module::load`].
    pub fn zeros(shape: AttentionShape, dtype: Dtype) -> Result<Attention> {
        Attention::with(shape, dtype, |inputs, outputs| Linear::zeros(inputs, outputs, shape.bias, dtype))
    }

    fn with(
        shape: AttentionShape,
        dtype: Dtype,
        mut linear: impl FnMut(usize, usize) -> Result<Linear>,
    ) -> Result<Attention> {
        let AttentionShape { width, heads, kv_heads, head_dim, .. } = shape;
        if kv_heads == 0 || heads % kv_heads != 0 {
            return Err(Error::value(
                "attention",
                format!("expected a number of kv heads that divides {heads}, got {kv_heads}"),
            ));
        }
        let norm = || shape.qk_norm.map(|eps| RMSNorm::new(head_dim, eps, dtype)).transpose();
        Ok(Attention {
            q_proj: linear(width, heads * head_dim)?.into(),
            k_proj: linear(width, kv_heads * head_dim)?.into(),
            v_proj: linear(width, kv_heads * head_dim)?.into(),
            o_proj: linear(heads * head_dim, width)?.into(),
            q_norm: norm()?,
            k_norm: norm()?,
            shape,
        })
    }

    /// Attends from every position of `x` to those that `mask` allows. With a cache, the positions of `x` follow the
    /// ones in it, and keys and values are appended.
    pub fn forward(&self, x: &Array, mask: Mask<'_>, cache: Option<&mut KvCache>) -> Result<Array> {
        let [b, l, width] = *x.shape() else {
            return Err(Error::value("attention", format!("expected [B, L, width], got {:?}", x.shape())));
        };
        let rows = ops::reshape(x, &[(b * l) as isize, width as isize])?;
        let out = self.forward_rows(&rows, (b, l), mask, cache)?;
        ops::reshape(&out, &[b as isize, l as isize, self.shape.width as isize])
    }

    /// [`Attention::forward`] on `x` and to a result of shape `[B · L, width]`, for callers that keep rows flat from layer to
    /// layer: products take them as they are.
    pub fn forward_rows(
        &self,
        x: &Array,
        (b, l): (usize, usize),
        mask: Mask<'_>,
        cache: Option<&mut KvCache>,
    ) -> Result<Array> {
        if x.ndim() != 2 || x.shape()[0] != b * l {
            return Err(Error::value("attention", format!("expected {b} · {l} rows, got {:?}", x.shape())));
        }
        let AttentionShape { heads, kv_heads, head_dim, rope_base, .. } = self.shape;
        let offset = cache.as_ref().map_or(0, |c| c.len());
        let (batch, len, dim) = (b as isize, l as isize, head_dim as isize);
        // Rows of heads to heads of rows; where each head has one row, the same elements under another shape.
        let split = |x: Array, n: usize, norm: Option<&RMSNorm>| -> Result<Array> {
            let n = n as isize;
            let mut x = ops::reshape(&x, &if l == 1 { [batch, n, 1, dim] } else { [batch, len, n, dim] })?;
            if let Some(norm) = norm {
                x = norm.forward(&x)?;
            }
            if l == 1 { Ok(x) } else { ops::transpose(&x, [0, 2, 1, 3]) }
        };
        let rope = |x: Array| fast::rope(&x, head_dim, false, Some(rope_base), 1.0, offset, None);
        let q = rope(split(self.q_proj.forward(x)?, heads, self.q_norm.as_ref())?)?;
        let k = rope(split(self.k_proj.forward(x)?, kv_heads, self.k_norm.as_ref())?)?;
        let v = split(self.v_proj.forward(x)?, kv_heads, None)?;
        let scale = 1.0 / (head_dim as f32).sqrt();
        let mut out = match cache {
            Some(cache) => cache.attend(&q, &k, &v, scale, mask)?,
            None => fast::scaled_dot_product_attention(&q, &k, &v, scale, mask, None)?,
        };
        if l != 1 {
            out = ops::transpose(&out, [0, 2, 1, 3])?;
        }
        self.o_proj.forward(&ops::reshape(&out, &[(b * l) as isize, (heads * head_dim) as isize])?)
    }
}
