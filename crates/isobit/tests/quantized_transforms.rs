//! Every quantized, gathered, masked and segmented product, and quantization itself, as users call them, under every
//! transform: batches over each operand and any of them together, at any axis and in batches of batches, against loops, bit
//! for bit; derivatives against each other, against differences, and in batches; sizes of zero; indices of every dtype.
//!
//! The matrix of checks does this for primitives; most of these functions are compositions of them.

use isobit::quant::{Format, Mode};
use isobit::{Array, Dtype, Result, ops, transforms};
use isobit_testing::data::Data;
use isobit_testing::draw::Rng;

/// What an argument holds.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// Floats around zero.
    Real,
    /// Affine scales.
    Scale,
    /// Codes in words; those of 8-bit floats without NaN.
    Codes { bytes: bool },
    /// Scales of nvfp4 (true), or powers of two.
    Bytes(bool),
    /// Global scales: float32 whatever the others are.
    Global,
    /// Indices of that many matrices, negative ones too; segments of an axis that long.
    Index(usize),
    /// Which blocks there are.
    Mask,
}

impl Kind {
    /// Whether there is a derivative with respect to it.
    fn traced(self) -> bool {
        matches!(self, Kind::Real | Kind::Scale | Kind::Global)
    }

    fn dtype(self, real: Dtype) -> Dtype {
        match self {
            Kind::Real | Kind::Scale => real,
            Kind::Codes { .. } => Dtype::U32,
            Kind::Bytes(_) => Dtype::U8,
            Kind::Global => Dtype::F32,
            Kind::Index(_) => Dtype::I32,
            Kind::Mask => Dtype::Bool,
        }
    }

    fn draw(self, rng: &mut Rng, real: Dtype, shape: &[usize]) -> Data {
        let n: usize = shape.iter().product();
        let mut one = || match self {
            Kind::Real => rng.real(-2.0, 2.0),
            Kind::Scale => rng.real(0.01, 0.05),
            Kind::Codes { bytes: true } => (rng.bits() as u32 & 0xf7f7_f7f7).into(),
            Kind::Codes { bytes: false } => (rng.bits() as u32).into(),
            Kind::Bytes(true) => 40.0 + rng.below(24) as f64,
            Kind::Bytes(false) => 124.0 + rng.below(4) as f64,
            Kind::Global => rng.real(1.0, 6.0),
            Kind::Index(n) => rng.below(2 * n) as f64 - n as f64,
            Kind::Mask => rng.below(8).min(1) as f64,
        };
        Data::new(self.dtype(real), shape, (0..n).map(|_| one()).collect())
    }
}

type Run = Box<dyn Fn(&[Array]) -> Result<Vec<Array>>>;

struct Product {
    name: String,
    args: Vec<(Kind, Vec<usize>)>,
    outputs: usize,
    /// Whether its derivative is the limit of differences, and there is a float64 to see it in.
    smooth: bool,
    run: Run,
}

/// Sizes of one product: leading axes of x and of the matrices, rows, groups along the codes, the other side, pairs.
#[derive(Clone, Copy)]
struct Sizes {
    x: usize,
    e: usize,
    m: usize,
    groups: usize,
    across: usize,
    pairs: usize,
}

const USUAL: Sizes = Sizes { x: 2, e: 3, m: 2, groups: 2, across: 3, pairs: 4 };

fn with(lead: &[usize], rest: &[usize]) -> Vec<usize> {
    [lead, rest].concat()
}

/// Codes, scales and perhaps biases of matrices `[lead..., rows, groups]`.
fn matrices(f: Format, lead: &[usize], rows: usize, groups: usize) -> Vec<(Kind, Vec<usize>)> {
    let per_group = with(lead, &[rows, groups]);
    let codes = with(lead, &[rows, f.words(groups * f.group_size())]);
    let mut all = vec![(Kind::Codes { bytes: f.mode() == Mode::Mxfp8 }, codes)];
    match f.mode() {
        Mode::Affine => all.extend([(Kind::Scale, per_group.clone()), (Kind::Real, per_group)]),
        mode => all.push((Kind::Bytes(mode == Mode::Nvfp4), per_group)),
    }
    all
}

