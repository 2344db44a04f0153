//! Masks of attention.

use super::ArrayLike;
use isobit::ops::Mask;
use isobit::{Array, Error};
use pyo3::prelude::*;

/// A mask by its name, or an array.
pub enum MaskArg {
    /// All keys are seen.
    All,
    /// Keys up to the query are seen.
    Causal,
    /// What is seen, or what is added to scores.
    Array(Array),
}

impl MaskArg {
    /// As attention takes it.
    pub fn mask(arg: &Option<MaskArg>) -> Mask<'_> {
        match arg {
            None | Some(MaskArg::All) => Mask::None,
            Some(MaskArg::Causal) => Mask::Causal,
            Some(MaskArg::Array(a)) => Mask::Array(a),
        }
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for MaskArg {
    type Error = PyErr;

    fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<MaskArg> {
        match obj.extract::<String>() {
            Ok(name) if name == "causal" => Ok(MaskArg::Causal),
            Ok(name) if name.is_empty() => Ok(MaskArg::All),
            Ok(name) => {
                let message = format!("expected mask None, \"causal\" or an array, got {name:?}");
                Err(crate::error::Failure::from(Error::value("scaled_dot_product_attention", message)).into())
            }
            Err(_) => Ok(MaskArg::Array(obj.extract::<ArrayLike>()?.array())),
        }
    }
}
