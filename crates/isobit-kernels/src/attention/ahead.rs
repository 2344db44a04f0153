//! Rows that will be read soon, asked for one cache line at a time between other instructions.
//!
//! With few rows attention is bound by reading keys and values, and computing must not let the memory stand idle.

/// Lines still to be asked for.
#[derive(Clone, Copy)]
pub(super) struct Ahead {
    at: *const u8,
    /// Lines left in this row, and in each of the rows after it.
    left: usize,
    lines: usize,
    /// Bytes from a row's last line to the next row's first.
    jump: isize,
    rows: usize,
}

impl Ahead {
    pub const NONE: Ahead = Ahead { at: std::ptr::null(), left: 0, lines: 0, jump: 0, rows: 0 };

    /// `rows` rows of `dim` elements, `stride` elements apart. The addresses need not be valid.
    pub fn new<T>(from: *const T, stride: isize, rows: usize, dim: usize) -> Ahead {
        let (bytes, step) = (dim * size_of::<T>(), stride * size_of::<T>() as isize);
        if bytes == 0 || rows == 0 {
            return Ahead::NONE;
        }
        let (rows, lines) =
            if step == bytes as isize { (1, (rows * bytes).div_ceil(64)) } else { (rows, bytes.div_ceil(64)) };
        Ahead { at: from.cast(), left: lines, lines, jump: step - 64 * (lines as isize - 1), rows }
    }

    /// All lines that are left.
    pub fn count(&self) -> usize {
        if self.rows == 0 { 0 } else { (self.rows - 1) * self.lines + self.left }
    }

    /// Asks for up to `n` lines, for the second-level cache.
    #[inline(always)]
    pub fn step(&mut self, n: usize) {
        self.ask::<false>(n);
    }

    /// Asks for up to `n` lines, for the first-level cache, in which blocks of codes have room beside all else.
    #[inline(always)]
    pub fn step_near(&mut self, n: usize) {
        self.ask::<true>(n);
    }

    #[inline(always)]
    fn ask<const NEAR: bool>(&mut self, n: usize) {
        if n > 1 && n < self.left {
            // All in one row.
            for i in 0..n {
                prefetch::<NEAR>(self.at.wrapping_add(64 * i));
            }
            (self.at, self.left) = (self.at.wrapping_add(64 * n), self.left - n);
            return;
        }
        for _ in 0..n {
            if self.rows == 0 {
                return;
            }
            prefetch::<NEAR>(self.at);
            self.left -= 1;
            if self.left > 0 {
                self.at = self.at.wrapping_add(64);
            } else {
                self.at = self.at.wrapping_offset(self.jump);
                self.left = self.lines;
                self.rows -= 1;
            }
        }
    }
}

/// Asks for a cache line; any address is fine.
#[inline(always)]
fn prefetch<const NEAR: bool>(_at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint that reads nothing; SSE is part of x86-64.
    unsafe {
        use std::arch::x86_64::*;
        if NEAR {
            _mm_prefetch::<_MM_HINT_T0>(_at.cast());
        } else {
            _mm_prefetch::<_MM_HINT_T1>(_at.cast());
        }
    }
}

#[cfg(feature = "self-test")]
mod tests {
    use super::*;

    self_test!(every_line_once);
    fn every_line_once() {
        let data = vec![0f32; 4096];
        // Three rows of 40 elements, 100 apart: lines at bytes 0, 64, 128 of each.
        let mut ahead = Ahead::new(data.as_ptr(), 100, 3, 40);
        assert_eq!(ahead.count(), 9);
        let mut seen = Vec::new();
        while ahead.count() > 0 {
            seen.push(ahead.at as usize - data.as_ptr() as usize);
            ahead.step(1);
        }
        assert_eq!(seen, [0, 64, 128, 400, 464, 528, 800, 864, 928]);
        assert_eq!(Ahead::new(data.as_ptr(), 40, 3, 40).count(), 8, "dense rows are one run");
        ahead.step(5);
        assert_eq!(Ahead::new(data.as_ptr(), 40, 0, 40).count(), 0);
    }
}
