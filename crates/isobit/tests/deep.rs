//! Graphs a million nodes deep: no recursion anywhere, memory bounded by what is alive.
use isobit::{Array, Dtype, alloc, ops, transforms};

const DEPTH: usize = 1_000_000;

// One test, since the memory statistics belong to the process.
#[test]
fn a_million_nodes_deep() {
    evaluation_in_bounded_memory();
    values_that_stay_lazy_in_bounded_memory();
    dropping_unevaluated();
    dropping_on_another_thread();
    diamond();
    scalars_leave_no_graph();
    derivative_through_a_deep_chain();
    vmap_through_a_deep_chain();
}

fn evaluation_in_bounded_memory() {
    const N: usize = 256;
    let one = ops::add(&Array::scalar(1.0, Dtype::F32), &ops::zeros(&[N], Dtype::F32).unwrap()).unwrap();
    one.eval().unwrap();
    let mut x = ops::add(&one, &one).unwrap();
    for k in 0..DEPTH / 10 {
        x = if k % 2 == 0 { ops::add(&x, &one).unwrap() } else { ops::negative(&x).unwrap() };
    }
    alloc::reset_peak_memory();
    let before = alloc::active_memory();
    x.eval().unwrap();
    let peak = alloc::peak_memory().saturating_sub(before);
    assert!(peak <= 4 * N * 4, "evaluating a chain held {peak} bytes at once, an array has {}", N * 4);
    // x -> -(x + 1): every pair of steps adds one and flips the sign, so that two pairs cancel.
    assert_eq!(x.to_vec::<f32>().unwrap()[N - 1], 2.0);
}

/// Fused programs leave cheap values lazy. What those refer to must not take more memory than the values would.
fn values_that_stay_lazy_in_bounded_memory() {
    const N: usize = 1 << 14;
    let mut x = ops::zeros(&[N], Dtype::F32).unwrap();
    x.eval().unwrap();
    let before = alloc::active_memory();
    let mut held = Vec::new();
    for k in 0..200 {
        let half = ops::multiply(&x, &Array::scalar(0.5, Dtype::F32)).unwrap();
        let shifted = ops::add(&half, &Array::scalar(k as f64, Dtype::F32)).unwrap();
        let bent = ops::tanh(&shifted).unwrap();
        let product = ops::multiply(&bent, &half).unwrap();
        product.eval().unwrap();
        x = product.clone();
        held.extend([half, shifted, bent, product]);
    }
    let kept = alloc::active_memory() - before;
    assert!(kept <= (held.len() + 2) * N * 4, "{} arrays of {} bytes hold {kept} bytes", held.len(), N * 4);
    isobit::eval(&held).unwrap();
    let all = alloc::active_memory() - before;
    assert!(all <= (held.len() + 2) * N * 4, "{} evaluated arrays of {} bytes hold {all} bytes", held.len(), N * 4);
    drop((held, x));
    let left = alloc::active_memory().saturating_sub(before);
    assert!(left <= 2 * N * 4, "{left} bytes are left of arrays that nobody refers to");
}

/// An evaluated array of two elements: operations on evaluated single elements would be computed at once.
fn pair(x: f32) -> Array {
    Array::from_slice(&[x, x], &[2]).unwrap()
}

fn dropping_unevaluated() {
    let one = pair(1.0);
    let mut x = one.clone();
    for _ in 0..DEPTH {
        x = ops::add(&x, &one).unwrap();
    }
    drop(x);
    // Every node twice in the one behind it.
    let mut x = one;
    for _ in 0..DEPTH {
        x = ops::add(&x, &x).unwrap();
    }
    drop(x);
}

fn dropping_on_another_thread() {
    let one = pair(1.0);
    let mut x = one.clone();
    for _ in 0..DEPTH {
        x = ops::negative(&x).unwrap();
    }
    assert!(!x.is_evaluated());
    // A thread whose stack could not hold a recursion, and whose thread-locals have never been used.
    std::thread::Builder::new().stack_size(128 << 10).spawn(move || drop(x)).unwrap().join().unwrap();
}

/// Every node used twice: an order that visited paths instead of nodes would never end.
fn diamond() {
    let mut x = pair(1.0);
    let half = pair(0.5);
    for _ in 0..DEPTH / 4 {
        let h = ops::multiply(&x, &half).unwrap();
        x = ops::add(&h, &h).unwrap();
    }
    assert!(!x.is_evaluated());
    assert_eq!(x.to_vec::<f32>().unwrap(), [1.0, 1.0]);
}

/// Scalars that are computed at once leave no graph behind, whatever becomes of the result.
fn scalars_leave_no_graph() {
    let one = Array::scalar(1.0, Dtype::F32);
    let mut x = one.clone();
    for _ in 0..DEPTH {
        x = ops::add(&x, &one).unwrap();
        assert!(x.is_evaluated());
    }
    assert_eq!(x.item::<f32>().unwrap(), 1.0 + DEPTH as f32);
    assert!(!ops::add(&x, &pair(1.0)).unwrap().is_evaluated());
}

fn derivative_through_a_deep_chain() {
    let n = DEPTH / 10;
    let f = |x: &[Array]| {
        let mut y = x[0].clone();
        for _ in 0..n {
            y = ops::negative(&y)?;
        }
        Ok(y)
    };
    let g = transforms::grad(f, [0])(&[Array::scalar(3.0, Dtype::F32)]).unwrap();
    assert_eq!(g[0].item::<f32>().unwrap(), 1.0);
    let x = Array::scalar(3.0, Dtype::F32);
    let (_, t) = transforms::jvp(|x| Ok(vec![f(x)?]), std::slice::from_ref(&x), std::slice::from_ref(&x)).unwrap();
    assert_eq!(t[0].item::<f32>().unwrap(), 3.0);
}

fn vmap_through_a_deep_chain() {
    let run = transforms::vmap(|x: &[Array]| {
        let mut y = x[0].clone();
        for _ in 0..DEPTH / 10 {
            y = ops::negative(&y)?;
        }
        Ok(vec![y])
    });
    let x = Array::from_slice(&[1.0f32, 2.0], &[2]).unwrap();
    assert_eq!(run(&[x]).unwrap()[0].to_vec::<f32>().unwrap(), [1.0, 2.0]);
}