/// Every product in a format, of these sizes.
fn products(f: Format, s: Sizes) -> Vec<Product> {
    let mut all = Vec::new();
    let affine = f.mode() == Mode::Affine;
    let along = s.groups * f.group_size();
    let mut add = |name: &str, args: Vec<(Kind, Vec<usize>)>, smooth: bool, run: Run| {
        let outputs = if name == "quantize" { if affine { 3 } else { 2 } } else { 1 };
        all.push(Product { name: format!("{name} {f:?}"), args, outputs, smooth, run });
    };
    let of_matrix = move |a: &[Array]| (a[0].clone(), a[1].clone(), a.get(2).filter(|_| affine).cloned());
    add(
        "quantize",
        vec![(Kind::Real, vec![s.e, s.across, along])],
        false,
        Box::new(move |a| {
            let q = ops::quantize(&a[0], f, None)?;
            Ok([q.codes, q.scales].into_iter().chain(q.biases).collect())
        }),
    );
    add(
        "dequantize",
        matrices(f, &[s.e], s.across, s.groups),
        affine,
        Box::new(move |a| {
            let (c, q, b) = of_matrix(a);
            Ok(vec![ops::dequantize(&c, &q, b.as_ref(), f, None, None)?])
        }),
    );
    for transpose in [true, false] {
        let (k, rows) = if transpose { (along, s.across) } else { (s.across, s.across) };
        let x = (Kind::Real, vec![s.x, s.m, k]);
        let name = format!("quantized_matmul transpose {transpose}");
        let run: Run = Box::new(move |a| {
            let (c, q, b) = of_matrix(&a[1..]);
            Ok(vec![ops::quantized_matmul(&a[0], &c, &q, b.as_ref(), transpose, f)?])
        });
        // The leading axis of the matrices is stretched.
        add(&name, [vec![x.clone()], matrices(f, &[1], rows, s.groups)].concat(), true, run);
        let pairs = |e: usize| (Kind::Index(e), vec![s.pairs]);
        let chosen = vec![x, pairs(s.x), pairs(s.e)];
        let run: Run = Box::new(move |a| {
            let (c, q, b) = of_matrix(&a[3..]);
            Ok(vec![ops::gather_qmm(&a[0], &c, &q, b.as_ref(), Some(&a[1]), Some(&a[2]), transpose, f)?])
        });
        let name = format!("gather_qmm transpose {transpose}");
        add(&name, [chosen.clone(), matrices(f, &[s.e], rows, s.groups)].concat(), true, run);
        if f.mode() == Mode::Nvfp4 {
            let run: Run = Box::new(move |a| {
                let (l, r) = (Some(&a[1]), Some(&a[2]));
                Ok(vec![ops::gather_qmm_scaled(&a[0], &a[3], &a[4], None, l, r, transpose, f, &a[5])?])
            });
            let name = format!("gather_qmm with global scales, transpose {transpose}");
            let args = [chosen, matrices(f, &[s.e], rows, s.groups), vec![(Kind::Global, vec![s.e])]].concat();
            add(&name, args, false, run);
        }
    }
    let x = (Kind::Real, vec![s.x, s.m, along]);
    let chosen = vec![x.clone(), (Kind::Index(s.x), vec![s.pairs]), (Kind::Index(s.e), vec![s.pairs])];
    let codes = |lead: &[usize]| matrices(f, lead, s.across, s.groups);
    if f.has_int8() {
        let run: Run = Box::new(move |a| {
            let (c, q, b) = of_matrix(&a[1..]);
            Ok(vec![ops::quantized_matmul_int8(&a[0], &c, &q, b.as_ref(), f)?])
        });
        add("quantized_matmul_int8", [vec![x.clone()], codes(&[s.x])].concat(), false, run);
        let run: Run = Box::new(move |a| {
            let (c, q, b) = of_matrix(&a[3..]);
            Ok(vec![ops::gather_qmm_int8(&a[0], &c, &q, b.as_ref(), Some(&a[1]), Some(&a[2]), f)?])
        });
        add("gather_qmm_int8", [chosen.clone(), codes(&[s.e])].concat(), false, run);
    }
    if affine {
        return all;
    }
    let dense = |lead: &[usize]| vec![(Kind::Real, with(lead, &[s.across, along]))];
    for scaled in [false, true] {
        if scaled && f.mode() != Mode::Nvfp4 {
            continue;
        }
        let global = |lead: &[usize]| {
            if scaled { vec![(Kind::Global, vec![]), (Kind::Global, lead.to_vec())] } else { Vec::new() }
        };
        let note = if scaled { " with global scales" } else { "" };
        let run: Run = Box::new(move |a| Ok(vec![ops::qqmm(&a[0], &a[1], Some(&a[2]), f, a.get(3), a.get(4))?]));
        add(&format!("qqmm of codes{note}"), [vec![x.clone()], codes(&[]), global(&[])].concat(), false, run);
        let run: Run = Box::new(move |a| Ok(vec![ops::qqmm(&a[0], &a[1], None, f, a.get(2), a.get(3))?]));
        add(&format!("qqmm{note}"), [vec![x.clone()], dense(&[s.x]), global(&[])].concat(), false, run);
        let run: Run = Box::new(move |a| {
            let (l, r) = (Some(&a[1]), Some(&a[2]));
            Ok(vec![ops::gather_qqmm(&a[0], &a[3], Some(&a[4]), l, r, f, a.get(5), a.get(6))?])
        });
        let args = [chosen.clone(), codes(&[s.e]), global(&[s.e])].concat();
        add(&format!("gather_qqmm of codes{note}"), args, false, run);
        let run: Run = Box::new(move |a| {
            let (l, r) = (Some(&a[1]), Some(&a[2]));
            Ok(vec![ops::gather_qqmm(&a[0], &a[3], None, l, r, f, a.get(4), a.get(5))?])
        });
        add(&format!("gather_qqmm{note}"), [chosen.clone(), dense(&[s.e]), global(&[s.e])].concat(), false, run);
    }
    all
}

