//! Pooling over windows of `[batch, ..., channels]`: the elements of a window are taken by strided slices, one per place
//! in it.

use isobit::host::Scalar;
use isobit::{Array, Error, Result, ops};

/// Size, step and padding of a window, per spatial axis.
pub struct Window<'a> {
    /// How many elements.
    pub size: &'a [usize],
    /// How far the next window is.
    pub stride: &'a [usize],
    /// Elements added on both sides.
    pub padding: &'a [usize],
}

/// For every place in a window, that element of every window.
fn places(x: &Array, window: &Window<'_>, outside: impl Into<Scalar>) -> Result<Vec<Array>> {
    let &Window { size, stride, padding } = window;
    let n = size.len();
    let fits = |sizes: &[usize]| sizes.iter().all(|&s| s < 1 << 31);
    let positive = !size.contains(&0) && !stride.contains(&0);
    if stride.len() != n || padding.len() != n || !positive || ![size, stride, padding].into_iter().all(fits) {
        let message = format!("expected sizes and strides of at least 1, got {size:?}, {stride:?} and {padding:?}");
        return Err(Error::value("pool", message));
    }
    if x.ndim() != n + 2 {
        return Err(Error::value("pool", format!("expected {} dimensions, got {}", n + 2, x.ndim())));
    }
    let mut padded = x.clone();
    if padding.iter().any(|&p| p > 0) {
        let mut widths = vec![(0, 0)];
        widths.extend(padding.iter().map(|&p| (p, p)));
        widths.push((0, 0));
        padded = ops::pad(x, &widths, outside)?;
    }
    let shape = padded.shape().to_vec();
    let mut counts = Vec::new();
    for d in 0..n {
        let Some(rest) = shape[d + 1].checked_sub(size[d]) else {
            return Err(Error::value("pool", format!("a window of {size:?} does not fit into shape {shape:?}")));
        };
        counts.push(rest / stride[d] + 1);
    }
    let (mut start, mut stop, mut step) = (vec![0; n + 2], Vec::new(), vec![1; n + 2]);
    stop.extend(shape.iter().map(|&s| s as isize));
    (0..size.iter().product())
        .map(|place| {
            let mut rest: usize = place;
            for d in (0..n).rev() {
                let at = rest % size[d];
                rest /= size[d];
                start[d + 1] = at as isize;
                stop[d + 1] = (at + (counts[d] - 1) * stride[d] + 1) as isize;
                step[d + 1] = stride[d] as isize;
            }
            ops::slice(&padded, &start, &stop, &step)
        })
        .collect()
}

/// The largest element of every window; padding counts as `-inf`.
///
/// # Errors
/// A window that does not fit; other than two axes more than the window has.
pub fn max_pool(x: &Array, window: &Window<'_>) -> Result<Array> {
    let mut places = places(x, window, f64::NEG_INFINITY)?.into_iter();
    let first = places.next().ok_or_else(|| Error::value("pool", "expected a window"))?;
    places.try_fold(first, |best, part| ops::maximum(&best, &part))
}

/// The mean of every window, zeros of the padding included.
///
/// # Errors
/// As [`max_pool`].
pub fn avg_pool(x: &Array, window: &Window<'_>) -> Result<Array> {
    ops::mean(&ops::stack(&places(x, window, 0.0)?, 0)?, 0, false)
}
