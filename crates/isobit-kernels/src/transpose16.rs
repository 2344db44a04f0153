//! The 16x16 transposition in registers, the same at every level.

use crate::simd::Simd;

/// Lane `j` of output vector `i` is lane `i` of input vector `j`.
///
/// Four rounds of interleaving vector `i` with vector `i + 8`: each moves one bit of the vector's number into the lane.
#[inline(always)]
pub(crate) fn transpose16<S: Simd>(s: S, x: [S::F; 16]) -> [S::F; 16] {
    let mut x = x;
    for _ in 0..4 {
        let y = x;
        for i in 0..8 {
            (x[2 * i], x[2 * i + 1]) = s.interleave(y[i], y[i + 8]);
        }
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Kernel, dispatch_at};

    struct Run;
    impl Kernel for Run {
        type Out = [[f32; 16]; 16];
        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> Self::Out {
            let rows = std::array::from_fn(|r| s.from_array(std::array::from_fn(|c| (16 * r + c) as f32)));
            transpose16(s, rows).map(|v| s.to_array(v))
        }
    }

    #[test]
    fn rows_become_columns_at_every_level() {
        for level in crate::isa::available() {
            let t = dispatch_at(level, Run);
            for r in 0..16 {
                for c in 0..16 {
                    assert_eq!(t[c][r], (16 * r + c) as f32, "{}", level.name());
                }
            }
        }
    }
}
