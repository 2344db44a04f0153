//! Optimizer steps against numbers computed by hand (in f64, from the update rules).

use isobit::{Array, Dtype, ops};
use isobit_nn::optimizers::{AdamW, Optimizer, SGD, clip_grad_norm};
use isobit_nn::schedulers::linear_schedule;
use isobit_nn::{Module, Params, value_and_grad};

#[derive(Clone, Module)]
struct Weights {
    w: Array,
}

const START: [f64; 3] = [1.0, -2.0, 0.5];
/// The gradients of three steps.
const GRADS: [[f64; 3]; 3] = [[0.1, -0.4, 2.0], [0.3, 0.0, -1.0], [-0.2, 0.7, 0.25]];

fn array(v: &[f64]) -> Array {
    Array::from_slice(&v.iter().map(|&x| x as f32).collect::<Vec<_>>(), &[v.len()]).unwrap()
}

fn grads(v: &[f64]) -> Params {
    Params::from([("w".to_owned(), array(v))])
}

fn run(optimizer: &mut impl Optimizer, rule: impl FnMut(usize, usize, f64, f64) -> f64) {
    let mut rule = rule;
    let mut model = Weights { w: array(&START) };
    let mut want = START;
    for (t, g) in GRADS.iter().enumerate() {
        optimizer.update(&mut model, &grads(g)).unwrap();
        for i in 0..3 {
            want[i] = rule(t, i, want[i], g[i]);
        }
        let got = model.w.to_vec::<f32>().unwrap();
        for i in 0..3 {
            assert!((f64::from(got[i]) - want[i]).abs() < 1e-6, "step {t}: {got:?} {want:?}");
        }
    }
    assert_eq!(optimizer.step(), 3);
}

#[test]
fn sgd() {
    run(&mut SGD::new(0.1), |_, _, w, g| w - 0.1 * g);
    let mut v = [0.0; 3];
    run(&mut SGD::new(0.1).with_momentum(0.9, 0.0).with_weight_decay(0.01), |_, i, w, g| {
        v[i] = 0.9 * v[i] + g + 0.01 * w;
        w - 0.1 * v[i]
    });
    let mut v = [0.0; 3];
    run(&mut SGD::new(0.1).with_momentum(0.9, 0.5), |_, i, w, g| {
        v[i] = 0.9 * v[i] + 0.5 * g;
        w - 0.1 * v[i]
    });
    let mut v = [0.0; 3];
    run(&mut SGD::new(0.1).with_momentum(0.9, 0.0).with_nesterov().unwrap(), |_, i, w, g| {
        v[i] = 0.9 * v[i] + g;
        w - 0.1 * (g + 0.9 * v[i])
    });
    assert!(SGD::new(0.1).with_nesterov().is_err());
    assert!(SGD::new(0.1).with_momentum(0.9, 0.1).with_nesterov().is_err());
}

#[test]
fn decay_can_be_limited_to_some_parameters() {
    #[derive(Clone, Module)]
    struct Layer {
        bias: Array,
        weight: Array,
    }
    let start = || Layer { bias: array(&[2.0, 2.0]), weight: ops::reshape(&array(&[2.0, 2.0]), &[1, 2]).unwrap() };
    let zeros: Params = start().parameters().into_iter().map(|(k, a)| (k, ops::zeros_like(&a).unwrap())).collect();
    let stepped = |mut o: AdamW| {
        let mut layer = start();
        o.update(&mut layer, &zeros).unwrap();
        [layer.bias.to_vec::<f32>().unwrap()[0], layer.weight.to_vec::<f32>().unwrap()[0]]
    };
    let all = || AdamW::new(0.5).with_weight_decay(0.5);
    assert_eq!(stepped(all()), [1.5, 1.5]);
    assert_eq!(stepped(all().with_decay_for(|_, a| a.ndim() >= 2)), [2.0, 1.5]);
    assert_eq!(stepped(all().with_decay_for(|name, _| name == "bias")), [1.5, 2.0]);
}

#[test]
fn adamw() {
    for corrected in [false, true] {
        let (mut m, mut v) = ([0.0; 3], [0.0; 3]);
        let mut o = AdamW::new(0.02).with_betas(0.8, 0.95).unwrap().with_eps(1e-3).with_weight_decay(0.1);
        if corrected {
            o = o.with_bias_correction();
        }
        run(&mut o, |t, i, w, g| {
            m[i] = 0.8 * m[i] + 0.2 * g;
            v[i] = 0.95 * v[i] + 0.05 * g * g;
            let (mut mh, mut vh) = (m[i], v[i]);
            if corrected {
                mh /= 1.0 - 0.8f64.powi(t as i32 + 1);
                vh /= 1.0 - 0.95f64.powi(t as i32 + 1);
            }
            w * (1.0 - 0.02 * 0.1) - 0.02 * mh / (vh.sqrt() + 1e-3)
        });
    }
    assert!(AdamW::new(0.1).with_betas(1.0, 0.9).is_err());
}

