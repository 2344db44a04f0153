//! `compile`: a function that is run once for every kind of arguments, and recorded then.

use super::callables::forwarded;
use crate::args::{Substituted, Tree, number};
use crate::array::PyArray;
use crate::error::{Res, stash};
use crate::random::RandomState;
use isobit::transforms::{Trace, size_pattern};
use isobit::{Array, Dtype, Shape, random};
use parking_lot::Mutex;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How many recordings a function keeps; one that is called with ever new shapes starts over.
const KEPT: usize = 512;

// A function that is recorded.
#[pyclass(frozen, name = "_Compiled", module = "isobit.core", weakref, dict)]
pub struct PyCompiled {
    fun: Py<PyAny>,
    /// State that the function reads, beside its arguments.
    inputs: Option<Py<PyAny>>,
    /// State that it changes, beside its results.
    outputs: Option<Py<PyAny>>,
    shapeless: bool,
    kept: Mutex<HashMap<Signature, Arc<Kept>>>,
}

/// What decides whether a recording fits a call, in the order in which a walk through the arguments meets it.
type Signature = Vec<Mark>;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Mark {
    /// An array: its dtype and shape.
    Array(Dtype, Shape),
    /// An array of any sizes: its dtype, and which sizes are 0, 1 and equal.
    Sizes(Dtype, Shape),
    /// So many elements of a sequence or entries of a dict follow, of that type.
    Container(usize, usize),
    /// The key of an entry.
    Key(String),
    None,
    Text(String),
    Bytes(Vec<u8>),
    /// A number as Python writes it with its type, so that 1, 1.0 and True differ and NaN is itself.
    Number(String),
    /// The state of the random numbers.
    Random,
    /// Something in captured state that is no array.
    Other,
}

/// A recording with the structure of what the function returned and left in its state.
struct Kept {
    trace: Trace,
    result: Tree,
    state: Tree,
}

/// A call's arguments and captured state, taken apart.
#[derive(Default)]
struct Given {
    arrays: Vec<Array>,
    signature: Signature,
    /// Whether captured state has the state of the random numbers among it; it is the last array.
    random: bool,
}

impl Given {
    /// Walks through a tree; `captured` state may hold anything, arguments only arrays and constants.
    fn add(&mut self, x: &Bound<'_, PyAny>, captured: bool) -> PyResult<()> {
        if let Ok(a) = x.cast::<PyArray>() {
            let a = a.get().array();
            self.signature.push(Mark::Array(a.dtype(), a.shape().into()));
            self.arrays.push(a);
            return Ok(());
        }
        let class = x.get_type().as_ptr() as usize;
        if let Ok(list) = x.cast::<PyList>() {
            self.signature.push(Mark::Container(class, list.len()));
            return list.iter().try_for_each(|x| self.add(&x, captured));
        }
        if let Ok(tuple) = x.cast::<PyTuple>() {
            self.signature.push(Mark::Container(class, tuple.len()));
            return tuple.iter().try_for_each(|x| self.add(&x, captured));
        }
        if let Ok(dict) = x.cast::<PyDict>() {
            self.signature.push(Mark::Container(class, dict.len()));
            return dict.iter().try_for_each(|(key, x)| {
                self.signature.push(Mark::Key(key.repr()?.to_string()));
                self.add(&x, captured)
            });
        }
        self.signature.push(if x.is_none() {
            Mark::None
        } else if let Ok(text) = x.cast::<PyString>() {
            Mark::Text(text.to_string())
        } else if let Ok(bytes) = x.cast::<PyBytes>() {
            Mark::Bytes(bytes.as_bytes().to_vec())
        } else if number(x.as_borrowed())?.is_some() {
            Mark::Number(format!("{}{}", x.get_type().name()?, x.repr()?))
        } else if captured && x.is_instance_of::<RandomState>() {
            self.random = true;
            Mark::Random
        } else if captured {
            Mark::Other
        } else {
            let got = x.get_type().name()?;
            let message =
                format!("[compile] expected trees of arrays, numbers, strings and None as arguments, got a {got}");
            return Err(PyValueError::new_err(message));
        });
        Ok(())
    }

