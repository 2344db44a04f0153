//! `grad` and `value_and_grad`: with respect to trees, by position and by name, with further results.

use super::callables::{Kind, PyTransformed};
use crate::args::{Ints, Substituted, Tree};
use crate::array::PyArray;
use crate::error::{Res, stash};
use isobit::{Array, Dtype};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

/// Which arguments to differentiate.
pub struct Wanted {
    /// Positions; without any there may be names.
    numbers: Option<Vec<usize>>,
    /// Whether there is one position.
    one: bool,
    /// Names of keyword arguments.
    names: Vec<String>,
}

/// One name, or several.
#[derive(FromPyObject)]
enum Names {
    One(String),
    More(Vec<String>),
}

impl Wanted {
    fn new(argnums: Option<Ints>, argnames: Option<Names>) -> PyResult<Wanted> {
        let names = match argnames {
            None => Vec::new(),
            Some(Names::One(n)) => vec![n],
            Some(Names::More(list)) => list,
        };
        let given = match argnums {
            Some(i) if !i.one && i.list.is_empty() && !names.is_empty() => None,
            None if names.is_empty() => Some(Ints { list: [0isize].as_slice().into(), one: true }),
            other => other,
        };
        // One position in a sequence counts as one position.
        let one = given.as_ref().is_some_and(|i| i.list.len() == 1);
        let numbers = given.map(|i| positions(&i)).transpose()?;
        let mut sorted = names.clone();
        sorted.sort();
        sorted.dedup();
        if sorted.len() != names.len() {
            return Err(PyValueError::new_err("[grad] argnames: expected distinct names"));
        }
        Ok(Wanted { numbers, one, names })
    }

    /// The arguments to differentiate.
    fn chosen<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let mut chosen = Vec::new();
        for &i in self.numbers.iter().flatten() {
            if i >= args.len() {
                let n = args.len();
                let message = format!("[grad] argnums: cannot differentiate argument {i} of a call with {n} arguments");
                return Err(PyValueError::new_err(message));
            }
            chosen.push(args.get_item(i)?);
        }
        for name in &self.names {
            let found = kwargs.map(|k| k.get_item(name)).transpose()?.flatten();
            let Some(x) = found else {
                let message = format!("[grad] argnames: there is no keyword argument {name:?} to differentiate");
                return Err(PyValueError::new_err(message));
            };
            chosen.push(x);
        }
        Ok(chosen)
    }

    /// Calls the function with other values of the arguments to differentiate.
    fn call<'py>(
        &self,
        f: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
        values: Vec<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut values = values.into_iter();
        let mut positional: Vec<Bound<'_, PyAny>> = args.iter().collect();
        for &i in self.numbers.iter().flatten() {
            positional[i] = values.next().ok_or_else(|| PyValueError::new_err("[grad] an argument is missing"))?;
        }
        let kwargs = kwargs.map_or_else(|| Ok(PyDict::new(f.py())), |k| k.copy())?;
        for (name, x) in self.names.iter().zip(values) {
            kwargs.set_item(name, x)?;
        }
        f.call(PyTuple::new(f.py(), positional)?, Some(&kwargs))
    }

    /// The value and the gradients of a call; with `further` the function may return more than what is differentiated.
    pub fn run<'py>(
        &self,
        f: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
        further: bool,
    ) -> Res<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let py = f.py();
        let chosen = self.chosen(args, kwargs)?;
        let mut primals = Vec::new();
        let mut trees = Vec::new();
        for x in &chosen {
            let tree = Tree::flatten(x, &mut primals)?;
            if tree.has_others() {
                let message = "[grad] expected arguments that are arrays or trees of arrays to differentiate";
                return Err(PyValueError::new_err(message).into());
            }
            trees.push(tree);
        }
        let mut value = None;
        let mut call = |xs: &[Array]| -> PyResult<Array> {
            let mut xs = xs.iter().cloned();
            let mut substituted = Substituted::default();
            let put = chosen.iter().map(|x| substituted.put(x, &mut xs)).collect::<PyResult<Vec<_>>>();
            let result = put.and_then(|put| self.call(f, args, kwargs, put));
            substituted.restore(py)?;
            let result = result?;
            let loss = loss(&result, further)?;
            value = Some(result);
            Ok(loss)
        };
        let one = Array::scalar(1.0, Dtype::F32);
        let f = |xs: &[Array]| call(xs).map(|loss| vec![loss]).map_err(stash);
        let (_, grads) = isobit::transforms::vjp(f, &primals, &[one])?;
        let Some(value) = value else {
            return Err(PyValueError::new_err("[grad] the function was not called").into());
        };
        let mut grads = grads.into_iter();
        let built = trees.iter().map(|t| t.build(py, &mut grads)).collect::<PyResult<Vec<_>>>()?;
        Ok((value, self.pack(py, built)?))
    }

    /// The gradients in the form in which the arguments were named.
    fn pack<'py>(&self, py: Python<'py>, mut grads: Vec<Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        let named = grads.split_off(self.numbers.as_ref().map_or(0, Vec::len));
        let positional = match &self.numbers {
            None => py.None().into_bound(py),
            Some(_) if self.one => grads.remove(0),
            Some(_) => PyTuple::new(py, grads)?.into_any(),
        };
        if self.names.is_empty() {
            return Ok(positional);
        }
        let dict = PyDict::new(py);
        for (name, g) in self.names.iter().zip(named) {
            dict.set_item(name, g)?;
        }
        Ok((positional, dict).into_pyobject(py)?.into_any())
    }
}

