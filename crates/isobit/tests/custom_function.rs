//! Functions with rules of their own, and checkpoints.
use isobit::transforms::{checkpoint, custom_function, grad, jvp, vjp, vmap, vmap_with};
use isobit::{Array, Dtype, Result, ops};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn row(v: &[f32]) -> Array {
    Array::from_slice(v, &[v.len()]).unwrap()
}

fn total(x: &Array) -> Result<Array> {
    ops::sum(x, .., false)
}

#[test]
fn the_given_vjp_is_used() {
    // 10 instead of the true derivative, so that it shows which rule ran.
    let f = custom_function(|x| Ok(vec![ops::exp(&x[0])?]))
        .with_vjp(|_, cts, _| Ok(vec![ops::multiply(&cts[0], &Array::scalar(10.0, Dtype::F32))?]));
    let x = row(&[0.5, 1.0]);
    let g = grad(|x| total(&f.call(x)?[0]), [0]);
    assert_eq!(g(&[x.clone()]).unwrap()[0].to_vec::<f32>().unwrap(), [10.0, 10.0]);
    let y = f.call(&[x.clone()]).unwrap()[0].to_vec::<f32>().unwrap();
    assert_eq!(y, ops::exp(&x).unwrap().to_vec::<f32>().unwrap());
    // Forward mode has no rule of its own: it goes through the function.
    let (_, t) = jvp(|x| f.call(x), &[x.clone()], &[row(&[1.0, 1.0])]).unwrap();
    assert_eq!(t[0].to_vec::<f32>().unwrap(), y);
}

#[test]
fn the_rule_sees_inputs_cotangents_and_outputs() {
    let f = custom_function(|x| Ok(vec![ops::multiply(&x[0], &x[1])?, ops::exp(&x[0])?])).with_vjp(|x, cts, outs| {
        // d/dx0 = c0 x1 + c1 exp(x0), written with the output; d/dx1 = c0 x0
        let a = ops::add(&ops::multiply(&cts[0], &x[1])?, &ops::multiply(&cts[1], &outs[1])?)?;
        Ok(vec![a, ops::multiply(&cts[0], &x[0])?])
    });
    let plain = |x: &[Array]| Ok(vec![ops::multiply(&x[0], &x[1])?, ops::exp(&x[0])?]);
    let (x, c) = ([row(&[0.3, -1.0]), row(&[2.0, 0.7])], [row(&[1.0, 0.5]), row(&[-2.0, 0.25])]);
    let (_, got) = vjp(|x| f.call(x), &x, &c).unwrap();
    let (_, want) = vjp(plain, &x, &c).unwrap();
    for (g, w) in got.iter().zip(&want) {
        assert_eq!(g.to_vec::<f32>().unwrap(), w.to_vec::<f32>().unwrap());
    }
    // Only the first output matters: the other's cotangent arrives as zeros.
    let (_, got) = vjp(|x| Ok(vec![f.call(x)?[0].clone()]), &x, &c[..1]).unwrap();
    let (_, want) = vjp(|x| Ok(vec![plain(x)?[0].clone()]), &x, &c[..1]).unwrap();
    for (g, w) in got.iter().zip(&want) {
        assert_eq!(g.to_vec::<f32>().unwrap(), w.to_vec::<f32>().unwrap());
    }
}

#[test]
fn the_given_jvp_is_used() {
    let f = custom_function(|x| Ok(vec![ops::add(&x[0], &x[1])?]))
        .with_jvp(|_, t| Ok(vec![ops::add(&ops::multiply(&t[0], &Array::scalar(3.0, Dtype::F32))?, &t[1])?]));
    let (x, y) = (row(&[1.0]), row(&[2.0]));
    let (_, t) = jvp(|x| f.call(x), &[x.clone(), y.clone()], &[row(&[1.0]), row(&[100.0])]).unwrap();
    assert_eq!(t[0].to_vec::<f32>().unwrap(), [103.0]);
    // One traced argument: the other's tangent is zero.
    let (_, t) = jvp(|t| f.call(&[t[0].clone(), y.clone()]), &[x], &[row(&[1.0])]).unwrap();
    assert_eq!(t[0].to_vec::<f32>().unwrap(), [3.0]);
}

#[test]
fn the_given_vmap_is_used_and_the_derived_one_is_a_loop() {
    let doubled = custom_function(|x| Ok(vec![ops::exp(&x[0])?])).with_vmap(|x, axes| {
        let y = ops::exp(&x[0])?;
        Ok((vec![ops::add(&y, &y)?], axes.to_vec()))
    });
    let x = Array::from_slice(&[0.0f32, 1.0, 2.0, 3.0, 4.0, 5.0], &[2, 3]).unwrap();
    let plain = ops::exp(&x).unwrap().to_vec::<f32>().unwrap();
    let got = vmap(|x: &[Array]| doubled.call(x))(&[x.clone()]).unwrap()[0].to_vec::<f32>().unwrap();
    assert_eq!(got, plain.iter().map(|v| v + v).collect::<Vec<_>>());

    let derived = custom_function(|x| Ok(vec![ops::sum(&ops::multiply(&x[0], &x[1])?, .., false)?]));
    let w = row(&[1.0, -2.0]);
    let f = |x: &[Array]| derived.call(&[x[0].clone(), w.clone()]);
    let got = vmap_with(f, vec![Some(1)], vec![Some(0)])(&[x]).unwrap()[0].to_vec::<f32>().unwrap();
    assert_eq!(got, [0.0 - 6.0, 1.0 - 8.0, 2.0 - 10.0]);
}

