//! The contract's two machine-dependent levels: instruction sets and thread counts. Runs alone, since both settings belong
//! to the process.

use super::eval::outputs;
use super::{Cx, at};
use crate::compare::same_bits;
use crate::draw::{self, choices_of};
use crate::{Checked, on_subject};
use isobit_core::Dtype;
use isobit_kernels::{isa, par};

/// Thread counts that every result is compared over.
pub const THREADS: [usize; 4] = [1, 2, 3, 7];

/// Restores the settings when dropped.
pub struct Settings {
    level: isa::Level,
    threads: usize,
}

impl Settings {
    /// Remembers the settings in force.
    pub fn save() -> Settings {
        Settings { level: isa::level(), threads: par::threads() }
    }
}

impl Drop for Settings {
    fn drop(&mut self) {
        isa::set_level(self.level);
        par::set_threads(self.threads);
    }
}

/// Every available level with every thread count, in float32, bfloat16, float16 and one integer dtype.
pub fn bits(cx: &mut Cx<'_>) -> Checked {
    let _restore = Settings::save();
    on_subject(|| {
        for choice in choices_of(cx.case, &[Dtype::F32, Dtype::BF16, Dtype::F16, Dtype::F64, Dtype::I32]) {
            let xs = draw::operands(&mut cx.rng, cx.case, choice);
            isa::set_level(isa::detected());
            par::set_threads(1);
            let want = at(choice, outputs(cx.case, &xs))?;
            for level in isa::available() {
                isa::set_level(level);
                for threads in THREADS {
                    par::set_threads(threads);
                    let got = outputs(cx.case, &xs)?;
                    for (g, w) in got.iter().zip(&want) {
                        at(format_args!("{choice} {} with {threads} threads", level.name()), same_bits(g, w))?;
                    }
                }
            }
            cx.compared += 1;
        }
        Ok(())
    })
}
