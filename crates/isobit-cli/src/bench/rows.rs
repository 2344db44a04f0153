//! What is timed: one row per kind of work, each with a checked answer and the work that it comes to.

use isobit::quant::Format;
use isobit::{Array, Dtype, Result, fast, ops, random, transforms};
use isobit_nn::Activations;

/// One thing to time.
pub struct Row {
    /// The call, which returns what has to be evaluated.
    pub call: Box<dyn FnMut() -> Result<Vec<Array>>>,
    /// Calls inside one `call`.
    pub repeats: usize,
    /// Floating-point operations of one call.
    pub flops: f64,
    /// Bytes that one call must read and write.
    pub bytes: f64,
    /// Calls until weights are packed: three for each of them, and one more.
    pub warm: usize,
}

/// Every row, in the order of the table.
pub const NAMES: [&str; 104] = [
    "gemm.f32.256",
    "gemm.f32.1024",
    "gemm.f32.2048",
    "gemm.bf16.256",
    "gemm.bf16.1024",
    "gemm.bf16.2048",
    "gemm.f16.1024",
    "mmT.f32.M1",
    "mmT.f32.M8",
    "mmT.f32.M64",
    "mmT.f32.M512",
    "mmT.bf16.M1",
    "mmT.bf16.M8",
    "mmT.bf16.M64",
    "mmT.bf16.M512",
    "mmT.f16.M1",
    "mmT.f16.M512",
    "once.f32.M1",
    "once.bf16.M1",
    "q4.N4096.M1",
    "q4.N4096.M8",
    "q4.N4096.M64",
    "q4.N4096.M512",
    "q8.N4096.M1",
    "q8.N4096.M8",
    "q8.N4096.M64",
    "q8.N4096.M512",
    "q2.N4096.M1",
    "q2.N4096.M8",
    "q3.N4096.M1",
    "q3.N4096.M8",
    "q5.N4096.M1",
    "q5.N4096.M8",
    "q6.N4096.M1",
    "q6.N4096.M8",
    "q4g32.N4096.M1",
    "q4g32.N4096.M8",
    "q4g128.N4096.M1",
    "q4g128.N4096.M8",
    "mxfp4.N4096.M1",
    "mxfp4.N4096.M8",
    "mxfp8.N4096.M1",
    "mxfp8.N4096.M8",
    "nvfp4.N4096.M1",
    "nvfp4.N4096.M8",
    "q2.N4096.M64",
    "q3.N4096.M64",
    "q5.N4096.M64",
    "q6.N4096.M64",
    "mxfp4.N4096.M64",
    "nvfp4.N4096.M64",
    "mxfp8.N4096.M64",
    "q2.N4096.M512",
    "q3.N4096.M512",
    "q5.N4096.M512",
    "q6.N4096.M512",
    "mxfp4.N4096.M512",
    "nvfp4.N4096.M512",
    "mxfp8.N4096.M512",
    "q4i8.N4096.M1",
    "q4i8.N4096.M8",
    "q4i8.N4096.M64",
    "q4i8.N4096.M512",
    "q8i8.N4096.M1",
    "q8i8.N4096.M8",
    "q8i8.N4096.M64",
    "q8i8.N4096.M512",
    "q3i8.N4096.M1",
    "q3i8.N4096.M64",
    "q6i8.N4096.M1",
    "q6i8.N4096.M64",
    "mxfp4i8.N4096.M1",
    "mxfp4i8.N4096.M64",
    "nvfp4i8.N4096.M1",
    "nvfp4i8.N4096.M64",
    "once.q4.M1",
    "once.q4.M8",
    "moe.q4.decode",
    "moe.q4i8.decode",
    "moe.dense.decode",
    "moe.q4.prefill512",
    "moe.q4i8.prefill512",
    "moe.dense.prefill512",
    "attn.f32.prefill512",
    "attn.bf16.prefill512",
    "attn.f32.decode4096",
    "attn.bf16.decode4096",
    "attn.q8.decode4096",
    "attn.q4.decode4096",
    "ew.add",
    "ew.exp",
    "ew.gelu",
    "ew.softmax",
    "ew.layernorm",
    "ew.rmsnorm",
    "ew.sumall",
    "ew.sum0",
    "ew.argmax",
    "ew.transpose",
    "ew.cumsum",
    "ew.take",
    "ew.sort1m",
    "ovh.chain10k",
    "ovh.mlp1000",
];

