//! Elementwise graphs that evaluate as fused programs have the bits of one operation at a time, whatever is asked for,
//! held or left, however operands lie in memory, and with any number of threads.
use isobit::{Array, Dtype, Result, ops, transforms};
use isobit_testing::data::Data;
use isobit_testing::draw::Rng;
use isobit_testing::settings::everywhere;

const SHAPE: [usize; 3] = [3, 50, 67];

fn draw(rng: &mut Rng, dtype: Dtype, shape: &[usize]) -> Array {
    let n: usize = shape.iter().product();
    let integer = !dtype.is_float();
    let value = |rng: &mut Rng| if integer { rng.int(-9, 9) as f64 } else { rng.real(-1.5, 1.5) };
    let data: Vec<f64> = (0..n).map(|_| value(rng)).collect();
    Data::new(dtype, shape, data).array()
}

/// Operands of every layout, all of the shape of the program.
fn operands(rng: &mut Rng, dtype: Dtype) -> Result<Vec<Array>> {
    let [a, b, c] = SHAPE;
    let transposed = draw(rng, dtype, &[c, b, a]);
    let padded = draw(rng, dtype, &[a, b + 2, c + 5]);
    let end = [a as isize, b as isize + 1, c as isize + 3];
    let all = vec![
        draw(rng, dtype, &SHAPE),
        draw(rng, dtype, &SHAPE),
        ops::broadcast_to(&draw(rng, dtype, &[c]), &SHAPE)?,
        ops::broadcast_to(&draw(rng, dtype, &[a, b, 1]), &SHAPE)?,
        ops::broadcast_to(&draw(rng, dtype, &[]), &SHAPE)?,
        ops::transpose(&transposed, ..)?,
        ops::slice(&padded, &[0, 1, 3], &end, &[1, 1, 1])?,
    ];
    isobit::eval(&all)?;
    Ok(all)
}

/// The `op`-th operation on floats, or on integers.
fn apply(op: usize, float: bool, x: &Array, y: &Array, z: &Array) -> Result<Array> {
    match (op, float) {
        (0 | 1, _) => ops::add(x, y),
        (2, _) => ops::multiply(x, y),
        (3, _) => ops::subtract(x, y),
        (4, _) => ops::square(x),
        (5, _) => ops::where_(&ops::less(x, y)?, y, z),
        (6, _) => ops::maximum(x, z),
        (7, _) => ops::negative(x),
        (8, true) => ops::tanh(x),
        (9, true) => ops::divide(x, &ops::add(&ops::square(y)?, &Array::scalar(1.0, x.dtype()))?),
        (10, true) => ops::astype(&ops::astype(x, Dtype::BF16)?, x.dtype()),
        (11, true) => ops::sigmoid(x),
        (8, false) => ops::bitwise_xor(x, y),
        (9, false) => ops::astype(&ops::astype(x, Dtype::I8)?, x.dtype()),
        (10, false) => ops::astype(&ops::equal(x, y)?, x.dtype()),
        _ => ops::abs(x),
    }
}

/// Operation and operands; values are numbered, operands first.
type Program = Vec<(usize, [usize; 3])>;

fn evaluate(inputs: &[Array], program: &Program, eager: bool) -> Result<Vec<Array>> {
    let mut values = inputs.to_vec();
    for &(op, [x, y, z]) in program {
        let v = apply(op, inputs[0].dtype().is_float(), &values[x], &values[y], &values[z])?;
        if eager {
            v.eval()?;
        }
        values.push(v);
    }
    Ok(values)
}

fn bytes(a: &Array) -> Vec<u8> {
    a.to_bytes().unwrap()
}

