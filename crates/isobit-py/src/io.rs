//! Files: npy, npz and safetensors, by path or as Python file objects.

use crate::array::PyArray;
use crate::error::Res;
use crate::ops::functions;
use isobit::{Array, Error, io};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use std::collections::BTreeMap;
use std::path::PathBuf;

functions! { load save savez savez_compressed save_safetensors }

/// A path or an open file.
enum Place<'py> {
    Path(PathBuf),
    File(Bound<'py, PyAny>),
}

impl<'a, 'py> FromPyObject<'a, 'py> for Place<'py> {
    type Error = PyErr;

    fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<Place<'py>> {
        match obj.extract::<PathBuf>() {
            Ok(path) => Ok(Place::Path(path)),
            Err(_) => Ok(Place::File(obj.to_owned())),
        }
    }
}

impl Place<'_> {
    /// The format that is given, or that the name ends in.
    fn format(&self, given: Option<String>) -> PyResult<String> {
        if let Some(f) = given {
            return Ok(f);
        }
        let path = match self {
            Place::Path(p) => p.clone(),
            Place::File(f) => f.getattr("name").and_then(|n| n.extract()).unwrap_or_default(),
        };
        let end = path.extension().and_then(|e| e.to_str()).map(str::to_string);
        end.ok_or_else(|| PyValueError::new_err("[load] expected a file name with an extension, or a format"))
    }

    /// A path with that ending, if it is a path.
    fn ending(self, end: &str) -> Self {
        match self {
            Place::Path(p) if p.extension().is_none_or(|e| e != end) => {
                let mut name = p.into_os_string();
                name.push(".");
                name.push(end);
                Place::Path(name.into())
            }
            other => other,
        }
    }

    fn write(&self, bytes: Vec<u8>) -> PyResult<()> {
        match self {
            Place::Path(p) => std::fs::write(p, bytes).map_err(PyErr::from),
            Place::File(f) => f.call_method1("write", (PyBytes::new(f.py(), &bytes),)).map(|_| ()),
        }
    }
}

fn dict<'py>(py: Python<'py>, arrays: BTreeMap<String, Array>) -> PyResult<Bound<'py, PyDict>> {
    let all = PyDict::new(py);
    for (name, a) in arrays {
        all.set_item(name, Bound::new(py, PyArray::from(a))?)?;
    }
    Ok(all)
}

/// The arrays of a file: an array (npy) or a dict of them (npz, safetensors), with `return_metadata` a pair of them and
/// the file's metadata.
#[pyfunction]
#[pyo3(signature = (file, /, format=None, return_metadata=false, *, stream=None))]
fn load<'py>(
    py: Python<'py>,
    file: Place<'py>,
    format: Option<String>,
    return_metadata: bool,
    stream: Option<crate::args::StreamArg>,
) -> Res<Bound<'py, PyAny>> {
    let _ = stream;
    let format = file.format(format)?;
    match (format.as_str(), &file) {
        ("npy", Place::Path(p)) => Ok(Bound::new(py, PyArray::from(io::load_npy(p)?))?.into_any()),
        ("npy", Place::File(f)) => {
            let bytes: Vec<u8> = f.call_method0("read")?.extract()?;
            Ok(Bound::new(py, PyArray::from(io::npy::read_npy(&mut bytes.as_slice())?))?.into_any())
        }
        ("npz", Place::Path(p)) => Ok(py.import("isobit._npz")?.call_method1("load", (p,))?),
        ("npz", Place::File(f)) => Ok(py.import("isobit._npz")?.call_method1("load", (f,))?),
        ("safetensors", place) => {
            let (arrays, metadata) = match place {
                Place::Path(p) => io::load_safetensors(p)?,
                Place::File(f) => io::parse_safetensors(&f.call_method0("read")?.extract::<Vec<u8>>()?)?,
            };
            let arrays = dict(py, arrays)?;
            if !return_metadata {
                return Ok(arrays.into_any());
            }
            Ok((arrays, metadata).into_pyobject(py)?.into_any())
        }
        (other, _) => Err(Error::value("load", format!("unknown format {other:?}")).into()),
    }
}

/// Writes an array as an npy file.
#[pyfunction]
#[pyo3(signature = (file, arr))]
fn save(py: Python<'_>, file: Place<'_>, arr: &Bound<'_, PyArray>) -> Res<()> {
    let a = arr.get().evaluated(py)?;
    match file.ending("npy") {
        Place::Path(p) => Ok(io::save_npy(p, &a)?),
        place => {
            let mut bytes = Vec::new();
            io::npy::write_npy(&mut bytes, &a)?;
            Ok(place.write(bytes)?)
        }
    }
}

/// Writes arrays as an npz file, by position and by name.
#[pyfunction]
#[pyo3(signature = (file, *args, **kwargs))]
fn savez(file: Bound<'_, PyAny>, args: Bound<'_, PyTuple>, kwargs: Option<Bound<'_, PyDict>>) -> PyResult<()> {
    zip(file, args, kwargs, "ZIP_STORED")
}

/// Writes arrays as a compressed npz file, by position and by name.
#[pyfunction]
#[pyo3(signature = (file, *args, **kwargs))]
fn savez_compressed(
    file: Bound<'_, PyAny>,
    args: Bound<'_, PyTuple>,
    kwargs: Option<Bound<'_, PyDict>>,
) -> PyResult<()> {
    zip(file, args, kwargs, "ZIP_DEFLATED")
}

fn zip(
    file: Bound<'_, PyAny>,
    args: Bound<'_, PyTuple>,
    kwargs: Option<Bound<'_, PyDict>>,
    compression: &str,
) -> PyResult<()> {
    let py = file.py();
    let compression = py.import("zipfile")?.getattr(compression)?;
    let kwargs = kwargs.unwrap_or_else(|| PyDict::new(py));
    py.import("isobit._npz")?.call_method1("write", (file, args, kwargs, compression)).map(|_| ())
}

/// Writes a dict of arrays, and metadata of strings, as a safetensors file.
#[pyfunction]
#[pyo3(signature = (file, arrays, metadata=None))]
fn save_safetensors(
    py: Python<'_>,
    file: Place<'_>,
    arrays: BTreeMap<String, Bound<'_, PyArray>>,
    metadata: Option<BTreeMap<String, String>>,
) -> Res<()> {
    let arrays: BTreeMap<String, Array> = arrays.into_iter().map(|(n, a)| (n, a.get().array())).collect();
    let metadata = metadata.unwrap_or_default();
    match file.ending("safetensors") {
        Place::Path(p) => Ok(py.detach(|| io::save_safetensors(p, &arrays, &metadata))?),
        place => Ok(place.write(io::safetensors_bytes(&arrays, &metadata)?)?),
    }
}
