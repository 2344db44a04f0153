//! What training leaves as it is: quantized matrices and fields marked frozen; low-rank adapters on such a base.

use isobit::quant::{Format, Mode};
use isobit::{Array, Dtype, Result, ops};
use isobit_nn::init::{self, Keys};
use isobit_nn::optimizers::{AdamW, Optimizer, SGD};
use isobit_nn::{
    Embedding, Linear, MLP, MaybeQuantized, Module, MoeShape, Params, SparseMoe, functional, losses, quantize,
    value_and_grad, value_and_grad_where,
};

fn random(shape: &[usize], seed: u64) -> Array {
    init::normal(shape, 0.0, 1.0, Dtype::F32, &Keys::new(seed).unwrap().next().unwrap()).unwrap()
}

fn affine() -> Format {
    Format::new(Mode::Affine, Some(32), Some(4)).unwrap()
}

fn bytes(p: &Params) -> Vec<(String, Vec<u8>)> {
    p.iter().map(|(name, a)| (name.clone(), a.to_bytes().unwrap())).collect()
}

/// A map with a correction of low rank: `base(x) + x @ a @ b`.
#[derive(Clone, Module)]
struct Adapted {
    #[module(frozen)]
    base: MaybeQuantized<Linear>,
    a: Array,
    b: Array,
}

impl Adapted {
    fn new(base: Linear, rank: usize, seed: u64) -> Adapted {
        let (outputs, inputs) = (base.weight.shape()[0], base.weight.shape()[1]);
        let b = ops::zeros(&[rank, outputs], Dtype::F32).unwrap();
        Adapted { base: base.into(), a: random(&[inputs, rank], seed), b }
    }

    fn forward(&self, x: &Array) -> Result<Array> {
        ops::add(&self.base.forward(x)?, &ops::matmul(&ops::matmul(x, &self.a)?, &self.b)?)
    }
}

#[derive(Clone, Module)]
struct Model {
    embed: MaybeQuantized<Embedding>,
    hidden: Adapted,
    out: MaybeQuantized<Linear>,
}

impl Model {
    fn new() -> Model {
        let mut keys = Keys::new(5).unwrap();
        Model {
            embed: Embedding::new(16, 64, &mut keys).unwrap().into(),
            hidden: Adapted::new(Linear::new(64, 32, true, &mut keys).unwrap(), 4, 6),
            out: Linear::new(32, 16, true, &mut keys).unwrap().into(),
        }
    }

    fn loss(&self, tokens: &Array, targets: &Array) -> Result<Array> {
        let h = isobit_nn::gelu(&self.hidden.forward(&self.embed.forward(tokens)?)?)?;
        losses::cross_entropy(&self.out.forward(&h)?, targets, None, -1, 0.0, losses::Reduction::Mean)
    }
}

fn data() -> (Array, Array) {
    let tokens: Vec<i32> = (0..16).collect();
    let targets: Vec<i32> = tokens.iter().map(|t| (t * 5 + 3) % 16).collect();
    (Array::from_slice(&tokens, &[16]).unwrap(), Array::from_slice(&targets, &[16]).unwrap())
}

fn names(p: &Params) -> Vec<&str> {
    p.keys().map(String::as_str).collect()
}

#[test]
fn quantized_matrices_are_frozen_and_their_layers_biases_are_not() {
    let mut model = Model::new();
    assert_eq!(
        names(&model.trainable_parameters()),
        ["embed.weight", "hidden.a", "hidden.b", "out.bias", "out.weight"]
    );
    quantize(&mut model, |_| Some(affine())).unwrap();
    assert_eq!(names(&model.trainable_parameters()), ["hidden.a", "hidden.b", "out.bias"]);
    // They are parameters all the same: they are saved and loaded.
    let all = model.parameters();
    for name in ["embed.scales", "embed.biases", "hidden.base.bias", "hidden.base.scales", "out.weight"] {
        assert!(all.contains_key(name), "{name}");
    }
    let (tokens, targets) = data();
    let (_, grads) = value_and_grad(&model, |m| m.loss(&tokens, &targets)).unwrap();
    assert_eq!(names(&grads), ["hidden.a", "hidden.b", "out.bias"]);
    let (_, grads) = value_and_grad_where(&model, |n| n.starts_with("hidden"), |m| m.loss(&tokens, &targets)).unwrap();
    assert_eq!(names(&grads), ["hidden.a", "hidden.b"]);
    let e = value_and_grad_where(&model, |n| n.contains("scales"), |m| m.loss(&tokens, &targets)).unwrap_err();
    assert!(e.to_string().contains("no trainable parameter"), "{e}");
}

