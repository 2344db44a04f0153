//! Batching rules against loops.

use super::derive::gradient;
use super::{Cx, at, call, traceable, with_replaced};
use crate::compare::{close, same_bits};
use crate::data::Data;
use crate::draw::{self, Choice, Rng, choices_of};
use crate::{Checked, Failure, on_subject};
use isobit_core::prim::Case;
use isobit_core::{Array, Dtype, Result, transforms};

/// Size of the batch: odd, more than 2, unlike most sizes in cases.
const BATCH: usize = 3;

type Axes = Vec<Option<usize>>;

fn signed(axes: &[Option<usize>]) -> Vec<Option<isize>> {
    axes.iter().map(|a| a.map(|a| a as isize)).collect()
}

/// Every combination of in_axes, or at most `cap` of them: the same axis for all, one input alone along each of its axes,
/// then random ones.
fn combinations(case: &Case, rng: &mut Rng, cap: usize) -> Vec<Axes> {
    let options: Vec<usize> = case.inputs.iter().map(|o| o.shape.len() + 2).collect();
    let axis = |k: usize| k.checked_sub(1);
    let total = options.iter().try_fold(1usize, |t, &n| t.checked_mul(n)).unwrap_or(usize::MAX);
    let mut out: Vec<Axes> = Vec::new();
    if total <= cap {
        for mut k in 1..total {
            let axes: Axes = options
                .iter()
                .map(|&n| {
                    let a = axis(k % n);
                    k /= n;
                    a
                })
                .collect();
            out.push(axes);
        }
        return out;
    }
    out.push(vec![Some(0); options.len()]);
    out.push(options.iter().map(|&n| Some(n - 2)).collect());
    for i in 0..options.len() {
        for k in 1..options[i] {
            let mut axes = vec![None; options.len()];
            axes[i] = axis(k);
            out.push(axes);
        }
        // All but one.
        let mut axes = vec![Some(0); options.len()];
        axes[i] = None;
        if options.len() > 1 {
            out.push(axes);
        }
    }
    while out.len() < cap {
        let axes: Axes = options.iter().map(|&n| axis(rng.below(n))).collect();
        if axes.iter().any(Option::is_some) {
            out.push(axes);
        }
    }
    out
}

fn batched(rng: &mut Rng, case: &Case, choice: Choice, axes: &[Option<usize>], size: usize) -> Vec<Data> {
    case.inputs
        .iter()
        .zip(axes)
        .map(|(o, a)| {
            let extra: Vec<(usize, usize)> = a.iter().map(|&a| (a, size)).collect();
            draw::operand(rng, o, choice, &extra)
        })
        .collect()
}

fn element(xs: &[Data], axes: &[Option<usize>], k: usize) -> Vec<Data> {
    xs.iter().zip(axes).map(|(x, a)| a.map_or_else(|| x.clone(), |a| x.take(a, k))).collect()
}

fn arrays(xs: &[Data]) -> Vec<Array> {
    xs.iter().map(Data::array).collect()
}

fn values(ys: &[Array]) -> Checked<Vec<Data>> {
    ys.iter().map(Data::of).collect()
}

/// `vmap(f)` against a loop of `f`, bit for bit.
fn like_a_loop(f: &dyn Fn(&[Array]) -> Result<Vec<Array>>, xs: &[Data], axes: &[Option<usize>]) -> Checked {
    let size = xs.iter().zip(axes).find_map(|(x, a)| a.map(|a| x.shape[a])).unwrap_or(0);
    let rows = (0..size).map(|k| values(&f(&arrays(&element(xs, axes, k)))?)).collect::<Checked<Vec<_>>>()?;
    let count = rows.first().map_or(0, Vec::len);
    let run = transforms::vmap_with(f, signed(axes), vec![Some(0); count]);
    let got = values(&run(&arrays(xs))?)?;
    for (o, g) in got.iter().enumerate() {
        let parts: Vec<Data> = rows.iter().map(|r| r[o].clone()).collect();
        at(format_args!("output {o}"), same_bits(g, &Data::stack(&parts, 0)))?;
    }
    Ok(())
}

