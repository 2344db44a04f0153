//! `custom_function`: a function whose derivative and batching rules are Python functions.

use super::Call;
use crate::args::Tree;
use crate::error::{Res, stash};
use isobit::{Array, transforms};
use parking_lot::Mutex;
use pyo3::exceptions::PyValueError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::sync::Arc;

/// A function that can be given its own `vjp`, `jvp` and `vmap`, as a decorator and with decorators.
#[pyclass(name = "custom_function", module = "isobit.core", weakref, dict)]
pub struct PyCustomFunction {
    fun: Py<PyAny>,
    vjp: Option<Py<PyAny>>,
    jvp: Option<Py<PyAny>>,
    vmap: Option<Py<PyAny>>,
}

/// How the arguments and results of one call were put together; the results are known once it has run.
struct Structure {
    call: Call,
    result: Mutex<Option<Tree>>,
}

impl Structure {
    /// The positional arguments with other arrays; one argument stands for itself.
    fn args<'py>(&self, py: Python<'py>, arrays: &[Array]) -> PyResult<Bound<'py, PyAny>> {
        single(self.call.tree.build(py, &mut arrays.iter().cloned())?)
    }

    /// The results with other arrays.
    fn outs<'py>(&self, py: Python<'py>, arrays: &[Array]) -> PyResult<Bound<'py, PyAny>> {
        match &*self.result.lock() {
            Some(tree) => tree.build(py, &mut arrays.iter().cloned()),
            None => Err(PyValueError::new_err("[custom_function] the function was not called")),
        }
    }

    /// The positional arguments with a batch axis, or `None`, in the places of arrays.
    fn axes<'py>(&self, py: Python<'py>, axes: &[Option<usize>]) -> PyResult<Bound<'py, PyAny>> {
        let Tree::Tuple(items, _) = &self.call.tree else {
            return Err(PyValueError::new_err("[custom_function] expected positional arguments"));
        };
        let built = items.iter().zip(axes).map(|(_, a)| a.into_pyobject(py)).collect::<Result<Vec<_>, _>>()?;
        single(PyTuple::new(py, built)?.into_any())
    }
}

/// The one element of a tuple that has one.
fn single(tuple: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyAny>> {
    let t = tuple.cast::<PyTuple>()?;
    if t.len() == 1 { t.get_item(0) } else { Ok(tuple) }
}

/// All arrays of a tree.
fn flat(obj: &Bound<'_, PyAny>) -> PyResult<Vec<Array>> {
    let mut arrays = Vec::new();
    Tree::flatten(obj, &mut arrays)?;
    Ok(arrays)
}

#[pymethods]
impl PyCustomFunction {
    #[new]
    fn new(f: Bound<'_, PyAny>) -> PyCustomFunction {
        PyCustomFunction { fun: f.unbind(), vjp: None, jvp: None, vmap: None }
    }

    /// Sets the reverse rule: `f(primals, cotangents, outputs)` returns the primals' cotangents.
    fn vjp<'py>(mut slf: PyRefMut<'py, Self>, f: Bound<'py, PyAny>) -> Bound<'py, PyAny> {
        slf.vjp = Some(f.clone().unbind());
        f
    }

    /// Sets the forward rule: `f(primals, tangents)` returns the outputs' tangents.
    fn jvp<'py>(mut slf: PyRefMut<'py, Self>, f: Bound<'py, PyAny>) -> Bound<'py, PyAny> {
        slf.jvp = Some(f.clone().unbind());
        f
    }

    /// Sets the batching rule: `f(inputs, axes)` returns the outputs and their axes.
    fn vmap<'py>(mut slf: PyRefMut<'py, Self>, f: Bound<'py, PyAny>) -> Bound<'py, PyAny> {
        slf.vmap = Some(f.clone().unbind());
        f
    }

    #[pyo3(signature = (*args, **kwargs))]
    fn __call__<'py>(
        slf: &Bound<'py, Self>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> Res<Bound<'py, PyAny>> {
        let py = args.py();
        let call = Call::new(args, kwargs)?;
        let inputs = call.arrays.clone();
        let structure = Arc::new(Structure { call, result: Mutex::new(None) });
        let function = slf.borrow().function(py, &structure);
        let outs = function.call(&inputs)?;
        Ok(structure.outs(py, &outs)?)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.fun)?;
        visit.call(&self.vjp)?;
        visit.call(&self.jvp)?;
        visit.call(&self.vmap)
    }
}

impl PyCustomFunction {
    /// The function and its rules, for one call.
    fn function(&self, py: Python<'_>, structure: &Arc<Structure>) -> transforms::CustomFunction {
        let (fun, s) = (self.fun.clone_ref(py), Arc::clone(structure));
        let mut function = transforms::custom_function(move |xs: &[Array]| {
            Python::attach(|py| {
                let result = s.call.run(fun.bind(py), xs)?;
                let mut outs = Vec::new();
                let tree = Tree::flatten(&result, &mut outs)?;
                *s.result.lock() = Some(tree);
                Ok(outs)
            })
            .map_err(|e: PyErr| stash(e))
        });
        if let Some(rule) = &self.vjp {
            let (rule, s) = (rule.clone_ref(py), Arc::clone(structure));
            function = function.with_vjp(move |xs: &[Array], cts: &[Array], outs: &[Array]| {
                Python::attach(|py| {
                    flat(&rule.bind(py).call1((s.args(py, xs)?, s.outs(py, cts)?, s.outs(py, outs)?))?)
                })
                .map_err(stash)
            });
        }
        if let Some(rule) = &self.jvp {
            let (rule, s) = (rule.clone_ref(py), Arc::clone(structure));
            function = function.with_jvp(move |xs: &[Array], ts: &[Array]| {
                Python::attach(|py| flat(&rule.bind(py).call1((s.args(py, xs)?, s.args(py, ts)?))?)).map_err(stash)
            });
        }
        if let Some(rule) = &self.vmap {
            let (rule, s) = (rule.clone_ref(py), Arc::clone(structure));
            function = function.with_vmap(move |xs: &[Array], axes: &[Option<usize>]| {
                Python::attach(|py| {
                    let result = rule.bind(py).call1((s.args(py, xs)?, s.axes(py, axes)?))?;
                    let (outs, axes): (Bound<'_, PyAny>, Bound<'_, PyAny>) = result.extract()?;
                    let outs = flat(&outs)?;
                    let axes = match axes.extract::<Option<usize>>() {
                        Ok(one) => vec![one; outs.len()],
                        Err(_) => axes.extract::<Vec<Option<usize>>>()?,
                    };
                    Ok((outs, axes))
                })
                .map_err(|e: PyErr| stash(e))
            });
        }
        function
    }
}
