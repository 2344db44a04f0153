//! Derivative rules against central finite differences.

use super::{Cx, at, call, subsets, traceable, with_replaced};
use crate::compare::close;
use crate::data::Data;
use crate::draw::{self, choices_of};
use crate::{Checked, Failure, on_oracle, on_subject};
use isobit_core::prim::Case;
use isobit_core::{Array, Dtype, transforms};

/// Step and tolerance: float64 where the case allows it, else coarse.
fn step(inputs: &[Data], outs: &[Array]) -> (f64, f64) {
    let worst = inputs.iter().map(|x| x.dtype).chain(outs.iter().map(Array::dtype)).filter(|d| d.is_inexact());
    let all_wide = worst.clone().all(|d| d == Dtype::F64);
    if all_wide {
        (1e-5, 2e-6)
    } else if worst.clone().all(|d| matches!(d, Dtype::F64 | Dtype::F32 | Dtype::C64)) {
        (2f64.powi(-7), 5e-3)
    } else {
        (2f64.powi(-4), 0.1)
    }
}

/// Inputs in float64, those that can be traced, and the outputs that have derivatives.
struct Setup {
    inputs: Vec<Data>,
    traced: Vec<usize>,
    outs: Vec<usize>,
    out_specs: Vec<(Dtype, Vec<usize>)>,
    h: f64,
    tol: f64,
}

fn setup(cx: &mut Cx<'_>) -> Checked<Option<Setup>> {
    let choice = choices_of(cx.case, &[Dtype::F64])[0];
    let inputs = draw::operands(&mut cx.rng, cx.case, choice);
    let traced = traceable(&inputs.iter().map(|x| x.dtype).collect::<Vec<_>>());
    let arrays: Vec<Array> = inputs.iter().map(Data::array).collect();
    let ys = cx.call(&arrays)?;
    let outs: Vec<usize> = (0..ys.len()).filter(|&k| ys[k].dtype().is_inexact()).collect();
    if traced.is_empty() || outs.is_empty() {
        return Ok(None);
    }
    let (h, tol) = step(&inputs, &ys);
    let out_specs = ys.iter().map(|y| (y.dtype(), y.shape().to_vec())).collect();
    Ok(Some(Setup { inputs, traced, outs, out_specs, h, tol }))
}

/// Central differences of `f` at `xs` along `ts`, evaluated with the oracle.
fn differences(
    f: &dyn Fn(&[Array]) -> Checked<Vec<Array>>,
    xs: &[Data],
    ts: &[Option<Data>],
    h: f64,
) -> Checked<Vec<Vec<f64>>> {
    let value = |h: f64| -> Checked<Vec<Vec<f64>>> {
        let moved: Vec<Array> =
            xs.iter().zip(ts).map(|(x, t)| t.as_ref().map_or_else(|| x.array(), |t| x.shifted(t, h).array())).collect();
        f(&moved)?.iter().map(|y| Ok(Data::of(y)?.floats())).collect()
    };
    on_oracle(|| {
        let (p, m) = (value(h)?, value(-h)?);
        // Equal infinities do not change.
        let slope = |(p, m): (&f64, &f64)| if p == m { 0.0 } else { (p - m) / (2.0 * h) };
        let diff = |(p, m): (&Vec<f64>, &Vec<f64>)| p.iter().zip(m).map(slope).collect();
        Ok(p.iter().zip(&m).map(diff).collect())
    })
}

fn like(what: &str, got: &Array, dtype: Dtype, shape: &[usize]) -> Checked {
    if got.dtype() != dtype || got.shape() != shape {
        return Err(Failure(format!("{what}: expected {dtype} {shape:?}, got {:?}", got.spec())));
    }
    Ok(())
}

