//! What the transforms return: callables around a Python function.

use super::Call;
use super::gradients::Wanted;
use crate::args::Tree;
use crate::error::{Res, stash};
use isobit::Array;
use parking_lot::Mutex;
use pyo3::exceptions::{PyAttributeError, PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::sync::Arc;

/// What is done with a function.
pub enum Kind {
    /// Its gradient.
    Grad(Wanted),
    /// Its value and gradient.
    ValueAndGrad(Wanted),
    /// The function of batches.
    Vmap {
        /// Batch axes of the arguments.
        in_axes: Py<PyAny>,
        /// Batch axes of the results.
        out_axes: Py<PyAny>,
    },
    /// The function, recomputed in the reverse pass.
    Checkpoint,
}

// No documentation comment: it would hide `__doc__`, which is the function's.
#[pyclass(frozen, name = "_Transformed", module = "isobit.core", weakref, dict)]
pub struct PyTransformed {
    fun: Py<PyAny>,
    kind: Kind,
}

impl PyTransformed {
    /// `fun`, which is kept, transformed.
    pub fn new(fun: Bound<'_, PyAny>, kind: Kind) -> PyTransformed {
        PyTransformed { fun: fun.unbind(), kind }
    }
}

/// An attribute that the function has: its name, its module, its signature.
pub fn forwarded<'py>(fun: &Bound<'py, PyAny>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    match name {
        "__wrapped__" => Ok(fun.clone()),
        "__name__" | "__qualname__" | "__module__" | "__annotations__" => fun.getattr(name),
        _ => Err(PyAttributeError::new_err(format!("a transformed function has no attribute {name:?}"))),
    }
}

#[pymethods]
impl PyTransformed {
    #[pyo3(signature = (*args, **kwargs))]
    fn __call__<'py>(&self, args: &Bound<'py, PyTuple>, kwargs: Option<&Bound<'py, PyDict>>) -> Res<Bound<'py, PyAny>> {
        let py = args.py();
        let fun = self.fun.bind(py);
        match &self.kind {
            Kind::Grad(wanted) => Ok(wanted.run(fun, args, kwargs, false)?.1),
            Kind::ValueAndGrad(wanted) => Ok(wanted.run(fun, args, kwargs, true)?.into_pyobject(py)?.into_any()),
            Kind::Vmap { in_axes, out_axes } => batched(fun, args, kwargs, in_axes.bind(py), out_axes.bind(py)),
            Kind::Checkpoint => checkpointed(fun, args, kwargs),
        }
    }

    #[getter(__doc__)]
    fn doc<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.fun.bind(py).getattr("__doc__")
    }

    fn __getattr__<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        forwarded(self.fun.bind(py), name)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let Kind::Vmap { in_axes, out_axes } = &self.kind {
            visit.call(in_axes)?;
            visit.call(out_axes)?;
        }
        visit.call(&self.fun)
    }
}

/// The batch axes of a tree's arrays: `axes` is one entry for all of them, or a tree that is a prefix of theirs.
fn axes_of(tree: &Tree, axes: &Bound<'_, PyAny>, what: &str, found: &mut Vec<Option<isize>>) -> PyResult<()> {
    let one = if axes.is_none() { Some(None) } else { axes.extract::<isize>().ok().map(Some) };
    let mismatch = || PyValueError::new_err(format!("[vmap] {what} does not have the structure of what it describes"));
    if let Some(one) = one {
        fill(tree, one, found);
        return Ok(());
    }
    match tree {
        Tree::List(items) | Tree::Tuple(items, _) => {
            if axes.is_instance_of::<PyDict>() {
                return Err(mismatch());
            }
            let entries: Vec<Bound<'_, PyAny>> = axes.try_iter()?.collect::<PyResult<_>>()?;
            if entries.len() != items.len() {
                return Err(mismatch());
            }
            items.iter().zip(&entries).try_for_each(|(t, a)| axes_of(t, a, what, found))
        }
        Tree::Dict(items) => {
            let entries = axes.cast::<PyDict>().map_err(|_| mismatch())?;
            for (key, t) in items {
                let entry = entries.get_item(key)?.ok_or_else(mismatch)?;
                axes_of(t, &entry, what, found)?;
            }
            Ok(())
        }
        Tree::Array | Tree::Other(_) => Err(mismatch()),
    }
}

fn fill(tree: &Tree, axis: Option<isize>, found: &mut Vec<Option<isize>>) {
    match tree {
        Tree::Array => found.push(axis),
        Tree::Other(_) => {}
        Tree::List(items) | Tree::Tuple(items, _) => items.iter().for_each(|t| fill(t, axis, found)),
        Tree::Dict(items) => items.iter().for_each(|(_, t)| fill(t, axis, found)),
    }
}