/// Products without codes.
fn dense_products(s: Sizes) -> Vec<Product> {
    let (k, n) = (5 * s.groups, s.across);
    let product = |name: &str, args: Vec<(Kind, Vec<usize>)>, run: Run| Product {
        name: name.to_string(),
        args,
        outputs: 1,
        smooth: true,
        run,
    };
    let real = |shape: &[usize]| (Kind::Real, shape.to_vec());
    let blocks = |n: usize| n.div_ceil(3);
    let masks = |kind: Kind| {
        vec![
            real(&[s.x, s.m, k]),
            real(&[k, n]),
            (kind, vec![blocks(s.m), blocks(n)]),
            (kind, vec![s.x, blocks(s.m), blocks(k)]),
            (kind, vec![blocks(k), blocks(n)]),
        ]
    };
    let masked = || -> Run {
        Box::new(|a| Ok(vec![ops::block_masked_mm(&a[0], &a[1], 3, Some(&a[2]), Some(&a[3]), Some(&a[4]))?]))
    };
    vec![
        product(
            "gather_mm",
            vec![
                real(&[s.x, s.m, k]),
                real(&[s.e, k, n]),
                (Kind::Index(s.x), vec![s.pairs]),
                (Kind::Index(s.e), vec![s.pairs]),
            ],
            Box::new(|a| Ok(vec![ops::gather_mm(&a[0], &a[1], Some(&a[2]), Some(&a[3]))?])),
        ),
        product("block_masked_mm, masks of numbers", masks(Kind::Real), masked()),
        product("block_masked_mm, masks of bools", masks(Kind::Mask), masked()),
        product(
            "segmented_mm",
            vec![real(&[s.m, k]), real(&[k, n]), (Kind::Index(k), vec![s.pairs, 2])],
            Box::new(|a| Ok(vec![ops::segmented_mm(&a[0], &a[1], &a[2])?])),
        ),
    ]
}

