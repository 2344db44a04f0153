//! Layers with an axis of positions: attention against its definition in f64, with and without a cache.

use isobit::fast::Mask;
use isobit::{Array, Dtype, ops};
use isobit_nn::init::{self, Keys};
use isobit_nn::{
    Attention, AttentionShape, Dropout, KvCache, LayerNorm, Linear, MLP, MaybeQuantized, Module, RMSNorm, gelu,
    gelu_approx, silu,
};

const SHAPE: AttentionShape =
    AttentionShape { width: 12, heads: 4, kv_heads: 2, head_dim: 6, rope_base: 100.0, bias: true, qk_norm: Some(1e-5) };

fn input(b: usize, l: usize, width: usize) -> Array {
    let key = Keys::new(5).unwrap().next().unwrap();
    init::normal(&[b, l, width], 0.0, 1.0, Dtype::F32, &key).unwrap()
}

fn float(layer: &MaybeQuantized<Linear>) -> &Linear {
    layer.as_float().unwrap()
}

fn f64s(a: &Array) -> Vec<f64> {
    a.to_vec::<f32>().unwrap().into_iter().map(f64::from).collect()
}

/// `x @ w.T + b` for rows of `x`.
fn affine(x: &[f64], w: &Array, b: Option<&Array>) -> Vec<f64> {
    let (outs, ins) = (w.shape()[0], w.shape()[1]);
    let (w, b) = (f64s(w), b.map(f64s));
    let row = |r: &[f64]| -> Vec<f64> {
        (0..outs)
            .map(|o| (0..ins).map(|i| r[i] * w[o * ins + i]).sum::<f64>() + b.as_ref().map_or(0.0, |b| b[o]))
            .collect()
    };
    x.chunks(ins).flat_map(row).collect()
}

/// One head's row: normalised and rotated to its position.
fn head(row: &[f64], norm: &RMSNorm, position: usize) -> Vec<f64> {
    let (d, w) = (row.len(), f64s(&norm.weight));
    let rms = (row.iter().map(|x| x * x).sum::<f64>() / d as f64 + 1e-5).sqrt();
    let x: Vec<f64> = row.iter().zip(&w).map(|(x, w)| x / rms * w).collect();
    let mut out = x.clone();
    for i in 0..d / 2 {
        let angle = position as f64 * 100f64.powf(-2.0 * i as f64 / d as f64);
        let (sin, cos) = angle.sin_cos();
        out[i] = x[i] * cos - x[i + d / 2] * sin;
        out[i + d / 2] = x[i] * sin + x[i + d / 2] * cos;
    }
    out
}

#[test]
fn attention_by_definition() {
    let mut keys = Keys::new(2).unwrap();
    let mut layer = Attention::new(SHAPE, &mut keys).unwrap();
    let norm = init::uniform(&[6], 0.5, 1.5, Dtype::F32, &keys.next().unwrap()).unwrap();
    layer.q_norm.as_mut().unwrap().weight = norm.clone();
    let (l, d) = (7, 6);
    let x = input(1, l, 12);
    let rows = f64s(&x);
    let q = affine(&rows, &float(&layer.q_proj).weight, float(&layer.q_proj).bias.as_ref());
    let k = affine(&rows, &float(&layer.k_proj).weight, float(&layer.k_proj).bias.as_ref());
    let v = affine(&rows, &float(&layer.v_proj).weight, float(&layer.v_proj).bias.as_ref());
    let mut mixed = vec![0.0; l * 24];
    for h in 0..4 {
        for t in 0..l {
            let qr = head(&q[t * 24 + h * d..][..d], layer.q_norm.as_ref().unwrap(), t);
            let scores: Vec<f64> = (0..=t)
                .map(|s| {
                    let kr = head(&k[s * 12 + h / 2 * d..][..d], layer.k_norm.as_ref().unwrap(), s);
                    qr.iter().zip(&kr).map(|(a, b)| a * b).sum::<f64>() / (d as f64).sqrt()
                })
                .collect();
            let total: f64 = scores.iter().map(|s| s.exp()).sum();
            for i in 0..d {
                let sum = |(s, score): (usize, &f64)| score.exp() / total * v[s * 12 + h / 2 * d + i];
                mixed[t * 24 + h * d + i] = scores.iter().enumerate().map(sum).sum();
            }
        }
    }
    let want = affine(&mixed, &float(&layer.o_proj).weight, float(&layer.o_proj).bias.as_ref());
    let got = f64s(&layer.forward(&x, Mask::Causal, None).unwrap());
    for (g, w) in got.iter().zip(&want) {
        assert!((g - w).abs() < 2e-6, "{g} {w}");
    }

    let cached = |cuts: &[usize]| {
        let (mut cache, mut at, mut out) = (KvCache::new(), 0isize, Vec::new());
        for &n in cuts {
            let part = ops::slice(&x, &[0, at], &[1, at + n as isize], &[1, 1]).unwrap();
            at += n as isize;
            out.extend(layer.forward(&part, Mask::Causal, Some(&mut cache)).unwrap().to_bytes().unwrap());
        }
        out
    };
    let whole = layer.forward(&x, Mask::Causal, None).unwrap().to_bytes().unwrap();
    for cuts in [&[7][..], &[3, 4], &[1; 7], &[5, 1, 1]] {
        assert_eq!(cached(cuts), whole, "{cuts:?}");
    }
}