/// A float32 and a bfloat16 choice, or whatever there is.
fn usual(case: &Case) -> Vec<Choice> {
    choices_of(case, &[Dtype::F32, Dtype::BF16])
}

/// A batch without elements: outputs of the right shapes and dtypes, and no value.
fn empty_batch(cx: &mut Cx<'_>, choice: Choice, axes: &[Option<usize>]) -> Checked {
    let case = cx.case;
    let one = call(case, &arrays(&draw::operands(&mut cx.rng, case, choice)))?;
    let xs = batched(&mut cx.rng, case, choice, axes, 0);
    let run = transforms::vmap_with(|x: &[Array]| call(case, x), signed(axes), vec![Some(0); one.len()]);
    for (y, like) in run(&arrays(&xs))?.iter().zip(&one) {
        let got = Data::of(y)?;
        if got.dtype != like.dtype() || got.shape.first() != Some(&0) || got.shape[1..] != *like.shape() {
            return Err(Failure(format!("expected [0] and {:?}, got {} {:?}", like.spec(), got.dtype, got.shape)));
        }
    }
    Ok(())
}

/// Every combination of in_axes, a batch of one, and an empty batch.
pub fn vmap(cx: &mut Cx<'_>) -> Checked {
    let case = cx.case;
    on_subject(|| {
        for choice in usual(case) {
            for (k, axes) in combinations(case, &mut cx.rng, 64).into_iter().enumerate() {
                let mut sizes = vec![BATCH];
                if k == 0 {
                    sizes.push(1);
                    at(format_args!("{choice} in_axes {axes:?} empty batch"), empty_batch(cx, choice, &axes))?;
                }
                for size in sizes {
                    let xs = batched(&mut cx.rng, case, choice, &axes, size);
                    at(
                        format_args!("{choice} in_axes {axes:?} batch {size}"),
                        like_a_loop(&|x| call(case, x), &xs, &axes),
                    )?;
                    cx.compared += 1;
                }
            }
        }
        Ok(())
    })
}

/// Inputs that can be traced and outputs that have derivatives, with a cotangent for each.
fn derivable(cx: &mut Cx<'_>, choice: Choice) -> Checked<Option<(Vec<usize>, Vec<usize>, Vec<Data>)>> {
    let one = draw::operands(&mut cx.rng, cx.case, choice);
    let traced = traceable(&one.iter().map(|x| x.dtype).collect::<Vec<_>>());
    let ys = cx.call(&arrays(&one))?;
    let outs: Vec<usize> = (0..ys.len()).filter(|&k| ys[k].dtype().is_inexact()).collect();
    if traced.is_empty() || outs.is_empty() {
        return Ok(None);
    }
    let cts = outs.iter().map(|&k| cx.rng.direction(ys[k].dtype(), ys[k].shape())).collect();
    Ok(Some((traced, outs, cts)))
}

/// `vmap` of the reverse derivative, bit for bit.
pub fn vmap_grad(cx: &mut Cx<'_>) -> Checked {
    let case = cx.case;
    on_subject(|| {
        for choice in usual(case) {
            let Some((traced, outs, cts)) = derivable(cx, choice)? else { continue };
            let grads = gradient(case, &traced, &outs);
            let cts = arrays(&cts);
            for axes in combinations(case, &mut cx.rng, 24) {
                let xs = batched(&mut cx.rng, case, choice, &axes, BATCH);
                let f = |x: &[Array]| grads(x, &cts);
                at(format_args!("{choice} in_axes {axes:?}"), like_a_loop(&f, &xs, &axes))?;
                cx.compared += 1;
            }
        }
        Ok(())
    })
}

/// What derivatives of a batch and of its elements may differ by: they are added up in another order.
fn tolerance(case: &Case, choice: Choice) -> f64 {
    let complex = case.inputs.iter().any(|o| draw::dtype_of(o, choice) == Dtype::C64);
    if choice.real == Dtype::F64 && !complex { 1e-9 } else { 1e-3 }
}

