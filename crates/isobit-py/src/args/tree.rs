//! Trees: arrays inside lists, tuples and dicts, taken apart into a flat list and put together again.

use crate::array::PyArray;
use isobit::Array;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

/// A tree's structure, with places where its arrays were.
pub enum Tree {
    /// The next array of the flat list.
    Array,
    /// Something else, kept as it is.
    Other(Py<PyAny>),
    /// A list.
    List(Vec<Tree>),
    /// A tuple; of a named one its type.
    Tuple(Vec<Tree>, Option<Py<PyAny>>),
    /// A dict.
    Dict(Vec<(Py<PyAny>, Tree)>),
}

impl Tree {
    /// Takes a tree apart: its arrays go to the end of `arrays`, in order.
    pub fn flatten(obj: &Bound<'_, PyAny>, arrays: &mut Vec<Array>) -> PyResult<Tree> {
        if let Ok(a) = obj.cast::<PyArray>() {
            arrays.push(a.get().array());
            return Ok(Tree::Array);
        }
        if let Ok(list) = obj.cast::<PyList>() {
            return Ok(Tree::List(list.iter().map(|x| Tree::flatten(&x, arrays)).collect::<PyResult<_>>()?));
        }
        if let Ok(tuple) = obj.cast::<PyTuple>() {
            let items = tuple.iter().map(|x| Tree::flatten(&x, arrays)).collect::<PyResult<_>>()?;
            let named = obj.hasattr("_fields")?.then(|| obj.get_type().into_any().unbind());
            return Ok(Tree::Tuple(items, named));
        }
        if let Ok(dict) = obj.cast::<PyDict>() {
            let mut items = Vec::with_capacity(dict.len());
            for (key, value) in dict.iter() {
                items.push((key.unbind(), Tree::flatten(&value, arrays)?));
            }
            return Ok(Tree::Dict(items));
        }
        Ok(Tree::Other(obj.clone().unbind()))
    }

    /// Puts the tree together again, with the next arrays of `arrays` in the arrays' places.
    pub fn build<'py>(&self, py: Python<'py>, arrays: &mut impl Iterator<Item = Array>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Tree::Array => match arrays.next() {
                Some(a) => Ok(Bound::new(py, PyArray::from(a))?.into_any()),
                None => Err(pyo3::exceptions::PyValueError::new_err("a tree has more places than there are arrays")),
            },
            Tree::Other(x) => Ok(x.bind(py).clone()),
            Tree::List(items) => {
                let built = items.iter().map(|t| t.build(py, arrays)).collect::<PyResult<Vec<_>>>()?;
                Ok(PyList::new(py, built)?.into_any())
            }
            Tree::Tuple(items, named) => {
                let built = items.iter().map(|t| t.build(py, arrays)).collect::<PyResult<Vec<_>>>()?;
                let tuple = PyTuple::new(py, built)?;
                match named {
                    Some(t) => t.bind(py).call1(tuple),
                    None => Ok(tuple.into_any()),
                }
            }
            Tree::Dict(items) => {
                let dict = PyDict::new(py);
                for (key, t) in items {
                    dict.set_item(key, t.build(py, arrays)?)?;
                }
                Ok(dict.into_any())
            }
        }
    }

    /// Whether it is one array.
    pub fn is_array(&self) -> bool {
        matches!(self, Tree::Array)
    }
}