#[test]
fn a_schedule_sets_the_rate_of_each_step() {
    run(&mut SGD::new(linear_schedule(0.4, 0.2, 2)), |t, _, w, g| w - [0.4, 0.3, 0.2][t] * g);
}

#[test]
fn saved_state_goes_on_bit_for_bit() {
    let steps = |o: &mut AdamW, model: &mut Weights, which: std::ops::Range<usize>| {
        for g in &GRADS[which] {
            o.update(model, &grads(g)).unwrap();
        }
    };
    let new = || AdamW::new(0.02).with_bias_correction();
    let (mut a, mut model) = (new(), Weights { w: array(&START) });
    steps(&mut a, &mut model, 0..3);
    let want = model.w.to_vec::<f32>().unwrap();

    let (mut b, mut model) = (new(), Weights { w: array(&START) });
    steps(&mut b, &mut model, 0..1);
    let state = b.state();
    assert_eq!(state.keys().collect::<Vec<_>>(), ["step", "w.m", "w.v"]);
    let mut c = new();
    c.load_state(state.clone()).unwrap();
    steps(&mut c, &mut model, 1..3);
    assert_eq!(model.w.to_vec::<f32>().unwrap(), want);

    let refused = |change: &dyn Fn(&mut Params)| {
        let mut s = state.clone();
        change(&mut s);
        new().load_state(s).unwrap_err().to_string()
    };
    assert!(refused(&|s| drop(s.remove("step"))).contains("no `step`"));
    assert!(refused(&|s| drop(s.insert("w.x".into(), array(&START)))).contains("unexpected state `w.x`"));
    assert!(refused(&|s| drop(s.remove("w.v"))).contains("different parameters"));
    assert!(refused(&|s| drop(s.insert("w.m".into(), Array::scalar(1, Dtype::I32)))).contains("floating"));
}

#[test]
fn gradients_must_fit_their_parameters() {
    let mut model = Weights { w: array(&START) };
    let mut o = AdamW::new(0.1);
    o.update(&mut model, &grads(&GRADS[0])).unwrap();
    let before = o.state();
    let e = o.update(&mut model, &grads(&[1.0])).unwrap_err().to_string();
    assert!(e.contains("w: expected a gradient [3], got float32 [1]"), "{e}");
    let e = o.update(&mut model, &Params::from([("x".to_owned(), array(&START))])).unwrap_err().to_string();
    assert!(e.contains("x: a gradient without a parameter"), "{e}");
    assert_eq!(before.len(), o.state().len());
}

#[test]
fn clipping() {
    let g = Params::from([("a".to_owned(), array(&[3.0, 0.0])), ("b".to_owned(), array(&[4.0]))]);
    let (clipped, norm) = clip_grad_norm(&g, 1.0).unwrap();
    assert_eq!(norm.item::<f32>().unwrap(), 5.0);
    assert!((clipped["a"].to_vec::<f32>().unwrap()[0] - 0.6).abs() < 1e-6);
    assert!((clipped["b"].to_vec::<f32>().unwrap()[0] - 0.8).abs() < 1e-6);
    let (same, _) = clip_grad_norm(&g, 10.0).unwrap();
    assert_eq!(same["a"].to_vec::<f32>().unwrap(), [3.0, 0.0]);
    assert!(clip_grad_norm(&g, f64::NAN).is_err());
}

#[test]
fn a_quadratic_is_minimised() {
    let mut model = Weights { w: array(&START) };
    let mut o = AdamW::new(0.05).with_weight_decay(0.0).with_bias_correction();
    let target = array(&[0.25, 0.5, -1.0]);
    for _ in 0..400 {
        let (_, g) = value_and_grad(&model, |m| {
            let d = ops::subtract(&m.w, &target)?;
            ops::sum(&ops::square(&d)?, .., false)
        })
        .unwrap();
        o.update(&mut model, &g).unwrap();
        model.eval().unwrap();
    }
    let got = model.w.to_vec::<f32>().unwrap();
    for (g, w) in got.iter().zip([0.25, 0.5, -1.0]) {
        assert!((g - w).abs() < 1e-3, "{got:?}");
    }
}
