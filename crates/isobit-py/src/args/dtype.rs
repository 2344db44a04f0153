//! Dtypes and their categories as Python objects and as arguments.

use crate::array::PyArray;
use crate::error::Res;
use isobit::Dtype;
use isobit::dtype::Category;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use std::hash::{Hash, Hasher};

/// The type of an array's elements.
#[pyclass(frozen, eq, hash, name = "Dtype", module = "isobit.core")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PyDtype(pub Dtype);

impl Hash for PyDtype {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

#[pymethods]
impl PyDtype {
    /// Bytes per element.
    #[getter]
    fn size(&self) -> usize {
        self.0.size()
    }

    fn __repr__(&self) -> String {
        format!("mlx.core.{}", self.0)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (&'static str,))> {
        Ok((py.import("isobit.core")?.getattr("_dtype")?, (self.0.name(),)))
    }

    fn __copy__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __deepcopy__<'py>(slf: Bound<'py, Self>, _memo: &Bound<'py, PyAny>) -> Bound<'py, Self> {
        slf
    }
}

/// The name under which the module has a dtype.
fn attribute(dtype: Dtype) -> String {
    if dtype == Dtype::Bool { "bool_".to_string() } else { dtype.name().to_string() }
}

/// A group of dtypes.
#[pyclass(frozen, eq, hash, name = "DtypeCategory", module = "isobit.core")]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PyCategory(pub Category);

const CATEGORIES: [(&str, Category); 8] = [
    ("complexfloating", Category::ComplexFloating),
    ("floating", Category::Floating),
    ("inexact", Category::Inexact),
    ("signedinteger", Category::SignedInteger),
    ("unsignedinteger", Category::UnsignedInteger),
    ("integer", Category::Integer),
    ("number", Category::Number),
    ("generic", Category::Generic),
];

impl PyCategory {
    fn label(&self) -> &'static str {
        CATEGORIES.iter().find(|(_, c)| *c == self.0).map_or("generic", |(n, _)| n)
    }
}

#[pymethods]
impl PyCategory {
    /// The category's name.
    #[getter]
    fn name(&self) -> &'static str {
        self.label()
    }

    fn __repr__(&self) -> String {
        format!("DtypeCategory.{}", self.label())
    }
}

/// A dtype, or the Python type `bool`, `int`, `float` or `complex`.
#[derive(Clone, Copy)]
pub struct DtypeArg(pub Dtype);

impl<'a, 'py> FromPyObject<'a, 'py> for DtypeArg {
    type Error = PyErr;

    fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<DtypeArg> {
        match obj.cast::<PyDtype>() {
            Ok(d) => Ok(DtypeArg(d.get().0)),
            Err(_) => Err(PyTypeError::new_err(format!("expected a Dtype, got {}", obj.get_type().name()?))),
        }
    }
}

