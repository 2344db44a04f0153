//! Best-of-seven throughput of the elementwise, copy, reduction and norm kernels on 16 Mi elements.
//!
//! `cargo run --release -p isobit-kernels --example throughput`; `ISOBIT_ISA` and `ISOBIT_NUM_THREADS` apply.

use std::time::Instant;

use isobit_kernels::copy::{copy_strided, copy_to_contiguous};
use isobit_kernels::dtype::Dtype;
use isobit_kernels::elementwise::{BinaryOp, Operand, UnaryOp, binary, cast, unary, unary_f32};
use isobit_kernels::norm::rms_norm;
use isobit_kernels::reduce::{Extent, ReduceOp, reduce};
use isobit_kernels::softmax::softmax;
use isobit_kernels::{isa, par};

/// Prints the best time, and the bandwidth of the bytes moved.
fn report(name: &str, bytes: usize, mut f: impl FnMut()) {
    let mut best = f64::INFINITY;
    for _ in 0..7 {
        let start = Instant::now();
        f();
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("{name:32} {:9.3} ms {:8.2} GB/s", best * 1e3, bytes as f64 / best * 1e-9);
}

fn main() {
    let n = 16 << 20;
    println!("{} level, {} threads", isa::level().name(), par::threads());
    let a: Vec<f32> = (0..n).map(|i| (i % 1000) as f32 * 0.01 - 5.0).collect();
    let b = a.clone();
    let mut c = vec![0.0f32; n];
    let (p, q): (*const u8, *const u8) = (a.as_ptr().cast(), b.as_ptr().cast());

    let rounds = 10_000;
    let start = Instant::now();
    for _ in 0..rounds {
        par::run(par::threads(), |i| {
            std::hint::black_box(i);
        });
    }
    println!("{:32} {:9.3} us", "fork and join", start.elapsed().as_secs_f64() * 1e6 / rounds as f64);

    // In the first-level cache: what an element costs when memory does not.
    for op in [UnaryOp::Neg, UnaryOp::Exp, UnaryOp::Log, UnaryOp::Sin, UnaryOp::Tanh, UnaryOp::Erf, UnaryOp::Sigmoid] {
        let mut best = f64::INFINITY;
        for _ in 0..3000 {
            let start = Instant::now();
            unary_f32(op, &a[..4096], &mut c[..4096]).expect("defined");
            best = best.min(start.elapsed().as_secs_f64());
        }
        println!("{:32} {:9.3} ns an element", format!("{op:?} f32, 4096 in cache"), best * 1e9 / 4096.0);
    }
    let out: *mut u8 = c.as_mut_ptr().cast();

    // SAFETY: every buffer has 16 Mi elements of 4 bytes.
    unsafe {
        report("memcpy, one thread", 8 * n, || std::ptr::copy_nonoverlapping(p, out, 4 * n));
        report("copy", 8 * n, || copy_strided(4, &[n], p, &[1], out, &[1]));
        report("transpose 4096x4096 f32", 8 * n, || copy_to_contiguous(4, &[4096, 4096], p, &[1, 4096], out));
        report("transpose 4096x8192 16-bit", 8 * n, || copy_to_contiguous(2, &[4096, 8192], p, &[1, 4096], out));
        report("transpose 2048x4096 f64", 8 * n, || copy_to_contiguous(8, &[2048, 4096], p, &[1, 2048], out));
        report("strided rows 3 of 4", 8 * n, || copy_to_contiguous(4, &[n / 4, 3], p, &[4, 1], out));
        let (x, y) = (Operand::Vector(p), Operand::Vector(q));
        let two = |name: &str, op, dtype, x, y, elements, bytes| {
            report(name, bytes, || binary(op, dtype, x, y, out, elements).expect("defined"));
        };
        two("add f32", BinaryOp::Add, Dtype::F32, x, y, n, 12 * n);
        two("add f32, scalar", BinaryOp::Add, Dtype::F32, x, Operand::Scalar(q), n, 8 * n);
        let row = Operand::View(q, &[16384, 1024], &[0, 1]);
        two("add f32, row of 1024", BinaryOp::Add, Dtype::F32, x, row, n, 8 * n);
        two("add bf16, 32 Mi", BinaryOp::Add, Dtype::BF16, x, y, 2 * n, 12 * n);
        two("add i32", BinaryOp::Add, Dtype::I32, x, y, n, 12 * n);
        two("less f32", BinaryOp::Lt, Dtype::F32, x, y, n, 9 * n);
        two("pow f32", BinaryOp::Pow, Dtype::F32, x, y, n, 12 * n);
        for op in
            [UnaryOp::Exp, UnaryOp::Log, UnaryOp::Sin, UnaryOp::Tanh, UnaryOp::Erf, UnaryOp::Sigmoid, UnaryOp::Rsqrt]
        {
            report(&format!("{op:?} f32"), 8 * n, || unary(op, Dtype::F32, p, out, n).expect("defined"));
        }
        report("cast f32 to bf16", 6 * n, || cast(Dtype::F32, p, Dtype::BF16, out, n));
        for (name, e) in [
            ("sum all", Extent { outer: 1, n, inner: 1 }),
            ("sum rows of 1024", Extent { outer: n / 1024, n: 1024, inner: 1 }),
            ("sum rows of 16", Extent { outer: n / 16, n: 16, inner: 1 }),
            ("sum columns of 4096x4096", Extent { outer: 1, n: 4096, inner: 4096 }),
        ] {
            report(name, 4 * n, || reduce(ReduceOp::Sum, Dtype::F32, Dtype::F32, p, out, e).expect("defined"));
        }
        let e = Extent { outer: n / 4096, n: 4096, inner: 1 };
        report("max rows of 4096", 4 * n, || {
            reduce(ReduceOp::Max, Dtype::F32, Dtype::F32, p, out, e).expect("defined")
        });
        report("argmax rows of 4096", 4 * n, || {
            reduce(ReduceOp::ArgMax, Dtype::F32, Dtype::U32, p, out, e).expect("defined")
        });
        report("softmax rows of 4096", 8 * n, || assert!(softmax(Dtype::F32, p, out, n / 4096, 4096)));
        report("rms_norm rows of 4096", 8 * n, || assert!(rms_norm(Dtype::F32, p, out, (n / 4096, 4096), None, 1e-5)));
    }
}
