//! One training step of a small GPT (4 layers, 256 features, 4 heads, 128 positions, batch 16, AdamW).

use super::rows::{Row, normal};
use isobit::{Array, Dtype, Result, fast, ops, random, transforms};

const VOCABULARY: usize = 256;
const LENGTH: usize = 128;
const BATCH: usize = 16;
const WIDTH: usize = 256;
const HEADS: usize = 4;
const LAYERS: usize = 4;
/// Parameters of one block: two norms, four linear layers, weight and bias each.
const PER_BLOCK: usize = 12;

fn scalar(x: f64) -> Array {
    Array::scalar(x, Dtype::F32)
}

fn parameters() -> Result<Vec<Array>> {
    let mut seed = 0;
    let mut weight = |shape: &[usize]| {
        seed += 1;
        ops::multiply(&normal(shape, Dtype::F32, seed)?, &scalar(0.02))
    };
    let (one, zero) = (ops::ones(&[WIDTH], Dtype::F32)?, ops::zeros(&[WIDTH], Dtype::F32)?);
    let mut all = vec![weight(&[VOCABULARY, WIDTH])?, weight(&[LENGTH, WIDTH])?];
    for _ in 0..LAYERS {
        all.extend([one.clone(), zero.clone(), weight(&[3 * WIDTH, WIDTH])?, ops::zeros(&[3 * WIDTH], Dtype::F32)?]);
        all.extend([weight(&[WIDTH, WIDTH])?, zero.clone(), one.clone(), zero.clone()]);
        all.extend([weight(&[4 * WIDTH, WIDTH])?, ops::zeros(&[4 * WIDTH], Dtype::F32)?]);
        all.extend([weight(&[WIDTH, 4 * WIDTH])?, zero.clone()]);
    }
    all.extend([one, zero, weight(&[VOCABULARY, WIDTH])?]);
    isobit::eval(&all)?;
    Ok(all)
}

fn linear(x: &Array, weight: &Array, bias: &Array) -> Result<Array> {
    ops::addmm(bias, x, &ops::transpose(weight, ..)?, 1.0, 1.0)
}

fn gelu(x: &Array) -> Result<Array> {
    let cube = ops::multiply(&ops::square(x)?, x)?;
    let inner = ops::multiply(&ops::add(x, &ops::multiply(&cube, &scalar(0.044715))?)?, &scalar(0.797_884_560_8))?;
    ops::multiply(&ops::multiply(x, &scalar(0.5))?, &ops::add(&ops::tanh(&inner)?, &scalar(1.0))?)
}

fn block(x: &Array, p: &[Array]) -> Result<Array> {
    let h = fast::layer_norm(x, Some(&p[0]), Some(&p[1]), 1e-5)?;
    let qkv = ops::split(&linear(&h, &p[2], &p[3])?, 3, -1)?;
    let heads = |a: &Array| {
        let a = ops::reshape(a, &[BATCH as isize, LENGTH as isize, HEADS as isize, (WIDTH / HEADS) as isize])?;
        ops::transpose(&a, [0isize, 2, 1, 3])
    };
    let (q, k, v) = (heads(&qkv[0])?, heads(&qkv[1])?, heads(&qkv[2])?);
    let scale = 1.0 / ((WIDTH / HEADS) as f32).sqrt();
    let a = fast::scaled_dot_product_attention(&q, &k, &v, scale, fast::Mask::Causal, None)?;
    let a = ops::reshape(&ops::transpose(&a, [0isize, 2, 1, 3])?, &[BATCH as isize, LENGTH as isize, WIDTH as isize])?;
    let x = ops::add(x, &linear(&a, &p[4], &p[5])?)?;
    let h = fast::layer_norm(&x, Some(&p[6]), Some(&p[7]), 1e-5)?;
    ops::add(&x, &linear(&gelu(&linear(&h, &p[8], &p[9])?)?, &p[10], &p[11])?)
}

fn loss(p: &[Array], tokens: &Array, targets: &Array) -> Result<Array> {
    let mut x = ops::add(&ops::take(&p[0], tokens, 0)?, &p[1])?;
    for i in 0..LAYERS {
        x = block(&x, &p[2 + i * PER_BLOCK..])?;
    }
    let end = 2 + LAYERS * PER_BLOCK;
    let x = fast::layer_norm(&x, Some(&p[end]), Some(&p[end + 1]), 1e-5)?;
    let logits = ops::matmul(&x, &ops::transpose(&p[end + 2], ..)?)?;
    let picked = ops::take_along_axis(&logits, &ops::expand_dims(targets, -1)?, -1)?;
    let all = ops::logsumexp(&logits, -1isize, true)?;
    ops::mean(&ops::subtract(&all, &picked)?, .., false)
}

/// The row: every call is one step, on weights that it goes on changing.
pub fn step() -> Result<Row> {
    let mut p = parameters()?;
    let token =
        |seed: u64| random::randint(0, VOCABULARY as i64, &[BATCH, LENGTH], Dtype::I32, Some(&random::key(seed)));
    let (tokens, targets) = (token(1)?, token(2)?);
    isobit::eval(&[tokens.clone(), targets.clone()])?;
    let zeros = |p: &[Array]| p.iter().map(ops::zeros_like).collect::<Result<Vec<_>>>();
    let (mut m, mut v) = (zeros(&p)?, zeros(&p)?);
    let argnums: Vec<usize> = (0..p.len()).collect();
    let value_and_grad = transforms::value_and_grad(move |p| loss(p, &tokens, &targets), argnums);
    let first = value_and_grad(&p)?.0.item::<f32>()?;
    assert!((first - (VOCABULARY as f32).ln()).abs() < 0.3, "the first loss is that of a guess, got {first}");
    let (rate, b1, b2, decay) = (3e-4, 0.9, 0.999, 0.01);
    let mut steps = 0i32;
    let call = move || {
        steps += 1;
        let (value, grads) = value_and_grad(&p)?;
        let (c1, c2) = (1.0 - f64::powi(b1, steps), 1.0 - f64::powi(b2, steps));
        for i in 0..p.len() {
            let g = &grads[i];
            m[i] = ops::add(&ops::multiply(&m[i], &scalar(b1))?, &ops::multiply(g, &scalar(1.0 - b1))?)?;
            v[i] = ops::add(&ops::multiply(&v[i], &scalar(b2))?, &ops::multiply(&ops::square(g)?, &scalar(1.0 - b2))?)?;
            let root = ops::add(&ops::sqrt(&ops::multiply(&v[i], &scalar(1.0 / c2))?)?, &scalar(1e-8))?;
            let change = ops::divide(&ops::multiply(&m[i], &scalar(rate / c1))?, &root)?;
            p[i] = ops::subtract(&ops::multiply(&p[i], &scalar(1.0 - rate * decay))?, &change)?;
        }
        let mut all = vec![value];
        all.extend(p.iter().chain(&m).chain(&v).cloned());
        Ok(all)
    };
    Ok(Row { call: Box::new(call), repeats: 1, flops: 0.0, bytes: 0.0, warm: 2 })
}
