//! Random programs of quantized and gathered products under transforms, three deep, against the same programs with dense
//! products of the dequantized matrices, in float64; and their batches against loops, bit for bit.

use isobit::quant::{Format, Mode};
use isobit::{Array, Dtype, Result, ops, transforms};
use isobit_testing::data::Data;
use isobit_testing::draw::Rng;
use std::rc::Rc;

/// Both sides of a matrix, the number of matrices, the rows of x.
const N: usize = 32;
const STACK: usize = 2;
const ROWS: usize = 2;

/// The arguments of every program.
const X: usize = 0;
const SCALES: usize = 1;
const BIASES: usize = 2;
const DENSE: usize = 3;
const CODES: usize = 4;
const LHS: usize = 5;
const RHS: usize = 6;
const COUNT: usize = 7;

type Function = Rc<dyn Fn(&[Array]) -> Result<Vec<Array>>>;

/// A function with what is known of it.
#[derive(Clone)]
struct Program {
    run: Function,
    outputs: usize,
    /// Which arguments each `vmap` batches, and where, outermost first.
    batches: Vec<Batch>,
    name: String,
}

/// The arguments that a `vmap` batches: in front (false) or behind (true) all their axes.
#[derive(Clone, Debug)]
struct Batch {
    size: usize,
    axes: Vec<Option<bool>>,
}

impl Batch {
    fn random(rng: &mut Rng, size: usize) -> Batch {
        let mut axes: Vec<Option<bool>> = (0..COUNT).map(|_| [None, Some(false), Some(true)][rng.below(3)]).collect();
        // At least one.
        let one = rng.below(COUNT);
        axes[one] = axes[one].or(Some(false));
        Batch { size, axes }
    }

    fn in_axes(&self) -> Vec<Option<isize>> {
        self.axes.iter().map(|a| a.map(|behind| if behind { -1 } else { 0 })).collect()
    }
}

/// One step: a product of `x`, in the way that the program is written.
#[derive(Clone, Copy, Debug)]
enum Step {
    Plain { matrix: usize, transpose: bool },
    Gathered { transpose: bool },
    GatheredDense,
    Segments,
    Blocks,
}

/// The matrices as dense ones.
fn dequantized(a: &[Array], f: Format) -> Result<Array> {
    let q = ops::astype(&ops::unpack_bits(&a[CODES], f.bits())?, a[SCALES].dtype())?;
    let q = ops::unflatten(&q, -1, &[(N / f.group_size()) as isize, f.group_size() as isize])?;
    let each = |x: &Array| ops::expand_dims(x, -1);
    ops::flatten(&ops::add(&ops::multiply(&q, &each(&a[SCALES])?)?, &each(&a[BIASES])?)?, -2, -1)
}

/// The rows of the matrices that indices name: negative ones count from the end.
fn chosen(stack: &Array, index: &Array) -> Result<Array> {
    ops::take(stack, index, 0)
}

fn step(step: Step, x: &Array, a: &[Array], f: Format, quantized: bool) -> Result<Array> {
    let t = |w: &Array, transpose: bool| if transpose { ops::swapaxes(w, -1, -2) } else { Ok(w.clone()) };
    match step {
        Step::Plain { matrix, transpose } => {
            let of = |i: usize| ops::take_index(&a[i], matrix, 0);
            if quantized {
                return ops::quantized_matmul(x, &of(CODES)?, &of(SCALES)?, Some(&of(BIASES)?), transpose, f);
            }
            ops::matmul(x, &t(&ops::take_index(&dequantized(a, f)?, matrix, 0)?, transpose)?)
        }
        Step::Gathered { transpose } => {
            let (l, r) = (&a[LHS], &a[RHS]);
            if quantized {
                let (c, s, b) = (&a[CODES], &a[SCALES], &a[BIASES]);
                return ops::gather_qmm(x, c, s, Some(b), Some(l), Some(r), transpose, f);
            }
            ops::matmul(&chosen(x, l)?, &t(&chosen(&dequantized(a, f)?, r)?, transpose)?)
        }
        Step::GatheredDense => {
            if quantized {
                return ops::gather_mm(x, &a[DENSE], Some(&a[LHS]), Some(&a[RHS]));
            }
            ops::matmul(&chosen(x, &a[LHS])?, &chosen(&a[DENSE], &a[RHS])?)
        }
        Step::Segments => {
            let (left, right) = (ops::take_index(x, 0, 0)?, ops::take_index(&a[DENSE], 1, 0)?);
            let pairs = [(0isize, 20isize), (7, 32)];
            if quantized {
                let list: Vec<i32> = pairs.iter().flat_map(|&(s, e)| [s as i32, e as i32]).collect();
                return ops::segmented_mm(&left, &right, &Array::from_slice(&list, &[2, 2])?);
            }
            let part = |(s, e): (isize, isize)| {
                let rows = isize::MAX;
                ops::matmul(&ops::slice(&left, &[0, s], &[rows, e], &[1, 1])?, &ops::slice(&right, &[s], &[e], &[1])?)
            };
            ops::stack(&pairs.into_iter().map(part).collect::<Result<Vec<_>>>()?, 0)
        }
        Step::Blocks => {
            let mask = Array::from_slice(&[1.0f32, 0.0, 0.5, 2.0], &[2, 2])?;
            let whole = ops::repeat(&ops::repeat(&mask, N / 2, 0)?, N / 2, 1)?;
            if quantized {
                return ops::block_masked_mm(x, &a[DENSE], N / 2, None, None, Some(&mask));
            }
            ops::matmul(x, &ops::multiply(&a[DENSE], &ops::astype(&whole, x.dtype())?)?)
        }
    }
}

