//! Attention to codes against attention to the floats that they stand for: the same bits.

use crate::attention::tests::{Case, Layout, Sample, bits, random};
use crate::attention::{AttentionInputs, Mask, Operand, QuantizedAttentionElement, attention, attention_quantized};
use crate::quant::{Codes, Format, Scales};
use crate::test_settings;
use half::bf16;

/// Codes, scales and biases of `rows` rows with gaps between them, and the floats.
struct Stored {
    codes: Vec<u32>,
    scales: Vec<u8>,
    biases: Vec<u8>,
    floats: Vec<f32>,
    format: Format,
    dims: [usize; 4],
}

impl Stored {
    fn new(dims: [usize; 4], bits: usize, group: usize, scales: Scales, seed: u32) -> Stored {
        let format = Format { bits, group, codes: Codes::Unsigned, scales };
        let (rows, dim) = (dims[0] * dims[1] * dims[2], dims[3]);
        let (words, groups) = (dim * bits / 32, dim / group);
        let mut stored =
            Stored { codes: Vec::new(), scales: Vec::new(), biases: Vec::new(), floats: Vec::new(), format, dims };
        let number = |x: f32| if scales == Scales::F32 { x } else { bf16::from_f32(x).to_f32() };
        let bytes = |x: f32| {
            if scales == Scales::F32 { x.to_le_bytes().to_vec() } else { bf16::from_f32(x).to_le_bytes().to_vec() }
        };
        let draw = random(rows * (words + 2 * groups), seed);
        let mut draw = draw.iter().copied();
        let mut next = || draw.next().unwrap_or(0.5);
        for _ in 0..rows {
            let row: Vec<u32> = (0..words).map(|_| next().to_bits().wrapping_mul(0x9E37_79B9)).collect();
            let parts: Vec<(f32, f32)> =
                (0..groups).map(|_| (number(next() / (1 << bits) as f32), number(next()))).collect();
            for d in 0..dim {
                let at = d * bits;
                let wide = u64::from(row[at / 32]) | u64::from(*row.get(at / 32 + 1).unwrap_or(&0)) << 32;
                let code = wide >> (at % 32) & ((1 << bits) - 1);
                let (scale, bias) = parts[d / group];
                stored.floats.push(code as f32 * scale + bias);
            }
            stored.codes.extend(&row);
            stored.codes.push(u32::MAX);
            for (scale, bias) in parts {
                stored.scales.extend(bytes(scale));
                stored.biases.extend(bytes(bias));
            }
            stored.scales.push(0xFF);
            stored.biases.push(0xFF);
        }
        stored
    }

    fn operand<'a, T>(&self, data: &'a [T], width: usize) -> Operand<'a, T> {
        let [_, h, n, _] = self.dims;
        Operand { data, offset: 0, strides: [h * n * width, n * width, width].map(|s| s as isize) }
    }

    fn quantized(&self) -> crate::attention::QuantizedOperand<'_> {
        let (words, bytes) =
            (self.dims[3] * self.format.bits / 32, self.dims[3] / self.format.group * self.format.scales.size());
        crate::attention::QuantizedOperand {
            format: self.format,
            codes: self.operand(&self.codes, words + 1),
            scales: self.operand(&self.scales, bytes + 1),
            biases: self.operand(&self.biases, bytes + 1),
        }
    }
}

fn check<T: Sample + QuantizedAttentionElement>(case: &Case, (width, group): (usize, usize), scales: Scales) {
    let s = case.shape;
    let k = Stored::new([s.batch, s.kv_heads, s.k_len, s.head_dim], width, group, scales, 7);
    let v = Stored::new([s.batch, s.kv_heads, s.k_len, s.value_dim], width, group, scales, 8);
    let q = case.q.store::<T>(Layout::Gaps);
    let wide: Vec<f32> = q.0.iter().map(|x| x.widen()).collect();
    let rows = s.batch * s.q_heads * s.q_len;
    for mask in [Mask::None, Mask::Causal] {
        let floats = AttentionInputs {
            shape: s,
            q: Operand { data: &wide, offset: q.1, strides: q.2 },
            k: k.operand(&k.floats, s.head_dim),
            v: v.operand(&v.floats, s.value_dim),
            scale: case.scale,
            mask,
            sinks: case.sinks.as_deref(),
        };
        let mut want = vec![f32::NAN; rows * s.value_dim];
        attention(&floats, &mut want, None);
        let want: Vec<T> = want.into_iter().map(T::narrow).collect();
        let codes = AttentionInputs {
            shape: s,
            q: Operand { data: &q.0, offset: q.1, strides: q.2 },
            k: k.quantized(),
            v: v.quantized(),
            scale: case.scale,
            mask,
            sinks: case.sinks.as_deref(),
        };
        test_settings::each(|what| {
            let mut got = vec![T::NAN; rows * s.value_dim];
            attention_quantized(&codes, &mut got);
            assert!(bits(&got) == bits(&want), "{width} bits, groups of {group}, {:?}, {what}", s);
        });
    }
}

#[test]
fn codes_give_the_bits_of_the_floats_that_they_stand_for() {
    let _guard = test_settings::lock();
    for (format, dims) in [
        ((4, 64), [64, 128]),
        ((2, 32), [32, 64]),
        ((3, 32), [96, 32]),
        ((5, 128), [128, 128]),
        ((6, 32), [64, 32]),
        ((8, 32), [64, 96]),
        ((4, 16), [16, 48]),
    ] {
        // Decoding, some rows, more rows than go together; several spans of keys.
        check::<bf16>(&Case::new(2, [4, 2], [1, 600], dims), format, Scales::Bf16);
        check::<f32>(&Case::new(1, [3, 1], [5, 70], dims), format, Scales::F32);
    }
    let mut case = Case::new(1, [2, 1], [60, 90], [64, 64]);
    case.sinks = Some(vec![0.5, -1.0]);
    check::<half::f16>(&case, (4, 32), Scales::F32);
    check::<bf16>(&case, (8, 64), Scales::Bf16);
}
