//! Speed of the matrix products against this machine's measured limits; every answer is checked.
//!
//! `cargo run --release -p isobit-kernels --example gemm_speed [filter]`

use half::{bf16, f16};
use isobit_kernels::gemm::{Element, Epilogue, Mat, OutMat, PackedB, gemm, gemm_packed};
use isobit_kernels::{isa, par};

/// The calling thread's clock: its own CPU time where one thread runs (a busy neighbour does not count), else wall time.
fn now() -> f64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let clock = if par::threads() == 1 { libc::CLOCK_THREAD_CPUTIME_ID } else { libc::CLOCK_MONOTONIC };
    // SAFETY: writes the local.
    unsafe { libc::clock_gettime(clock, &mut t) };
    t.tv_sec as f64 + t.tv_nsec as f64 * 1e-9
}

/// Seconds of the fastest of `n` runs.
fn best(n: usize, mut f: impl FnMut()) -> f64 {
    (0..n)
        .map(|_| {
            let start = now();
            f();
            now() - start
        })
        .fold(f64::MAX, f64::min)
}

/// f32 FMAs per second on one thread, in GFLOP/s: independent chains, nothing from memory.
#[cfg(target_arch = "x86_64")]
fn fma_peak() -> f64 {
    use std::arch::asm;
    let n = 200_000u64;
    macro_rules! chains {
        ($reg:literal, $($i:literal)*) => {
            // SAFETY: registers only; zeros times zeros.
            best(3, || unsafe {
                asm!(
                    $(concat!("vxorps xmm", $i, ", xmm", $i, ", xmm", $i),)*
                    "vxorps xmm14, xmm14, xmm14", "vxorps xmm15, xmm15, xmm15",
                    "2:",
                    $(concat!("vfmadd231ps ", $reg, $i, ", ", $reg, "14, ", $reg, "15"),)*
                    "dec {n}", "jnz 2b",
                    n = inout(reg) n => _,
                    out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _,
                    out("xmm6") _, out("xmm7") _, out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                    out("xmm14") _, out("xmm15") _,
                );
            })
        };
    }
    match isa::level() {
        isa::Level::Avx512 => 2.0 * 16.0 * 12.0 * n as f64 / chains!("zmm", 0 1 2 3 4 5 6 7 8 9 10 11) / 1e9,
        isa::Level::Avx2 => 2.0 * 8.0 * 12.0 * n as f64 / chains!("ymm", 0 1 2 3 4 5 6 7 8 9 10 11) / 1e9,
        _ => f64::NAN,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn fma_peak() -> f64 {
    f64::NAN
}

/// Sequential read of a large buffer on huge pages, GB/s on one thread.
fn read_bandwidth(buffer: &[f32]) -> f64 {
    #[inline(always)]
    fn sum(b: &[f32]) -> u32 {
        let mut lanes = [0u32; 64];
        for chunk in b.chunks_exact(64) {
            for l in 0..64 {
                lanes[l] ^= chunk[l].to_bits();
            }
        }
        lanes.iter().fold(0, |a, b| a ^ b)
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn sum_avx2(b: &[f32]) -> u32 {
        sum(b)
    }
    let run = |b: &[f32]| match isa::level() {
        // SAFETY: the level in force is one that the machine has.
        #[cfg(target_arch = "x86_64")]
        isa::Level::Avx2 | isa::Level::Avx512 => unsafe { sum_avx2(b) },
        _ => sum(b),
    };
    let bytes = size_of_val(buffer) as f64;
    bytes / best(8, || _ = std::hint::black_box(run(std::hint::black_box(buffer)))) / 1e9
}

/// A buffer on 2 MiB pages (what a framework's allocator gives).
fn huge<T: Copy>(n: usize, mut f: impl FnMut(usize) -> T) -> &'static mut [T] {
    let bytes = (n * size_of::<T>()).next_multiple_of(2 << 20);
    // SAFETY: a fresh mapping that covers the aligned slice, leaked on purpose; the advice changes no contents.
    unsafe {
        let (rw, private) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        let raw = libc::mmap(std::ptr::null_mut(), bytes + (2 << 20), rw, private, -1, 0);
        assert_ne!(raw, libc::MAP_FAILED);
        let p = (raw as usize).next_multiple_of(2 << 20) as *mut T;
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
    // The clock moves with the neighbours' load: the peak is measured again between the runs.
    let before = fma_peak();
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
    let peak = before.max(fma_peak()) / if size_of::<T>() == 8 { 2.0 } else { 1.0 };
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
        "{:5} x{} {m:5} x {n:5} x {k:5} {:4}  {:10.3} us  {:7.1} GFLOP/s  {:5.1} % of {:3.0}  {:6.1} GB/s weights  {}",
        T::NAME,
        par::threads(),
        form,
        seconds * 1e6,
        flops / seconds / 1e9,
        100.0 * flops / seconds / 1e9 / (peak * par::threads() as f64),
        peak,
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
        None => vec![1, 2],
    };
    par::set_threads(1);
    let peak = fma_peak();
    let bandwidth = read_bandwidth(huge::<f32>(16 << 20, |i| i as f32));
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
