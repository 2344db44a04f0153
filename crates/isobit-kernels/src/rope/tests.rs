//! Tests of rope against a naive twin, and of its bits.

use super::*;
use crate::test_settings;

fn random(n: usize, seed: u32) -> Vec<f32> {
    let mut bytes = vec![0u8; 4 * n];
    crate::rng::random_bits(&[seed, 3], 4 * n, &mut bytes);
    bytes.as_chunks::<4>().0.iter().map(|&b| (u32::from_le_bytes(b) >> 8) as f32 / (1 << 23) as f32 - 1.0).collect()
}

fn scalar(x: f32, f: u8) -> f32 {
    struct One(f32, u8);
    impl Kernel for One {
        type Out = f32;
        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> f32 {
            let x = s.splat(self.0);
            s.to_array(match self.1 {
                0 => math::exp(s, x),
                1 => math::cos(s, x),
                _ => math::sin(s, x),
            })[0]
        }
    }
    dispatch_at(isa::Level::Scalar, One(x, f))
}

/// The module's formulas for one row, in f32 as stated and in f64.
fn naive(spec: &RopeSpec, row: &[f32], position: i64) -> (Vec<f32>, Vec<f64>) {
    let half = spec.dims / 2;
    let mut stated = row.to_vec();
    let mut exact: Vec<f64> = row.iter().map(|&x| x as f64).collect();
    for i in 0..half {
        let (inv, inv64) = match spec.frequencies {
            Frequencies::Base(b) => {
                let c = (b as f64).ln() / half as f64;
                (scalar(-(i as f32) * c as f32, 0), (-(i as f64) * c).exp())
            }
            Frequencies::Explicit(f) => (1.0 / f[i], 1.0 / f[i] as f64),
        };
        let (p, q) = if spec.traditional { (2 * i, 2 * i + 1) } else { (i, i + half) };
        let theta = position as f32 * spec.scale * inv;
        let (cos, mut sin) = (scalar(theta, 1), scalar(theta, 2));
        let theta64 = position as f64 * spec.scale as f64 * inv64;
        let (cos64, mut sin64) = (theta64.cos(), theta64.sin());
        if spec.inverse {
            (sin, sin64) = (-sin, -sin64);
        }
        let (a, b) = (row[p], row[q]);
        (stated[p], stated[q]) = (a * cos - b * sin, a * sin + b * cos);
        (exact[p], exact[q]) = (a as f64 * cos64 - b as f64 * sin64, a as f64 * sin64 + b as f64 * cos64);
    }
    (stated, exact)
}

trait Sample: RopeElement + FloatLanes {
    const NAN: Self;
    const UNIT: f64;
}
impl Sample for f32 {
    const NAN: f32 = f32::NAN;
    const UNIT: f64 = 0.0;
}
impl Sample for f16 {
    const NAN: f16 = f16::NAN;
    const UNIT: f64 = 1.0 / 2048.0;
}
impl Sample for bf16 {
    const NAN: bf16 = bf16::NAN;
    const UNIT: f64 = 1.0 / 256.0;
}

fn check<T: Sample>(spec: &RopeSpec, what: &str) {
    let (b, h, l, d) = (spec.batch, spec.heads, spec.len, spec.head_dim);
    let data: Vec<T> = random(b * h * l * d, 9).into_iter().map(T::narrow).collect();
    // Stored as [batch, len, heads, dim + 3], one element off, NaN in the gaps.
    let w = d + 3;
    let mut stored = vec![T::NAN; b * h * l * w + 1];
    let strides = [(l * h * w) as isize, w as isize, (h * w) as isize];
    for r in 0..b * h * l {
        let (bi, hi, li) = (r / (h * l), r / l % h, r % l);
        let at = 1 + (bi * l + li) * h * w + hi * w;
        stored[at..at + d].copy_from_slice(&data[r * d..(r + 1) * d]);
    }
    let mut out = vec![T::NAN; b * h * l * d];
    rope(spec, Operand { data: &stored, offset: 1, strides }, &mut out);
    let mut dense = vec![T::NAN; b * h * l * d];
    rope(
        spec,
        Operand { data: &data, offset: 0, strides: [(h * l * d) as isize, (l * d) as isize, d as isize] },
        &mut dense,
    );
    for r in 0..b * h * l {
        let row: Vec<f32> = data[r * d..(r + 1) * d].iter().map(|x| x.widen()).collect();
        let position = spec.offsets[if spec.offsets.len() == 1 { 0 } else { r / (h * l) }] + (r % l) as i64;
        let (stated, exact) = naive(spec, &row, position);
        // The angle: four roundings and 1 ulp of exp; then 1 ulp of cos and sin and three roundings.
        let angle = (position.unsigned_abs() as f64 * spec.scale as f64 + 1.0) * 6.0 / (1 << 24) as f64;
        for i in 0..d {
            let name = std::any::type_name::<T>();
            let (got, other) = (out[r * d + i].widen(), dense[r * d + i].widen());
            assert_eq!(got.to_bits(), T::narrow(stated[i]).widen().to_bits(), "row {r} element {i} {name} {what}");
            assert_eq!(got.to_bits(), other.to_bits(), "layouts, row {r} element {i} {name} {what}");
            let bound = 2.0 * (angle + 6.0 / (1 << 24) as f64) + exact[i].abs() * T::UNIT;
            assert!((got as f64 - exact[i]).abs() <= bound, "row {r} element {i} {name}: {got} {}", exact[i]);
        }
    }
}

