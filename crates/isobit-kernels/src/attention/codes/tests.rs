//! Attention to codes against attention to the floats that they stand for: the same bits.

use super::Codes as Rows;
use super::words::{Way, reach_of_bytes, way, way_of};
use crate::attention::tests::{Case, Layout, Sample, bits, random};
use crate::attention::{AttentionInputs, Mask, Operand, QuantizedAttentionElement, attention, attention_quantized};
use crate::isa;
use crate::quant::{Codes, Format, Scales};
use crate::simd::{Kernel, Simd, dispatch_at};
use crate::test_settings;
use half::{bf16, f16};

/// Codes, scales and biases of `rows` rows, and the floats.
struct Stored {
    /// Between rows: a word, a byte, or nothing.
    gap: usize,
    codes: Vec<u32>,
    scales: Vec<u8>,
    biases: Vec<u8>,
    floats: Vec<f32>,
    format: Format,
    dims: [usize; 4],
}

/// What scales and biases are.
#[derive(Clone, Copy, PartialEq)]
enum Numbers {
    /// As a range of numbers is quantized: zero is a code, and the bias at the range's far end.
    Quantized,
    /// Any.
    Any,
    /// Any, and every fifth scale out of the ordinary.
    Wild,
}

impl Stored {
    /// With [`Numbers::Wild`], every fifth scale is one of these.
    const WILD: [f32; 6] = [0.0, -0.0, 1e-39, -1e-36, 1e33, 4e-31];

    fn new(
        dims: [usize; 4],
        (bits, group): (usize, usize),
        scales: Scales,
        seed: u32,
        gap: usize,
        numbers: Numbers,
    ) -> Stored {
        let format = Format { bits, group, codes: Codes::Unsigned, scales };
        let (rows, dim) = (dims[0] * dims[1] * dims[2], dims[3]);
        let (words, groups) = (dim * bits / 32, dim / group);
        let mut stored =
            Stored { gap, codes: Vec::new(), scales: Vec::new(), biases: Vec::new(), floats: Vec::new(), format, dims };
        let number = |x: f32| match scales {
            Scales::F32 => x,
            Scales::F16 => f16::from_f32(x).to_f32(),
            _ => bf16::from_f32(x).to_f32(),
        };
        let bytes = |x: f32| match scales {
            Scales::F32 => x.to_le_bytes().to_vec(),
            Scales::F16 => f16::from_f32(x).to_le_bytes().to_vec(),
            _ => bf16::from_f32(x).to_le_bytes().to_vec(),
        };
        let draw = random(rows * (words + 2 * groups), seed);
        let mut draw = draw.iter().copied();
        let mut next = || draw.next().unwrap_or(0.5);
        let mut count = 0;
        for _ in 0..rows {
            let row: Vec<u32> = (0..words).map(|_| next().to_bits().wrapping_mul(0x9E37_79B9)).collect();
            let mut part = || {
                let (scale, bias) = (next() / (1 << bits) as f32, next());
                count += 1;
                if numbers == Numbers::Quantized {
                    let scale = scale + 0.1f32.copysign(scale) / (1 << bits) as f32;
                    let most = ((1 << bits) - 1) as f32;
                    let zero = (most * (0.5 + 0.5 * bias.abs().min(1.0))).round();
                    return (number(scale), number(if count % 7 == 0 { 0.0 } else { -zero * scale }));
                }
                let is_wild = numbers == Numbers::Wild && count % 5 == 0;
                let scale = if is_wild { Stored::WILD[count / 5 % 6] } else { scale };
                (number(scale), number(bias))
            };
            let parts: Vec<(f32, f32)> = (0..groups).map(|_| part()).collect();
            for d in 0..dim {
                let at = d * bits;
                let wide = u64::from(row[at / 32]) | u64::from(*row.get(at / 32 + 1).unwrap_or(&0)) << 32;
                let code = wide >> (at % 32) & ((1 << bits) - 1);
                let (scale, bias) = parts[d / group];
                stored.floats.push(code as f32 * scale + bias);
            }
            stored.codes.extend(&row);
            stored.codes.extend([u32::MAX].iter().take(gap));
            for (scale, bias) in parts {
                stored.scales.extend(bytes(scale));
                stored.biases.extend(bytes(bias));
            }
            stored.scales.extend([0xFF].iter().take(gap));
            stored.biases.extend([0xFF].iter().take(gap));
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
            codes: self.operand(&self.codes, words + self.gap),
            scales: self.operand(&self.scales, bytes + self.gap),
            biases: self.operand(&self.biases, bytes + self.gap),
        }
    }
}

fn check<T: Sample + QuantizedAttentionElement>(case: &Case, format: (usize, usize), scales: Scales) {
    for (gap, numbers) in [(0, Numbers::Quantized), (1, Numbers::Quantized), (0, Numbers::Any)] {
        check_with::<T>(case, format, scales, gap, numbers);
    }
}