    /// The signature for arrays of any sizes.
    fn loose(&self) -> Signature {
        // Arrays stand in the order of their marks; the state of the random numbers comes last.
        let mut patterns = size_pattern(&self.arrays).into_iter();
        let loosen = |mark: &Mark| match mark {
            Mark::Array(dtype, shape) => Mark::Sizes(*dtype, patterns.next().unwrap_or_else(|| shape.clone())),
            other => other.clone(),
        };
        self.signature.iter().map(loosen).collect()
    }
}

/// Whether a tree has the state of the random numbers among it.
fn has_random(py: Python<'_>, tree: &Tree) -> bool {
    match tree {
        Tree::Array => false,
        Tree::Other(x) => x.bind(py).is_instance_of::<RandomState>(),
        Tree::List(items) | Tree::Tuple(items, _) => items.iter().any(|t| has_random(py, t)),
        Tree::Dict(items) => items.iter().any(|(_, t)| has_random(py, t)),
    }
}

#[pymethods]
impl PyCompiled {
    #[pyo3(signature = (*args, **kwargs))]
    fn __call__<'py>(&self, args: &Bound<'py, PyTuple>, kwargs: Option<&Bound<'py, PyDict>>) -> Res<Bound<'py, PyAny>> {
        let py = args.py();
        if !COMPILE.load(Ordering::Relaxed) {
            return Ok(self.fun.bind(py).call(args, kwargs)?);
        }
        let mut given = Given::default();
        given.add(args.as_any(), false)?;
        kwargs.map_or(Ok(()), |k| given.add(k.as_any(), false))?;
        self.inputs.as_ref().map_or(Ok(()), |i| given.add(i.bind(py), true))?;
        if given.random {
            given.arrays.push(random::state());
        }
        let kept = self.find(&given);
        let kept = match kept {
            Some(kept) => kept,
            None => self.record(args, kwargs, given.random, &given)?,
        };
        let outs = kept.trace.call(&given.arrays)?;
        self.hand_out(py, &kept, outs)
    }

    #[getter(__doc__)]
    fn doc<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.fun.bind(py).getattr("__doc__")
    }

    fn __getattr__<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        forwarded(self.fun.bind(py), name)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        for state in [&self.inputs, &self.outputs].into_iter().flatten() {
            visit.call(state)?;
        }
        // Whoever holds the lock is looking something up, and then nothing here is garbage.
        for kept in self.kept.try_lock().iter().flat_map(|all| all.values()) {
            kept.result.traverse(&visit)?;
            kept.state.traverse(&visit)?;
        }
        visit.call(&self.fun)
    }
}

impl PyCompiled {
    /// A recording that fits.
    fn find(&self, given: &Given) -> Option<Arc<Kept>> {
        let loose = self.shapeless.then(|| given.loose());
        let kept = self.kept.lock();
        loose.and_then(|s| kept.get(&s)).or_else(|| kept.get(&given.signature)).cloned()
    }

