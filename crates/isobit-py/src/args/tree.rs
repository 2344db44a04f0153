//! Trees: arrays inside lists, tuples and dicts, taken apart into a flat list and put together again.

use crate::array::PyArray;
use isobit::Array;
use pyo3::gc::{PyTraverseError, PyVisit};
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
    /// A tuple; of a subclass its type, of which named tuples take their elements one by one.
    Tuple(Vec<Tree>, Option<(Py<PyAny>, bool)>),
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
            if obj.is_exact_instance_of::<PyTuple>() {
                return Ok(Tree::Tuple(items, None));
            }
            let named = obj.hasattr("_fields")?;
            return Ok(Tree::Tuple(items, Some((obj.get_type().into_any().unbind(), named))));
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
            Tree::Tuple(items, class) => {
                let built = items.iter().map(|t| t.build(py, arrays)).collect::<PyResult<Vec<_>>>()?;
                let tuple = PyTuple::new(py, built)?;
                match class {
                    Some((t, true)) => t.bind(py).call1(tuple),
                    Some((t, false)) => t.bind(py).call1((tuple,)),
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

    /// Puts the next arrays of `arrays` into a container that is meant to have this structure, in the arrays' places.
    pub fn assign(&self, container: &Bound<'_, PyAny>, arrays: &mut impl Iterator<Item = Array>) -> PyResult<()> {
        let py = container.py();
        match self {
            Tree::Array | Tree::Other(_) => Ok(()),
            Tree::List(items) | Tree::Tuple(items, _) => {
                for (i, t) in items.iter().enumerate() {
                    let key = i.into_pyobject(py)?.into_any();
                    match container.get_item(&key) {
                        Ok(there) => t.assign_at(container, &key, Some(there), arrays)?,
                        Err(_) => container.call_method1("append", (t.build(py, arrays)?,)).map(|_| ())?,
                    }
                }
                Ok(())
            }
            Tree::Dict(items) => items.iter().try_for_each(|(key, t)| {
                let key = key.bind(py);
                t.assign_at(container, key, container.get_item(key).ok(), arrays)
            }),
        }
    }

    /// Puts this part of a tree into `container[key]`, where `there` is now.
    fn assign_at<'py>(
        &self,
        container: &Bound<'py, PyAny>,
        key: &Bound<'py, PyAny>,
        there: Option<Bound<'py, PyAny>>,
        arrays: &mut impl Iterator<Item = Array>,
    ) -> PyResult<()> {
        let fits = there.filter(|x| match self {
            Tree::Array => false,
            Tree::Other(_) => true,
            Tree::List(_) => x.is_instance_of::<PyList>(),
            Tree::Tuple(items, _) => x.cast::<PyTuple>().is_ok_and(|t| t.len() == items.len()),
            Tree::Dict(_) => x.is_instance_of::<PyDict>(),
        });
        match fits {
            Some(there) => self.assign(&there, arrays),
            None => container.set_item(key, self.build(container.py(), arrays)?),
        }
    }

    /// Shows the collector of garbage the objects that the tree holds.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Tree::Array => Ok(()),
            Tree::Other(x) => visit.call(x),
            Tree::List(items) => items.iter().try_for_each(|t| t.traverse(visit)),
            Tree::Tuple(items, class) => {
                class.iter().try_for_each(|(class, _)| visit.call(class))?;
                items.iter().try_for_each(|t| t.traverse(visit))
            }
            Tree::Dict(items) => items.iter().try_for_each(|(key, t)| {
                visit.call(key)?;
                t.traverse(visit)
            }),
        }
    }

    /// Whether there is a leaf that is no array.
    pub fn has_others(&self) -> bool {
        match self {
            Tree::Array => false,
            Tree::Other(_) => true,
            Tree::List(items) | Tree::Tuple(items, _) => items.iter().any(Tree::has_others),
            Tree::Dict(items) => items.iter().any(|(_, t)| t.has_others()),
        }
    }

    /// Whether it is one array.
    pub fn is_array(&self) -> bool {
        matches!(self, Tree::Array)
    }
}

/// Stand-ins that were put into lists and dicts in the places of arrays, for the time of a call: the function gets the
/// caller's own containers (a module among them), and what it puts into them stays.
#[derive(Default)]
pub struct Substituted {
    places: Vec<Place>,
}

/// Where a stand-in is: `container[key]`.
struct Place {
    container: Py<PyAny>,
    key: Py<PyAny>,
    original: Py<PyAny>,
    stand_in: Py<PyAny>,
}

impl Substituted {
    /// `obj` with `arrays` in the places of its arrays, in the order of [`Tree::flatten`].
    pub fn put<'py>(
        &mut self,
        obj: &Bound<'py, PyAny>,
        arrays: &mut impl Iterator<Item = Array>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = obj.py();
        if obj.is_instance_of::<PyArray>() {
            return Tree::Array.build(py, arrays);
        }
        if let Ok(list) = obj.cast::<PyList>() {
            for (i, x) in list.iter().enumerate() {
                let key = i.into_pyobject(py)?.into_any();
                self.replace(obj, key, &x, arrays)?;
            }
        } else if let Ok(dict) = obj.cast::<PyDict>() {
            let items: Vec<_> = dict.iter().collect();
            for (key, x) in items {
                self.replace(obj, key, &x, arrays)?;
            }
        } else if let Ok(tuple) = obj.cast::<PyTuple>() {
            let items = tuple.iter().map(|x| self.put(&x, arrays)).collect::<PyResult<Vec<_>>>()?;
            if items.iter().zip(tuple.iter()).all(|(a, b)| a.is(&b)) {
                return Ok(obj.clone());
            }
            let built = PyTuple::new(py, items)?;
            return match (obj.is_exact_instance_of::<PyTuple>(), obj.hasattr("_fields")?) {
                (true, _) => Ok(built.into_any()),
                (_, true) => obj.get_type().call1(built),
                (_, false) => obj.get_type().call1((built,)),
            };
        }
        Ok(obj.clone())
    }

    fn replace<'py>(
        &mut self,
        container: &Bound<'py, PyAny>,
        key: Bound<'py, PyAny>,
        original: &Bound<'py, PyAny>,
        arrays: &mut impl Iterator<Item = Array>,
    ) -> PyResult<()> {
        let stand_in = self.put(original, arrays)?;
        if stand_in.is(original) {
            return Ok(());
        }
        container.set_item(&key, &stand_in)?;
        self.places.push(Place {
            container: container.clone().unbind(),
            key: key.unbind(),
            original: original.clone().unbind(),
            stand_in: stand_in.unbind(),
        });
        Ok(())
    }

    /// Puts the originals back wherever stand-ins were put.
    pub fn restore_all(self, py: Python<'_>) -> PyResult<()> {
        self.places.into_iter().try_for_each(|p| p.container.bind(py).set_item(&p.key, &p.original))
    }

    /// Puts the originals back, except where the function has put something else.
    pub fn restore(self, py: Python<'_>) -> PyResult<()> {
        for p in self.places {
            let container = p.container.bind(py);
            if container.get_item(&p.key).is_ok_and(|x| x.is(&p.stand_in)) {
                container.set_item(&p.key, &p.original)?;
            }
        }
        Ok(())
    }
}