#[test]
fn every_format_and_every_container_freezes_its_matrices() {
    let formats = [(Mode::Affine, 2), (Mode::Affine, 8), (Mode::Mxfp4, 4), (Mode::Mxfp8, 8), (Mode::Nvfp4, 4)];
    for (mode, bits) in formats {
        let format = Format::new(mode, (mode == Mode::Affine).then_some(32), Some(bits)).unwrap();
        let mut mlps = vec![MLP::new(64, 96, &mut Keys::new(1).unwrap()).unwrap(); 2];
        quantize(&mut mlps, |path| (!path.ends_with("up_proj")).then_some(format)).unwrap();
        assert_eq!(names(&mlps.trainable_parameters()), ["0.up_proj.weight", "1.up_proj.weight"]);
        let x = random(&[3, 64], 2);
        let loss = |m: &Vec<MLP>| ops::sum(&m[1].forward(&m[0].forward(&x)?)?, .., false);
        let (_, grads) = value_and_grad(&mlps, loss).unwrap();
        assert_eq!(names(&grads), ["0.up_proj.weight", "1.up_proj.weight"]);
        assert!(grads.values().all(|g| g.to_vec::<f32>().unwrap().iter().all(|g| g.is_finite())));
        let all = Some(Box::new(mlps));
        assert_eq!(names(&all.trainable_parameters()), ["0.up_proj.weight", "1.up_proj.weight"]);
    }
    let shape = MoeShape { width: 64, hidden: 32, experts: 4, chosen: 2, normalize: true };
    let mut moe = SparseMoe::new(shape, &mut Keys::new(3).unwrap()).unwrap();
    quantize(&mut moe, |path| (path != "gate").then_some(affine())).unwrap();
    assert_eq!(names(&moe.trainable_parameters()), ["gate.weight"]);
}

#[test]
fn gradients_through_a_frozen_matrix_are_those_through_its_floats() {
    let (tokens, targets) = data();
    let mut model = Model::new();
    quantize(&mut model, |_| Some(affine())).unwrap();
    let (value, grads) = value_and_grad(&model, |m| m.loss(&tokens, &targets)).unwrap();
    let mut floats = model.clone();
    let p = model.parameters();
    let dense = |name: &str| {
        let part = |of: &str| &p[&format!("{name}.{of}")];
        ops::dequantize(part("weight"), part("scales"), Some(part("biases")), affine(), None, None).unwrap()
    };
    floats.embed = Embedding { weight: dense("embed") }.into();
    floats.hidden.base = Linear { weight: dense("hidden.base"), bias: p.get("hidden.base.bias").cloned() }.into();
    floats.out = Linear { weight: dense("out"), bias: p.get("out.bias").cloned() }.into();
    let (want, wanted) = value_and_grad(&floats, |m| m.loss(&tokens, &targets)).unwrap();
    let near = |a: &Array, b: &Array| {
        let (a, b) = (a.to_vec::<f32>().unwrap(), b.to_vec::<f32>().unwrap());
        let size = b.iter().fold(0f32, |m, x| m.max(x.abs()));
        a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= 1e-5 * size.max(1e-6))
    };
    assert!(near(&value, &want));
    for (name, g) in &grads {
        assert!(near(g, &wanted[name]), "{name}");
    }
    assert!(grads["hidden.b"].to_vec::<f32>().unwrap().iter().any(|&g| g != 0.0));
}

#[test]
fn adapters_learn_on_a_quantized_base_that_stays() {
    let (tokens, targets) = data();
    let mut model = Model::new();
    quantize(&mut model, |_| Some(affine())).unwrap();
    let frozen = |m: &Model| {
        let trained = m.trainable_parameters();
        bytes(&m.parameters().into_iter().filter(|(name, _)| !trained.contains_key(name)).collect())
    };
    let before = frozen(&model);
    assert_eq!(before.len(), 3 * 3 + 1);
    let mut optimizer = AdamW::new(0.02);
    let mut losses = Vec::new();
    for _ in 0..150 {
        let (loss, grads) = value_and_grad(&model, |m| m.loss(&tokens, &targets)).unwrap();
        optimizer.update(&mut model, &grads).unwrap();
        model.eval().unwrap();
        losses.push(loss.item::<f32>().unwrap());
    }
    assert!(losses[0] > 2.0 && losses[149] < 0.2, "{} to {}", losses[0], losses[149]);
    assert_eq!(frozen(&model), before);
    let state = optimizer.state();
    assert!(state.keys().all(|name| name == "step" || !name.contains("base") && !name.contains("scales")));
}

#[test]
fn a_frozen_field_freezes_floats_too() {
    #[derive(Clone, Module)]
    struct Half {
        #[module(frozen, name = "fixed")]
        first: Linear,
        second: Linear,
    }
    let mut keys = Keys::new(8).unwrap();
    let mut model = Half {
        first: Linear::new(8, 8, true, &mut keys).unwrap(),
        second: Linear::new(8, 8, true, &mut keys).unwrap(),
    };
    let x = random(&[4, 8], 9);
    let (_, grads) =
        value_and_grad(&model, |m| ops::sum(&m.second.forward(&m.first.forward(&x)?)?, .., false)).unwrap();
    assert_eq!(names(&grads), ["second.bias", "second.weight"]);
    let fixed = model.first.parameters();
    SGD::new(0.1).update(&mut model, &grads).unwrap();
    assert_eq!(bytes(&model.first.parameters()), bytes(&fixed));
    assert_eq!(names(&model.parameters()), ["fixed.bias", "fixed.weight", "second.bias", "second.weight"]);
    // Whoever wants the gradient of a frozen parameter takes the transform of a function of arrays.
    let on_weight = |w: &[Array]| ops::sum(&functional::linear(&x, &w[0], None)?, .., false);
    let (_, g) = isobit::transforms::value_and_grad(on_weight, vec![0])(&[model.first.weight.clone()]).unwrap();
    assert_eq!(g[0].shape(), [8, 8]);
}