/// One or two products, something bent between them: `[2, ROWS, N]` throughout.
fn body(steps: Vec<Step>, f: Format, quantized: bool) -> Function {
    Rc::new(move |a: &[Array]| {
        let mut x = a[X].clone();
        for &s in &steps {
            x = ops::tanh(&step(s, &x, a, f, quantized)?)?;
        }
        Ok(vec![x])
    })
}

/// How a program is transformed: said before there is a program, so that two of them can be transformed alike.
#[derive(Clone, Debug)]
enum Change {
    Vmap(Batch),
    Grad(Vec<usize>),
    Jvp(Vec<usize>),
}

fn changed(p: &Program, change: &Change) -> Program {
    let (inner, count) = (Rc::clone(&p.run), p.outputs);
    let mut out = p.clone();
    out.name = format!("{change:?} of {}", p.name);
    match change.clone() {
        Change::Vmap(batch) => {
            let axes = batch.in_axes();
            out.batches.insert(0, batch);
            out.run = Rc::new(move |a| transforms::vmap_with(|b| inner(b), axes.clone(), vec![Some(0); count])(a));
        }
        Change::Grad(wanted) => {
            out.outputs = wanted.len();
            out.run = Rc::new(move |a| {
                let loss = |b: &[Array]| {
                    let mut sum = ops::zeros(&[], b[X].dtype())?;
                    for y in inner(b)? {
                        sum = ops::add(&sum, &ops::mean(&ops::square(&y)?, .., false)?)?;
                    }
                    Ok(sum)
                };
                transforms::grad(loss, wanted.clone())(a)
            });
        }
        Change::Jvp(wanted) => {
            out.run = Rc::new(move |a| {
                let primals: Vec<Array> = wanted.iter().map(|&i| a[i].clone()).collect();
                let tangents = primals.iter().map(ops::cos).collect::<Result<Vec<_>>>()?;
                let f = |b: &[Array]| {
                    let mut all = a.to_vec();
                    for (&i, x) in wanted.iter().zip(b) {
                        all[i] = x.clone();
                    }
                    inner(&all)
                };
                Ok(transforms::jvp(f, &primals, &tangents)?.1)
            });
        }
    }
    out
}

fn random_change(rng: &mut Rng) -> Change {
    let some = |rng: &mut Rng, of: usize| -> Vec<usize> {
        let mask = 1 + rng.below((1 << of) - 1);
        (0..of).filter(|i| mask >> i & 1 == 1).collect()
    };
    match rng.below(4) {
        0 | 1 => {
            let size = [2, 3, 1][rng.below(3)];
            Change::Vmap(Batch::random(rng, size))
        }
        2 => Change::Grad(some(rng, 4)),
        _ => Change::Jvp(some(rng, 4)),
    }
}

fn random_step(rng: &mut Rng) -> Step {
    match rng.below(7) {
        0 | 1 => Step::Plain { matrix: rng.below(STACK), transpose: rng.below(2) == 0 },
        2 | 3 => Step::Gathered { transpose: rng.below(2) == 0 },
        4 => Step::GatheredDense,
        5 => Step::Segments,
        _ => Step::Blocks,
    }
}