/// One format of each kind: the primitives are tested with all.
fn every_product(s: Sizes) -> Vec<Product> {
    let formats = [
        (Mode::Affine, 32, 4),
        (Mode::Affine, 32, 3),
        (Mode::Mxfp4, 32, 4),
        (Mode::Mxfp8, 32, 8),
        (Mode::Nvfp4, 16, 4),
    ];
    let formats = formats.map(|(mode, group, bits)| Format::new(mode, Some(group), Some(bits)).unwrap());
    formats.into_iter().flat_map(|f| products(f, s)).chain(dense_products(s)).collect()
}

impl Product {
    fn draw(&self, rng: &mut Rng, real: Dtype) -> Vec<Data> {
        self.args.iter().map(|(kind, shape)| kind.draw(rng, real, shape)).collect()
    }

    fn traced(&self) -> Vec<usize> {
        (0..self.args.len()).filter(|&i| self.args[i].0.traced()).collect()
    }

    /// Whether it has derivatives at all.
    fn bends(&self) -> bool {
        !(self.traced().is_empty() || self.name.starts_with("quantize ") && self.outputs == 2)
    }
}

type Function<'a> = &'a dyn Fn(&[Array]) -> Result<Vec<Array>>;

/// `all` with those at `at` replaced.
fn replaced(all: &[Array], at: &[usize], by: &[Array]) -> Vec<Array> {
    let mut all = all.to_vec();
    for (&i, x) in at.iter().zip(by) {
        all[i] = x.clone();
    }
    all
}

/// The outputs of `f` that have derivatives, in float32 at least.
fn floats(f: Function<'_>, a: &[Array]) -> Result<Vec<Array>> {
    let y = f(a)?.into_iter().filter(|y| y.dtype().is_inexact());
    y.map(|y| ops::astype(&y, y.dtype().promote(Dtype::F32))).collect()
}

/// The gradients of the sum of all squares with respect to the arguments at `wanted`.
fn slopes(f: Function<'_>, wanted: &[usize], all: &[Array]) -> Result<Vec<Array>> {
    let loss = |a: &[Array]| {
        let parts = floats(f, a)?.iter().map(|y| ops::sum(&ops::square(y)?, .., false)).collect::<Result<Vec<_>>>()?;
        ops::sum(&ops::stack(&parts, 0)?, .., false)
    };
    transforms::grad(loss, wanted.to_vec())(all)
}

fn arrays(xs: &[Data]) -> Vec<Array> {
    xs.iter().map(Data::array).collect()
}

/// Axes of a batch: of each argument one, counted from either end, or none; of at least one argument.
fn random_axes(rng: &mut Rng, xs: &[Data], always: usize, chance: usize) -> Vec<Option<isize>> {
    let mut axes: Vec<Option<isize>> = vec![None; xs.len()];
    for (i, x) in xs.iter().enumerate() {
        if i == always || rng.below(4) < chance {
            let n = x.shape.len() as isize + 1;
            axes[i] = Some(rng.below(2 * n as usize) as isize - n);
        }
    }
    axes
}

fn place(axis: isize, ndim: usize) -> usize {
    if axis < 0 { (axis + ndim as isize) as usize } else { axis as usize }
}

/// `size` draws of the arguments, those with an axis stacked along it.
fn batch(
    rng: &mut Rng,
    xs: &[Data],
    again: impl Fn(&mut Rng) -> Vec<Data>,
    axes: &[Option<isize>],
    size: usize,
) -> Vec<Data> {
    let draws: Vec<Vec<Data>> = (0..size).map(|_| again(rng)).collect();
    let of = |(i, axis): (usize, &Option<isize>)| match axis {
        None => xs[i].clone(),
        Some(axis) => {
            let at = place(*axis, xs[i].shape.len() + 1);
            if size == 0 {
                return xs[i].none_along(at);
            }
            Data::stack(&draws.iter().map(|d| d[i].clone()).collect::<Vec<_>>(), at)
        }
    };
    axes.iter().enumerate().map(of).collect()
}