fn check_with<T: Sample + QuantizedAttentionElement>(
    case: &Case,
    format: (usize, usize),
    scales: Scales,
    gap: usize,
    numbers: Numbers,
) {
    let (s, (width, group)) = (case.shape, format);
    let k = Stored::new([s.batch, s.kv_heads, s.k_len, s.head_dim], format, scales, 7, gap, numbers);
    let v = Stored::new([s.batch, s.kv_heads, s.k_len, s.value_dim], format, scales, 8, gap, numbers);
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

self_test!(codes_give_the_bits_of_the_floats_that_they_stand_for);
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
        // Scales of so many bits that their products with codes are rounded, decoded in registers.
        check::<f32>(&Case::new(1, [2, 1], [1, 70], dims), format, Scales::F32);
    }
    let mut case = Case::new(1, [2, 1], [60, 90], [64, 64]);
    case.sinks = Some(vec![0.5, -1.0]);
    check::<f16>(&case, (4, 32), Scales::F32);
    check::<f16>(&case, (4, 64), Scales::F16);
    check::<f16>(&Case::new(1, [2, 1], [2, 70], [64, 64]), (8, 32), Scales::F16);
    check::<bf16>(&case, (8, 64), Scales::Bf16);
}

self_test!(every_tile_of_rows_and_every_width_of_values);
fn every_tile_of_rows_and_every_width_of_values() {
    let _guard = test_settings::lock();
    let rows: &[usize] = if test_settings::sampled() { &[2, 5, 9] } else { &[1, 2, 3, 4, 5, 6, 7, 8, 9] };
    for &rows in rows {
        // Values of 8, 12, 16, 20 and 32 words of four bits: fewer than lanes, not all of them, all, and some more.
        for (format, dims) in [
            ((4, 32), [32, 64]),
            ((4, 32), [64, 96]),
            ((4, 64), [192, 128]),
            ((4, 32), [128, 160]),
            ((4, 128), [256, 256]),
            ((8, 32), [96, 32]),
            ((8, 128), [128, 384]),
            ((3, 32), [64, 160]),
            ((6, 64), [128, 64]),
        ] {
            let case = Case::new(1, [1, 1], [rows, 70 + rows], dims);
            for numbers in [Numbers::Quantized, Numbers::Any] {
                check_with::<f32>(&case, format, Scales::Bf16, rows % 2, numbers);
            }
        }
    }
}

self_test!(every_width_group_and_head);
fn every_width_group_and_head() {
    let _guard = test_settings::lock();
    let mut seed = 0;
    for bits in [2, 3, 4, 5, 6, 8] {
        for (group, dim) in [(16, 80), (32, 64), (64, 64), (32, 96), (32, 128), (64, 128), (128, 128)]
            .into_iter()
            .filter(|f| f.0 * bits % 32 == 0)
        {
            for (scales, numbers) in [
                (Scales::Bf16, Numbers::Quantized),
                (Scales::F16, Numbers::Quantized),
                (Scales::F32, Numbers::Quantized),
                (Scales::Bf16, Numbers::Wild),
            ] {
                seed += 1;
                let rows = [1, 4, 8, 11, 2, 6][seed % 6];
                let case = Case::new(1, [1, 1], [rows, 67 + seed % 70], [dim, dim]);
                check_with::<f32>(&case, (bits, group), scales, seed / 6 % 2, numbers);
            }
        }
    }
}

self_test!(scales_of_any_size);
fn scales_of_any_size() {
    let _guard = test_settings::lock();
    for (format, dims) in [((4, 64), [64, 64]), ((4, 32), [64, 32]), ((8, 32), [64, 96]), ((3, 32), [32, 64])] {
        for rows in [1, 3, 20] {
            let case = Case::new(1, [1, 1], [rows, 70 + rows], dims);
            check_with::<f32>(&case, format, Scales::F32, 0, Numbers::Wild);
            check_with::<bf16>(&case, format, Scales::Bf16, rows % 2, Numbers::Wild);
        }
    }
}

struct WayOf<'a>(Format, &'a [f32], &'a [f32]);

impl Kernel for WayOf<'_> {
    type Out = Way;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Way {
        assert!(self.1.len() == self.2.len() && self.1.len().is_multiple_of(16));
        // SAFETY: the numbers are there.
        unsafe { way(s, self.0, reach_of_bytes(self.0.bits), self.1.as_ptr(), self.2.as_ptr(), self.1.len()) }
    }
}

