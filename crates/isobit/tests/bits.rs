//! The contract of `docs/numerics.md`, bit for bit: a row has the same bits however many rows are beside it, at every
//! instruction-set level, with any number of threads, decoded or prefilled, batched or in a loop.
use isobit::ops::{self, Mask};
use isobit::{Array, Dtype, Result, transforms};
use isobit_testing::data::Data;
use isobit_testing::draw::Rng;
use isobit_testing::settings::everywhere;
use isobit_testing::{Checked, compare};
use std::sync::{Mutex, MutexGuard};

const DTYPES: [Dtype; 3] = [Dtype::F32, Dtype::BF16, Dtype::F16];

/// The settings belong to the process: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn draw(rng: &mut Rng, dtype: Dtype, shape: &[usize]) -> Data {
    let n: usize = shape.iter().product();
    Data::new(dtype, shape, (0..n).map(|_| rng.real(-1.5, 1.5)).collect())
}

/// Rows `from..from + count` of the first axis.
fn rows(a: &Array, from: usize, count: usize) -> Array {
    let (from, end) = (from as isize, (from + count) as isize);
    ops::slice(a, &[from], &[end], &[1]).unwrap()
}

fn bytes(a: &Array) -> Vec<u8> {
    a.to_bytes().unwrap()
}

type Fun<'a> = &'a dyn Fn(&Array) -> Result<Array>;

/// `f` acts on rows: every number of rows from 1 to 130, at the front and at the back, gives the rows of all 512.
fn rows_agree(name: &str, x: &Array, f: Fun<'_>) {
    let m = x.shape()[0];
    let all = bytes(&f(x).unwrap());
    let stride = all.len() / m;
    let check = |from: usize, count: usize, place: &str| {
        let part = rows(x, from, count);
        let got = bytes(&f(&part).unwrap());
        let want = &all[from * stride..(from + count) * stride];
        assert!(got == want, "{name}: {count} rows from {from} differ from the same rows of {m} ({place})");
    };
    for count in 1..=130 {
        check(0, count, "default settings");
        check(m - count, count, "default settings");
    }
    let places = |setting: &str| -> Checked {
        assert!(bytes(&f(x).unwrap()) == all, "{name}: {setting}");
        for count in [1, 2, 3, 7, 15, 16, 17, 31, 33, 64, 65, 130] {
            check(97, count, setting);
        }
        Ok(())
    };
    everywhere(places).unwrap();
}

#[test]
fn rows_of_matrix_products() {
    let _alone = alone();
    for dtype in DTYPES {
        for (k, n) in [(37, 19), (300, 33), (513, 5), (1, 3)] {
            let mut rng = Rng::new("matmul", (k * n) as u64);
            let x = draw(&mut rng, dtype, &[512, k]).array();
            let w = draw(&mut rng, dtype, &[n, k]).array();
            let wt = ops::swapaxes(&w, 0, 1).unwrap();
            let b = draw(&mut rng, dtype, &[k, n]).array();
            let c = draw(&mut rng, dtype, &[n]).array();
            rows_agree(&format!("x @ w.T {dtype} {k}x{n}"), &x, &|x| ops::matmul(x, &wt));
            rows_agree(&format!("x @ b {dtype} {k}x{n}"), &x, &|x| ops::matmul(x, &b));
            rows_agree(&format!("addmm {dtype} {k}x{n}"), &x, &|x| ops::addmm(&c, x, &wt, 0.5, 2.0));
        }
    }
}

/// The layout of an operand does not matter, nor does which operand the batch comes through.
#[test]
fn matrix_products_in_every_layout_and_batch() {
    let _alone = alone();
    for dtype in DTYPES {
        let mut rng = Rng::new("matmul layouts", 0);
        let (a, b) = (draw(&mut rng, dtype, &[3, 20, 270]), draw(&mut rng, dtype, &[3, 270, 18]));
        let want = Data::of(&ops::matmul(&a.array(), &b.array()).unwrap()).unwrap();
        for la in isobit_testing::layouts::Layout::ALL {
            for lb in isobit_testing::layouts::Layout::ALL {
                let (fa, fb) = (la.fit(&a), lb.fit(&b));
                let plain = Data::of(&ops::matmul(&fa.array(), &fb.array()).unwrap()).unwrap();
                let got = ops::matmul(&la.array(&fa).unwrap(), &lb.array(&fb).unwrap()).unwrap();
                compare::same_bits(&Data::of(&got).unwrap(), &plain).unwrap();
            }
        }
        for i in 0..3 {
            let one = ops::matmul(&a.take(0, i).array(), &b.take(0, i).array()).unwrap();
            compare::same_bits(&Data::of(&one).unwrap(), &want.take(0, i)).unwrap();
        }
    }
}

