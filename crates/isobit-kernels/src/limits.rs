//! What this machine can do at most: arithmetic and memory rates that benchmark tables are read against.
//!
//! Best of several short runs, since other load only ever lowers a rate. Measures [`par::threads`] threads together.

use crate::isa::{self, Level};
use crate::par;
use crate::simd::{Kernel, Simd, dispatch};
use std::hint::black_box;
use std::time::Instant;

/// Chains of dependent fused multiply-adds of 16 lanes that one thread keeps going: enough to hide their latency, and no more
/// than there are registers for.
const fn chains(level: Level) -> usize {
    match level {
        Level::Avx512 => 12,
        Level::Avx2 | Level::Neon => 6,
        Level::Scalar => 2,
    }
}

struct Fma {
    rounds: usize,
}

impl Kernel for Fma {
    type Out = f32;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        match const { chains(S::LEVEL) } {
            12 => self.of::<S, 12>(s),
            6 => self.of::<S, 6>(s),
            _ => self.of::<S, 2>(s),
        }
    }
}

impl Fma {
    #[inline(always)]
    fn of<S: Simd, const CHAINS: usize>(self, s: S) -> f32 {
        let (x, y) = (s.splat(black_box(0.999)), s.splat(black_box(0.5)));
        let mut chains = [s.splat(0.1); CHAINS];
        for _ in 0..self.rounds {
            for c in &mut chains {
                *c = s.fma(*c, x, y);
            }
        }
        let mut total = chains[0];
        for c in &chains[1..] {
            total = s.add(total, *c);
        }
        s.reduce_add(total)
    }
}

struct Read<'a> {
    data: &'a [f32],
}

impl Kernel for Read<'_> {
    type Out = f32;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let mut sums = [s.splat(0.0); 8];
        for block in self.data.chunks_exact(128) {
            for (i, sum) in sums.iter_mut().enumerate() {
                // SAFETY: the block has 8 vectors of 16.
                *sum = s.add(*sum, unsafe { s.load(block.as_ptr().add(16 * i)) });
            }
        }
        let mut total = sums[0];
        for c in &sums[1..] {
            total = s.add(total, *c);
        }
        s.reduce_add(total)
    }
}

fn best(runs: usize, mut f: impl FnMut()) -> f64 {
    (0..runs)
        .map(|_| {
            let start = Instant::now();
            f();
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min)
}

/// float32 fused multiply-adds at the level in force, in GFLOP/s.
pub fn fma_gflops() -> f64 {
    fma_rate(2_400_000 / chains(isa::level()))
}

/// [`fma_gflops`] over runs of that many rounds.
fn fma_rate(rounds: usize) -> f64 {
    let threads = par::threads();
    let seconds = best(20, || {
        par::run(threads, |_| {
            black_box(dispatch(Fma { rounds }));
        });
    });
    (threads * rounds * chains(isa::level()) * 16 * 2) as f64 / seconds / 1e9
}

/// Reading memory that no cache holds, in GB/s. `data` should be large and lie on huge pages.
pub fn read_gbs(data: &[f32]) -> f64 {
    let threads = par::threads();
    let part = data.len() / threads;
    let seconds = best(8, || {
        par::run(threads, |i| {
            black_box(dispatch(Read { data: &data[i * part..(i + 1) * part] }));
        });
    });
    (part * threads * 4) as f64 / seconds / 1e9
}

#[cfg(feature = "self-test")]
mod tests {
    self_test!(rates_are_rates);
    fn rates_are_rates() {
        let data = vec![1.0f32; 1 << 16];
        for rate in [super::fma_rate(2000), super::read_gbs(&data)] {
            assert!(rate.is_finite() && rate > 0.0);
        }
    }
}
