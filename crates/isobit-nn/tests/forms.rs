//! Functional forms against their definitions in f64.

use isobit::{Array, Dtype, ops};
use isobit_nn::losses::{self, Reduction};
use isobit_nn::optimizers::rules::{self, Momentum};
use isobit_nn::schedulers::{self, traced};
use isobit_nn::{activations as act, functional};

const XS: [f64; 11] = [-30.0, -4.5, -3.0, -1.0, -0.4, 0.0, 0.3, 1.0, 2.5, 6.5, 90.0];

fn array(values: &[f64], shape: &[usize]) -> Array {
    Array::from_slice(&values.iter().map(|&x| x as f32).collect::<Vec<_>>(), shape).unwrap()
}

fn near(got: &Array, want: &[f64], what: &str) {
    let got = ops::astype(got, Dtype::F32).unwrap().to_vec::<f32>().unwrap();
    assert_eq!(got.len(), want.len(), "{what}");
    for (g, w) in got.iter().zip(want) {
        assert!((f64::from(*g) - w).abs() <= 2e-6 * w.abs().max(1.0), "{what}: {got:?} {want:?}");
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[test]
fn activations_are_their_definitions() {
    let x = array(&XS, &[11]);
    let check = |got: isobit::Result<Array>, f: &dyn Fn(f64) -> f64, what: &str| {
        near(&got.unwrap(), &XS.iter().map(|&v| f(f64::from(v as f32))).collect::<Vec<_>>(), what);
    };
    check(act::relu(&x), &|v| v.max(0.0), "relu");
    check(act::relu2(&x), &|v| v.max(0.0).powi(2), "relu2");
    check(act::relu6(&x), &|v| v.clamp(0.0, 6.0), "relu6");
    check(act::leaky_relu(&x, 0.1), &|v| if v < 0.0 { 0.1 * v } else { v }, "leaky_relu");
    check(act::prelu(&x, 0.25), &|v| if v < 0.0 { 0.25 * v } else { v }, "prelu");
    check(act::elu(&x, 1.5), &|v| if v < 0.0 { 1.5 * v.exp_m1() } else { v }, "elu");
    check(act::celu(&x, 1.5), &|v| if v < 0.0 { 1.5 * (v / 1.5).exp_m1() } else { v }, "celu");
    check(act::selu(&x), &|v| 1.0507 * if v < 0.0 { 1.67326 * v.exp_m1() } else { v }, "selu");
    check(act::softplus(&x), &softplus, "softplus");
    check(act::log_sigmoid(&x), &|v| -softplus(-v), "log_sigmoid");
    check(act::softsign(&x), &|v| v / (1.0 + v.abs()), "softsign");
    check(act::softshrink(&x, 0.5), &|v| v.signum() * (v.abs() - 0.5).max(0.0), "softshrink");
    check(act::hard_shrink(&x, 0.5), &|v| if v.abs() > 0.5 { v } else { 0.0 }, "hard_shrink");
    check(act::hard_tanh(&x, -1.5, 1.0), &|v| v.clamp(-1.5, 1.0), "hard_tanh");
    check(act::hardswish(&x), &|v| v * (v + 3.0).clamp(0.0, 6.0) / 6.0, "hardswish");
    check(act::step(&x, 0.3f64 as f32 as f64), &|v| f64::from(u8::from(v >= f64::from(0.3f32))), "step");
    check(act::mish(&x), &|v| v * softplus(v).tanh(), "mish");
    check(act::silu(&x), &|v| v * sigmoid(v), "silu");
    check(act::gelu_fast_approx(&x), &|v| v * sigmoid(1.702 * v), "gelu_fast_approx");
    let total: f64 = XS[..10].iter().map(|v| v.exp()).sum();
    let few = array(&XS[..10], &[2, 5]);
    near(&act::softmax(&few, ..).unwrap(), &XS[..10].iter().map(|v| v.exp() / total).collect::<Vec<_>>(), "softmax");
    near(&act::log_softmax(&few, ..).unwrap(), &XS[..10].iter().map(|v| v - total.ln()).collect::<Vec<_>>(), "log");
    near(
        &act::glu(&array(&[2.0, -3.0, 0.5, 1.0], &[4]), -1).unwrap(),
        &[2.0 * sigmoid(0.5), -3.0 * sigmoid(1.0)],
        "glu",
    );
    assert!(act::glu(&few, 1).is_err());
}

#[test]
fn large_inputs_do_not_spoil_derivatives() {
    let x = array(&[200.0, -200.0, 0.0], &[3]);
    for (name, f) in [
        ("elu", (|a: &Array| act::elu(a, 2.0)) as fn(&Array) -> isobit::Result<Array>),
        ("celu", |a| act::celu(a, 2.0)),
        ("softplus", act::softplus),
        ("silu", act::silu),
        ("mish", act::mish),
    ] {
        let g = isobit::transforms::grad(|a| ops::sum(&f(&a[0])?, .., false), [0])(&[x.clone()]).unwrap();
        assert!(g[0].to_vec::<f32>().unwrap().iter().all(|v| v.is_finite()), "{name}");
    }
}

#[test]
fn integers_take_part_as_python_numbers_let_them() {
    let x = Array::from_slice(&[-2i32, 3], &[2]).unwrap();
    assert_eq!(act::relu(&x).unwrap().to_vec::<i32>().unwrap(), [0, 3]);
    assert_eq!(act::leaky_relu(&x, 2).unwrap().to_vec::<i32>().unwrap(), [-2, 6]);
    assert_eq!(act::leaky_relu(&x, 0.5).unwrap().dtype(), Dtype::F32);
    let half = ops::astype(&x, Dtype::F16).unwrap();
    assert_eq!(act::gelu(&half).unwrap().dtype(), Dtype::F16);
}

#[test]
fn losses_are_their_definitions() {
    let (p, t) = ([0.3, 1.7, -2.0, 0.0], [0.5, -1.0, -2.0, 1.0]);
    let (x, y) = (array(&p, &[4]), array(&t, &[4]));
    let each = |f: &dyn Fn(f64, f64) -> f64| -> Vec<f64> { p.iter().zip(t).map(|(&a, b)| f(a, b)).collect() };
    let r = Reduction::None;
    near(&losses::l1_loss(&x, &y, r).unwrap(), &each(&|a, b| (a - b).abs()), "l1");
    near(&losses::mse_loss(&x, &y, r).unwrap(), &each(&|a, b| (a - b).powi(2)), "mse");
    near(&losses::hinge_loss(&x, &y, r).unwrap(), &each(&|a, b| (1.0 - a * b).max(0.0)), "hinge");
    near(&losses::log_cosh_loss(&x, &y, r).unwrap(), &each(&|a, b| (a - b).cosh().ln()), "log_cosh");
    let huber = |d: f64, delta: f64| if d <= delta { 0.5 * d * d } else { delta * (d - 0.5 * delta) };
    near(&losses::huber_loss(&x, &y, 1.5, r).unwrap(), &each(&|a, b| huber((a - b).abs(), 1.5)), "huber");
    near(&losses::smooth_l1_loss(&x, &y, 1.5, r).unwrap(), &each(&|a, b| huber((a - b).abs(), 1.5) / 1.5), "smooth");
    let margin = losses::margin_ranking_loss(&x, &y, &array(&[1.0, 1.0, -1.0, -1.0], &[4]), 0.5, r).unwrap();
    near(&margin, &[0.7, 0.0, 0.5, 0.0], "margin");
    let v = array(&[0.5, 2.0, 1.0, 1e-9], &[4]);
    let want: Vec<f64> = p
        .iter()
        .zip(t)
        .zip([0.5, 2.0, 1.0, 0.1])
        .map(|((a, b), v)| 0.5 * (f64::ln(v) + (a - b).powi(2) / v + (2.0 * std::f64::consts::PI).ln()))
        .collect();
    near(&losses::gaussian_nll_loss(&x, &y, &v, true, 0.1, r).unwrap(), &want, "gaussian");
    let q = array(&[0.2, 0.9, 0.5, 0.0], &[4]);
    let bce = losses::binary_cross_entropy(&q, &array(&[0.0, 1.0, 0.5, 1.0], &[4]), None, false, r).unwrap();
    near(&bce, &[-(0.8f64.ln()), -(0.9f64.ln()), 2f64.ln(), 100.0], "bce of probabilities");
    near(&losses::mse_loss(&x, &y, Reduction::Mean).unwrap(), &[(0.04 + 7.29 + 0.0 + 1.0) / 4.0], "mean");
    let (a, b) = (array(&[3.0, 4.0], &[1, 2]), array(&[4.0, 3.0], &[1, 2]));
    near(&losses::cosine_similarity_loss(&a, &b, 1, 1e-8, r).unwrap(), &[0.96], "cosine");
    near(&losses::triplet_loss(&a, &b, &a, -1, 2.0, 1.0, 0.0, r).unwrap(), &[2f64.sqrt() + 1.0], "triplet");
    assert!(Reduction::parse("average").is_err());
    for wrong in [losses::l1_loss(&x, &a, r), losses::smooth_l1_loss(&x, &y, -1.0, r)] {
        assert!(wrong.is_err());
    }
}

#[test]
fn class_probabilities_and_other_axes() {
    let logits = array(&[1.0, -2.0, 0.5, 3.0, 0.0, -1.0], &[3, 2]);
    let classes = Array::from_slice(&[2i32, 0], &[2]).unwrap();
    let hot = array(&[0.0, 1.0, 0.0, 0.0, 1.0, 0.0], &[3, 2]);
    let of = |t: &Array| losses::cross_entropy(&logits, t, None, 0, 0.2, Reduction::None).unwrap();
    near(&of(&hot), &of(&classes).to_vec::<f32>().unwrap().iter().map(|&v| f64::from(v)).collect::<Vec<_>>(), "hot");
    let half = ops::astype(&ops::add(&logits, &Array::scalar(1000.0, Dtype::F32)).unwrap(), Dtype::F16).unwrap();
    let far = losses::cross_entropy(&half, &classes, None, 0, 0.2, Reduction::None).unwrap();
    assert_eq!(far.dtype(), Dtype::F16);
    let near_by = of(&classes).to_vec::<f32>().unwrap();
    for (a, b) in ops::astype(&far, Dtype::F32).unwrap().to_vec::<f32>().unwrap().iter().zip(near_by) {
        assert!((a - b).abs() < 2e-3, "{a} {b}");
    }
}

#[test]
fn pooling_and_norms() {
    let x = array(&[1.0, 5.0, 2.0, -3.0, 4.0], &[1, 5, 1]);
    let window = |padding: &'static [usize]| functional::Window { size: &[3], stride: &[2], padding };
    near(&functional::max_pool(&x, &window(&[0])).unwrap(), &[5.0, 4.0], "max");
    near(&functional::max_pool(&x, &window(&[1])).unwrap(), &[5.0, 5.0, 4.0], "padded max");
    near(&functional::avg_pool(&x, &window(&[1])).unwrap(), &[2.0, 4.0 / 3.0, 1.0 / 3.0], "padded mean");
    assert!(functional::max_pool(&array(&[1.0], &[1, 1, 1]), &window(&[0])).is_err());
    let x = array(&[1.0, 2.0, 3.0, 4.0, 0.0, 8.0, 1.0, 1.0], &[1, 2, 4]);
    let apart = functional::group_norm(&x, 2, None, None, 0.0, false).unwrap();
    let of = |v: [f64; 4], i: usize| {
        let mean = v.iter().sum::<f64>() / 4.0;
        let var = v.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / 4.0;
        (v[i] - mean) / var.sqrt()
    };
    let (even, odd) = ([1.0, 3.0, 0.0, 1.0], [2.0, 4.0, 8.0, 1.0]);
    let want: Vec<f64> = (0..4).flat_map(|i| [of(even, i), of(odd, i)]).collect();
    near(&apart, &want, "group_norm");
    let (low, high) = ([1.0, 2.0, 0.0, 8.0], [3.0, 4.0, 1.0, 1.0]);
    let want = [of(low, 0), of(low, 1), of(high, 0), of(high, 1), of(low, 2), of(low, 3), of(high, 2), of(high, 3)];
    near(&functional::group_norm(&x, 2, None, None, 0.0, true).unwrap(), &want, "contiguous groups");
    assert!(functional::group_norm(&x, 3, None, None, 0.0, true).is_err());
}

#[test]
fn recurrent_cells_are_their_definitions() {
    // One feature, one hidden element: every weight is a number.
    let xs = [0.5, -1.0, 2.0];
    let x = array(&xs, &[3, 1]);
    let (wx, wh, b) = ([0.3, -0.7, 0.9, 0.2], [0.4, 0.1, -0.5, 0.6], [0.05, -0.1, 0.2, 0.0]);
    let matrix = |v: &[f64]| array(v, &[v.len(), 1]);
    let (mut h, mut c) = (0.0, 0.0);
    let mut states = Vec::new();
    for x in xs {
        let gate = |i: usize| wx[i] * x + wh[i] * h + b[i];
        c = sigmoid(gate(1)) * c + sigmoid(gate(0)) * gate(2).tanh();
        h = sigmoid(gate(3)) * c.tanh();
        states.push(h);
    }
    let (got, cells) = functional::lstm(&x, &matrix(&wx), &matrix(&wh), Some(&array(&b, &[4])), None, None).unwrap();
    near(&got, &states, "lstm");
    assert_eq!(cells.shape(), [3, 1]);
    let (mut h, mut states) = (0.0, Vec::new());
    for x in xs {
        let given = |i: usize| wx[i] * x + b[i];
        let (reset, update) = (sigmoid(given(0) + wh[0] * h), sigmoid(given(1) + wh[1] * h));
        let new = (given(2) + reset * (wh[2] * h + 0.25)).tanh();
        h = (1.0 - update) * new + update * h;
        states.push(h);
    }
    let bias = array(&b[..3], &[3]);
    let new_bias = array(&[0.25], &[1]);
    let got = functional::gru(&x, &matrix(&wx[..3]), &matrix(&wh[..3]), Some(&bias), Some(&new_bias), None).unwrap();
    near(&got, &states, "gru");
    let empty = ops::zeros(&[0, 1], Dtype::F32).unwrap();
    assert!(functional::gru(&empty, &matrix(&wx[..3]), &matrix(&wh[..3]), None, None, None).is_err());
}

#[test]
fn upsampling() {
    let x = array(&[1.0, 3.0], &[1, 2, 1]);
    let up = |scale, mode, corners| {
        let mode = functional::Interpolation::parse(mode).unwrap();
        functional::upsample(&x, &[scale], mode, corners, false).unwrap()
    };
    near(&up(2.0, "nearest", false), &[1.0, 1.0, 3.0, 3.0], "nearest");
    near(&up(2.0, "linear", false), &[1.0, 1.5, 2.5, 3.0], "linear");
    near(&up(1.5, "linear", true), &[1.0, 2.0, 3.0], "corners");
    let mode = functional::Interpolation::Linear;
    for wrong in [[0.0], [f64::NAN], [1e300]] {
        assert!(functional::upsample(&x, &wrong, mode, false, false).is_err());
    }
    let empty = ops::zeros(&[1, 0, 1], Dtype::F32).unwrap();
    assert_eq!(functional::upsample(&empty, &[2.0], mode, false, false).unwrap().shape(), [1, 0, 1]);
}

#[test]
fn update_rules_are_their_definitions() {
    let (g, w) = (array(&[0.1, -0.4], &[2]), array(&[1.0, -2.0], &[2]));
    let v = array(&[0.04, 0.09], &[2]);
    let each = |f: &dyn Fn(f64, f64, f64) -> f64| vec![f(0.1, 1.0, 0.04), f(-0.4, -2.0, 0.09)];
    let (new, _) = rules::rmsprop(&g, &w, Some(&v), 0.1, 0.9, 1e-3).unwrap();
    near(&new, &each(&|g, w, v| w - 0.1 * g / ((0.9 * v + 0.1 * g * g).sqrt() + 1e-3)), "rmsprop");
    let (new, _) = rules::adagrad(&g, &w, Some(&v), 0.1, 1e-3).unwrap();
    near(&new, &each(&|g, w, v| w - 0.1 * g / ((v + g * g).sqrt() + 1e-3)), "adagrad");
    let (new, _, _) = rules::adamax(&g, &w, &v, &v, 0.1, (0.9, 0.8), 1e-3).unwrap();
    near(&new, &each(&|g, w, v| w - 0.1 * (0.9 * v + 0.1 * g) / ((0.8 * v).max(g.abs()) + 1e-3)), "adamax");
    let (new, m) = rules::lion(&g, &w, &v, 0.1, (0.9, 0.5), 0.2).unwrap();
    near(&new, &each(&|g, w, v| w * (1.0 - 0.02) - 0.1 * (0.9 * v + 0.1 * g).signum()), "lion");
    near(&m, &each(&|g, _, v| 0.5 * v + 0.5 * g), "lion's momentum");
    let (new, _, u) = rules::adadelta(&g, &w, &v, &v, 0.5, 0.9, 1e-3).unwrap();
    let step = |g: f64, v: f64| ((v + 1e-3) / (0.9 * v + 0.1 * g * g + 1e-3)).sqrt() * g;
    near(&new, &each(&|g, w, v| w - 0.5 * step(g, v)), "adadelta");
    near(&u, &each(&|g, _, v| 0.9 * v + 0.1 * step(g, v).powi(2)), "adadelta's steps");
    let how = Momentum { momentum: 0.9, weight_decay: 0.0, dampening: 0.0, nesterov: false };
    let (new, _) = rules::muon(&g, &w, &v, 0.1, how, 5).unwrap();
    near(&new, &each(&|g, w, v| w - 0.1 * (0.9 * v + 0.1 * g)), "muon of a vector");
    let tall = array(&[1.0, 0.5, -0.3, 2.0, 0.1, -1.0], &[3, 2]);
    let q = rules::orthogonalised(&tall, 5).unwrap();
    let gram = ops::matmul(&ops::transpose(&q, ..).unwrap(), &q).unwrap().to_vec::<f32>().unwrap();
    assert!((0.4..1.6).contains(&gram[0]) && (0.4..1.6).contains(&gram[3]) && gram[1].abs() < 0.3, "{gram:?}");
}

#[test]
fn schedules_of_arrays_are_those_of_numbers() {
    for n in [0u64, 1, 7, 99, 100, 5000] {
        let step = Array::scalar(n as i64, Dtype::U64);
        let pairs = [
            (traced::cosine_decay(&step, 0.3, 100.0, 0.1), schedulers::cosine_decay(0.3, 100, 0.1)),
            (traced::linear_schedule(&step, 0.1, 0.9, 100.0), schedulers::linear_schedule(0.1, 0.9, 100)),
            (traced::exponential_decay(&step, 0.5, 0.999), schedulers::exponential_decay(0.5, 0.999)),
            (traced::step_decay(&step, 0.5, 0.9, 10.0), schedulers::step_decay(0.5, 0.9, 10)),
        ];
        for (i, (traced, host)) in pairs.into_iter().enumerate() {
            let (got, want) = (f64::from(traced.unwrap().item::<f32>().unwrap()), host.at(n));
            assert!((got - want).abs() <= 2e-6 + 1e-4 * want.abs() * (n as f64 / 5000.0), "{i} at {n}: {got} {want}");
        }
    }
}
