//! The contract's two machine-dependent levels: instruction sets and thread counts. Runs alone, since both settings belong
//! to the process.

use super::eval::outputs;
use super::{Cx, at};
use crate::compare::same_bits;
use crate::draw::{self, choices_of};
use crate::settings::{Settings, everywhere};
use crate::{Checked, on_subject};
use isobit_core::Dtype;

/// Every available level with every thread count, in float32, bfloat16, float16, float64, one integer dtype and complex64.
pub fn bits(cx: &mut Cx<'_>) -> Checked {
    let _restore = Settings::save();
    on_subject(|| {
        for choice in choices_of(cx.case, &[Dtype::F32, Dtype::BF16, Dtype::F16, Dtype::F64, Dtype::I32, Dtype::C64]) {
            let xs = draw::operands(&mut cx.rng, cx.case, choice);
            let mut want = None;
            everywhere(|setting| {
                let got = at(format_args!("{choice} {setting}"), outputs(cx.case, &xs))?;
                let want = want.get_or_insert_with(|| got.clone());
                for (g, w) in got.iter().zip(want.iter()) {
                    at(format_args!("{choice} {setting}"), same_bits(g, w))?;
                }
                Ok(())
            })?;
            cx.compared += 1;
        }
        Ok(())
    })
}
