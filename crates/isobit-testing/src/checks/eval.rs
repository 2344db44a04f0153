//! Values against the oracle.

use super::{Cx, at, call, traceable, with_replaced};
use crate::compare::{accumulation_eps, close, same_bits, within};
use crate::data::{Data, Values};
use crate::draw::{self, Choice, choices};
use crate::{Checked, Failure, on_oracle, on_subject};
use isobit_core::prim::{Accumulation, Case, Domain, Operand};
use isobit_core::{Array, Dtype, transforms};

/// Evaluates the primitive on fresh contiguous arrays and checks that what `infer` promised is what came.
pub fn outputs(case: &Case, inputs: &[Data]) -> Checked<Vec<Data>> {
    let xs: Vec<Array> = inputs.iter().map(Data::array).collect();
    let ys = call(case, &xs)?;
    ys.iter()
        .map(|y| {
            let t = y.tensor()?;
            if t.spec() != *y.spec() {
                return Err(Failure(format!("infer said {:?}, the kernel made {:?}", y.spec(), t.spec())));
            }
            inside(&t)?;
            Data::of(y)
        })
        .collect()
}

/// Every element of a tensor must lie inside its buffer.
fn inside(t: &isobit_core::Tensor) -> Checked {
    if t.size() == 0 {
        return Ok(());
    }
    let (mut low, mut high) = (t.offset() as isize, t.offset() as isize);
    for (&n, &s) in t.shape().iter().zip(t.strides()) {
        let reach = (n as isize - 1) * s;
        if reach < 0 { low += reach } else { high += reach }
    }
    let count = (t.buffer().len() / t.dtype().size()) as isize;
    if low < 0 || high >= count {
        return Err(Failure(format!("elements {low}..={high} of a buffer of {count}")));
    }
    Ok(())
}

/// What accumulation in finite precision may add to the error of each element of each output.
fn slack(case: &Case, inputs: &[Data], want: &[Data]) -> Checked<Option<Vec<Vec<f64>>>> {
    let (terms, magnitudes): (f64, Vec<Vec<f64>>) = match case.accumulation {
        Accumulation::None => return Ok(None),
        Accumulation::Bounded { terms, magnitude } => (terms, want.iter().map(|w| vec![magnitude; w.size()]).collect()),
        Accumulation::Sum { terms } => {
            // Indices stay what they are: the same elements must meet.
            let positive = |(x, o): (&Data, &Operand)| {
                match &x.values {
                    // On the diagonal, where neither sums nor products cancel.
                    Values::C(v) => {
                        let finite = |x: f64| if x.is_finite() { x.abs() } else { 0.0 };
                        let size = |z: &[f64; 2]| [finite(z[0]).max(finite(z[1])); 2];
                        Data { values: Values::C(v.iter().map(size).collect()), ..x.clone() }
                    }
                    _ if matches!(o.domain, Domain::Integer(..)) => x.clone(),
                    _ => x.map(f64::abs, i128::abs),
                }
            };
            let positive: Vec<Data> = inputs.iter().zip(&case.inputs).map(positive).collect();
            let sums = on_oracle(|| outputs(case, &positive))?;
            let sizes = |d: &Data| match &d.values {
                Values::C(v) => v.iter().map(|z| z[0].abs() + z[1].abs()).collect(),
                _ => d.floats(),
            };
            (terms, sums.iter().map(sizes).collect())
        }
    };
    // Rounding errors of a sum grow like the square root of the number of terms unless they conspire.
    let factor = 2.0 * terms.sqrt() + 4.0;
    Ok(Some(
        want.iter()
            .zip(magnitudes)
            .map(|(w, m)| {
                let eps = accumulation_eps(w.dtype);
                // The flush of subnormals that the bfloat16 products' order includes.
                let flush = terms * f64::from(f32::MIN_POSITIVE);
                m.into_iter().map(|m| if m.is_finite() { factor * eps * m + flush } else { 0.0 }).collect()
            })
            .collect(),
    ))
}

fn against_oracle(case: &Case, inputs: &[Data]) -> Checked {
    let want = on_oracle(|| outputs(case, inputs)).map_err(|f| f.at("oracle"))?;
    let got = on_subject(|| outputs(case, inputs))?;
    if got.len() != want.len() {
        return Err(Failure(format!("expected {} outputs, got {}", want.len(), got.len())));
    }
    let slack = slack(case, inputs, &want)?;
    for (k, (g, w)) in got.iter().zip(&want).enumerate() {
        let r =
            if case.exact { same_bits(g, w) } else { within(g, w, case.ulps, slack.as_ref().map(|s| s[k].as_slice())) };
        at(format_args!("output {k}"), r)?;
    }
    Ok(())
}

