//! Random bits.

use crate::CPU;
use crate::lines::elements;
use isobit_core::backend::{Backend, Inputs, Ran};
use isobit_core::ops::random_bits::RandomBits;
use isobit_core::{Result, Spec, Tensor};
use isobit_kernels::rng;
use smallvec::smallvec;

/// Bits for every key.
pub fn random_bits(p: &RandomBits, mut inputs: Inputs, outs: &[Spec]) -> Result<Ran> {
    let keys = CPU.contiguous(inputs.remove(0))?;
    let out = Tensor::alloc(&outs[0].shape, outs[0].dtype)?;
    // SAFETY: keys are dense uint32; the output is fresh, and its bytes are written without regard to its dtype.
    unsafe {
        let keys = elements::<u32>(&keys);
        let bytes = std::slice::from_raw_parts_mut(out.as_mut_byte_ptr(), out.size() * out.dtype().size());
        rng::random_bits(keys, p.bytes_per_key(), bytes);
    }
    Ok(Ran::Done(smallvec![out]))
}