#[test]
fn parameter_names_are_those_of_weight_files() {
    let mut keys = Keys::new(0).unwrap();
    let shape = AttentionShape { bias: false, ..SHAPE };
    let names: Vec<String> = Attention::new(shape, &mut keys).unwrap().parameters().into_keys().collect();
    let want = ["k_norm.weight", "k_proj.weight", "o_proj.weight", "q_norm.weight", "q_proj.weight", "v_proj.weight"];
    assert_eq!(names, want);
    let names: Vec<String> = MLP::new(4, 8, &mut keys).unwrap().parameters().into_keys().collect();
    assert_eq!(names, ["down_proj.weight", "gate_proj.weight", "up_proj.weight"]);
}

#[test]
fn mistakes_are_errors() {
    let mut keys = Keys::new(0).unwrap();
    assert!(Attention::new(AttentionShape { kv_heads: 3, ..SHAPE }, &mut keys).is_err());
    assert!(Attention::new(AttentionShape { kv_heads: 0, ..SHAPE }, &mut keys).is_err());
    let layer = Attention::new(SHAPE, &mut keys).unwrap();
    assert!(layer.forward(&input(1, 2, 13), Mask::Causal, None).is_err());
    assert!(layer.forward(&ops::zeros(&[2, 12], Dtype::F32).unwrap(), Mask::Causal, None).is_err());
    assert!(Dropout::new(1.0).is_err());
}

#[test]
fn norms_and_activations_by_definition() {
    let x = input(1, 3, 8);
    let rows = f64s(&x);
    let rms = f64s(&RMSNorm::new(8, 1e-5, Dtype::F32).unwrap().forward(&x).unwrap());
    let layer = f64s(&LayerNorm::new(8, 1e-5, true, Dtype::F32).unwrap().forward(&x).unwrap());
    for (r, row) in rows.chunks(8).enumerate() {
        let mean = row.iter().sum::<f64>() / 8.0;
        let square = row.iter().map(|x| x * x).sum::<f64>() / 8.0;
        for (i, x) in row.iter().enumerate() {
            assert!((rms[r * 8 + i] - x / (square + 1e-5).sqrt()).abs() < 1e-5);
            assert!((layer[r * 8 + i] - (x - mean) / (square - mean * mean + 1e-5).sqrt()).abs() < 1e-5);
        }
    }
    for (f, want) in [
        (silu(&x).unwrap(), (|x: f64| x / (1.0 + (-x).exp())) as fn(f64) -> f64),
        (gelu_approx(&x).unwrap(), |x| {
            x * 0.5 * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x)).tanh())
        }),
    ] {
        for (g, x) in f64s(&f).iter().zip(&rows) {
            assert!((g - want(*x)).abs() < 1e-6);
        }
    }
    // Known values of the normal distribution function.
    let g = gelu(&Array::from_slice(&[1.0f32, -1.0, 0.0, 2.0], &[4]).unwrap()).unwrap().to_vec::<f32>().unwrap();
    for (g, w) in g.iter().zip([0.841_344_8, -0.158_655_25, 0.0, 1.954_499_7]) {
        assert!((g - w).abs() < 1e-6, "{g} {w}");
    }
}

#[test]
fn dropout_drops_its_share_and_keeps_the_mean() {
    let x = ops::ones(&[100, 100], Dtype::F32).unwrap();
    let layer = Dropout::new(0.25).unwrap();
    let key = Keys::new(1).unwrap().next().unwrap();
    let y = layer.forward(&x, Some(&key)).unwrap().to_vec::<f32>().unwrap();
    let dropped = y.iter().filter(|&&v| v == 0.0).count();
    assert!((2300..2700).contains(&dropped), "{dropped}");
    assert!(y.iter().all(|&v| v == 0.0 || (v - 4.0 / 3.0).abs() < 1e-6));
    assert_eq!(layer.forward(&x, Some(&key)).unwrap().to_vec::<f32>().unwrap(), y);
    assert!(layer.forward(&x, None).unwrap().same(&x));
}
