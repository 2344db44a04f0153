//! Results must not depend on how operands lie in memory or on who else holds them.

use super::eval::outputs;
use super::{Cx, at, call};
use crate::compare::same_bits;
use crate::data::Data;
use crate::draw::{self, choices_of};
use crate::layouts::Layout;
use crate::{Checked, Failure, on_subject};
use isobit_core::{Array, Dtype, ops};

const DTYPES: [Dtype; 8] =
    [Dtype::F32, Dtype::BF16, Dtype::F64, Dtype::I32, Dtype::I64, Dtype::U8, Dtype::Bool, Dtype::C64];

fn compare(got: &[Array], want: &[Data]) -> Checked {
    for (k, (g, w)) in got.iter().zip(want).enumerate() {
        at(format_args!("output {k}"), same_bits(&Data::of(g)?, w))?;
    }
    Ok(())
}

/// Every layout for all operands at once, then random mixtures; held and given away.
pub fn layout(cx: &mut Cx<'_>) -> Checked {
    if cx.case.inputs.is_empty() {
        return Ok(());
    }
    on_subject(|| {
        for choice in choices_of(cx.case, &DTYPES) {
            let drawn = draw::operands(&mut cx.rng, cx.case, choice);
            let mut plans: Vec<Vec<Layout>> = Layout::ALL[1..].iter().map(|&l| vec![l; drawn.len()]).collect();
            let mixtures = if drawn.len() > 1 { 6 } else { 0 };
            for _ in 0..mixtures {
                plans.push(drawn.iter().map(|_| Layout::ALL[cx.rng.below(Layout::ALL.len())]).collect());
            }
            for plan in plans {
                let xs: Vec<Data> = drawn.iter().zip(&plan).map(|(x, l)| l.fit(x)).collect();
                let want = at(choice, outputs(cx.case, &xs))?;
                for held in [true, false] {
                    let arrays = xs.iter().zip(&plan).map(|(x, l)| l.array(x)).collect::<Checked<Vec<_>>>()?;
                    let ys = call(cx.case, &arrays)?;
                    let place = format!("{choice} {plan:?} {}", if held { "held" } else { "given away" });
                    if held {
                        at(&place, compare(&ys, &want))?;
                        for (a, x) in arrays.iter().zip(&xs) {
                            at(format_args!("{place}: an input changed"), same_bits(&Data::of(a)?, x))?;
                        }
                    } else {
                        drop(arrays);
                        at(&place, compare(&ys, &want))?;
                    }
                    cx.compared += 1;
                }
            }
        }
        Ok(())
    })
}

/// Inputs that nobody else holds may be overwritten; any other must keep its value, and no result may depend on it.
pub fn donation(cx: &mut Cx<'_>) -> Checked {
    if cx.case.inputs.is_empty() {
        return Ok(());
    }
    on_subject(|| {
        for choice in choices_of(cx.case, &DTYPES) {
            let xs = draw::operands(&mut cx.rng, cx.case, choice);
            let want = at(choice, outputs(cx.case, &xs))?;
            at(choice, given_away(cx, &xs, &want))?;
            at(choice, held(cx, &xs, &want))?;
            at(choice, shared(cx, &xs, &want))?;
            at(choice, aliased(cx, &xs))?;
        }
        Ok(())
    })
}

/// Every non-empty subset of inputs given away, as evaluated arrays and as results of another operation.
fn given_away(cx: &mut Cx<'_>, xs: &[Data], want: &[Data]) -> Checked {
    let all: Vec<usize> = (0..xs.len()).collect();
    for given in super::subsets(&all, &mut cx.rng) {
        for lazy in [false, true] {
            let mut arrays: Vec<Array> = xs.iter().map(Data::array).collect();
            if lazy {
                for &i in &given {
                    // A copy that only the graph holds.
                    arrays[i] = ops::concatenate(&halves(&arrays[i])?, 0)?;
                    let shape: Vec<isize> = xs[i].shape.iter().map(|&n| n as isize).collect();
                    arrays[i] = ops::reshape(&arrays[i], &shape)?;
                }
            }
            let ys = cx.call(&arrays)?;
            let kept: Vec<(Array, &Data)> =
                all.iter().filter(|i| !given.contains(i)).map(|&i| (arrays[i].clone(), &xs[i])).collect();
            drop(arrays);
            at(format_args!("{given:?} given away, lazy {lazy}"), compare(&ys, want))?;
            for (a, x) in kept {
                at("a held input changed", same_bits(&Data::of(&a)?, x))?;
            }
            cx.compared += 1;
        }
    }
    Ok(())
}