self_test!(every_layout_follows_the_formulas);
fn every_layout_follows_the_formulas() {
    let _guard = test_settings::lock();
    let freqs: Vec<f32> = random(64, 4).iter().map(|x| 1.0 + 50.0 * x.abs()).collect();
    for (dim, dims) in [(2, 2), (8, 6), (32, 32), (64, 64), (80, 80), (80, 20), (128, 96), (70, 66), (5, 4), (7, 0)] {
        for traditional in [false, true] {
            for inverse in [false, true] {
                for explicit in [false, true] {
                    for offsets in [&[3i64][..], &[0, 1000][..]] {
                        let frequencies = if explicit {
                            Frequencies::Explicit(&freqs[..dims / 2])
                        } else {
                            Frequencies::Base(10000.0)
                        };
                        let spec = RopeSpec {
                            batch: 2,
                            heads: 3,
                            len: 5,
                            head_dim: dim,
                            dims,
                            traditional,
                            frequencies,
                            scale: 0.5,
                            offsets,
                            inverse,
                        };
                        let what = format!("{dim} {dims} {traditional} {inverse} {explicit} {offsets:?}");
                        test_settings::each_level(|level| {
                            check::<f32>(&spec, &format!("{what} {level}"));
                            check::<bf16>(&spec, &format!("{what} {level}"));
                            check::<f16>(&spec, &format!("{what} {level}"));
                        });
                    }
                }
            }
        }
    }
}

fn spec(len: usize, offsets: &[i64]) -> RopeSpec<'_> {
    RopeSpec {
        batch: 1,
        heads: 4,
        len,
        head_dim: 128,
        dims: 128,
        traditional: false,
        frequencies: Frequencies::Base(1e6),
        scale: 1.0,
        offsets,
        inverse: false,
    }
}

self_test!(threads_do_not_show_and_one_position_at_a_time_is_the_same);
fn threads_do_not_show_and_one_position_at_a_time_is_the_same() {
    let _guard = test_settings::lock();
    let (len, d) = (300, 128);
    let x = random(4 * len * d, 8);
    let strides = [0, (len * d) as isize, d as isize];
    let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    let mut want = vec![f32::NAN; x.len()];
    rope(&spec(len, &[7]), Operand { data: &x, offset: 0, strides }, &mut want);
    test_settings::each(|what| {
        let mut got = vec![f32::NAN; x.len()];
        rope(&spec(len, &[7]), Operand { data: &x, offset: 0, strides }, &mut got);
        assert!(bits(&got) == bits(&want), "{what}");
    });
    for i in [0, 1, 150, 299] {
        let mut one = vec![f32::NAN; 4 * d];
        rope(&spec(1, &[7 + i as i64]), Operand { data: &x, offset: i * d, strides }, &mut one);
        for h in 0..4 {
            assert_eq!(bits(&one[h * d..(h + 1) * d]), bits(&want[(h * len + i) * d..][..d]));
        }
    }
}

self_test!(f64_turns_there_and_back);
fn f64_turns_there_and_back() {
    let x: Vec<f64> = random(4 * 9 * 128, 8).into_iter().map(|x| x as f64).collect();
    let strides = [0, 9 * 128, 128];
    for traditional in [false, true] {
        let there = RopeSpec { traditional, ..spec(9, &[11]) };
        let (mut y, mut z) = (vec![f64::NAN; x.len()], vec![f64::NAN; x.len()]);
        rope(&there, Operand { data: &x, offset: 0, strides }, &mut y);
        rope(&RopeSpec { inverse: true, ..there }, Operand { data: &y, offset: 0, strides }, &mut z);
        assert!(x.iter().zip(&z).all(|(a, b)| (a - b).abs() < 1e-15));
        assert!(x.iter().zip(&y).any(|(a, b)| (a - b).abs() > 0.5));
    }
}

self_test!(nothing_to_turn);
fn nothing_to_turn() {
    rope::<f32>(&spec(0, &[0]), Operand { data: &[], offset: 0, strides: [0; 3] }, &mut []);
}
