//! Sizes that cases do not have: large enough for every parallel path, every block of a copy and every cut into tasks.

use super::{Cx, at, call};
use crate::compare::same_bits;
use crate::data::Data;
use crate::draw::{self, choices_of};
use crate::settings::Settings;
use crate::{Checked, on_subject};
use isobit_core::{Array, Dtype, transforms};
use isobit_kernels::par;

/// Elements of the largest operand or result, at least: beyond what any kernel does in one task.
const ELEMENTS: usize = 140_000;
/// How many elements of the batch differ; the others repeat them. Coprime to the sizes of vectors and tasks.
const DIFFERENT: usize = 3;

/// A batch of thousands, made of three elements over and over, along the first axis of every input or along the last one:
/// the bits of three single calls, over and over. With three threads.
pub fn large(cx: &mut Cx<'_>) -> Checked {
    let case = cx.case;
    if case.inputs.is_empty() {
        return Ok(());
    }
    let _restore = Settings::save();
    on_subject(|| {
        let wide = choices_of(case, &[Dtype::F32, Dtype::BF16]);
        // One dtype per case, for time.
        let choice = wide[cx.rng.below(wide.len())];
        let elements: Vec<Vec<Data>> = (0..DIFFERENT).map(|_| draw::operands(&mut cx.rng, case, choice)).collect();
        let arrays = |xs: &[Data]| xs.iter().map(Data::array).collect::<Vec<Array>>();
        let outs = elements
            .iter()
            .map(|xs| call(case, &arrays(xs))?.iter().map(Data::of).collect::<Checked<Vec<_>>>())
            .collect::<Checked<Vec<_>>>()?;
        let widest = elements[0].iter().chain(&outs[0]).map(Data::size).max().unwrap_or(0);
        if widest == 0 {
            return Ok(());
        }
        let batch = ELEMENTS.div_ceil(widest);
        let last = cx.rng.below(2) == 1;
        let axes: Vec<usize> = case.inputs.iter().map(|o| if last { o.shape.len() } else { 0 }).collect();
        let column = |rows: &[Vec<Data>], i: usize| rows.iter().map(|r| r[i].clone()).collect::<Vec<Data>>();
        let xs: Vec<Data> = (0..axes.len()).map(|i| cycled(&column(&elements, i), axes[i], batch)).collect();
        let want: Vec<Data> = (0..outs[0].len()).map(|o| cycled(&column(&outs, o), 0, batch)).collect();
        par::set_threads(3);
        let in_axes: Vec<Option<isize>> = axes.iter().map(|&a| Some(a as isize)).collect();
        let run = transforms::vmap_with(|x: &[Array]| call(case, x), in_axes, vec![Some(0); want.len()]);
        let got = run(&arrays(&xs))?;
        for (o, (g, w)) in got.iter().zip(&want).enumerate() {
            let place = format!("{choice} batch of {batch} along {axes:?}, output {o}");
            at(place, same_bits(&Data::of(g)?, w))?;
        }
        cx.compared += 1;
        Ok(())
    })
}

/// `count` parts along a new axis: the given ones, over and over.
fn cycled(parts: &[Data], axis: usize, count: usize) -> Data {
    let few = Data::stack(parts, axis);
    let inner: usize = few.shape[axis + 1..].iter().product();
    let mut shape = few.shape.clone();
    shape[axis] = count;
    let (n, size) = (parts.len(), shape.iter().product::<usize>());
    few.pick(&shape, (0..size).map(|i| (i / (count * inner) * n + i / inner % count % n) * inner + i % inner))
}
