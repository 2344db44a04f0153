//! Where the time of an evaluation goes: a backend that hands every primitive to the one behind it and notes how long it
//! took. Nothing is measured, and nothing costs anything, unless the wrapper is in use.

use isobit::backend::{self, Backend, Inputs, Outputs, Ran};
use isobit::fuse::Program;
use isobit::numerics::Level;
use isobit::{Dtype, Prim, Result, Shape, Spec, Tensor};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Primitives by name and result; products also by their matrix.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Row {
    name: &'static str,
    out: Shape,
    matrix: Option<Shape>,
}

impl Row {
    fn of(name: &'static str, inputs: &[Tensor], outs: &[Spec]) -> Row {
        let matrix = (name.contains("mm") || name.contains("matmul")).then(|| inputs.get(1).map(|t| t.shape().into()));
        Row { name, out: outs.first().map_or_else(Shape::new, |s| s.shape.clone()), matrix: matrix.flatten() }
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.matrix {
            Some(m) => write!(f, "{} by {:?} to {:?}", self.name, m.as_slice(), self.out.as_slice()),
            None => write!(f, "{} to {:?}", self.name, self.out.as_slice()),
        }
    }
}

/// What the primitives of a row came to.
#[derive(Clone, Copy, Default)]
struct Total {
    calls: usize,
    time: Duration,
    /// Bytes of large inputs: weights, keys and values.
    bytes: usize,
}

/// The wrapper.
pub struct Profiler {
    inner: &'static dyn Backend,
    totals: Mutex<HashMap<Row, Total>>,
}

impl Profiler {
    /// Around the backend in force. It lives as long as the program.
    ///
    /// # Errors
    /// No backend is linked.
    pub fn new() -> Result<&'static Profiler> {
        Ok(Box::leak(Box::new(Profiler { inner: backend::current()?, totals: Mutex::default() })))
    }

    /// Runs `f` with every primitive measured.
    pub fn with<R>(&'static self, f: impl FnOnce() -> R) -> R {
        backend::with(self, f)
    }

    /// The table of what was measured since the last call, the longest rows first: `total` is what it all took, `per` how many
    /// times the same was done (tokens).
    pub fn report(&self, title: &str, total: Duration, per: usize) -> String {
        let rows = std::mem::take(&mut *self.totals.lock().unwrap_or_else(PoisonError::into_inner));
        let mut rows: Vec<(Row, Total)> = rows.into_iter().collect();
        rows.sort_by_key(|(_, t)| std::cmp::Reverse(t.time));
        let per = per.max(1) as f64;
        let mut out = format!("{title}\n{:>10} {:>7} {:>8} {:>7}  primitive\n", "us", "of all", "calls", "GB/s");
        let mut line = |t: Total, name: &str| {
            let seconds = t.time.as_secs_f64();
            let rate = if t.bytes > 0 { format!("{:.1}", t.bytes as f64 / seconds / 1e9) } else { String::new() };
            let share = 100.0 * seconds / total.as_secs_f64().max(1e-9);
            let (us, calls) = (seconds * 1e6 / per, t.calls as f64 / per);
            out += &format!("{us:>10.1} {share:>5.1} % {calls:>8.1} {rate:>7}  {name}\n");
        };
        let mut rest = Total::default();
        let mut outside = Total { time: total, ..Total::default() };
        for (row, t) in rows {
            outside.time = outside.time.saturating_sub(t.time);
            if t.time.as_secs_f64() >= 0.002 * total.as_secs_f64() {
                line(t, &row.to_string());
            } else {
                (rest.calls, rest.time) = (rest.calls + t.calls, rest.time + t.time);
            }
        }
        line(rest, "(others)");
        line(outside, "(between primitives, and to measure them)");
        out
    }

    fn note(&self, row: Row, bytes: usize, time: Duration) {
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        let t = totals.entry(row).or_default();
        (t.calls, t.time, t.bytes) = (t.calls + 1, t.time + time, t.bytes + bytes);
    }
}

/// Bytes of the operands that are more than one token's activations.
fn large(inputs: &[Tensor]) -> usize {
    inputs.iter().map(|t| t.size() * t.dtype().size()).filter(|&n| n >= 1 << 16).sum()
}

impl Backend for Profiler {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn level(&self, prim: &Prim, dtype: Dtype) -> Level {
        self.inner.level(prim, dtype)
    }

    fn run(&self, prim: &Prim, inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
        let (row, bytes) = (Row::of(prim.name(), &inputs, outs), large(&inputs));
        let start = Instant::now();
        let ran = self.inner.run(prim, inputs, outs)?;
        self.note(row, bytes, start.elapsed());
        Ok(ran)
    }

    fn fuses(&self) -> bool {
        self.inner.fuses()
    }

    fn run_fused(&self, program: &Program, inputs: Inputs, outs: &[Spec]) -> Result<Outputs> {
        let (row, bytes) = (Row::of("elementwise", &inputs, outs), large(&inputs));
        let start = Instant::now();
        let made = self.inner.run_fused(program, inputs, outs)?;
        self.note(row, bytes, start.elapsed());
        Ok(made)
    }

    fn copy(&self, tensor: &Tensor) -> Result<Tensor> {
        self.inner.copy(tensor)
    }
}
