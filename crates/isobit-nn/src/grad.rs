//! Gradients with respect to a module's named parameters.

use crate::module::{Module, Params};
use isobit::{Array, Error, Result};

/// The value of `loss(model)` and its gradient with respect to every trainable parameter ([`Module::trainable_parameters`]).
/// Those that are frozen (quantized matrices, fields marked `#[module(frozen)]`) are constants, through which gradients pass
/// to what comes before them.
///
/// The result is lazy; evaluate it together with whatever is computed from it.
///
/// # Errors
/// Whatever `loss` returns; a loss that is not a scalar float.
pub fn value_and_grad<M: Module + Clone>(model: &M, loss: impl Fn(&M) -> Result<Array>) -> Result<(Array, Params)> {
    value_and_grad_where(model, |_| true, loss)
}

/// [`value_and_grad`] with respect to those trainable parameters whose name satisfies `chosen`; the others are constants.
///
/// # Errors
/// As [`value_and_grad`]; no parameter left.
pub fn value_and_grad_where<M: Module + Clone>(
    model: &M,
    chosen: impl Fn(&str) -> bool,
    loss: impl Fn(&M) -> Result<Array>,
) -> Result<(Array, Params)> {
    let (names, primals): (Vec<String>, Vec<Array>) =
        model.trainable_parameters().into_iter().filter(|(name, _)| chosen(name)).unzip();
    if names.is_empty() {
        return Err(Error::value("value_and_grad", "the model has no trainable parameter"));
    }
    let on_arrays = |arrays: &[Array]| {
        let mut traced = model.clone();
        let values: Params = names.iter().cloned().zip(arrays.iter().cloned()).collect();
        traced.update(&values)?;
        loss(&traced)
    };
    let all: Vec<usize> = (0..primals.len()).collect();
    let (value, grads) = isobit::transforms::value_and_grad(on_arrays, all)(&primals)?;
    Ok((value, names.into_iter().zip(grads).collect()))
}
