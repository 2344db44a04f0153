//! Layouts and sizes that reach every branch of the copies, and thread counts that must not matter.

use crate::CPU;
use isobit_core::backend::{self, Backend};
use isobit_core::ops::{self, Reduce};
use isobit_core::{Array, Dtype};
use isobit_kernels::par;
use isobit_ref::REFERENCE;

struct Random(u64);
impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % n
    }
}

fn numbers(shape: &[usize], dtype: Dtype) -> Array {
    let n: usize = shape.iter().product();
    let v: Vec<i64> = (0..n as i64).map(|i| i * 7919 % 60013 - 30000).collect();
    ops::astype(&Array::from_slice(&v, shape).unwrap(), dtype).unwrap()
}

/// A view of some array: axes permuted, run backwards, skipped, repeated.
fn view(rng: &mut Random, largest: usize, dtype: Dtype) -> Array {
    let ndim = rng.below(5);
    let shape: Vec<usize> = (0..ndim).map(|_| 1 + rng.below(largest)).collect();
    let mut x = numbers(&shape, dtype);
    for d in 0..ndim as isize {
        let n = x.shape()[d as usize] as isize;
        let (mut start, mut stop, mut step) =
            (vec![0; ndim], x.shape().iter().map(|&n| n as isize).collect::<Vec<_>>(), vec![1; ndim]);
        match rng.below(6) {
            0 => x = ops::flip(&x, d).unwrap(),
            1 => {
                (start[d as usize], stop[d as usize], step[d as usize]) = (n / 3, n, 2);
                x = ops::slice(&x, &start, &stop, &step).unwrap();
            }
            2 => {
                stop[d as usize] = 1;
                let one = ops::slice(&x, &start, &stop, &step).unwrap();
                let shape = x.shape().to_vec();
                x = ops::broadcast_to(&one, &shape).unwrap();
            }
            3 => x = ops::moveaxis(&x, d, 0).unwrap(),
            _ => {}
        }
    }
    x
}

#[test]
fn copies_of_any_view() {
    backend::with(&CPU, || {
        let mut rng = Random(5);
        for round in 0..400 {
            let dtype = [Dtype::U8, Dtype::I16, Dtype::I32, Dtype::I64][round % 4];
            let x = view(&mut rng, if round % 20 == 0 { 40 } else { 9 }, dtype);
            let t = x.tensor().unwrap();
            let (got, want) = (CPU.copy(&t).unwrap(), REFERENCE.copy(&t).unwrap());
            let (got, want) = (Array::from_tensor(got), Array::from_tensor(want));
            assert_eq!(got.to_bytes().unwrap(), want.to_bytes().unwrap(), "{:?} {:?}", t.shape(), t.strides());
        }
    });
}

/// Large enough to be cut into tasks, of every inner kind.
#[test]
fn large_copies() {
    backend::with(&CPU, || {
        let x = numbers(&[3, 217, 101], Dtype::I32);
        let views = [
            x.clone(),
            ops::transpose(&x, ..).unwrap(),
            ops::transpose(&x, [0, 2, 1]).unwrap(),
            ops::flip(&x, 2).unwrap(),
            ops::slice(&x, &[0, 1, 2], &[3, 217, 101], &[1, 2, 3]).unwrap(),
            ops::broadcast_to(&ops::take_index(&x, 1, 2).unwrap(), &[100, 3, 217]).unwrap(),
            ops::broadcast_to(&Array::scalar(7, Dtype::I32), &[400, 101]).unwrap(),
            ops::transpose(&ops::broadcast_to(&numbers(&[256], Dtype::I32), &[256, 256]).unwrap(), ..).unwrap(),
        ];
        for v in views {
            let t = v.tensor().unwrap();
            let want = Array::from_tensor(REFERENCE.copy(&t).unwrap()).to_bytes().unwrap();
            for threads in [1, 2, 3, 7] {
                par::set_threads(threads);
                let got = Array::from_tensor(CPU.copy(&t).unwrap());
                assert!(got.to_bytes().unwrap() == want, "{:?} {:?} on {threads} threads", t.shape(), t.strides());
            }
        }
    });
}