/// The reverse derivative of a vmapped primitive: an input that is not batched collects from the whole batch.
pub fn grad_vmap(cx: &mut Cx<'_>) -> Checked {
    let case = cx.case;
    let choice = choices_of(case, &[Dtype::F64])[0];
    let tol = tolerance(case, choice);
    on_subject(|| {
        let Some((traced, outs, _)) = derivable(cx, choice)? else { return Ok(()) };
        let grads = gradient(case, &traced, &outs);
        for axes in combinations(case, &mut cx.rng, 24) {
            let place = format!("{choice} in_axes {axes:?}");
            let xs = batched(&mut cx.rng, case, choice, &axes, BATCH);
            let whole = arrays(&xs);
            let out_specs = cx.call(&arrays(&element(&xs, &axes, 0)))?;
            let cts: Vec<Vec<Data>> = (0..BATCH)
                .map(|_| outs.iter().map(|&k| cx.rng.direction(out_specs[k].dtype(), out_specs[k].shape())).collect())
                .collect();
            let stacked: Vec<Array> = (0..outs.len())
                .map(|o| Data::stack(&cts.iter().map(|c| c[o].clone()).collect::<Vec<_>>(), 0).array())
                .collect();
            let f = |t: &[Array]| -> Result<Vec<Array>> {
                let all = with_replaced(&whole, &traced, t);
                let run = transforms::vmap_with(
                    |x: &[Array]| {
                        let ys = call(case, x)?;
                        Ok(outs.iter().map(|&k| ys[k].clone()).collect())
                    },
                    signed(&axes),
                    vec![Some(0); outs.len()],
                );
                run(&all)
            };
            let primals: Vec<Array> = traced.iter().map(|&i| whole[i].clone()).collect();
            let (_, got) = transforms::vjp(f, &primals, &stacked).map_err(|e| Failure::from(e).at(&place))?;
            let rows = (0..BATCH)
                .map(|k| values(&grads(&arrays(&element(&xs, &axes, k)), &arrays(&cts[k]))?))
                .collect::<Checked<Vec<_>>>()?;
            for (o, &i) in traced.iter().enumerate() {
                let parts: Vec<Data> = rows.iter().map(|r| r[o].clone()).collect();
                let want = match axes[i] {
                    Some(a) => Data::stack(&parts, a).floats(),
                    None => {
                        let mut sum = vec![0.0; parts[0].floats().len()];
                        for p in &parts {
                            sum.iter_mut().zip(p.floats()).for_each(|(s, x)| *s += x);
                        }
                        sum
                    }
                };
                if got[o].shape() != xs[i].shape {
                    return Err(Failure(format!("{place}: gradient of input {i} has shape {:?}", got[o].shape())));
                }
                at(format_args!("{place}, input {i}"), close(&Data::of(&got[o])?.floats(), &want, tol))?;
            }
            cx.compared += 1;
        }
        Ok(())
    })
}

/// The forward derivative of a vmapped primitive.
pub fn jvp_vmap(cx: &mut Cx<'_>) -> Checked {
    let case = cx.case;
    let choice = choices_of(case, &[Dtype::F64])[0];
    let tol = tolerance(case, choice);
    on_subject(|| {
        let Some((traced, outs, _)) = derivable(cx, choice)? else { return Ok(()) };
        for axes in combinations(case, &mut cx.rng, 24) {
            let place = format!("{choice} in_axes {axes:?}");
            let xs = batched(&mut cx.rng, case, choice, &axes, BATCH);
            let ts: Vec<Data> = xs.iter().map(|x| cx.rng.direction(x.dtype, &x.shape)).collect();
            let tangent =
                |xs: &[Data], ts: &[Data], f: &dyn Fn(&[Array]) -> Result<Vec<Array>>| -> Checked<Vec<Data>> {
                    let whole = arrays(xs);
                    let primals: Vec<Array> = traced.iter().map(|&i| whole[i].clone()).collect();
                    let tangents: Vec<Array> = traced.iter().map(|&i| ts[i].array()).collect();
                    let (_, d) = transforms::jvp(|t| f(&with_replaced(&whole, &traced, t)), &primals, &tangents)?;
                    values(&d)
                };
            let one = |x: &[Array]| -> Result<Vec<Array>> {
                let ys = call(case, x)?;
                Ok(outs.iter().map(|&k| ys[k].clone()).collect())
            };
            let run = transforms::vmap_with(one, signed(&axes), vec![Some(0); outs.len()]);
            let got = at(&place, tangent(&xs, &ts, &run))?;
            let rows = (0..BATCH)
                .map(|k| tangent(&element(&xs, &axes, k), &element(&ts, &axes, k), &one))
                .collect::<Checked<Vec<_>>>()?;
            for (o, g) in got.iter().enumerate() {
                let parts: Vec<Data> = rows.iter().map(|r| r[o].clone()).collect();
                at(format_args!("{place}, output {o}"), close(&g.floats(), &Data::stack(&parts, 0).floats(), tol))?;
            }
            cx.compared += 1;
        }
        Ok(())
    })
}

