//! Attention between projected sequences.

use isobit::ops::Mask;
use isobit::{Array, Dtype, Error, Result, fast, ops};

/// Attention in `heads` heads: queries, keys and values are `[batch, length, heads * width]`, as is the result.
///
/// # Errors
/// Other than three axes, widths that the number of heads does not divide; what attention itself refuses.
pub fn multi_head_attention(q: &Array, k: &Array, v: &Array, heads: usize, mask: Mask<'_>) -> Result<Array> {
    let split = |x: &Array| match *x.shape() {
        [batch, length, width] if heads > 0 && width % heads == 0 => {
            let shape = [batch as isize, length as isize, heads as isize, (width / heads) as isize];
            ops::transpose(&ops::reshape(x, &shape)?, [0, 2, 1, 3])
        }
        _ => {
            let message = format!("expected [batch, length, features] of {heads} heads, got shape {:?}", x.shape());
            Err(Error::value("multi_head_attention", message))
        }
    };
    let (q, k, v) = (split(q)?, split(k)?, split(v)?);
    let scale = (1.0 / q.shape()[3].max(1) as f64).sqrt() as f32;
    let y = fast::scaled_dot_product_attention(&q, &k, &v, scale, mask, None)?;
    ops::flatten(&ops::transpose(&y, [0, 2, 1, 3])?, -2, -1)
}

/// `[n, n]`: zeros for keys up to the query, the most negative number for later ones.
///
/// # Errors
/// A dtype that is not a float.
pub fn causal_mask(n: usize, dtype: Dtype) -> Result<Array> {
    let places = ops::arange(0, n as i64, 1, Dtype::I32)?;
    let later = ops::less(&ops::expand_dims(&places, 1)?, &ops::expand_dims(&places, 0)?)?;
    ops::multiply(&ops::astype(&later, dtype)?, &Array::scalar(-dtype.float_limits()?.max, dtype))
}
