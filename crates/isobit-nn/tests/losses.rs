//! Losses and initialisers against their definitions in f64.

use isobit::{Array, Dtype, ops};
use isobit_nn::init::{self, Fan, Keys};
use isobit_nn::losses::{Reduction, binary_cross_entropy, cross_entropy, mse_loss};

fn logits() -> Vec<f32> {
    (0..24).map(|i| ((i * 37 % 23) as f32 - 11.0) * 0.4).collect()
}

/// -log softmax, with smoothing, in f64.
fn reference(row: &[f32], target: usize, smoothing: f64) -> f64 {
    let row: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
    let norm = row.iter().map(|x| x.exp()).sum::<f64>().ln();
    let mean = row.iter().map(|x| norm - x).sum::<f64>() / row.len() as f64;
    (1.0 - smoothing) * (norm - row[target]) + smoothing * mean
}

#[test]
fn cross_entropy_by_definition() {
    let data = logits();
    let x = Array::from_slice(&data, &[2, 2, 6]).unwrap();
    let classes = [3i32, 0, 5, 2];
    let y = Array::from_slice(&classes, &[2, 2]).unwrap();
    let weights = [1.0f32, 0.0, 2.0, 0.5];
    let w = Array::from_slice(&weights, &[2, 2]).unwrap();
    for smoothing in [0.0, 0.1] {
        let each: Vec<f64> = (0..4).map(|i| reference(&data[i * 6..][..6], classes[i] as usize, smoothing)).collect();
        let weighted: f64 = each.iter().zip(weights).map(|(l, w)| l * f64::from(w)).sum();
        let near = |got: f32, want: f64| assert!((f64::from(got) - want).abs() < 1e-5, "{got} {want}");
        let none = cross_entropy(&x, &y, None, -1, smoothing, Reduction::None).unwrap();
        assert_eq!(none.shape(), &[2, 2]);
        none.to_vec::<f32>().unwrap().iter().zip(&each).for_each(|(&g, &w)| near(g, w));
        let value = |w, r| cross_entropy(&x, &y, w, -1, smoothing, r).unwrap().item::<f32>().unwrap();
        near(value(None, Reduction::Sum), each.iter().sum());
        near(value(None, Reduction::Mean), each.iter().sum::<f64>() / 4.0);
        near(value(Some(&w), Reduction::Sum), weighted);
        near(value(Some(&w), Reduction::Mean), weighted / 4.0);
    }
    assert!(cross_entropy(&x, &w, None, -1, 0.0, Reduction::Mean).is_err());
    assert!(cross_entropy(&x, &y, None, -1, 1.0, Reduction::Mean).is_err());
    assert!(cross_entropy(&y, &x, None, -1, 0.0, Reduction::Mean).is_err());
    assert!(cross_entropy(&x, &y, Some(&x), -1, 0.0, Reduction::Mean).is_err());
}

#[test]
fn its_gradient_is_softmax_minus_one_hot() {
    let data = logits();
    let x = Array::from_slice(&data[..6], &[1, 6]).unwrap();
    let y = Array::from_slice(&[4i32], &[1]).unwrap();
    let g = isobit::transforms::grad(|a| cross_entropy(&a[0], &y, None, -1, 0.0, Reduction::Sum), [0]);
    let got = g(&[x]).unwrap()[0].to_vec::<f32>().unwrap();
    let total: f64 = data[..6].iter().map(|&v| f64::from(v).exp()).sum();
    for (i, g) in got.iter().enumerate() {
        let want = f64::from(data[i]).exp() / total - if i == 4 { 1.0 } else { 0.0 };
        assert!((f64::from(*g) - want).abs() < 1e-6, "{g} {want}");
    }
}

#[test]
fn other_losses() {
    let x = Array::from_slice(&[2.0f32, -80.0, 0.0], &[3]).unwrap();
    let t = Array::from_slice(&[1.0f32, 0.0, 1.0], &[3]).unwrap();
    let want = ((-2f64).exp().ln_1p() + 0.0 + 2f64.ln()) / 3.0;
    assert!(
        (f64::from(binary_cross_entropy(&x, &t, None, true, Reduction::Mean).unwrap().item::<f32>().unwrap()) - want)
            .abs()
            < 1e-6
    );
    assert_eq!(mse_loss(&t, &ops::zeros_like(&t).unwrap(), Reduction::Mean).unwrap().item::<f32>().unwrap(), 2.0 / 3.0);
    assert!(mse_loss(&t, &ops::zeros(&[2], Dtype::F32).unwrap(), Reduction::Mean).is_err());
}

#[test]
fn initialisers_have_their_moments_and_keys_their_bits() {
    let shape = [200, 300];
    let moments = |a: Array| {
        let v = a.to_vec::<f32>().unwrap();
        let n = v.len() as f64;
        let mean = v.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
        let var = v.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n;
        (mean, var.sqrt(), v.iter().fold(0f32, |m, x| m.max(x.abs())))
    };
    let mut keys = Keys::new(1).unwrap();
    let mut key = || keys.next().unwrap();
    let f = Dtype::F32;
    let cases: [(Array, f64, f64); 6] = [
        (init::normal(&shape, 0.5, 0.1, f, &key()).unwrap(), 0.5, 0.1),
        (init::uniform(&shape, -1.0, 3.0, f, &key()).unwrap(), 1.0, 4.0 / 12f64.sqrt()),
        (init::glorot_normal(&shape, 1.0, f, &key()).unwrap(), 0.0, (2f64 / 500.0).sqrt()),
        (init::glorot_uniform(&shape, 2.0, f, &key()).unwrap(), 0.0, 2.0 * (2f64 / 500.0).sqrt()),
        (init::he_normal(&shape, Fan::In, 1.0, f, &key()).unwrap(), 0.0, (1f64 / 300.0).sqrt()),
        (init::he_uniform(&shape, Fan::In, 1.0, f, &key()).unwrap(), 0.0, (1f64 / 300.0).sqrt()),
    ];
    for (i, (a, mean, std)) in cases.into_iter().enumerate() {
        let (m, s, _) = moments(a);
        assert!((m - mean).abs() < 0.02 * std.max(mean) && (s / std - 1.0).abs() < 0.02, "{i}: {m} {s}");
    }
    let bits = |seed| {
        let mut keys = Keys::new(seed).unwrap();
        keys.next().unwrap();
        init::normal(&[8], 0.0, 1.0, f, &keys.next().unwrap()).unwrap().to_bytes().unwrap()
    };
    assert_eq!(bits(3), bits(3));
    assert_ne!(bits(3), bits(4));
    assert!(init::he_normal(&[3], Fan::In, 1.0, f, &key()).is_err());
}