/// Nested vmap: both levels over everything, and each level over other inputs.
pub fn vmap_vmap(cx: &mut Cx<'_>) -> Checked {
    let case = cx.case;
    let n = case.inputs.len();
    if n == 0 {
        return Ok(());
    }
    let last = |i: usize| Some(case.inputs[i].shape.len());
    let mut patterns: Vec<(Axes, Axes)> = vec![(vec![Some(0); n], vec![Some(0); n])];
    if n == 1 {
        patterns.push((vec![last(0)], vec![Some(0)]));
    } else {
        patterns.push((
            (0..n).map(|i| if i % 2 == 0 { last(i) } else { None }).collect(),
            (0..n).map(|i| if i % 2 == 1 { Some(0) } else { None }).collect(),
        ));
    }
    on_subject(|| {
        for choice in usual(case) {
            for (inner, outer) in &patterns {
                // Outer axes are positions in the shape that has the inner axis already.
                let xs: Vec<Data> = (0..n)
                    .map(|i| {
                        let mut extra = Vec::new();
                        extra.extend(inner[i].map(|a| (a, 2)));
                        extra.extend(outer[i].map(|a| (a, BATCH)));
                        draw::operand(&mut cx.rng, &case.inputs[i], choice, &extra)
                    })
                    .collect();
                let count = case_outputs(case, &xs, inner, outer)?;
                let f = |x: &[Array]| -> Result<Vec<Array>> {
                    transforms::vmap_with(|y: &[Array]| call(case, y), signed(inner), vec![Some(0); count])(x)
                };
                let looped = |x: &[Data]| -> Checked<Vec<Data>> {
                    let rows = (0..2)
                        .map(|k| values(&call(case, &arrays(&element(x, inner, k)))?))
                        .collect::<Checked<Vec<_>>>()?;
                    Ok((0..count)
                        .map(|o| Data::stack(&rows.iter().map(|r| r[o].clone()).collect::<Vec<_>>(), 0))
                        .collect())
                };
                let place = format!("{choice} in_axes {inner:?} inside {outer:?}");
                let run = transforms::vmap_with(f, signed(outer), vec![Some(0); count]);
                let got = values(&run(&arrays(&xs)).map_err(|e| Failure::from(e).at(&place))?)?;
                let rows = (0..BATCH).map(|k| looped(&element(&xs, outer, k))).collect::<Checked<Vec<_>>>()?;
                for (o, g) in got.iter().enumerate() {
                    let parts: Vec<Data> = rows.iter().map(|r| r[o].clone()).collect();
                    at(format_args!("{place}, output {o}"), same_bits(g, &Data::stack(&parts, 0)))?;
                }
                cx.compared += 1;
            }
        }
        Ok(())
    })
}

fn case_outputs(case: &Case, xs: &[Data], inner: &Axes, outer: &Axes) -> Checked<usize> {
    let one = element(&element(xs, outer, 0), inner, 0);
    Ok(call(case, &arrays(&one))?.len())
}