fn is_half(c: &Choice) -> bool {
    matches!(c.real, Dtype::F16 | Dtype::BF16)
}

/// Every dtype but the half-precision ones, which have a check of their own.
pub fn eval(cx: &mut Cx<'_>) -> Checked {
    for choice in choices(cx.case).into_iter().filter(|c| !is_half(c)) {
        let xs = draw::operands(&mut cx.rng, cx.case, choice);
        at(choice, against_oracle(cx.case, &xs))?;
        cx.compared += 1;
    }
    Ok(())
}

/// Edge values, in every dtype.
pub fn edges(cx: &mut Cx<'_>) -> Checked {
    if !cx.case.edges {
        return Ok(());
    }
    let in_sums = !matches!(cx.case.accumulation, Accumulation::None);
    for choice in choices(cx.case) {
        for _ in 0..6 {
            let mut xs = draw::operands(&mut cx.rng, cx.case, choice);
            for (o, x) in cx.case.inputs.iter().zip(&mut xs) {
                draw::sprinkle_edges(&mut cx.rng, o, x, in_sums);
            }
            at(choice, against_oracle(cx.case, &xs).map_err(|f| explain(f, &xs)))?;
            cx.compared += 1;
        }
    }
    Ok(())
}

/// Names the operands' values at the element that a failure is about, if they have one there.
fn explain(f: Failure, xs: &[Data]) -> Failure {
    let number = f.0.split("element ").nth(1).and_then(|s| s.split(':').next()).and_then(|s| s.parse::<usize>().ok());
    let Some(i) = number else { return f };
    let at: Vec<String> =
        xs.iter().filter(|x| i < x.size()).map(|x| format!("{:?}", x.pick(&[1], [i].into_iter()).floats())).collect();
    Failure(format!("{} (operands at {i}: {})", f.0, at.join(", ")))
}

/// float16 and bfloat16: values, and derivatives that keep the dtype and agree with the float64 ones.
pub fn half(cx: &mut Cx<'_>) -> Checked {
    for choice in choices(cx.case).into_iter().filter(is_half) {
        let xs = draw::operands(&mut cx.rng, cx.case, choice);
        at(choice, against_oracle(cx.case, &xs))?;
        cx.compared += 1;
        if cx.case.differentiable {
            at(format_args!("{choice} vjp"), half_gradient(cx, choice, &xs))?;
        }
    }
    Ok(())
}

fn half_gradient(cx: &mut Cx<'_>, choice: Choice, xs: &[Data]) -> Checked {
    let arrays: Vec<Array> = xs.iter().map(Data::array).collect();
    let traced = traceable(&xs.iter().map(|x| x.dtype).collect::<Vec<_>>());
    let ys = cx.call(&arrays)?;
    if traced.is_empty() || !ys.iter().all(|y| y.dtype().is_inexact()) {
        return Ok(());
    }
    // The wide twin: the same numbers in float64.
    let wide: Vec<Array> = xs
        .iter()
        .map(|x| if x.dtype == choice.real { Data::new(Dtype::F64, &x.shape, x.floats()).array() } else { x.array() })
        .collect();
    let cts: Vec<Data> = ys.iter().map(|y| cx.rng.direction(choice.real, y.shape())).collect();
    let case = cx.case;
    let grads = |inputs: &[Array], cts: Vec<Array>| -> Checked<Vec<Array>> {
        let primals: Vec<Array> = traced.iter().map(|&i| inputs[i].clone()).collect();
        Ok(transforms::vjp(|t| call(case, &with_replaced(inputs, &traced, t)), &primals, &cts)?.1)
    };
    let narrow = grads(&arrays, cts.iter().map(Data::array).collect())?;
    let twin = on_oracle(|| {
        let cts = cts.iter().map(|c| Data::new(Dtype::F64, &c.shape, c.floats()).array()).collect();
        grads(&wide, cts)?.iter().map(Data::of).collect::<Checked<Vec<_>>>()
    })?;
    for ((g, w), &i) in narrow.iter().zip(&twin).zip(&traced) {
        if g.dtype() != xs[i].dtype {
            return Err(Failure(format!("input {i} is {}, its cotangent {}", xs[i].dtype, g.dtype())));
        }
        let (got, want) = (on_subject(|| Data::of(g))?.floats(), w.floats());
        let scale = want.iter().fold(1.0f64, |m, x| m.max(x.abs()));
        let scaled = |v: Vec<f64>| v.into_iter().map(|x| x / scale).collect::<Vec<_>>();
        at(format_args!("input {i}"), close(&scaled(got), &scaled(want), 0.06))?;
        cx.compared += 1;
    }
    Ok(())
}
