//! Speed of the matrix products against this machine's measured limits; every answer is checked.
//!
//! `cargo run --release -p isobit-kernels --example gemm_speed [filter]`

use half::{bf16, f16};
use isobit_kernels::gemm::*;
use isobit_kernels::{isa, par};
use std::time::Instant;

/// Seconds of the fastest of `n` runs.
fn best(n: usize, mut f: impl FnMut()) -> f64 {
    (0..n)
        .map(|_| {
            let start = Instant::now();
            f();
            start.elapsed().as_secs_f64()
        })
        .fold(f64::MAX, f64::min)
}

/// f32 FMAs per second on one thread, in GFLOP/s: independent chains, nothing from memory.
#[cfg(target_arch = "x86_64")]
fn fma_peak() -> f64 {
    use std::arch::x86_64::*;
    #[target_feature(enable = "avx512f")]
    fn chains512(n: usize, x: f32) -> f32 {
        let (a, b) = (_mm512_set1_ps(x), _mm512_set1_ps(1.0 - x));
        let mut c = [_mm512_setzero_ps(); 24];
        for _ in 0..n {
            for c in &mut c {
                *c = _mm512_fmadd_ps(a, *c, b);
            }
        }
        c.into_iter().map(|c| _mm512_reduce_add_ps(c)).sum()
    }
    #[target_feature(enable = "avx2,fma")]
    fn chains256(n: usize, x: f32) -> f32 {
        let (a, b) = (_mm256_set1_ps(x), _mm256_set1_ps(1.0 - x));
        let mut c = [_mm256_setzero_ps(); 12];
        for _ in 0..n {
            for c in &mut c {
                *c = _mm256_fmadd_ps(a, *c, b);
            }
        }
        c.into_iter().map(|c| _mm_cvtss_f32(_mm256_castps256_ps128(c))).sum()
    }
    let n = 200_000;
    match isa::level() {
        // SAFETY: the level in force is one that the machine has.
        isa::Level::Avx512 => {
            2.0 * 16.0 * 24.0 * n as f64 / best(8, || unsafe { _ = std::hint::black_box(chains512(n, 0.5)) }) / 1e9
        }
        // SAFETY: as above.
        isa::Level::Avx2 => {
            2.0 * 8.0 * 12.0 * n as f64 / best(8, || unsafe { _ = std::hint::black_box(chains256(n, 0.5)) }) / 1e9
        }
        _ => f64::NAN,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn fma_peak() -> f64 {
    f64::NAN
}

/// Sequential read of a large buffer on huge pages, GB/s on one thread.
fn read_bandwidth(buffer: &[f32]) -> f64 {
    let sum = |b: &[f32]| {
        let mut lanes = [0u32; 64];
        for chunk in b.chunks_exact(64) {
            for (l, x) in lanes.iter_mut().zip(chunk) {
                *l ^= x.to_bits();
            }
        }
        lanes.iter().fold(0, |a, b| a ^ b)
    };
    let bytes = size_of_val(buffer) as f64;
    bytes / best(8, || _ = std::hint::black_box(sum(std::hint::black_box(buffer)))) / 1e9
}

/// A buffer on 2 MiB pages (what a framework's allocator gives).
fn huge<T: Copy>(n: usize, mut f: impl FnMut(usize) -> T) -> &'static mut [T] {
    let bytes = (n * size_of::<T>()).next_multiple_of(2 << 20);
    // SAFETY: an aligned, zeroed allocation of the slice's size, leaked on purpose; the advice changes no contents.
    unsafe {
        let p = std::alloc::alloc_zeroed(std::alloc::Layout::from_size_align_unchecked(bytes, 2 << 20)).cast::<T>();
        #[cfg(target_os = "linux")]
        libc::madvise(p.cast(), bytes, libc::MADV_HUGEPAGE);
        for i in 0..n {
            *p.add(i) = f(i);
        }
        std::slice::from_raw_parts_mut(p, n)
    }
}

trait Bench: Element {
    const NAME: &'static str;
    fn from(x: f32) -> Self;
    fn to(self) -> f64;
}

macro_rules! bench {
    ($t:ty, $name:literal, $from:expr, $to:expr) => {
        impl Bench for $t {
            const NAME: &'static str = $name;
            fn from(x: f32) -> Self {
                $from(x)
            }
            fn to(self) -> f64 {
                $to(self)
            }
        }
    };
}

bench!(f32, "f32", |x| x, |x: f32| x as f64);
bench!(f64, "f64", |x: f32| x as f64, |x| x);
bench!(f16, "f16", f16::from_f32, |x: f16| x.to_f64());
bench!(bf16, "bf16", bf16::from_f32, |x: bf16| x.to_f64());

fn value(i: usize) -> f32 {
    ((i.wrapping_mul(2_654_435_761) >> 7) % 251) as f32 / 125.0 - 1.0
}

/// `x @ w.T` (weights row-major, `transposed`) or `x @ w`; `kept` is the packed form of the latter.
/// Prints time, GFLOP/s, share of the peak, weight GB/s.
fn product<T: Bench>(m: usize, n: usize, k: usize, form: &str, peak: f64) {
    let transposed = form != "w  ";
    let x = huge::<T>(m * k, |i| T::from(value(i)));
    let w = huge::<T>(n * k, |i| T::from(value(i * 7 + 3)));
    let out = huge::<T>(m * n, |_| T::from(f32::NAN));
    let b = if transposed { Mat::new(w.as_ptr(), 1, k as isize) } else { Mat::new(w.as_ptr(), n as isize, 1) };
    // SAFETY: the view covers its buffer.
    let packed = (form == "kept").then(|| unsafe { PackedB::new(k, n, b) });
    let flops = 2.0 * (m * n * k) as f64;
    let runs = ((0.4 * peak * 1e9 / flops) as usize).clamp(3, 200_000).min(if m < 16 { 40 } else { usize::MAX });
    // Small calls are timed many at a time.
    let repeat = (2e-6 * peak * 1e9 / flops).ceil() as usize;
    let seconds = best(runs.div_ceil(repeat).max(3), || {
        for _ in 0..repeat {
            let (x, out) = (Mat::new(x.as_ptr(), k as isize, 1), OutMat::new(out.as_mut_ptr(), n as isize, 1));
            // SAFETY: the views cover their buffers.
            unsafe {
                match &packed {
                    Some(packed) => gemm_packed(m, x, packed, out, Epilogue::none()),
                    None => gemm(m, n, k, x, b, out, Epilogue::none()),
                }
            }
        }
    }) / repeat as f64;
    let mut worst = 0f64;
    for s in 0..50 {
        let (i, j) = ((s * 7919) % m, (s * 104_729) % n);
        let mut want = 0.0;
        let mut size = 0.0;
        for l in 0..k {
            let p = x[i * k + l].to() * if transposed { w[j * k + l] } else { w[l * n + j] }.to();
            want += p;
            size += p.abs();
        }
        worst = worst.max((out[i * n + j].to() - want).abs() / (size + 1e-30));
    }
    let tolerance = if size_of::<T>() == 2 { 1e-2 } else { 1e-5 };
    println!(
        "{:5} x{} {m:5} x {n:5} x {k:5} {:4}  {:10.3} us  {:7.1} GFLOP/s  {:5.1} % of peak  {:6.1} GB/s weights  {}",
        T::NAME,
        par::threads(),
        form,
        seconds * 1e6,
        flops / seconds / 1e9,
        100.0 * flops / seconds / 1e9 / (peak * par::threads() as f64),
        (n * k * size_of::<T>()) as f64 / seconds / 1e9,
        if worst < tolerance { "ok" } else { "WRONG" },
    );
}

fn all<T: Bench>(filter: &str, peak: f64) {
    let shapes: &[(&str, usize, usize, usize)] = &[
        ("tiny", 4, 4, 4),
        ("tiny", 16, 16, 16),
        ("tiny", 32, 32, 32),
        ("small", 64, 64, 64),
        ("small", 128, 128, 128),
        ("small", 256, 256, 256),
        ("large", 512, 512, 512),
        ("large", 1024, 1024, 1024),
        ("large", 2048, 2048, 2048),
        ("wide", 512, 4096, 4096),
        ("gemv", 1, 4096, 4096),
        ("gemv", 2, 4096, 4096),
        ("gemv", 4, 4096, 4096),
        ("gemv", 8, 4096, 4096),
        ("gemv", 32, 4096, 4096),
    ];
    for &(kind, m, n, k) in shapes {
        if filter.is_empty() || filter.split(',').any(|f| f == kind) {
            for form in ["w  ", "w.T", "kept"] {
                product::<T>(m, n, k, form, peak);
            }
        }
    }
}

fn main() {
    let filter = std::env::args().nth(1).unwrap_or_default();
    let types = std::env::args().nth(2).unwrap_or("f32,bf16,f16,f64".into());
    let threads: Vec<usize> = match std::env::args().nth(3) {
        Some(t) => t.split(',').filter_map(|t| t.parse().ok()).collect(),
        None => vec![1, par::threads().max(2)],
    };
    let peak = fma_peak();
    let bandwidth = read_bandwidth(huge::<f32>(64 << 20, |i| i as f32));
    println!("{}: f32 FMA peak {peak:.1} GFLOP/s, read {bandwidth:.1} GB/s on one thread", isa::level().name());
    for t in threads {
        par::set_threads(t);
        for t in types.split(',') {
            match t {
                "f32" => all::<f32>(&filter, peak),
                "f64" => all::<f64>(&filter, peak / 2.0),
                "f16" => all::<f16>(&filter, peak),
                _ => all::<bf16>(&filter, peak),
            }
        }
    }
}