fn element(xs: &[Data], axes: &[Option<isize>], b: usize) -> Vec<Data> {
    let one = |(x, axis): (&Data, &Option<isize>)| match axis {
        Some(axis) => x.take(place(*axis, x.shape.len()), b),
        None => x.clone(),
    };
    xs.iter().zip(axes).map(one).collect()
}

/// `vmap` of `f` against a loop, bit for bit, with results along `out`.
fn like_a_loop(
    place: &str,
    f: Function<'_>,
    xs: &[Data],
    axes: &[Option<isize>],
    out: isize,
    size: usize,
) -> Result<()> {
    let rows = (0..size).map(|b| f(&arrays(&element(xs, axes, b)))).collect::<Result<Vec<_>>>()?;
    let got = transforms::vmap_with(f, axes.to_vec(), vec![Some(out); rows[0].len()])(&arrays(xs))?;
    assert_eq!(got.len(), rows[0].len());
    for (b, row) in rows.iter().enumerate() {
        for (o, (got, want)) in got.iter().zip(row).enumerate() {
            let got = ops::take_index(got, b, out)?;
            assert_eq!(
                (got.shape(), got.dtype()),
                (want.shape(), want.dtype()),
                "{place} {axes:?}: output {o}, element {b}"
            );
            assert!(
                got.to_bytes()? == want.to_bytes()?,
                "{place} {axes:?} to {out}: output {o}, element {b} has other bits"
            );
        }
    }
    Ok(())
}

#[test]
fn batches_over_any_operands() -> Result<()> {
    for p in every_product(USUAL) {
        let mut rng = Rng::new(&p.name, 1);
        for dtype in [Dtype::F32, Dtype::BF16, Dtype::F16] {
            let xs = p.draw(&mut rng, dtype);
            // Each operand alone, each with some others, all of them.
            for round in 0..2 * xs.len() + 1 {
                let axes = random_axes(&mut rng, &xs, round % xs.len(), [0, 2, 4][round / xs.len()]);
                let whole = batch(&mut rng, &xs, |rng| p.draw(rng, dtype), &axes, 3);
                let out = [0, -1, 1][round % 3];
                like_a_loop(&format!("{} {dtype}", p.name), &*p.run, &whole, &axes, out, 3)?;
            }
            // No elements at all.
            let axes = random_axes(&mut rng, &xs, 0, 2);
            let none = batch(&mut rng, &xs, |rng| p.draw(rng, dtype), &axes, 0);
            let like = (p.run)(&arrays(&xs))?;
            let got = transforms::vmap_with(|a| (p.run)(a), axes, vec![Some(0); like.len()])(&arrays(&none))?;
            for (got, like) in got.iter().zip(&like) {
                assert_eq!((got.shape(), got.dtype()), (&with(&[0], like.shape())[..], like.dtype()), "{}", p.name);
                assert!(got.to_bytes()?.is_empty());
            }
        }
    }
    Ok(())
}

#[test]
fn batches_of_batches_and_of_gradients() -> Result<()> {
    for p in every_product(USUAL) {
        let mut rng = Rng::new(&p.name, 2);
        for dtype in [Dtype::F32, Dtype::BF16] {
            let xs = p.draw(&mut rng, dtype);
            for round in 0..4 {
                let inner = random_axes(&mut rng, &xs, round % xs.len(), 2);
                let again = |rng: &mut Rng| batch(rng, &xs, |rng| p.draw(rng, dtype), &inner, 2);
                let whole = again(&mut rng);
                let outer = random_axes(&mut rng, &whole, (round + 1) % xs.len(), 2);
                let all = batch(&mut rng, &whole, again, &outer, 3);
                let out = [0isize, -1][round % 2];
                let place = format!("{} {dtype}, {inner:?} in", p.name);
                let one =
                    |a: &[Array]| transforms::vmap_with(|b| (p.run)(b), inner.clone(), vec![Some(out); p.outputs])(a);
                like_a_loop(&place, &one, &all, &outer, 0, 3)?;
                if p.bends() {
                    let wanted = p.traced();
                    let gradients = |a: &[Array]| slopes(&*p.run, &wanted, a);
                    like_a_loop(&place, &gradients, &whole, &inner, 0, 2)?;
                    let outs = vec![Some(0); wanted.len()];
                    let one = |a: &[Array]| transforms::vmap_with(gradients, inner.clone(), outs.clone())(a);
                    like_a_loop(&place, &one, &all, &outer, 0, 3)?;
                }
            }
        }
    }
    Ok(())
}