#[test]
fn rows_of_normalisations_and_reductions() {
    let _alone = alone();
    for dtype in DTYPES {
        for n in [1, 5, 64, 127, 300, 1025] {
            let mut rng = Rng::new("norms", n as u64);
            let x = draw(&mut rng, dtype, &[512, n]).array();
            let (w, b) = (draw(&mut rng, dtype, &[n]).array(), draw(&mut rng, dtype, &[n]).array());
            let all: [(&str, Fun<'_>); 8] = [
                ("rms_norm", &|x| ops::rms_norm(x, Some(&w), 1e-5)),
                ("layer_norm", &|x| ops::layer_norm(x, Some(&w), Some(&b), 1e-5)),
                ("softmax", &|x| ops::softmax(x, -1isize, false)),
                ("logsumexp", &|x| ops::logsumexp(x, -1isize, false)),
                ("sum", &|x| ops::sum(x, -1isize, false)),
                ("mean", &|x| ops::mean(x, -1isize, false)),
                ("max", &|x| ops::max(x, -1isize, false)),
                ("cumsum", &|x| ops::cumsum(x, -1isize, false, true)),
            ];
            for (name, f) in all {
                rows_agree(&format!("{name} {dtype} {n}"), &x, f);
            }
        }
    }
}

/// Large enough for several threads and chunks.
#[test]
fn large_operations_at_every_level_and_thread_count() {
    let _alone = alone();
    for dtype in DTYPES {
        let mut rng = Rng::new("large", 0);
        let flat = draw(&mut rng, dtype, &[200_003]).array();
        let tall = draw(&mut rng, dtype, &[3000, 67]).array();
        let all: [(&str, Fun<'_>); 9] = [
            ("exp", &|_| ops::exp(&flat)),
            ("tanh", &|_| ops::tanh(&flat)),
            ("sum", &|_| ops::sum(&flat, .., false)),
            ("cumsum", &|_| ops::cumsum(&flat, 0, false, true)),
            ("sort", &|_| ops::sort(&flat, 0)),
            ("column sums", &|_| ops::sum(&tall, 0isize, false)),
            ("column softmax", &|_| ops::softmax(&tall, 0isize, false)),
            ("logsumexp", &|_| ops::logsumexp(&tall, .., false)),
            ("strided", &|_| ops::sigmoid(&ops::swapaxes(&tall, 0, 1)?)),
        ];
        for (name, f) in all {
            let mut want: Option<Vec<u8>> = None;
            everywhere(|setting| {
                let got = bytes(&f(&flat)?);
                assert!(*want.get_or_insert_with(|| got.clone()) == got, "{name} {dtype}: {setting}");
                Ok(())
            })
            .unwrap();
        }
    }
}

struct Heads {
    q: Data,
    k: Data,
    v: Data,
}

fn heads(rng: &mut Rng, dtype: Dtype, batch: &[usize], hkv: usize, lq: usize, lk: usize) -> Heads {
    let mut make = |h: usize, l: usize| {
        let mut shape = batch.to_vec();
        shape.extend([h, l, 16]);
        draw(rng, dtype, &shape)
    };
    Heads { q: make(4, lq), k: make(hkv, lk), v: make(hkv, lk) }
}

/// Positions `from..to` of the sequence axis.
fn span(a: &Array, from: usize, to: usize) -> Array {
    let (from, to) = (from as isize, to as isize);
    let all = isize::MAX;
    ops::slice(a, &[0, 0, from, 0], &[all, all, to, all], &[1; 4]).unwrap()
}

/// One call, chunks of any size and single steps with a growing cache give the same rows.
#[test]
fn attention_prefilled_in_chunks_or_decoded() {
    let _alone = alone();
    const L: usize = 150;
    for dtype in DTYPES {
        for hkv in [4, 2, 1] {
            let mut rng = Rng::new("sdpa", hkv as u64);
            let h = heads(&mut rng, dtype, &[2], hkv, L, L);
            let (q, k, v) = (h.q.array(), h.k.array(), h.v.array());
            let sinks = draw(&mut rng, dtype, &[4]).array();
            for sinks in [None, Some(&sinks)] {
                let attend = |from: usize, to: usize| {
                    let (q, k, v) = (span(&q, from, to), span(&k, 0, to), span(&v, 0, to));
                    ops::scaled_dot_product_attention(&q, &k, &v, 0.25, Mask::Causal, sinks).unwrap()
                };
                let whole = attend(0, L);
                let want = bytes(&whole);
                let row = |i: usize| bytes(&span(&whole, i, i + 1));
                let steps = |setting: &str| -> Checked {
                    assert!(bytes(&attend(0, L)) == want, "{dtype} {hkv} key heads: {setting}");
                    for chunk in [7, 16, 64, 100] {
                        let mut from = 0;
                        while from < L {
                            let to = (from + chunk).min(L);
                            let got = bytes(&attend(from, to));
                            assert!(
                                got == bytes(&span(&whole, from, to)),
                                "{dtype} {hkv} key heads, queries {from}..{to}: {setting}"
                            );
                            from = to;
                        }
                    }
                    for i in [0, 1, 15, 63, 64, 65, 127, 128, L - 1] {
                        assert!(bytes(&attend(i, i + 1)) == row(i), "{dtype} {hkv} key heads, query {i}: {setting}");
                    }
                    Ok(())
                };
                everywhere(steps).unwrap();
                for i in 0..L {
                    assert!(bytes(&attend(i, i + 1)) == row(i), "{dtype} {hkv} key heads, query {i} alone");
                }
            }
        }
    }
}

/// A key that the mask hides might as well not be there; a bool mask that is causal is the causal mask.
#[test]
fn attention_masks_agree() {
    let _alone = alone();
    const L: usize = 90;
    for dtype in DTYPES {
        let mut rng = Rng::new("masks", 0);
        let h = heads(&mut rng, dtype, &[1], 2, L, L);
        let (q, k, v) = (h.q.array(), h.k.array(), h.v.array());
        let attend = |mask: Mask<'_>| bytes(&ops::scaled_dot_product_attention(&q, &k, &v, 0.25, mask, None).unwrap());
        let causal = attend(Mask::Causal);
        let rows: Vec<f64> = (0..L * L).map(|i| f64::from(u8::from(i % L <= i / L))).collect();
        let seen = Data::new(Dtype::Bool, &[L, L], rows.clone()).array();
        assert!(attend(Mask::Array(&seen)) == causal, "{dtype}: a bool mask");
        let added = rows.iter().map(|&s| if s == 1.0 { 0.0 } else { f64::NEG_INFINITY }).collect();
        let added = Data::new(Dtype::F32, &[L, L], added).array();
        assert!(attend(Mask::Array(&added)) == causal, "{dtype}: an additive mask");
        // Garbage behind the mask changes nothing.
        let spoiled = |x: &Data| {
            let n = x.size();
            let last = n - 16; // the last position of the last head
            let mut values = x.floats();
            values[last..].fill(1e4);
            Data::new(x.dtype, &x.shape, values).array()
        };
        let (k2, v2) = (spoiled(&h.k), spoiled(&h.v));
        let upto = |a: &Array| bytes(&span(a, 0, L - 1));
        let with = ops::scaled_dot_product_attention(&q, &k2, &v2, 0.25, Mask::Causal, None).unwrap();
        let without = ops::scaled_dot_product_attention(&q, &k, &v, 0.25, Mask::Causal, None).unwrap();
        assert!(upto(&with) == upto(&without), "{dtype}: a hidden key");
    }
}

const BATCH: usize = 3;

/// One mask kind with its extra operand.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    None,
    Causal,
    Bool,
    Added,
    Sinks,
}

fn attend(kind: Kind, x: &[Array]) -> Result<Array> {
    let (mask, sinks) = match kind {
        Kind::None => (Mask::None, None),
        Kind::Causal => (Mask::Causal, None),
        Kind::Bool | Kind::Added => (Mask::Array(&x[3]), None),
        Kind::Sinks => (Mask::Causal, Some(&x[3])),
    };
    ops::scaled_dot_product_attention(&x[0], &x[1], &x[2], 0.25, mask, sinks)
}

/// The operands of one call, those of `mapped` with a batch axis in front.
fn operands(rng: &mut Rng, dtype: Dtype, kind: Kind, hkv: usize, mapped: u32) -> Vec<Data> {
    let (lq, lk) = (5, 9);
    let mut shapes: Vec<Vec<usize>> = vec![vec![2, 4, lq, 16], vec![2, hkv, lk, 16], vec![2, hkv, lk, 16]];
    match kind {
        Kind::Bool | Kind::Added => shapes.push(vec![2, 4, lq, lk]),
        Kind::Sinks => shapes.push(vec![4]),
        _ => {}
    }
    let mut out = Vec::new();
    for (i, mut shape) in shapes.into_iter().enumerate() {
        if mapped >> i & 1 == 1 {
            shape.insert(0, BATCH);
        }
        out.push(if i == 3 && kind == Kind::Bool {
            let n = shape.iter().product();
            Data::new(Dtype::Bool, &shape, (0..n).map(|_| rng.below(4).min(1) as f64).collect())
        } else {
            draw(rng, if i == 3 && kind == Kind::Added { Dtype::F32 } else { dtype }, &shape)
        });
    }
    out
}

fn element(xs: &[Data], mapped: u32, b: usize) -> Vec<Array> {
    xs.iter().enumerate().map(|(i, x)| if mapped >> i & 1 == 1 { x.take(0, b).array() } else { x.array() }).collect()
}

fn gradients(kind: Kind, x: &[Array]) -> Result<Vec<Array>> {
    let wanted: Vec<usize> = (0..x.len()).filter(|&i| x[i].dtype().is_inexact()).collect();
    let f = |x: &[Array]| {
        let y = ops::astype(&attend(kind, x)?, Dtype::F32)?;
        ops::sum(&ops::multiply(&y, &y)?, .., false)
    };
    transforms::grad(f, wanted)(x)
}

#[test]
fn vmap_of_attention_and_its_gradients() {
    let _alone = alone();
    for kind in [Kind::None, Kind::Causal, Kind::Bool, Kind::Added, Kind::Sinks] {
        let count = if matches!(kind, Kind::None | Kind::Causal) { 3 } else { 4 };
        for hkv in [4, 2, 1] {
            for mapped in 1..1u32 << count {
                for dtype in [Dtype::F32, Dtype::BF16] {
                    let mut rng = Rng::new("vmap sdpa", u64::from(mapped) + hkv as u64 * 64);
                    let xs = operands(&mut rng, dtype, kind, hkv, mapped);
                    let whole: Vec<Array> = xs.iter().map(Data::array).collect();
                    let place = format!("{kind:?} {hkv} key heads, mapped {mapped:b}, {dtype}");
                    check_vmap(kind, &xs, &whole, mapped, &place);
                    if dtype == Dtype::F32 {
                        check_grad_of_vmap(kind, &xs, &whole, mapped, &place);
                    }
                }
            }
        }
    }
}

fn in_axes(xs: &[Data], mapped: u32) -> Vec<Option<isize>> {
    (0..xs.len()).map(|i| (mapped >> i & 1 == 1).then_some(0)).collect()
}

fn check_vmap(kind: Kind, xs: &[Data], whole: &[Array], mapped: u32, place: &str) {
    let value = |x: &[Array]| Ok(vec![attend(kind, x)?]);
    let slopes = |x: &[Array]| gradients(kind, x);
    let functions: [(&str, &dyn Fn(&[Array]) -> Result<Vec<Array>>); 2] = [("vmap", &value), ("vmap of grad", &slopes)];
    for (name, f) in functions {
        let rows: Vec<Vec<Array>> = (0..BATCH).map(|b| f(&element(xs, mapped, b)).unwrap()).collect();
        let run = transforms::vmap_with(f, in_axes(xs, mapped), vec![Some(0); rows[0].len()]);
        let got = run(whole).unwrap();
        for (o, g) in got.iter().enumerate() {
            let want: Vec<u8> = rows.iter().flat_map(|r| bytes(&r[o])).collect();
            assert!(bytes(g) == want, "{place}: {name}, output {o}");
        }
    }
}

fn check_grad_of_vmap(kind: Kind, xs: &[Data], whole: &[Array], mapped: u32, place: &str) {
    let wanted: Vec<usize> = (0..xs.len()).filter(|&i| xs[i].dtype.is_inexact()).collect();
    let total = |x: &[Array]| {
        let y = transforms::vmap_with(|x: &[Array]| Ok(vec![attend(kind, x)?]), in_axes(xs, mapped), vec![Some(0)])(x)?;
        ops::sum(&ops::multiply(&y[0], &y[0])?, .., false)
    };
    let got = transforms::grad(total, wanted.clone())(whole).unwrap();
    let rows: Vec<Vec<Array>> = (0..BATCH).map(|b| gradients(kind, &element(xs, mapped, b)).unwrap()).collect();
    for (o, &i) in wanted.iter().enumerate() {
        let parts: Vec<Data> = rows.iter().map(|r| Data::of(&r[o]).unwrap()).collect();
        let want = if mapped >> i & 1 == 1 {
            Data::stack(&parts, 0).floats()
        } else {
            (0..parts[0].size()).map(|j| parts.iter().map(|p| p.floats()[j]).sum()).collect()
        };
        let got = Data::of(&got[o]).unwrap();
        assert_eq!(got.shape, xs[i].shape, "{place}: grad of vmap, input {i}");
        compare::close(&got.floats(), &want, 2e-5).unwrap_or_else(|f| panic!("{place}: input {i}: {}", f.0));
    }
}

/// Every number of rows, at every level and with any number of threads, with every width and kind of codes, on either side
/// (`quantized_rows.rs` has every format with every dtype on both).
#[test]
fn rows_of_quantized_products() {
    use isobit::quant::{Format, Mode};
    let _alone = alone();
    let formats = [
        (Mode::Affine, 64, 4),
        (Mode::Affine, 32, 2),
        (Mode::Affine, 64, 3),
        (Mode::Affine, 32, 5),
        (Mode::Affine, 128, 6),
        (Mode::Affine, 32, 8),
        (Mode::Mxfp4, 32, 4),
        (Mode::Mxfp8, 32, 8),
        (Mode::Nvfp4, 16, 4),
    ];
    for (i, (mode, group, bits)) in formats.into_iter().enumerate() {
        let f = Format::new(mode, Some(group), Some(bits)).unwrap();
        for dtype in DTYPES {
            // Not transposed is a dense product of the dequantized matrix: every third time.
            let transpose = i % 3 != 2;
            let (along, across) = (3 * group, 21);
            let (k, n) = if transpose { (along, across) } else { (across, along) };
            let mut rng = Rng::new("quantized", group as u64);
            let w = draw(&mut rng, dtype, &[across, along]).array();
            let q = ops::quantize(&w, f, None).unwrap();
            let x = draw(&mut rng, dtype, &[512, k]).array();
            let product = |x: &Array| ops::quantized_matmul(x, &q.codes, &q.scales, q.biases.as_ref(), transpose, f);
            rows_agree(&format!("{mode:?} {bits} bits {dtype} transpose {transpose} {k}x{n}"), &x, &product);
            if !f.has_int8() {
                continue;
            }
            // The mode with rounded activations, alone and gathered.
            let x = draw(&mut rng, dtype, &[512, along]).array();
            let rounded = |x: &Array| ops::quantized_matmul_int8(x, &q.codes, &q.scales, q.biases.as_ref(), f);
            rows_agree(&format!("{mode:?} {bits} bits {dtype} int8 {along}x{across}"), &x, &rounded);
            let stacked = |a: &Array| ops::stack(&[a.clone(), a.clone()], 0);
            let (codes, scales) = (stacked(&q.codes).unwrap(), stacked(&q.scales).unwrap());
            let biases = q.biases.as_ref().map(|b| stacked(b).unwrap());
            let want = rounded(&x).unwrap().to_bytes().unwrap();
            let both = Array::from_slice(&(0..512).map(|i| i * i / 7 % 2).collect::<Vec<i32>>(), &[512]).unwrap();
            let x = ops::expand_dims(&x, 1).unwrap();
            let gathered = || {
                let y = ops::gather_qmm_int8(&x, &codes, &scales, biases.as_ref(), None, Some(&both), f).unwrap();
                assert!(y.to_bytes().unwrap() == want, "{mode:?} {bits} bits {dtype} int8 gathered");
                Ok(())
            };
            everywhere(|_| gathered()).unwrap();
        }
    }
}