fn arguments(rng: &mut Rng, batches: &[Batch], dtype: Dtype, f: Format) -> Vec<Data> {
    (0..COUNT)
        .map(|i| {
            let mut shape = match i {
                X => vec![STACK, ROWS, N],
                SCALES | BIASES => vec![STACK, N, N / f.group_size()],
                DENSE => vec![STACK, N, N],
                CODES => vec![STACK, N, f.words(N)],
                _ => vec![STACK],
            };
            for batch in batches.iter().rev() {
                match batch.axes[i] {
                    Some(false) => shape.insert(0, batch.size),
                    Some(true) => shape.push(batch.size),
                    None => {}
                }
            }
            let n: usize = shape.iter().product();
            let (dtype, lo, hi) = match i {
                X | BIASES => (dtype, -1.0, 1.0),
                DENSE => (dtype, -0.3, 0.3),
                SCALES => (dtype, 0.01, 0.03),
                CODES => (Dtype::U32, 0.0, f64::from(u32::MAX)),
                _ => (Dtype::I32, -2.0, 1.99),
            };
            let whole = !dtype.is_float();
            let draw = |rng: &mut Rng| if whole { rng.real(lo, hi).floor() } else { rng.real(lo, hi) };
            Data::new(dtype, &shape, (0..n).map(|_| draw(rng)).collect())
        })
        .collect()
}

/// How many programs: `ISOBIT_TEST_ROUNDS`, or that many.
fn rounds(usual: u64) -> u64 {
    std::env::var("ISOBIT_TEST_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}

fn format_of(round: usize) -> Format {
    Format::new(Mode::Affine, Some(32), Some([4, 3, 8, 2, 5, 6][round % 6])).unwrap()
}

#[test]
fn programs_of_quantized_products_under_transforms() -> Result<()> {
    for round in 0..rounds(240) {
        let mut rng = Rng::new("quantized programs", round);
        let f = format_of(round as usize);
        let steps: Vec<Step> = (0..1 + rng.below(2)).map(|_| random_step(&mut rng)).collect();
        let make = |quantized| Program {
            run: body(steps.clone(), f, quantized),
            outputs: 1,
            batches: Vec::new(),
            name: format!("{steps:?}"),
        };
        let (mut ours, mut dense) = (make(true), make(false));
        for _ in 0..1 + rng.below(3) {
            let change = random_change(&mut rng);
            (ours, dense) = (changed(&ours, &change), changed(&dense, &change));
        }
        let a: Vec<Array> = arguments(&mut rng, &ours.batches, Dtype::F64, f).iter().map(Data::array).collect();
        let place = format!("round {round}: {}", ours.name);
        let got = (ours.run)(&a).unwrap_or_else(|e| panic!("{place}: {e}"));
        let want = (dense.run)(&a).unwrap_or_else(|e| panic!("{place}, dense: {e}"));
        for (o, (g, w)) in got.iter().zip(&want).enumerate() {
            assert_eq!((g.shape(), g.dtype()), (w.shape(), w.dtype()), "{place}: output {o}");
            let (g, w) = (g.to_vec::<f64>()?, w.to_vec::<f64>()?);
            let size = w.iter().fold(1e-3f64, |m, v| m.max(v.abs()));
            for (i, (g, w)) in g.iter().zip(&w).enumerate() {
                assert!((g - w).abs() <= 1e-10 * size, "{place}: output {o}, element {i} is {g}, expected {w}");
            }
        }
    }
    Ok(())
}

#[test]
fn batches_of_programs_have_the_bits_of_loops() -> Result<()> {
    for round in 0..rounds(160) {
        let mut rng = Rng::new("quantized batches", round);
        let f = format_of(round as usize);
        let steps: Vec<Step> = (0..1 + rng.below(2)).map(|_| random_step(&mut rng)).collect();
        let mut p =
            Program { run: body(steps.clone(), f, true), outputs: 1, batches: Vec::new(), name: format!("{steps:?}") };
        for _ in 0..rng.below(3) {
            p = changed(&p, &random_change(&mut rng));
        }
        let batch = Batch::random(&mut rng, 3);
        let whole = changed(&p, &Change::Vmap(batch.clone()));
        for dtype in [Dtype::F32, Dtype::BF16] {
            let data = arguments(&mut rng, &whole.batches, dtype, f);
            let a: Vec<Array> = data.iter().map(Data::array).collect();
            let got = (whole.run)(&a)?;
            for b in 0..batch.size {
                let one = |(d, axis): (&Data, &Option<bool>)| match axis {
                    Some(behind) => d.take(if *behind { d.shape.len() - 1 } else { 0 }, b).array(),
                    None => d.array(),
                };
                let one: Vec<Array> = data.iter().zip(&batch.axes).map(one).collect();
                for (o, (g, w)) in got.iter().zip((p.run)(&one)?).enumerate() {
                    let g = ops::take_index(g, b, 0)?;
                    let place = format!("round {round} {dtype}: {}: output {o}, element {b} of the batch", whole.name);
                    assert_eq!(g.shape(), w.shape(), "{place}");
                    assert!(g.to_bytes()? == w.to_bytes()?, "{place} has other bits than alone");
                }
            }
        }
    }
    Ok(())
}