self_test!(what_a_range_is_quantized_to_takes_the_short_way);
fn what_a_range_is_quantized_to_takes_the_short_way() {
    let _guard = test_settings::lock();
    for bits in [2, 3, 4, 5, 6, 8] {
        for (scales, exact) in [(Scales::Bf16, true), (Scales::F16, true), (Scales::F32, false)] {
            let stored = Stored::new([1, 1, 64, 64], (bits, 32), scales, 3, 0, Numbers::Quantized);
            let read = |bytes: &[u8]| -> Vec<f32> {
                // SAFETY: every chunk is a number.
                bytes.chunks_exact(scales.size()).map(|b| unsafe { scales.read(b.as_ptr()) }).collect()
            };
            let (mut scale, mut bias) = (read(&stored.scales), read(&stored.biases));
            let ways = |scale: &[f32], bias: &[f32]| -> Vec<bool> {
                let way = |level| dispatch_at(level, WayOf(stored.format, scale, bias));
                isa::available().into_iter().map(|level| way(level) == Way::Exact).collect()
            };
            assert!(ways(&scale, &bias).iter().all(|&is| is == exact), "{bits} bits, {scales:?}");
            for (wild, of_bias) in [(1e30, false), (0.0, false), (f32::NAN, false), (1e30, true), (f32::NAN, true)] {
                let numbers = if of_bias { &mut bias } else { &mut scale };
                let was = std::mem::replace(&mut numbers[77], wild);
                assert!(!ways(&scale, &bias).contains(&true), "{bits} bits, {wild}");
                if of_bias { bias[77] = was } else { scale[77] = was }
            }
        }
    }
}

struct WayOfHalves<'a>(&'a Rows<'a>, [usize; 2], &'a [f32], &'a [f32]);

impl Kernel for WayOfHalves<'_> {
    type Out = [Way; 2];
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> [Way; 2] {
        let WayOfHalves(codes, reach, scales, biases) = self;
        assert!(scales.len() == biases.len() && scales.len() == codes.rows * codes.groups());
        let (a, b, n) = (scales.as_ptr(), biases.as_ptr(), scales.len());
        // SAFETY: the numbers are there, a multiple of sixteen.
        unsafe { [way_of(s, codes, reach, a, b, n), way(s, codes.from.format, reach, a, b, n)] }
    }
}

self_test!(the_way_of_numbers_of_sixteen_bits_is_that_of_floats);
fn the_way_of_numbers_of_sixteen_bits_is_that_of_floats() {
    let (rows, groups, mut seed) = (64, 2, 1u64);
    let mut next = || {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as u32
    };
    let (mut exact, mut steps) = (0, 0);
    for kind in [Scales::Bf16, Scales::F16] {
        let bf16 = kind == Scales::Bf16;
        let (one, place) = if bf16 { (0x3f80u16, 7) } else { (0x3c00, 10) };
        let wide = |x: u16| if bf16 { bf16::from_bits(x).to_f32() } else { f16::from_bits(x).to_f32() };
        let infinity = if bf16 { 0x7f80 } else { 0x7c00 };
        let (least, most) = if bf16 { (0x179a, 0x6754) } else { (0x0400, infinity - 1) };
        let edges = [
            0,
            0x8000,
            1,
            (1 << place) - 1,
            1 << place,
            least - 1,
            least,
            least + 1,
            most - 1,
            most,
            most + 1,
            infinity - 1,
            infinity,
            infinity | 0x8000,
            infinity + 1,
            0x7fff,
            0xffff,
            one,
            one | 0x8000,
        ];
        for round in 0..6000 {
            // Ordinary numbers with ratios about what a reach allows, and one out of the ordinary.
            let spread = next() % 40;
            let mut numbers = [vec![0u16; rows * groups], vec![0u16; rows * groups]];
            for i in 0..rows * groups {
                let scale = one - ((next() % 4 + 4) << place) as u16 + (next() % (1 << place)) as u16;
                let ratio = (next() % (spread + 1)) as i32 - (next() % 8) as i32;
                let bias = i32::from(scale) + (ratio << place) + (next() % (1 << place)) as i32;
                numbers[0][i] = scale | (next() as u16 & 0x8000);
                numbers[1][i] = bias.clamp(0, i32::from(infinity) - 1) as u16 | (next() as u16 & 0x8000);
            }
            if round % 3 != 0 {
                let number = if round % 3 == 1 { edges[next() as usize % edges.len()] } else { next() as u16 };
                let (which, at) = (next() as usize % 2, next() as usize % (rows * groups));
                numbers[which][at] = number;
            }
            let bytes = numbers.each_ref().map(|n| n.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>());
            let floats = numbers.each_ref().map(|n| n.iter().map(|&x| wide(x)).collect::<Vec<f32>>());
            let format = Format { bits: 4, group: 32, codes: Codes::Unsigned, scales: kind };
            let part = |data| Operand { data, offset: 0, strides: [0, 0, 2 * groups as isize] };
            let codes = Operand { data: &[0u32][..], offset: 0, strides: [0; 3] };
            let from =
                crate::attention::QuantizedOperand { format, codes, scales: part(&bytes[0]), biases: part(&bytes[1]) };
            let codes = Rows { from: &from, at: [0; 3], rows, dim: 32 * groups };
            for reach in [[8, 12], [8, 16], [8, 8], [10, 10], [11, 11], [13, 13], [16, 16]] {
                for level in isa::available() {
                    let [of, floats] = dispatch_at(level, WayOfHalves(&codes, reach, &floats[0], &floats[1]));
                    assert!(of == floats, "{kind:?}, {reach:?}, round {round}, {}", level.name());
                    if of == Way::Exact { exact += 1 } else { steps += 1 }
                }
            }
        }
    }
    assert!(exact > 1000 && steps > 1000, "{exact} {steps}");
}