/// Forward derivative for every subset of traced inputs.
pub fn jvp(cx: &mut Cx<'_>) -> Checked {
    let Some(s) = setup(cx)? else { return Ok(()) };
    let case = cx.case;
    for traced in subsets(&s.traced, &mut cx.rng) {
        let mut ts: Vec<Option<Data>> = vec![None; s.inputs.len()];
        for &i in &traced {
            ts[i] = Some(cx.rng.direction(s.inputs[i].dtype, &s.inputs[i].shape));
        }
        let arrays: Vec<Array> = s.inputs.iter().map(Data::array).collect();
        let primals: Vec<Array> = traced.iter().map(|&i| arrays[i].clone()).collect();
        let tangents: Vec<Array> = ts.iter().flatten().map(Data::array).collect();
        let f = |t: &[Array]| call(case, &with_replaced(&arrays, &traced, t));
        let (ys, found) = transforms::jvp(f, &primals, &tangents)?;
        let want = differences(&|xs| Ok(call(case, xs)?), &s.inputs, &ts, s.h)?;
        for &k in &s.outs {
            let place = format!("traced {traced:?}, output {k}");
            at(&place, like("tangent", &found[k], ys[k].dtype(), ys[k].shape()))?;
            let got = at(&place, on_subject(|| Data::of(&found[k])))?.floats();
            if case.differentiable {
                at(&place, close(&got, &want[k], s.tol))?;
            }
        }
        cx.compared += 1;
    }
    Ok(())
}

/// Reverse derivative for every subset of traced inputs, of all outputs together and of each alone. Where differences have
/// no limit (ties) or the derivative is not meant to be it, at least the two rules must be each other's transpose.
pub fn vjp(cx: &mut Cx<'_>) -> Checked {
    let Some(s) = setup(cx)? else { return Ok(()) };
    let mut out_sets = vec![s.outs.clone()];
    if s.outs.len() > 1 {
        out_sets.extend(s.outs.iter().map(|&k| vec![k]));
    }
    for traced in subsets(&s.traced, &mut cx.rng) {
        for outs in &out_sets {
            at(format_args!("traced {traced:?}, outputs {outs:?}"), vjp_of(cx, &s, &traced, outs))?;
            cx.compared += 1;
        }
    }
    Ok(())
}

fn vjp_of(cx: &mut Cx<'_>, s: &Setup, traced: &[usize], outs: &[usize]) -> Checked {
    let case = cx.case;
    let cts: Vec<Data> = outs.iter().map(|&k| cx.rng.direction(s.out_specs[k].0, &s.out_specs[k].1)).collect();
    let arrays: Vec<Array> = s.inputs.iter().map(Data::array).collect();
    let primals: Vec<Array> = traced.iter().map(|&i| arrays[i].clone()).collect();
    let f = |t: &[Array]| -> isobit_core::Result<Vec<Array>> {
        let ys = call(case, &with_replaced(&arrays, traced, t))?;
        Ok(outs.iter().map(|&k| ys[k].clone()).collect())
    };
    let ct_arrays: Vec<Array> = cts.iter().map(Data::array).collect();
    let (_, grads) = transforms::vjp(f, &primals, &ct_arrays)?;
    let mut values = Vec::new();
    for (g, &i) in grads.iter().zip(traced) {
        at(format_args!("input {i}"), like("cotangent", g, s.inputs[i].dtype, &s.inputs[i].shape))?;
        values.push(on_subject(|| Data::of(g))?.floats());
    }
    if !case.differentiable {
        return transposed(case, s, traced, outs, &values, &cts, &mut cx.rng);
    }
    // <cotangent, directional difference> = <gradient, direction>, one input at a time and in two directions, so that
    // errors of two inputs cannot cancel.
    for (g, &i) in values.iter().zip(traced) {
        for _ in 0..2 {
            let mut ts: Vec<Option<Data>> = vec![None; s.inputs.len()];
            let t = cx.rng.direction(s.inputs[i].dtype, &s.inputs[i].shape);
            let got: f64 = g.iter().zip(t.floats()).map(|(g, t)| g * t).sum();
            ts[i] = Some(t);
            let d = differences(&|xs| Ok(call(case, xs)?), &s.inputs, &ts, s.h)?;
            let pairs = || outs.iter().zip(&cts).flat_map(|(&k, ct)| d[k].iter().copied().zip(ct.floats()));
            let want: f64 = pairs().map(|(d, c)| d * c).sum();
            let scale = 1.0 + pairs().map(|(d, c)| (d * c).abs()).sum::<f64>().sqrt();
            at(format_args!("input {i}, in units of {scale:.1e}"), close(&[got / scale], &[want / scale], s.tol))?;
        }
    }
    Ok(())
}