#[test]
fn scatters_do_not_depend_on_threads() {
    let mut rng = Random(11);
    let mut at = |n: usize, below: usize| -> Array {
        let v: Vec<i32> = (0..n).map(|_| rng.below(2 * below) as i32 - below as i32).collect();
        Array::from_slice(&v, &[n]).unwrap()
    };
    let real = |shape: &[usize], dtype| {
        let x = ops::multiply(&numbers(shape, Dtype::F32), &Array::scalar(1.1e-3, Dtype::F32)).unwrap();
        let x = ops::astype(&x, dtype).unwrap();
        x.eval().unwrap();
        x
    };
    backend::with(&REFERENCE, || {
        let cases: Vec<(Array, Vec<Array>, Vec<isize>, Vec<usize>)> = vec![
            // Rows; single elements; columns; blocks that overlap partly; everything at one place.
            (real(&[50, 100], Dtype::F32), vec![at(400, 50)], vec![0], vec![400, 1, 100]),
            (real(&[300], Dtype::F32), vec![at(34_000, 300)], vec![0], vec![34_000, 1]),
            (real(&[900, 30], Dtype::F32), vec![at(40, 30)], vec![1], vec![40, 900, 1]),
            (real(&[40, 40], Dtype::F32), vec![at(90, 40), at(90, 40)], vec![0, 1], vec![90, 21, 20]),
            (real(&[9, 1000], Dtype::F32), vec![at(64, 1)], vec![0], vec![64, 1, 1000]),
        ];
        for (x, indices, axes, updates) in cases {
            for dtype in [Dtype::F32, Dtype::BF16, Dtype::I32] {
                let (x, u) = (ops::astype(&x, dtype).unwrap(), real(&updates, dtype));
                x.eval().unwrap();
                u.eval().unwrap();
                for reduce in [Reduce::Set, Reduce::Add, Reduce::Maximum] {
                    let run = || ops::scatter(&x, &indices, &u, &axes, reduce).unwrap();
                    let want = run();
                    want.eval().unwrap();
                    let mut first: Option<Vec<u8>> = None;
                    for threads in [1, 2, 3, 7] {
                        par::set_threads(threads);
                        let got = run();
                        backend::with(&CPU, || got.eval().unwrap());
                        let bytes = got.to_bytes().unwrap();
                        assert!(*first.get_or_insert_with(|| bytes.clone()) == bytes, "{dtype} {reduce:?} {threads}");
                        if reduce != Reduce::Add || dtype == Dtype::I32 {
                            assert!(want.to_bytes().unwrap() == bytes, "{dtype} {reduce:?} {updates:?}");
                            continue;
                        }
                        let close = if dtype == Dtype::BF16 { 8e-3 } else { 1e-5 };
                        let f = |a: &Array| ops::astype(a, Dtype::F64).unwrap().to_vec::<f64>().unwrap();
                        for (a, b) in f(&got).iter().zip(f(&want)) {
                            assert!((a - b).abs() <= close * (10.0 + b.abs()), "{dtype} {a} {b}");
                        }
                    }
                }
            }
        }
    });
}

#[test]
fn large_gathers_and_puts() {
    let make = || {
        let mut rng = Random(3);
        let x = ops::transpose(&numbers(&[16, 3, 700], Dtype::I32), [1, 2, 0]).unwrap();
        let mut at = |shape: &[usize], below: usize| {
            let v: Vec<i64> = (0..shape.iter().product()).map(|_| rng.below(3 * below) as i64 - below as i64).collect();
            Array::from_slice(&v, shape).unwrap()
        };
        let made = [
            ops::take(&x, &at(&[90], 700), 1),
            ops::take(&x, &at(&[5000], 3), 0),
            ops::take(&x, &at(&[30_000], 33_600), None),
            ops::take_along_axis(&x, &at(&[3, 900, 16], 700), 1),
            ops::take_along_axis(&x, &at(&[3, 700, 20], 16), 2),
            ops::put_along_axis(&x, &at(&[3, 900, 16], 700), &numbers(&[3, 900, 16], Dtype::I32), 1),
            ops::put_along_axis(&x, &at(&[3, 700, 20], 16), &numbers(&[3, 700, 20], Dtype::I32), 2),
            ops::pad(&x, &[(1, 0), (40, 3), (5, 7)], 9),
            ops::concatenate(&[x.clone(), ops::flip(&x, 0).unwrap()], 1),
            ops::slice_update(&x, &numbers(&[1, 300, 16], Dtype::I32), &[2, -1], &[3, -601], &[1, -2]),
        ];
        made.map(|a| a.unwrap().to_bytes().unwrap())
    };
    let (want, got) = (backend::with(&REFERENCE, make), backend::with(&CPU, make));
    for (i, (w, g)) in want.iter().zip(&got).enumerate() {
        assert!(w == g, "case {i}");
    }
}