    /// Runs the function on stand-ins.
    fn record<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
        random: bool,
        given: &Given,
    ) -> Res<Arc<Kept>> {
        let mut trees = None;
        let run = |xs: &[Array]| {
            let mut results = Vec::new();
            let found = self.run(args, kwargs, random, xs, &mut results).map_err(stash)?;
            trees = Some(found);
            Ok(results)
        };
        let trace = Trace::record(run, &given.arrays)?;
        let Some((result, state)) = trees else {
            return Err(PyValueError::new_err("[compile] the function was not called").into());
        };
        let kept = Arc::new(Kept { trace, result, state });
        if kept.trace.lasts() {
            let any = self.shapeless && kept.trace.any_shape();
            let signature = if any { given.loose() } else { given.signature.clone() };
            let mut all = self.kept.lock();
            // What is dropped is dropped after the lock.
            let _old = (all.len() >= KEPT).then(|| std::mem::take(&mut *all));
            all.insert(signature, Arc::clone(&kept));
        }
        Ok(kept)
    }

    /// Calls the function with `xs` in the places of the arrays of arguments and captured state; the structure of its result
    /// and of the state that it changes, whose arrays go to `results`.
    fn run<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
        random: bool,
        xs: &[Array],
        results: &mut Vec<Array>,
    ) -> PyResult<(Tree, Tree)> {
        let py = args.py();
        let fun = self.fun.bind(py);
        let key = if random { xs.last() } else { None };
        let mut xs = xs.iter().cloned();
        let mut substituted = Substituted::default();
        let mut call = || -> PyResult<(Tree, Tree)> {
            let args = substituted.put(args.as_any(), &mut xs)?.cast_into::<PyTuple>()?;
            kwargs.map_or(Ok(()), |k| substituted.put(k.as_any(), &mut xs).map(|_| ()))?;
            self.inputs.as_ref().map_or(Ok(()), |i| substituted.put(i.bind(py), &mut xs).map(|_| ()))?;
            let (result, key) = match key {
                Some(key) => {
                    let (result, last) = random::with_state(key, || fun.call(&args, kwargs));
                    (result?, Some(last))
                }
                None => (fun.call(&args, kwargs)?, None),
            };
            let result = Tree::flatten(&result, results)?;
            let Some(outputs) = &self.outputs else { return Ok((result, Tree::List(Vec::new()))) };
            let state = Tree::flatten(outputs.bind(py), results)?;
            if has_random(py, &state) {
                results.push(key.unwrap_or_else(random::state));
            }
            Ok((result, state))
        };
        let trees = call();
        substituted.restore_all(py)?;
        trees
    }

    /// The result of a call, after its state has been put where it belongs.
    fn hand_out<'py>(&self, py: Python<'py>, kept: &Kept, outs: Vec<Array>) -> Res<Bound<'py, PyAny>> {
        let mut outs = outs.into_iter();
        let result = kept.result.build(py, &mut outs)?;
        if let Some(outputs) = &self.outputs {
            kept.state.assign(outputs.bind(py), &mut outs)?;
            if let Some(key) = outs.next() {
                random::set_state(&key)?;
            }
        }
        Ok(result)
    }
}

/// A function that is run once for every kind of arguments: dtypes and shapes of arrays, values of numbers and strings. What
/// it does with arrays is recorded then and done again in later calls, without running the function. What it takes from
/// elsewhere is what it was when it was recorded, except state (trees of arrays) that `inputs` names; state that it changes
/// must be among `outputs`. With `shapeless` one recording may serve for arrays of other sizes, where that gives the same
/// results: if the function computes element by element and asks for no sizes.
#[pyfunction]
#[pyo3(signature = (fun, inputs=None, outputs=None, shapeless=false))]
fn compile(
    fun: Bound<'_, PyAny>,
    inputs: Option<Bound<'_, PyAny>>,
    outputs: Option<Bound<'_, PyAny>>,
    shapeless: bool,
) -> PyResult<PyCompiled> {
    if !fun.is_callable() {
        return Err(PyTypeError::new_err("[compile] expected a function"));
    }
    let (inputs, outputs) = (inputs.map(Bound::unbind), outputs.map(Bound::unbind));
    Ok(PyCompiled { fun: fun.unbind(), inputs, outputs, shapeless, kept: Mutex::default() })
}

static COMPILE: AtomicBool = AtomicBool::new(true);

/// Makes `compile` have no effect.
#[pyfunction]
fn disable_compile() {
    COMPILE.store(false, Ordering::Relaxed);
}

/// Undoes `disable_compile`.
#[pyfunction]
fn enable_compile() {
    COMPILE.store(true, Ordering::Relaxed);
}

/// Adds this file's class and functions.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyCompiled>()?;
    m.add_function(wrap_pyfunction!(compile, m)?)?;
    m.add_function(wrap_pyfunction!(disable_compile, m)?)?;
    m.add_function(wrap_pyfunction!(enable_compile, m)?)
}