/// A dtype or a category.
#[derive(FromPyObject)]
pub enum Kinds<'py> {
    /// One dtype.
    #[pyo3(transparent)]
    Dtype(Bound<'py, PyDtype>),
    /// A group of them.
    #[pyo3(transparent)]
    Category(Bound<'py, PyCategory>),
}

/// An array or a dtype.
#[derive(FromPyObject)]
pub enum Typed<'py> {
    /// The dtype of an array.
    #[pyo3(transparent)]
    Array(Bound<'py, PyArray>),
    /// A dtype.
    #[pyo3(transparent)]
    Dtype(Bound<'py, PyDtype>),
}

impl Typed<'_> {
    fn dtype(&self) -> Dtype {
        match self {
            Typed::Array(a) => a.get().array().dtype(),
            Typed::Dtype(d) => d.get().0,
        }
    }
}

/// A pickled dtype.
#[pyfunction]
fn _dtype(name: &str) -> PyResult<PyDtype> {
    Dtype::parse(name).map(PyDtype).ok_or_else(|| PyValueError::new_err(format!("there is no dtype {name:?}")))
}

/// Whether a dtype or category lies within another one.
#[pyfunction]
fn issubdtype(arg1: Kinds<'_>, arg2: Kinds<'_>) -> bool {
    match (arg1, arg2) {
        (Kinds::Dtype(a), Kinds::Dtype(b)) => a.get() == b.get(),
        (Kinds::Dtype(a), Kinds::Category(b)) => a.get().0.is(b.get().0),
        (Kinds::Category(a), Kinds::Category(b)) => a.get().0.is_within(b.get().0),
        (Kinds::Category(_), Kinds::Dtype(_)) => false,
    }
}

/// The dtype that arrays and dtypes promote to.
#[pyfunction]
#[pyo3(signature = (*arrays_and_dtypes))]
fn result_type(arrays_and_dtypes: Vec<Typed<'_>>) -> PyResult<PyDtype> {
    let all = arrays_and_dtypes.iter().map(Typed::dtype).reduce(Dtype::promote);
    all.map(PyDtype).ok_or_else(|| PyValueError::new_err("[result_type] expected at least one array or dtype"))
}

/// Whether values of one dtype are kept by promotion to another.
#[pyfunction]
fn can_cast(from_: Typed<'_>, to: DtypeArg) -> bool {
    from_.dtype().promote(to.0) == to.0
}

/// Whether a dtype is of a kind: a dtype, one of the array API's names of kinds, or a tuple of such.
#[pyfunction]
fn isdtype(dtype: DtypeArg, kind: &Bound<'_, PyAny>) -> PyResult<bool> {
    if let Ok(kinds) = kind.cast::<pyo3::types::PyTuple>() {
        for k in kinds {
            if isdtype(dtype, &k)? {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    if let Ok(d) = kind.cast::<PyDtype>() {
        return Ok(d.get().0 == dtype.0);
    }
    let name: String = kind.extract()?;
    dtype.0.is_kind(&name).ok_or_else(|| PyValueError::new_err(format!("[isdtype] unknown kind of dtype {name:?}")))
}

/// The limits of a floating dtype.
#[pyclass(frozen, name = "finfo", module = "isobit.core", get_all)]
struct Finfo {
    /// The dtype.
    dtype: PyDtype,
    /// Bits per element.
    bits: usize,
    /// The least finite number.
    min: f64,
    /// The greatest finite number.
    max: f64,
    /// From 1 to the next greater number.
    eps: f64,
    /// The least positive normal number.
    smallest_normal: f64,
}

#[pymethods]
impl Finfo {
    #[new]
    fn new(dtype: DtypeArg) -> Res<Finfo> {
        let f = dtype.0.float_limits()?;
        let (min, max, eps, smallest_normal) = (-f.max, f.max, f.eps, f.smallest_normal);
        Ok(Finfo { dtype: PyDtype(f.dtype), bits: 8 * f.dtype.size(), min, max, eps, smallest_normal })
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let short = |x: f64| x.into_pyobject(py)?.call_method1("__format__", ("g",));
        Ok(format!("finfo(min={}, max={}, dtype={})", short(self.min)?, short(self.max)?, self.dtype.0))
    }
}

/// The limits of an integer dtype.
#[pyclass(frozen, name = "iinfo", module = "isobit.core", get_all)]
struct Iinfo {
    /// The dtype.
    dtype: PyDtype,
    /// Bits per element.
    bits: usize,
    /// The least number.
    min: i128,
    /// The greatest number.
    max: i128,
}

#[pymethods]
impl Iinfo {
    #[new]
    fn new(dtype: DtypeArg) -> Res<Iinfo> {
        let (min, max) = dtype.0.integer_limits()?;
        Ok(Iinfo { dtype: PyDtype(dtype.0), bits: 8 * dtype.0.size(), min, max })
    }

    fn __repr__(&self) -> String {
        format!("iinfo(min={}, max={}, dtype={})", self.min, self.max, self.dtype.0)
    }
}

/// Adds the dtypes and what is about them.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyDtype>()?;
    m.add_class::<PyCategory>()?;
    m.add_class::<Finfo>()?;
    m.add_class::<Iinfo>()?;
    for d in Dtype::ALL {
        m.add(attribute(d), PyDtype(d))?;
    }
    let category = m.getattr("DtypeCategory")?;
    for (name, c) in CATEGORIES {
        m.add(name, PyCategory(c))?;
        category.setattr(name, PyCategory(c)).or_else(|_| Ok::<_, PyErr>(()))?;
    }
    m.add_function(wrap_pyfunction!(_dtype, m)?)?;
    m.add_function(wrap_pyfunction!(issubdtype, m)?)?;
    m.add_function(wrap_pyfunction!(result_type, m)?)?;
    m.add_function(wrap_pyfunction!(can_cast, m)?)?;
    m.add_function(wrap_pyfunction!(isdtype, m)?)
}
