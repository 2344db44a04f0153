//! Copies of views; how elements move is the kernels' business.

use isobit_core::{Result, Tensor};
use isobit_kernels::copy::CopyPlan;

/// The same values, dense and row-major.
pub fn copy(t: &Tensor) -> Result<Tensor> {
    let out = Tensor::alloc(t.shape(), t.dtype())?;
    let plan = CopyPlan::new(t.dtype().size(), t.shape(), t.strides(), out.strides());
    // SAFETY: the tensor's elements, and a fresh buffer with room for them.
    unsafe { plan.run(t.as_byte_ptr(), out.as_mut_byte_ptr()) };
    Ok(out)
}
