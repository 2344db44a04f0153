//! Any thread may build, evaluate or drop any array: graphs shared by many threads give the results of one.
use isobit::array::apply;
use isobit::backend::{Inputs, Outputs};
use isobit::prim::custom::{Custom, CustomPrimitive};
use isobit::prim::{Batched, Grads, Jvp, Specs, Tangents, Vjp, Vmap};
use isobit::{Array, Dtype, Error, Prim, Result, Spec, ops, transforms};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

const THREADS: usize = 8;

fn chain(x: &Array, n: usize) -> Result<Array> {
    let mut y = x.clone();
    for k in 0..n {
        y = if k % 3 == 0 { ops::multiply(&y, x)? } else { ops::add(&y, &ops::negative(x)?)? };
    }
    Ok(y)
}

#[test]
fn many_threads_evaluate_one_graph() {
    for round in 0..30 {
        let x = Array::from_slice(&[0.5f32, -0.25, 0.125, 1.0], &[4]).unwrap();
        // A shared trunk with a branch per thread, none evaluated yet.
        let trunk = chain(&x, 50).unwrap();
        let branches: Vec<Array> = (0..THREADS).map(|k| chain(&trunk, 3 + k).unwrap()).collect();
        let alone: Vec<Vec<f32>> =
            (0..THREADS).map(|k| chain(&chain(&x, 50).unwrap(), 3 + k).unwrap().to_vec::<f32>().unwrap()).collect();
        let barrier = Barrier::new(THREADS);
        std::thread::scope(|s| {
            for k in 0..THREADS {
                let (branches, alone, barrier) = (&branches, &alone, &barrier);
                s.spawn(move || {
                    barrier.wait();
                    // Each thread reads every branch, beginning with another one.
                    for i in 0..THREADS {
                        let i = (i + k + round) % THREADS;
                        assert_eq!(branches[i].to_vec::<f32>().unwrap(), alone[i], "branch {i}");
                    }
                });
            }
        });
    }
}

#[test]
fn threads_build_evaluate_and_drop_what_others_made() {
    let x = Array::from_slice(&[1.0f32, 2.0, 3.0], &[3]).unwrap();
    let want = chain(&x, 40).unwrap().to_vec::<f32>().unwrap();
    let right = AtomicUsize::new(0);
    let (send, receive) = std::sync::mpsc::channel::<(usize, Array)>();
    let receive = std::sync::Mutex::new(receive);
    let (receive, x, want, right) = (&receive, &x, &want, &right);
    std::thread::scope(move |s| {
        for _ in 0..THREADS / 2 {
            let send = send.clone();
            s.spawn(move || {
                for k in 0..200 {
                    let y = chain(x, 40).unwrap();
                    if k % 3 == 0 {
                        isobit::async_eval(std::slice::from_ref(&y)).unwrap();
                    }
                    send.send((k, y)).unwrap();
                }
            });
        }
        // The original sender must go, or the receivers never end.
        drop(send);
        for _ in 0..THREADS / 2 {
            s.spawn(move || {
                loop {
                    let Ok((k, y)) = receive.lock().unwrap().recv() else { break };
                    // Every fourth is only dropped.
                    if k % 4 > 0 {
                        assert_eq!(y.to_vec::<f32>().unwrap(), *want);
                        right.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    assert_eq!(right.load(Ordering::SeqCst), THREADS / 2 * 150);
}

#[test]
fn threads_transform_at_the_same_time() {
    let f = |x: &[Array]| ops::sum(&ops::multiply(&x[0], &ops::exp(&x[0])?)?, .., false);
    let x = Array::from_slice(&[0.1f32, 0.2, 0.3, 0.4, 0.5, 0.6], &[2, 3]).unwrap();
    let once = transforms::grad(f, [0])(std::slice::from_ref(&x)).unwrap()[0].to_vec::<f32>().unwrap();
    std::thread::scope(|s| {
        for k in 0..THREADS {
            let (x, once) = (x.clone(), once.clone());
            s.spawn(move || {
                for _ in 0..50 {
                    let g = transforms::grad(f, [0]);
                    let got = if k % 2 == 0 {
                        g(std::slice::from_ref(&x)).unwrap()[0].clone()
                    } else {
                        let rows = transforms::vmap(|r: &[Array]| Ok(vec![g(r)?[0].clone()]));
                        rows(std::slice::from_ref(&x)).unwrap()[0].clone()
                    };
                    assert_eq!(got.to_vec::<f32>().unwrap(), once);
                }
            });
        }
    });
}

/// A primitive whose kernel takes its time and fails.
#[derive(Debug)]
struct Fails;

impl CustomPrimitive for Fails {
    fn name(&self) -> &'static str {
        "fails"
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        Ok(inputs.iter().cloned().collect())
    }
    fn run(&self, _: Inputs, _: &[Spec]) -> Result<Outputs> {
        std::thread::sleep(std::time::Duration::from_millis(20));
        Err(Error::runtime("fails", "on purpose"))
    }
    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        Ok(cx.tangents.iter().cloned().collect())
    }
    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        cx.none()
    }
    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        Ok(cx.inputs.iter().cloned().zip(cx.axes.iter().copied()).collect())
    }
}

#[test]
fn an_error_reaches_every_thread_that_waits() {
    let one = Array::scalar(1.0, Dtype::F32);
    let bad = apply(Prim::Custom(Custom(Arc::new(Fails))), &[&one]).unwrap();
    let after = ops::add(&bad, &one).unwrap();
    let barrier = Barrier::new(THREADS);
    std::thread::scope(|s| {
        for _ in 0..THREADS {
            s.spawn(|| {
                barrier.wait();
                assert!(after.eval().unwrap_err().to_string().contains("on purpose"));
            });
        }
    });
    assert_eq!(ops::add(&one, &one).unwrap().item::<f32>().unwrap(), 2.0);
}