/// The given reverse rule must survive vmap, and a shared argument collects from the whole batch.
#[test]
fn derivatives_of_a_vmapped_custom_function() {
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&calls);
    let f = custom_function(|x| Ok(vec![ops::multiply(&x[0], &x[1])?])).with_vjp(move |x, c, _| {
        seen.fetch_add(1, Ordering::SeqCst);
        // Twice the truth for the first argument.
        let a = ops::multiply(&c[0], &x[1])?;
        Ok(vec![ops::add(&a, &a)?, ops::multiply(&c[0], &x[0])?])
    });
    let (x, w) = (Array::from_slice(&[1.0f32, 2.0, 3.0, 4.0], &[2, 2]).unwrap(), row(&[10.0, 20.0]));
    let outer = |a: &[Array]| {
        let rows = vmap_with(|r: &[Array]| f.call(r), vec![Some(0), None], vec![Some(0)]);
        total(&rows(a)?[0])
    };
    let g = grad(outer, [0, 1])(&[x.clone(), w.clone()]).unwrap();
    assert_eq!(g[0].to_vec::<f32>().unwrap(), [20.0, 40.0, 20.0, 40.0]);
    assert_eq!(g[1].to_vec::<f32>().unwrap(), [4.0, 6.0]);
    assert!(calls.load(Ordering::SeqCst) > 0);
    // vmap of grad of the same function.
    let per_row = vmap_with(grad(|a| total(&f.call(a)?[0]), [0, 1]), vec![Some(0), None], vec![Some(0), Some(0)]);
    let g = per_row(&[x, w]).unwrap();
    assert_eq!(g[0].to_vec::<f32>().unwrap(), [20.0, 40.0, 20.0, 40.0]);
    assert_eq!(g[1].to_vec::<f32>().unwrap(), [1.0, 2.0, 3.0, 4.0]);
}

#[test]
fn a_rule_with_wrong_shapes_is_an_error() {
    let f =
        custom_function(|x| Ok(vec![ops::exp(&x[0])?])).with_vjp(|_, _, _| Ok(vec![Array::scalar(1.0, Dtype::F32)]));
    assert!(grad(|x| total(&f.call(x)?[0]), [0])(&[row(&[1.0, 2.0])]).is_err());
    let f = custom_function(|x| Ok(vec![ops::exp(&x[0])?])).with_vjp(|_, _, _| Ok(vec![]));
    assert!(grad(|x| total(&f.call(x)?[0]), [0])(&[row(&[1.0, 2.0])]).is_err());
    let f = custom_function(|x| Ok(vec![ops::exp(&x[0])?])).with_vmap(|x, _| Ok((vec![x[0].clone()], vec![])));
    assert!(vmap(|x: &[Array]| f.call(x))(&[row(&[1.0, 2.0])]).is_err());
}

fn layered(x: &[Array]) -> Result<Vec<Array>> {
    let mut y = x[0].clone();
    for _ in 0..4 {
        y = ops::multiply(&ops::exp(&ops::multiply(&y, &x[1])?)?, &Array::scalar(0.25, Dtype::F32))?;
    }
    Ok(vec![y])
}

#[test]
fn a_checkpoint_has_the_gradients_and_computes_again() {
    let runs = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&runs);
    let f = checkpoint(move |x: &[Array]| {
        seen.fetch_add(1, Ordering::SeqCst);
        layered(x)
    });
    let x = [row(&[0.1, 0.2, 0.3]), row(&[0.5, -0.5, 1.0])];
    let want = grad(|x| total(&layered(x)?[0]), [0, 1])(&x).unwrap();
    let got = grad(|x| total(&f(x)?[0]), [0, 1])(&x).unwrap();
    for (g, w) in got.iter().zip(&want) {
        assert_eq!(g.to_vec::<f32>().unwrap(), w.to_vec::<f32>().unwrap(), "the bits of the plain gradient");
    }
    assert_eq!(runs.load(Ordering::SeqCst), 2, "once forward, once again in the reverse pass");
    // Second order goes through the recomputation.
    let twice = |f: &dyn Fn(&[Array]) -> Result<Vec<Array>>| {
        grad(|x| total(&grad(|y| total(&f(y)?[0]), [0])(x)?[0]), [0])(&x).unwrap()[0].to_vec::<f32>().unwrap()
    };
    assert_eq!(twice(&f), twice(&layered));
    // And so does vmap of it.
    let batched = [
        Array::from_slice(&[0.1f32, 0.2, 0.3, 0.4], &[2, 2]).unwrap(),
        Array::from_slice(&[1.0f32, -1.0, 0.5, 0.25], &[2, 2]).unwrap(),
    ];
    let per_row = |f: &dyn Fn(&[Array]) -> Result<Vec<Array>>| {
        vmap(grad(|y| total(&f(y)?[0]), [0]))(&batched).unwrap()[0].to_vec::<f32>().unwrap()
    };
    assert_eq!(per_row(&f), per_row(&layered));
}