fn check(dtype: Dtype, salt: u64) -> Result<()> {
    let mut rng = Rng::new("fusion", salt);
    let inputs = operands(&mut rng, dtype)?;
    let steps = 1 + rng.below(30);
    let program: Program = (0..steps)
        .map(|i| {
            // Mostly recent values, so that chains get long.
            let mut pick = || {
                let n = inputs.len() + i;
                if rng.below(3) == 0 { rng.below(n) } else { n - 1 - rng.below(n.min(4)) }
            };
            let operands = [pick(), pick(), pick()];
            (rng.below(12), operands)
        })
        .collect();
    let want: Vec<Vec<u8>> = evaluate(&inputs, &program, true)?.iter().map(bytes).collect();
    let last = want.len() - 1;
    let asked: Vec<usize> = (0..3).map(|_| inputs.len() + rng.below(steps)).collect();
    everywhere(|setting| {
        let same = |a: &Array, i: usize, how: &str| {
            assert!(bytes(a) == want[i], "{dtype}, program {salt}, value {i} of {last}, {how}, {setting}: {program:?}");
        };
        // Only the last value, nothing else held, buffers that may be overwritten.
        let fresh: Vec<Array> = inputs.iter().map(|a| ops::add(a, &Array::scalar(0.0, dtype)).unwrap()).collect();
        let plain = fresh.iter().zip(&want).all(|(a, w)| bytes(a) == *w);
        if plain {
            let mut values = evaluate(&fresh, &program, false).unwrap();
            drop(fresh);
            let result = values.remove(last);
            drop(values);
            same(&result, last, "alone");
        }
        // Several at once, then the rest in any order.
        let values = evaluate(&inputs, &program, false).unwrap();
        isobit::eval(&asked.iter().map(|&i| values[i].clone()).collect::<Vec<_>>()).unwrap();
        asked.iter().for_each(|&i| same(&values[i], i, "asked for together"));
        (0..=last).rev().for_each(|i| same(&values[i], i, "afterwards"));
        Ok(())
    })
    .unwrap();
    Ok(())
}

#[test]
fn random_programs() -> Result<()> {
    for (dtype, count) in [(Dtype::F32, 60), (Dtype::BF16, 8), (Dtype::F16, 8), (Dtype::F64, 8), (Dtype::I32, 12)] {
        for salt in 0..count {
            check(dtype, salt)?;
        }
    }
    Ok(())
}

#[test]
fn a_reduction_between() -> Result<()> {
    let x = draw(&mut Rng::new("between", 0), Dtype::F32, &[64, 300]);
    let stepwise = |eager: bool| -> Result<Array> {
        let go = |a: Array| if eager { a.eval().map(|()| a) } else { Ok(a) };
        let e = go(ops::exp(&go(ops::multiply(&x, &x)?)?)?)?;
        let total = go(ops::sum(&e, 1isize, true)?)?;
        let p = go(ops::divide(&e, &total)?)?;
        go(ops::subtract(&go(ops::multiply(&p, &e)?)?, &x)?)
    };
    assert!(bytes(&stepwise(true)?) == bytes(&stepwise(false)?));
    Ok(())
}

#[test]
fn values_asked_for_inside_a_transform() -> Result<()> {
    let x = draw(&mut Rng::new("inside", 0), Dtype::F32, &[100, 100]);
    let f = |early: bool| {
        transforms::grad(
            move |p: &[Array]| {
                let y = ops::tanh(&ops::square(&ops::multiply(&p[0], &p[0])?)?)?;
                let z = ops::exp(&ops::negative(&y)?)?;
                if early {
                    z.eval()?;
                }
                ops::sum(&ops::multiply(&z, &y)?, .., false)
            },
            vec![0usize],
        )
    };
    let (late, early) = (f(false)(&[x.clone()])?, f(true)(&[x.clone()])?);
    assert!(bytes(&late[0]) == bytes(&early[0]));
    Ok(())
}

#[test]
fn threads_that_evaluate_overlapping_graphs() -> Result<()> {
    let x = draw(&mut Rng::new("overlap", 0), Dtype::F32, &[200, 100]);
    for _ in 0..50 {
        let a = ops::tanh(&ops::multiply(&x, &x)?)?;
        let b = ops::exp(&ops::add(&a, &x)?)?;
        let (c, d) = (ops::subtract(&b, &a)?, ops::multiply(&b, &a)?);
        let results: Vec<Vec<u8>> = std::thread::scope(|s| {
            let jobs: Vec<_> = [&c, &d, &c, &b].into_iter().map(|y| s.spawn(move || bytes(y))).collect();
            jobs.into_iter().map(|j| j.join().unwrap()).collect()
        });
        assert!(results[0] == results[2]);
        let again = |y: &Array| bytes(&ops::add(y, &ops::zeros_like(y).unwrap()).unwrap());
        assert!(results[1] == again(&d) && results[3] == again(&b));
    }
    Ok(())
}