fn batched<'py>(
    fun: &Bound<'py, PyAny>,
    args: &Bound<'py, PyTuple>,
    kwargs: Option<&Bound<'py, PyDict>>,
    in_axes: &Bound<'py, PyAny>,
    out_axes: &Bound<'py, PyAny>,
) -> Res<Bound<'py, PyAny>> {
    let py = fun.py();
    if kwargs.is_some_and(|k| !k.is_empty()) {
        return Err(PyTypeError::new_err("[vmap] expected positional arguments only").into());
    }
    let call = Call::new(args, None)?;
    let mut axes = Vec::new();
    // A tree of axes that is no sequence describes the only argument.
    match &call.tree {
        Tree::Tuple(items, _) if items.len() == 1 && in_axes.is_instance_of::<PyDict>() => {
            axes_of(&items[0], in_axes, "in_axes", &mut axes)?
        }
        tree => axes_of(tree, in_axes, "in_axes", &mut axes)?,
    }
    let mut structure = None;
    let f = |xs: &[Array]| {
        let mut run = || -> PyResult<(Vec<Array>, Vec<Option<isize>>)> {
            let result = call.run(fun, xs)?;
            let (mut outs, mut axes) = (Vec::new(), Vec::new());
            let tree = Tree::flatten(&result, &mut outs)?;
            // A sequence of one entry may describe the only result.
            let one = out_axes.cast::<PyTuple>().ok().filter(|t| tree.is_array() && t.len() == 1);
            let out_axes = one.map_or_else(|| Ok(out_axes.clone()), |t| t.get_item(0))?;
            axes_of(&tree, &out_axes, "out_axes", &mut axes)?;
            structure = Some(tree);
            Ok((outs, axes))
        };
        run().map_err(stash)
    };
    let outs = isobit::transforms::vmap_call(f, &call.arrays, &axes)?;
    let Some(tree) = structure else {
        return Err(PyValueError::new_err("[vmap] the function was not called").into());
    };
    Ok(tree.build(py, &mut outs.into_iter())?)
}

fn checkpointed<'py>(
    fun: &Bound<'py, PyAny>,
    args: &Bound<'py, PyTuple>,
    kwargs: Option<&Bound<'py, PyDict>>,
) -> Res<Bound<'py, PyAny>> {
    let py = fun.py();
    let call = Call::new(args, kwargs)?;
    let inputs = call.arrays.clone();
    let structure = Arc::new(Mutex::new(None));
    let fun = fun.clone().unbind();
    let kept = Arc::clone(&structure);
    let f = move |xs: &[Array]| {
        Python::attach(|py| -> PyResult<Vec<Array>> {
            let result = call.run(fun.bind(py), xs)?;
            let mut outs = Vec::new();
            let tree = Tree::flatten(&result, &mut outs)?;
            *kept.lock() = Some(tree);
            Ok(outs)
        })
        .map_err(stash)
    };
    let outs = isobit::transforms::checkpoint(f)(&inputs)?;
    let tree = structure.lock().take();
    match tree {
        Some(tree) => Ok(tree.build(py, &mut outs.into_iter())?),
        None => Err(PyValueError::new_err("[checkpoint] the function was not called").into()),
    }
}

/// A function of batches: `in_axes` and `out_axes` say, for each argument and result or for trees of them, which axis
/// is the batch's; `None` is the same for the whole batch.
#[pyfunction]
#[pyo3(signature = (fun, in_axes=Given::Zero, out_axes=Given::Zero))]
fn vmap<'py>(fun: Bound<'py, PyAny>, in_axes: Given<'py>, out_axes: Given<'py>) -> PyResult<PyTransformed> {
    let (in_axes, out_axes) = (in_axes.or_zero(fun.py())?, out_axes.or_zero(fun.py())?);
    Ok(PyTransformed::new(fun, Kind::Vmap { in_axes, out_axes }))
}

/// An argument of which `None` is a value: it is not the same as leaving it out, which means 0.
enum Given<'py> {
    Zero,
    Some(Bound<'py, PyAny>),
}

impl<'a, 'py> FromPyObject<'a, 'py> for Given<'py> {
    type Error = PyErr;

    fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<Given<'py>> {
        Ok(Given::Some(obj.to_owned()))
    }
}

impl Given<'_> {
    fn or_zero(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self {
            Given::Zero => Ok(0i64.into_pyobject(py)?.into_any().unbind()),
            Given::Some(x) => Ok(x.unbind()),
        }
    }
}

/// A function whose intermediate values are computed again in the reverse pass instead of kept.
#[pyfunction]
fn checkpoint(fun: Bound<'_, PyAny>) -> PyTransformed {
    PyTransformed::new(fun, Kind::Checkpoint)
}

/// Adds this file's classes and functions.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyTransformed>()?;
    m.add_function(wrap_pyfunction!(vmap, m)?)?;
    m.add_function(wrap_pyfunction!(checkpoint, m)?)
}