fn inner(a: &[Array], b: &[Array]) -> Result<f64> {
    let mut sum = 0.0;
    for (a, b) in a.iter().zip(b) {
        let wide = |x: &Array| ops::astype(x, Dtype::F64);
        sum += ops::sum(&ops::multiply(&wide(a)?, &wide(b)?)?, .., false)?.item::<f64>()?;
    }
    Ok(sum)
}

fn size(a: &[Array]) -> Result<f64> {
    Ok(inner(a, a)?.sqrt())
}

fn directions(rng: &mut Rng, like: &[Array]) -> Vec<Array> {
    like.iter().map(|a| rng.direction(a.dtype(), a.shape()).array()).collect()
}

/// Reverse and forward derivatives are each other's transpose; so are second ones. In float64 they are the limit of
/// differences. A batch's derivatives are those of its elements.
#[test]
fn derivatives_agree() -> Result<()> {
    for p in every_product(USUAL).into_iter().filter(Product::bends) {
        let mut rng = Rng::new(&p.name, 3);
        let name = &p.name;
        let real = if p.smooth { Dtype::F64 } else { Dtype::F32 };
        let close = if p.smooth { 1e-10 } else { 2e-5 };
        let all = arrays(&p.draw(&mut rng, real));
        let wanted = p.traced();
        let primals: Vec<Array> = wanted.iter().map(|&i| all[i].clone()).collect();
        let f = |t: &[Array]| floats(&*p.run, &replaced(&all, &wanted, t));
        let tangents = directions(&mut rng, &primals);
        let (y, t) = transforms::jvp(f, &primals, &tangents)?;
        let cts = directions(&mut rng, &y);
        let (_, g) = transforms::vjp(f, &primals, &cts)?;
        for (g, x) in g.iter().zip(&primals) {
            assert_eq!((g.shape(), g.dtype()), (x.shape(), x.dtype()), "{name}");
        }
        let (forward, reverse) = (inner(&cts, &t)?, inner(&g, &tangents)?);
        let slack = close * (size(&cts)? * size(&t)? + size(&g)? * size(&tangents)?);
        assert!((forward - reverse).abs() <= slack, "{name}: forward {forward}, reverse {reverse}");
        assert!(size(&g)? > 0.0 && size(&t)? > 0.0, "{name}");
        // Second derivatives are symmetric: the jvp of the gradient along u, times v, and the other way round. And the vjp
        // of the gradient is its jvp.
        let slopes = |t: &[Array]| slopes(&*p.run, &wanted, &replaced(&all, &wanted, t));
        let (u, v) = (&tangents, directions(&mut rng, &primals));
        let (h, hu) = transforms::jvp(slopes, &primals, u)?;
        let (_, hv) = transforms::jvp(slopes, &primals, &v)?;
        let (_, vh) = transforms::vjp(slopes, &primals, &v)?;
        let (a, b, c) = (inner(&hu, &v)?, inner(&hv, u)?, inner(&vh, u)?);
        let slack = 4.0 * close * (size(&hu)? * size(&v)? + size(&hv)? * size(u)? + size(&h)?);
        assert!((a - b).abs() <= slack && (a - c).abs() <= slack, "{name}: second derivatives {a}, {b}, {c}");
        if p.smooth {
            let step = 1e-6;
            let moved = |h: f64| -> Result<Vec<Array>> {
                let shift = |(x, t): (&Array, &Array)| ops::add(x, &ops::multiply(t, &Array::scalar(h, x.dtype()))?);
                f(&primals.iter().zip(&tangents).map(shift).collect::<Result<Vec<_>>>()?)
            };
            for ((t, up), down) in t.iter().zip(moved(step)?).zip(moved(-step)?) {
                let limit = ops::divide(&ops::subtract(&up, &down)?, &Array::scalar(2.0 * step, up.dtype()))?;
                let off = size(&[ops::subtract(&limit, t)?])?;
                assert!(off <= 1e-6 * (1.0 + size(&[t.clone()])?), "{name}: {off} off the differences");
            }
        }
        batches_have_the_derivatives_of_elements(&p, &mut rng, real, close)?;
    }
    Ok(())
}