fn positions(argnums: &Ints) -> PyResult<Vec<usize>> {
    let bad = |i: isize| PyValueError::new_err(format!("[grad] argnums: expected positions of at least 0, got {i}"));
    let list = argnums.list.iter().map(|&i| usize::try_from(i).map_err(|_| bad(i))).collect::<PyResult<Vec<_>>>()?;
    let mut sorted = list.clone();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() != list.len() || list.is_empty() {
        return Err(PyValueError::new_err("[grad] argnums: expected distinct positions, at least one"));
    }
    Ok(list)
}

/// What to differentiate: the result, or its first element.
fn loss(result: &Bound<'_, PyAny>, further: bool) -> PyResult<Array> {
    let first = match (result.cast::<PyTuple>(), result.cast::<PyList>()) {
        (Ok(t), _) if further && !t.is_empty() => t.get_item(0)?,
        (_, Ok(l)) if further && !l.is_empty() => l.get_item(0)?,
        _ => result.clone(),
    };
    let Ok(a) = first.cast::<PyArray>() else {
        let got = first.get_type().name()?;
        let message =
            format!("[grad] expected a function that returns a scalar array, or such an array first, got a {got}");
        return Err(PyValueError::new_err(message));
    };
    let a = a.get().array();
    if a.ndim() > 0 {
        return Err(PyValueError::new_err(format!("[grad] expected a scalar result, got shape {:?}", a.shape())));
    }
    Ok(a)
}

/// A function that returns the gradient of `fun` with respect to the arguments at `argnums` and called `argnames`.
#[pyfunction]
#[pyo3(signature = (fun, argnums=None, argnames=None))]
fn grad(fun: Bound<'_, PyAny>, argnums: Option<Ints>, argnames: Option<Names>) -> PyResult<PyTransformed> {
    Ok(PyTransformed::new(fun, Kind::Grad(Wanted::new(argnums, argnames)?)))
}

/// A function that returns the value of `fun` and its gradient.
#[pyfunction]
#[pyo3(signature = (fun, argnums=None, argnames=None))]
fn value_and_grad(fun: Bound<'_, PyAny>, argnums: Option<Ints>, argnames: Option<Names>) -> PyResult<PyTransformed> {
    Ok(PyTransformed::new(fun, Kind::ValueAndGrad(Wanted::new(argnums, argnames)?)))
}

/// Adds this file's functions.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(grad, m)?)?;
    m.add_function(wrap_pyfunction!(value_and_grad, m)?)
}