/// The name of the row with these activations: `q4i8.` in place of `q4.`, and so on.
pub fn with_activations(name: &str, activations: Activations) -> String {
    let mut parts: Vec<&str> = name.split('.').collect();
    let at = usize::from(parts[0] == "moe").min(parts.len() - 1);
    let int8 = format!("{}i8", parts[at]);
    let has = |f: Option<Format>| f.is_some_and(Format::has_int8);
    if activations == Activations::Int8 && super::quantized::format(parts[at]).is_ok_and(has) {
        parts[at] = &int8;
    }
    parts.join(".")
}

/// The row of that name (those of [`NAMES`], and `gpt.step`), or `None`.
pub fn row(name: &str) -> Result<Option<Row>> {
    let parts: Vec<&str> = name.split('.').collect();
    Ok(Some(match parts.as_slice() {
        ["gemm", dtype, n] => match (dtype_of(dtype), n.parse()) {
            (Some(d), Ok(n)) => gemm(d, n)?,
            _ => return Ok(None),
        },
        ["once", "q4", m] => match m.strip_prefix('M').and_then(|m| m.parse().ok()) {
            Some(m) => super::quantized::product("q4", 4096, m, true)?,
            None => return Ok(None),
        },
        ["moe", kind, at @ ("decode" | "prefill512")] => match super::quantized::Experts::named(kind) {
            Some(kind) => super::quantized::experts(kind, *at == "prefill512")?,
            None => return Ok(None),
        },
        ["mmT", dtype, m] | ["once", dtype, m] => {
            match (dtype_of(dtype), m.strip_prefix('M').and_then(|m| m.parse().ok())) {
                (Some(d), Some(m)) => weights(d, m, parts[0] == "once")?,
                _ => return Ok(None),
            }
        }
        [format, n, m] if super::quantized::format(format.strip_suffix("i8").unwrap_or(format))?.is_some() => {
            let number = |s: &str, c: char| s.strip_prefix(c).and_then(|x| x.parse().ok());
            match (number(n, 'N'), number(m, 'M')) {
                (Some(n), Some(m)) => super::quantized::product(format, n, m, false)?,
                _ => return Ok(None),
            }
        }
        ["attn", "q8", _] => super::quantized::attention(8)?,
        ["attn", "q4", _] => super::quantized::attention(4)?,
        ["attn", dtype, kind] => match dtype_of(dtype) {
            Some(d) => attention(d, *kind == "prefill512")?,
            None => return Ok(None),
        },
        ["ew", op] => match elementwise(op)? {
            Some(row) => row,
            None => return Ok(None),
        },
        ["ovh", "chain10k"] => chain()?,
        ["ovh", "mlp1000"] => mlp()?,
        ["gpt", "step"] => super::gpt::step()?,
        _ => return Ok(None),
    }))
}

fn dtype_of(name: &str) -> Option<Dtype> {
    [("f32", Dtype::F32), ("bf16", Dtype::BF16), ("f16", Dtype::F16)].into_iter().find(|d| d.0 == name).map(|d| d.1)
}

/// Standard normal numbers, evaluated.
pub fn normal(shape: &[usize], dtype: Dtype, seed: u64) -> Result<Array> {
    let x = random::normal(shape, dtype, 0.0, 1.0, Some(&random::key(seed)))?;
    x.eval()?;
    Ok(x)
}

fn gemm(dtype: Dtype, n: usize) -> Result<Row> {
    let (a, b) = (normal(&[n, n], dtype, 1)?, normal(&[n, n], dtype, 2)?);
    check_product(&a, &b)?;
    Ok(Row {
        call: Box::new(move || Ok(vec![ops::matmul(&a, &b)?])),
        repeats: 1,
        flops: 2.0 * (n * n * n) as f64,
        bytes: (3 * n * n * dtype.size()) as f64,
        warm: 2,
    })
}