/// Two flat parts that make up the array.
fn halves(a: &Array) -> Checked<Vec<Array>> {
    let flat = ops::reshape(a, &[-1])?;
    let cut = (flat.size() / 2) as isize;
    Ok(ops::split_at(&flat, &[cut], 0)?)
}

fn held(cx: &mut Cx<'_>, xs: &[Data], want: &[Data]) -> Checked {
    let arrays: Vec<Array> = xs.iter().map(Data::array).collect();
    for round in 0..2 {
        let ys = cx.call(&arrays)?;
        at(format_args!("held, round {round}"), compare(&ys, want))?;
    }
    for (a, x) in arrays.iter().zip(xs) {
        at("a held input changed", same_bits(&Data::of(a)?, x))?;
    }
    cx.compared += 1;
    Ok(())
}

/// The input node dies, but another view of its buffer lives.
fn shared(cx: &mut Cx<'_>, xs: &[Data], want: &[Data]) -> Checked {
    let originals: Vec<Array> = xs.iter().map(Data::array).collect();
    let views = originals
        .iter()
        .zip(xs)
        .map(|(a, x)| {
            let shape: Vec<isize> = x.shape.iter().map(|&n| n as isize).collect();
            let flat = if x.size() == 0 { a.clone() } else { ops::reshape(a, &[-1])? };
            Ok(ops::reshape(&flat, &shape)?)
        })
        .collect::<Checked<Vec<Array>>>()?;
    let ys = cx.call(&views)?;
    drop(views);
    at("views given away", compare(&ys, want))?;
    for (a, x) in originals.iter().zip(xs) {
        at("an array changed through a view of it", same_bits(&Data::of(a)?, x))?;
    }
    // The outputs must not live in memory that a later user of the inputs may overwrite.
    drop(originals);
    let again: Vec<Array> = xs.iter().map(|x| x.map(|v| v + 1.0, |i| i).array()).collect();
    at("after the inputs were freed", compare(&ys, want))?;
    drop(again);
    cx.compared += 1;
    Ok(())
}

/// One array in every position that takes its shape and dtype, given away.
fn aliased(cx: &mut Cx<'_>, xs: &[Data]) -> Checked {
    let first = &xs[0];
    let twins: Vec<usize> = (1..xs.len())
        .filter(|&i| {
            let same = xs[i].shape == first.shape && xs[i].dtype == first.dtype;
            same && std::mem::discriminant(&cx.case.inputs[i].domain)
                == std::mem::discriminant(&cx.case.inputs[0].domain)
        })
        .collect();
    if twins.is_empty() {
        return Ok(());
    }
    let mut data = xs.to_vec();
    for &i in &twins {
        data[i] = first.clone();
    }
    let want = outputs(cx.case, &data)?;
    for held in [true, false] {
        let mut arrays: Vec<Array> = data.iter().map(Data::array).collect();
        for &i in &twins {
            arrays[i] = arrays[0].clone();
        }
        let ys = cx.call(&arrays)?;
        let keep = held.then(|| arrays[0].clone());
        drop(arrays);
        at(format_args!("one array as inputs 0 and {twins:?}, held {held}"), compare(&ys, &want))?;
        if let Some(a) = keep
            && let Err(f) = same_bits(&Data::of(&a)?, first)
        {
            return Err(Failure(format!("an aliased input changed: {}", f.0)));
        }
        cx.compared += 1;
    }
    Ok(())
}