/// `<cotangent, forward derivative along t> = <gradient, t>`, one input at a time.
fn transposed(
    case: &Case,
    s: &Setup,
    traced: &[usize],
    outs: &[usize],
    grads: &[Vec<f64>],
    cts: &[Data],
    rng: &mut draw::Rng,
) -> Checked {
    let arrays: Vec<Array> = s.inputs.iter().map(Data::array).collect();
    for (g, &i) in grads.iter().zip(traced) {
        let t = rng.direction(s.inputs[i].dtype, &s.inputs[i].shape);
        let f = |x: &[Array]| call(case, &with_replaced(&arrays, &[i], x));
        let (_, tangents) = transforms::jvp(f, &arrays[i..=i], &[t.array()])?;
        let mut want = 0.0;
        for (&k, ct) in outs.iter().zip(cts) {
            let tangent = on_subject(|| Data::of(&tangents[k]))?.floats();
            want += tangent.iter().zip(ct.floats()).map(|(d, c)| d * c).sum::<f64>();
        }
        let got: f64 = g.iter().zip(t.floats()).map(|(g, t)| g * t).sum();
        at(format_args!("input {i}, as transpose of the forward derivative"), close(&[got], &[want], s.tol))?;
    }
    Ok(())
}

/// The gradients as a function of the traced inputs and the cotangents.
pub fn gradient<'a>(
    case: &'a Case,
    traced: &'a [usize],
    outs: &'a [usize],
) -> impl Fn(&[Array], &[Array]) -> isobit_core::Result<Vec<Array>> + 'a {
    move |inputs, cts| {
        let primals: Vec<Array> = traced.iter().map(|&i| inputs[i].clone()).collect();
        let f = |t: &[Array]| -> isobit_core::Result<Vec<Array>> {
            let ys = call(case, &with_replaced(inputs, traced, t))?;
            Ok(outs.iter().map(|&k| ys[k].clone()).collect())
        };
        Ok(transforms::vjp(f, &primals, cts)?.1)
    }
}

/// Forward over reverse, with respect to the inputs and to the cotangents.
pub fn second(cx: &mut Cx<'_>) -> Checked {
    let Some(s) = setup(cx)? else { return Ok(()) };
    let case = cx.case;
    let grads = gradient(case, &s.traced, &s.outs);
    let cts: Vec<Data> = s.outs.iter().map(|&k| cx.rng.direction(s.out_specs[k].0, &s.out_specs[k].1)).collect();
    let (n, m) = (s.inputs.len(), cts.len());
    let all: Vec<Data> = s.inputs.iter().chain(&cts).cloned().collect();
    let f = |xs: &[Array]| grads(&xs[..n], &xs[n..]);
    let mut open: Vec<Vec<usize>> = s.traced.iter().map(|&i| vec![i]).collect();
    open.push(s.traced.clone());
    open.push(s.traced.iter().copied().chain(n..n + m).collect());
    for traced in open {
        let place = format!("with respect to {traced:?} of {n} inputs and {m} cotangents");
        let mut ts: Vec<Option<Data>> = vec![None; n + m];
        for &i in &traced {
            ts[i] = Some(cx.rng.direction(all[i].dtype, &all[i].shape));
        }
        let arrays: Vec<Array> = all.iter().map(Data::array).collect();
        let primals: Vec<Array> = traced.iter().map(|&i| arrays[i].clone()).collect();
        let tangents: Vec<Array> = ts.iter().flatten().map(Data::array).collect();
        let (_, found) = transforms::jvp(|t| f(&with_replaced(&arrays, &traced, t)), &primals, &tangents)
            .map_err(|e| Failure::from(e).at(&place))?;
        let got = found
            .iter()
            .map(|t| Ok(on_subject(|| Data::of(t))?.floats()))
            .collect::<Checked<Vec<_>>>()
            .map_err(|f| f.at(&place))?;
        if case.differentiable {
            let want = differences(&|xs| Ok(f(xs)?), &all, &ts, s.h)?;
            for (k, (g, w)) in got.iter().zip(&want).enumerate() {
                let scale = w.iter().fold(1.0f64, |m, x| m.max(x.abs()));
                let scaled = |v: &[f64]| v.iter().map(|x| x / scale).collect::<Vec<_>>();
                at(format_args!("{place}, gradient {k}"), close(&scaled(g), &scaled(w), 2.0 * s.tol))?;
            }
        }
        cx.compared += 1;
    }
    Ok(())
}