/// `x @ W.T` over several weights in turn, so that they come from memory; `once` copies the weights afresh each time, so
/// that nothing can have been kept with them.
fn weights(dtype: Dtype, m: usize, once: bool) -> Result<Row> {
    let (n, k) = (4096, 4096);
    let x = normal(&[m, k], dtype, 3)?;
    let all: Vec<Array> = (0..3).map(|i| normal(&[n, k], dtype, 4 + i)).collect::<Result<_>>()?;
    check_product(&x, &ops::transpose(&all[0], ..)?)?;
    let mut turn = 0;
    let call: Box<dyn FnMut() -> Result<Vec<Array>>> = if once {
        // A slice of a larger buffer with another offset each time: the same work, never the same operand twice.
        let pool = normal(&[n + 64, k], dtype, 9)?;
        Box::new(move || {
            turn = (turn + 1) % 64;
            let w = ops::slice(&pool, &[turn], &[turn + n as isize], &[1])?;
            Ok(vec![ops::matmul(&x, &ops::transpose(&w, ..)?)?])
        })
    } else {
        Box::new(move || {
            turn = (turn + 1) % 3;
            Ok(vec![ops::matmul(&x, &ops::transpose(&all[turn as usize], ..)?)?])
        })
    };
    let bytes = ((n * k + m * k + m * n) * dtype.size()) as f64;
    Ok(Row { call, repeats: 1, flops: 2.0 * (m * n * k) as f64, bytes, warm: 10 })
}

/// The answer against float64, on the first row.
fn check_product(a: &Array, b: &Array) -> Result<()> {
    let got = ops::astype(&ops::slice(&ops::matmul(a, b)?, &[0], &[1], &[1])?, Dtype::F64)?;
    let wide = |x: &Array| ops::astype(x, Dtype::F64);
    let want = ops::matmul(&wide(&ops::slice(a, &[0], &[1], &[1])?)?, &wide(b)?)?;
    let worst = ops::max(&ops::abs(&ops::subtract(&got, &want)?)?, .., false)?.item::<f64>()?;
    let k = a.shape()[1] as f64;
    let eps = match a.dtype() {
        Dtype::F32 => 1e-5,
        Dtype::F16 => 2e-3,
        _ => 2e-2,
    };
    assert!(worst <= eps * k.sqrt(), "a product is off by {worst}");
    Ok(())
}

fn attention(dtype: Dtype, prefill: bool) -> Result<Row> {
    let (lq, lk) = if prefill { (512, 512) } else { (1, 4096) };
    let q = normal(&[1, 16, lq, 128], dtype, 1)?;
    let (k, v) = (normal(&[1, 8, lk, 128], dtype, 2)?, normal(&[1, 8, lk, 128], dtype, 3)?);
    let mask = if prefill { fast::Mask::Causal } else { fast::Mask::None };
    let scale = 1.0 / 128f32.sqrt();
    // One query of one head against float64.
    let got = fast::scaled_dot_product_attention(&q, &k, &v, scale, mask, None)?;
    let last = |x: &Array, at: usize| {
        let at = at as isize;
        ops::astype(&ops::slice(x, &[0, 0, at, 0], &[1, 1, at + 1, 128], &[1; 4])?, Dtype::F64)
    };
    let head = |x: &Array| ops::astype(&ops::slice(x, &[0, 0, 0, 0], &[1, 1, lk as isize, 128], &[1; 4])?, Dtype::F64);
    let scores = ops::matmul(&last(&q, lq - 1)?, &ops::swapaxes(&head(&k)?, -1, -2)?)?;
    let p = ops::softmax(&ops::multiply(&scores, &Array::scalar(f64::from(scale), Dtype::F64))?, -1isize, false)?;
    let want = ops::matmul(&p, &head(&v)?)?;
    let worst = ops::max(&ops::abs(&ops::subtract(&last(&got, lq - 1)?, &want)?)?, .., false)?.item::<f64>()?;
    assert!(worst < if dtype == Dtype::F32 { 1e-5 } else { 2e-2 }, "attention is off by {worst}");
    let pairs = if prefill { lq * (lq + 1) / 2 } else { lk };
    Ok(Row {
        call: Box::new(move || {
            let mask = if prefill { fast::Mask::Causal } else { fast::Mask::None };
            Ok(vec![fast::scaled_dot_product_attention(&q, &k, &v, scale, mask, None)?])
        }),
        repeats: 1,
        flops: 4.0 * (16 * pairs * 128) as f64,
        bytes: (2 * 8 * lk * 128 * dtype.size() + 2 * 16 * lq * 128 * dtype.size()) as f64,
        warm: 2,
    })
}