/// The gradient of a batch's sum: that of each element for what is batched, the sum of all for what is not.
fn batches_have_the_derivatives_of_elements(p: &Product, rng: &mut Rng, real: Dtype, close: f64) -> Result<()> {
    let (xs, wanted) = (p.draw(rng, real), p.traced());
    for round in 0..3 {
        let axes = random_axes(rng, &xs, round % xs.len(), 2);
        let whole = batch(rng, &xs, |rng| p.draw(rng, real), &axes, 3);
        let row = |b: usize| slopes(&*p.run, &wanted, &arrays(&element(&whole, &axes, b)));
        let rows = (0..3).map(row).collect::<Result<Vec<_>>>()?;
        let outs = vec![Some(0); p.outputs];
        let batched = |a: &[Array]| transforms::vmap_with(|b| (p.run)(b), axes.clone(), outs.clone())(a);
        let got = slopes(&batched, &wanted, &arrays(&whole))?;
        for (o, &i) in wanted.iter().enumerate() {
            let parts: Vec<Array> = rows.iter().map(|r| r[o].clone()).collect();
            let want = match axes[i] {
                Some(axis) => ops::stack(&parts, axis)?,
                None => ops::sum(&ops::stack(&parts, 0)?, 0isize, false)?,
            };
            assert_eq!((got[o].shape(), got[o].dtype()), (want.shape(), want.dtype()), "{}: {axes:?}", p.name);
            let off = size(&[ops::subtract(&got[o], &want)?])?;
            assert!(off <= 10.0 * close * size(&[want])? + 1e-30, "{}: {axes:?}, input {i}: {off}", p.name);
        }
    }
    Ok(())
}

/// No rows, no pairs, nothing to add up, no columns: shapes and dtypes as ever, zeros where there is something, and so for
/// derivatives and batches.
#[test]
fn sizes_of_zero() -> Result<()> {
    let sizes = [
        Sizes { m: 0, ..USUAL },
        Sizes { pairs: 0, ..USUAL },
        Sizes { groups: 0, ..USUAL },
        Sizes { across: 0, ..USUAL },
        Sizes { m: 0, pairs: 0, groups: 0, across: 0, ..USUAL },
        // No tokens, and none of them has an expert.
        Sizes { x: 0, pairs: 0, ..USUAL },
        Sizes { x: 0, e: 0, pairs: 0, ..USUAL },
    ];
    for s in sizes {
        for p in every_product(s) {
            let mut rng = Rng::new(&p.name, 4);
            let xs = p.draw(&mut rng, Dtype::F32);
            let all = arrays(&xs);
            let place = format!(
                "{} x {} e {} m {} groups {} across {} pairs {}",
                p.name, s.x, s.e, s.m, s.groups, s.across, s.pairs
            );
            if xs.iter().zip(&p.args).any(|(x, (kind, _))| matches!(kind, Kind::Index(0)) && x.size() > 0) {
                continue;
            }
            let y = (p.run)(&all)?;
            let of_nothing = xs[0].size() == 0 || s.groups == 0;
            if of_nothing && !p.name.contains("quantize ") {
                assert!(y.iter().all(|y| Data::of(y).unwrap().floats().iter().all(|&v| v == 0.0)), "{place}");
            }
            if p.bends() {
                let wanted = p.traced();
                for (g, &i) in slopes(&*p.run, &wanted, &all)?.iter().zip(&wanted) {
                    assert_eq!((g.shape(), g.dtype()), (all[i].shape(), all[i].dtype()), "{place}");
                    assert!(Data::of(g).unwrap().floats().iter().all(|v| v.is_finite()), "{place}");
                }
                let t = directions(&mut rng, &wanted.iter().map(|&i| all[i].clone()).collect::<Vec<_>>());
                let primals: Vec<Array> = wanted.iter().map(|&i| all[i].clone()).collect();
                let f = |t: &[Array]| floats(&*p.run, &replaced(&all, &wanted, t));
                let (y, d) = transforms::jvp(f, &primals, &t)?;
                for (y, d) in y.iter().zip(&d) {
                    assert_eq!((y.shape(), y.dtype()), (d.shape(), d.dtype()), "{place}");
                    d.eval()?;
                }
            }
            for round in 0..3 {
                let axes = random_axes(&mut rng, &xs, round % xs.len(), 2);
                let whole = batch(&mut rng, &xs, |rng| p.draw(rng, Dtype::F32), &axes, 2);
                like_a_loop(&place, &*p.run, &whole, &axes, 0, 2)?;
            }
        }
    }
    Ok(())
}

