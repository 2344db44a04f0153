//! Transforms over Python functions whose arguments and results are trees of arrays.
//!
//! An exception that the function raises passes through isobit as an error that stands for it (`error.rs`).

mod callables;
mod compile;
mod custom;
mod gradients;

use crate::args::Tree;
use crate::array::PyArray;
use crate::error::{Res, stash};
use custom::PyCustomFunction;
use isobit::Array;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// Positional and keyword arguments with their arrays taken out.
pub struct Call {
    tree: Tree,
    kwargs: Tree,
    /// The arrays, in order.
    pub arrays: Vec<Array>,
}

impl Call {
    /// Takes the arguments of a call apart.
    pub fn new(args: &Bound<'_, PyTuple>, kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<Call> {
        let mut arrays = Vec::new();
        let tree = Tree::flatten(args.as_any(), &mut arrays)?;
        let kwargs = match kwargs {
            Some(k) => Tree::flatten(k.as_any(), &mut arrays)?,
            None => Tree::Dict(Vec::new()),
        };
        Ok(Call { tree, kwargs, arrays })
    }

    /// Calls `f` with other arrays in the places of the original ones.
    pub fn run<'py>(&self, f: &Bound<'py, PyAny>, arrays: &[Array]) -> PyResult<Bound<'py, PyAny>> {
        let mut arrays = arrays.iter().cloned();
        let args = self.tree.build(f.py(), &mut arrays)?;
        let kwargs = self.kwargs.build(f.py(), &mut arrays)?;
        f.call(args.cast::<PyTuple>()?.clone(), Some(kwargs.cast::<PyDict>()?))
    }
}

/// Calls `f` with arrays as positional arguments; its results as arrays.
fn call_flat(f: &Bound<'_, PyAny>, arrays: &[Array]) -> PyResult<Vec<Array>> {
    let args = arrays.iter().map(|a| Bound::new(f.py(), PyArray::from(a.clone()))).collect::<PyResult<Vec<_>>>()?;
    results(&f.call1(PyTuple::new(f.py(), args)?)?)
}

/// One array, or a list or tuple of arrays.
fn results(obj: &Bound<'_, PyAny>) -> PyResult<Vec<Array>> {
    let mut arrays = Vec::new();
    let others = match Tree::flatten(obj, &mut arrays)? {
        Tree::Array => 0,
        Tree::List(items) | Tree::Tuple(items, _) => items.iter().filter(|t| !t.is_array()).count(),
        _ => 1,
    };
    if others > 0 {
        return Err(PyValueError::new_err("expected a function that returns an array or a list or tuple of arrays"));
    }
    Ok(arrays)
}

fn arrays(list: Vec<Bound<'_, PyArray>>) -> Vec<Array> {
    list.iter().map(|a| a.get().array()).collect()
}

type Lists = (Vec<PyArray>, Vec<PyArray>);

fn lists(pair: (Vec<Array>, Vec<Array>)) -> Lists {
    let wrap = |v: Vec<Array>| v.into_iter().map(PyArray::from).collect();
    (wrap(pair.0), wrap(pair.1))
}

/// The outputs of `fun` at `primals`, and the products of `cotangents` with its Jacobian.
#[pyfunction]
fn vjp(fun: &Bound<'_, PyAny>, primals: Vec<Bound<'_, PyArray>>, cotangents: Vec<Bound<'_, PyArray>>) -> Res<Lists> {
    let f = |xs: &[Array]| call_flat(fun, xs).map_err(stash);
    Ok(lists(isobit::transforms::vjp(f, &arrays(primals), &arrays(cotangents))?))
}

/// The outputs of `fun` at `primals`, and the products of its Jacobian with `tangents`.
#[pyfunction]
fn jvp(fun: &Bound<'_, PyAny>, primals: Vec<Bound<'_, PyArray>>, tangents: Vec<Bound<'_, PyArray>>) -> Res<Lists> {
    let f = |xs: &[Array]| call_flat(fun, xs).map_err(stash);
    Ok(lists(isobit::transforms::jvp(f, &arrays(primals), &arrays(tangents))?))
}

/// Computes the values of all arrays in the arguments, which may be trees; other threads run meanwhile.
#[pyfunction]
#[pyo3(signature = (*args))]
fn eval(py: Python<'_>, args: &Bound<'_, PyTuple>) -> Res<()> {
    let mut arrays = Vec::new();
    Tree::flatten(args.as_any(), &mut arrays)?;
    if arrays.iter().all(Array::is_evaluated) {
        return Ok(());
    }
    Ok(py.detach(|| isobit::eval(&arrays))?)
}

/// Starts computing the values of all arrays in the arguments and returns at once.
#[pyfunction]
#[pyo3(signature = (*args))]
fn async_eval(py: Python<'_>, args: &Bound<'_, PyTuple>) -> Res<()> {
    let mut arrays = Vec::new();
    Tree::flatten(args.as_any(), &mut arrays)?;
    Ok(py.detach(|| isobit::async_eval(&arrays))?)
}

/// Writes the graph behind arrays, by position or by name, in Graphviz's language to a path or an open text file.
#[pyfunction]
#[pyo3(signature = (file, *args, **kwargs))]
fn export_to_dot(
    file: &Bound<'_, PyAny>,
    args: Vec<Bound<'_, PyArray>>,
    kwargs: Option<&Bound<'_, PyDict>>,
) -> Res<()> {
    let mut named: Vec<(String, Array)> = args.iter().map(|a| (String::new(), a.get().array())).collect();
    for (name, a) in kwargs.iter().flat_map(|k| k.iter()) {
        named.push((name.extract()?, a.cast::<PyArray>()?.get().array()));
    }
    let borrowed: Vec<(&str, &Array)> = named.iter().map(|(n, a)| (n.as_str(), a)).collect();
    let text = isobit::dot::graph(&borrowed);
    match file.extract::<std::path::PathBuf>() {
        Ok(path) => std::fs::write(path, text).map_err(|e| PyErr::from(e).into()),
        Err(_) => Ok(file.call_method1("write", (text,)).map(|_| ())?),
    }
}

/// Lets Python's signal handlers run during an evaluation: an exception of theirs, such as KeyboardInterrupt, ends it.
fn interrupted() -> isobit::Result<()> {
    Python::attach(|py| py.check_signals()).map_err(stash)
}

/// Adds the transforms.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    isobit::eval::set_interrupt(interrupted);
    m.add_function(wrap_pyfunction!(vjp, m)?)?;
    m.add_function(wrap_pyfunction!(jvp, m)?)?;
    m.add_function(wrap_pyfunction!(eval, m)?)?;
    m.add_function(wrap_pyfunction!(async_eval, m)?)?;
    m.add_function(wrap_pyfunction!(export_to_dot, m)?)?;
    gradients::register(m)?;
    callables::register(m)?;
    compile::register(m)?;
    m.add_class::<PyCustomFunction>()
}
