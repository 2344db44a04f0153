//! Gradients of scalar functions.

use super::vjp::{pull_back, tracers};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::eval::TraceGuard;
use crate::ops;

/// The gradient of a scalar function with respect to the arguments at `argnums`.
///
/// # Errors
/// Whatever `f` returns, a result that is not a scalar float, an argument that is not a float.
pub fn grad<F>(f: F, argnums: impl Into<Vec<usize>>) -> impl Fn(&[Array]) -> Result<Vec<Array>>
where
    F: Fn(&[Array]) -> Result<Array>,
{
    let both = value_and_grad(f, argnums);
    move |args| both(args).map(|(_, g)| g)
}

/// As [`grad`], with the function's value.
pub fn value_and_grad<F>(f: F, argnums: impl Into<Vec<usize>>) -> impl Fn(&[Array]) -> Result<(Array, Vec<Array>)>
where
    F: Fn(&[Array]) -> Result<Array>,
{
    let argnums = argnums.into();
    move |args| {
        let mut primals = Vec::with_capacity(argnums.len());
        for &i in &argnums {
            let Some(x) = args.get(i) else {
                return Err(Error::value("grad", format!("argnums: expected less than {}, got {i}", args.len())));
            };
            if !x.dtype().is_inexact() {
                return Err(Error::dtype(
                    "grad",
                    format!("argument {i}: expected a floating dtype, got {}", x.dtype()),
                ));
            }
            primals.push(x.clone());
        }
        let guard = TraceGuard::new();
        let traced = tracers(&primals)?;
        let mut all = args.to_vec();
        for (&i, t) in argnums.iter().zip(&traced) {
            all[i] = t.clone();
        }
        let value = f(&all)?;
        if value.size() != 1 || value.ndim() != 0 {
            return Err(Error::value("grad", format!("expected a scalar result, got shape {:?}", value.shape())));
        }
        if !value.dtype().is_inexact() {
            return Err(Error::dtype("grad", format!("expected a floating result, got {}", value.dtype())));
        }
        let ct = ops::ones_like(&value)?;
        let grads = pull_back(&traced, std::slice::from_ref(&value), &[ct])?;
        drop(guard);
        Ok((value, grads))
    }
}