/// Indices and segments of every integer dtype, alone and in batches, with the gradients.
#[test]
fn indices_of_every_dtype() -> Result<()> {
    let dtypes = [Dtype::I8, Dtype::I16, Dtype::I64, Dtype::U8, Dtype::U16, Dtype::U32, Dtype::U64];
    for p in every_product(USUAL) {
        let indices: Vec<usize> = (0..p.args.len()).filter(|&i| matches!(p.args[i].0, Kind::Index(_))).collect();
        if indices.is_empty() {
            continue;
        }
        let mut rng = Rng::new(&p.name, 5);
        let xs = p.draw(&mut rng, Dtype::F32);
        for dtype in dtypes {
            // Without a sign they count from the front.
            let count = |i: usize| match p.args[i].0 {
                Kind::Index(n) => n as i128,
                _ => 0,
            };
            let positive =
                |i: usize, x: &Data| x.map(|v| v, |v| if dtype.is_unsigned() { v.rem_euclid(count(i)) } else { v });
            let in_i32: Vec<Data> = xs
                .iter()
                .enumerate()
                .map(|(i, x)| if indices.contains(&i) { positive(i, x) } else { x.clone() })
                .collect();
            let as_dtype = |(i, x): (usize, &Data)| {
                if indices.contains(&i) { Data { dtype, ..x.clone() } } else { x.clone() }
            };
            let other: Vec<Data> = in_i32.iter().enumerate().map(as_dtype).collect();
            let (want, got) = (arrays(&in_i32), arrays(&other));
            let place = format!("{} {dtype}", p.name);
            assert_eq!((p.run)(&got)?[0].to_bytes()?, (p.run)(&want)?[0].to_bytes()?, "{place}");
            let wanted = p.traced();
            for (g, w) in slopes(&*p.run, &wanted, &got)?.iter().zip(slopes(&*p.run, &wanted, &want)?) {
                assert_eq!(g.to_bytes()?, w.to_bytes()?, "{place}");
            }
            // Other indices for each element, of the same arguments and of others.
            for all in [false, true] {
                let axes: Vec<Option<isize>> =
                    (0..xs.len()).map(|i| (all || indices.contains(&i)).then_some(-1)).collect();
                let again = |rng: &mut Rng| {
                    let drawn = p.draw(rng, Dtype::F32);
                    let fitting = drawn
                        .iter()
                        .enumerate()
                        .map(|(i, x)| if indices.contains(&i) { positive(i, x) } else { x.clone() });
                    fitting.collect::<Vec<_>>().iter().enumerate().map(as_dtype).collect()
                };
                let whole = batch(&mut rng, &other, again, &axes, 3);
                like_a_loop(&place, &*p.run, &whole, &axes, 0, 3)?;
                like_a_loop(&place, &|a| slopes(&*p.run, &wanted, a), &whole, &axes, 0, 3)?;
            }
        }
    }
    Ok(())
}