fn elementwise(op: &str) -> Result<Option<Row>> {
    let n = 4096usize;
    let (x, y) = (normal(&[n, n], Dtype::F32, 1)?, normal(&[n, n], Dtype::F32, 2)?);
    let (w, b) = (ops::ones(&[n], Dtype::F32)?, ops::zeros(&[n], Dtype::F32)?);
    let all = (n * n * 4) as f64;
    let index: Vec<i32> = (0..n as i32).map(|i| (i * 1237) % n as i32).collect();
    let index = Array::from_slice(&index, &[n])?;
    let million = ops::contiguous(&ops::slice(&ops::reshape(&x, &[-1])?, &[0], &[1 << 20], &[1])?)?;
    million.eval()?;
    let c = |v: f64| Array::scalar(v, Dtype::F32);
    type Call = Box<dyn FnMut() -> Result<Array>>;
    let (mut call, bytes): (Call, f64) = match op {
        "add" => (Box::new(move || ops::add(&x, &y)), 3.0 * all),
        "exp" => (Box::new(move || ops::exp(&x)), 2.0 * all),
        "gelu" => {
            let gelu = move || {
                let cube = ops::multiply(&ops::square(&x)?, &x)?;
                let inner = ops::multiply(&ops::add(&x, &ops::multiply(&cube, &c(0.044715))?)?, &c(0.797_884_560_8))?;
                ops::multiply(&ops::multiply(&x, &c(0.5))?, &ops::add(&ops::tanh(&inner)?, &c(1.0))?)
            };
            (Box::new(gelu), 2.0 * all)
        }
        "softmax" => (Box::new(move || ops::softmax(&x, -1isize, false)), 2.0 * all),
        "layernorm" => (Box::new(move || fast::layer_norm(&x, Some(&w), Some(&b), 1e-5)), 2.0 * all),
        "rmsnorm" => (Box::new(move || fast::rms_norm(&x, Some(&w), 1e-5)), 2.0 * all),
        "sumall" => (Box::new(move || ops::sum(&x, .., false)), all),
        "sum0" => (Box::new(move || ops::sum(&x, 0isize, false)), all),
        "argmax" => (Box::new(move || ops::argmax(&x, 1isize, false)), all),
        "transpose" => (Box::new(move || ops::contiguous(&ops::transpose(&x, ..)?)), 2.0 * all),
        "cumsum" => (Box::new(move || ops::cumsum(&x, 1, false, true)), 2.0 * all),
        "take" => (Box::new(move || ops::take(&x, &index, 0)), 2.0 * all),
        "sort1m" => (Box::new(move || ops::sort(&million, -1)), 2.0 * (4 << 20) as f64),
        _ => return Ok(None),
    };
    Ok(Some(Row { call: Box::new(move || Ok(vec![call()?])), repeats: 1, flops: 0.0, bytes, warm: 2 }))
}

fn chain() -> Result<Row> {
    const LENGTH: usize = 10_000;
    let one = Array::scalar(1.0, Dtype::F32);
    one.eval()?;
    let call = move || {
        let mut y = one.clone();
        for _ in 0..LENGTH {
            y = ops::add(&y, &one)?;
        }
        assert_eq!(y.item::<f32>()?, LENGTH as f32 + 1.0, "a chain of additions");
        Ok(vec![y])
    };
    Ok(Row { call: Box::new(call), repeats: 1, flops: 0.0, bytes: 0.0, warm: 2 })
}

/// Forward and backward through 125 small layers: 1,000 operations.
fn mlp() -> Result<Row> {
    let mut parameters = Vec::new();
    for i in 0..125 {
        parameters.push(ops::multiply(&normal(&[128, 128], Dtype::F32, i)?, &Array::scalar(0.05, Dtype::F32))?);
    }
    for _ in 0..125 {
        parameters.push(ops::zeros(&[128], Dtype::F32)?);
    }
    isobit::eval(&parameters)?;
    let x = normal(&[8, 128], Dtype::F32, 1000)?;
    let zero = Array::scalar(0.0, Dtype::F32);
    let loss = move |p: &[Array]| {
        let mut h = x.clone();
        for i in 0..125 {
            h = ops::maximum(&ops::add(&ops::matmul(&h, &p[i])?, &p[125 + i])?, &zero)?;
        }
        ops::sum(&h, .., false)
    };
    let grad = transforms::grad(loss, (0..250).collect::<Vec<usize>>());
    Ok(Row { call: Box::new(move || grad(&parameters)), repeats: 1, flops: 0.0, bytes: 0.0, warm: 2 })
}
