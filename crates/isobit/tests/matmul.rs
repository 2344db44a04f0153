//! Matrix products from the outside: shapes, errors, gradients of broadcast operands.

use isobit::{Array, Dtype, ErrorKind, ops, transforms};

fn counting(shape: &[usize]) -> Array {
    let n: usize = shape.iter().product();
    let v: Vec<f32> = (0..n).map(|i| ((i * 7 + 3) % 11) as f32 - 5.0).collect();
    Array::from_slice(&v, shape).unwrap()
}

#[test]
fn shapes_follow_numpy() {
    let cases: [(&[usize], &[usize], &[usize]); 8] = [
        (&[3], &[3], &[]),
        (&[2, 3], &[3], &[2]),
        (&[3], &[3, 4], &[4]),
        (&[5, 2, 3], &[3, 4], &[5, 2, 4]),
        (&[2, 3], &[5, 3, 4], &[5, 2, 4]),
        (&[1, 5, 2, 3], &[7, 1, 3, 4], &[7, 5, 2, 4]),
        (&[5, 2, 3], &[3], &[5, 2]),
        (&[3], &[5, 3, 2], &[5, 2]),
    ];
    for (a, b, want) in cases {
        let out = ops::matmul(&counting(a), &counting(b)).unwrap();
        assert_eq!(out.shape(), want, "{a:?} @ {b:?}");
        let c = ops::zeros(&[], Dtype::F32).unwrap();
        let same = ops::addmm(&c, &counting(a), &counting(b), 1.0, 1.0).unwrap();
        assert_eq!(same.to_vec::<f32>().unwrap(), out.to_vec::<f32>().unwrap());
    }
    let eye = Array::from_slice(&[1.0f32, 0.0, 0.0, 1.0], &[2, 2]).unwrap();
    let x = counting(&[3, 2]);
    assert_eq!(ops::matmul(&x, &eye).unwrap().to_vec::<f32>().unwrap(), x.to_vec::<f32>().unwrap());
}

#[test]
fn errors_say_what_came() {
    let e = ops::matmul(&counting(&[2, 3]), &counting(&[4, 2])).err().unwrap();
    assert_eq!(e.to_string(), "[matmul] last axis of [2, 3] and second to last axis of [4, 2] must agree");
    assert_eq!(ops::matmul(&counting(&[]), &counting(&[2])).err().unwrap().kind(), ErrorKind::Value);
    let ints = Array::from_slice(&[1i32, 2], &[2]).unwrap();
    assert_eq!(ops::matmul(&ints, &ints).err().unwrap().kind(), ErrorKind::Type);
}

#[test]
fn gradients_of_broadcast_operands_have_their_shapes() {
    let f = |x: &[Array]| ops::sum(&ops::matmul(&x[0], &x[1])?, .., false);
    let g = transforms::grad(f, [0, 1])(&[counting(&[5, 2, 3]), counting(&[3, 4])]).unwrap();
    assert_eq!((g[0].shape(), g[1].shape()), (&[5usize, 2, 3][..], &[3usize, 4][..]));
    // d/dW sum(x @ W) = column sums of x, repeated
    let x = counting(&[5, 2, 3]).to_vec::<f32>().unwrap();
    let want: f32 = x.iter().step_by(3).sum();
    assert_eq!(g[1].to_vec::<f32>().unwrap()[..4], [want; 4]);
}

#[test]
fn packed_weights_change_no_bit_and_die_with_their_buffer() {
    let (n, k) = (400, 331);
    let values: Vec<f32> = (0..n * k).map(|i| ((i * 7919 % 1013) as f32 - 500.0) / 300.0).collect();
    for dtype in [Dtype::F32, Dtype::BF16, Dtype::F16] {
        let w = ops::astype(&Array::from_slice(&values, &[n, k]).unwrap(), dtype).unwrap();
        let x = ops::astype(&Array::from_slice(&values[..20 * k], &[20, k]).unwrap(), dtype).unwrap();
        let wt = ops::transpose(&w, ..).unwrap();
        wt.eval().unwrap();
        let rows = |from: isize, to: isize| {
            let x = ops::slice(&x, &[from], &[to], &[1]).unwrap();
            ops::matmul(&x, &wt).unwrap().to_bytes().unwrap()
        };
        let whole = rows(0, 20); // more rows than the packed path takes
        let row = whole.len() / 20;
        for again in 0..5 {
            for m in [1, 2, 7, 16] {
                assert_eq!(rows(3, 3 + m), whole[3 * row..][..m as usize * row], "{dtype} use {again} rows {m}");
            }
        }
        // Another part of the same buffer must not meet the packed whole.
        let part = ops::slice(&wt, &[0, 1], &[k as isize, 300], &[1, 1]).unwrap();
        let x1 = ops::slice(&x, &[3], &[4], &[1]).unwrap();
        let got = ops::matmul(&x1, &part).unwrap().to_bytes().unwrap();
        assert_eq!(got, whole[3 * row + dtype.size()..][..299 * dtype.size()], "{dtype}");
    }
    // A buffer that is written again forgets what was packed from it.
    let x = Array::from_slice(&values[..k], &[1, k]).unwrap();
    let mut w =
        ops::add(&Array::from_slice(&values[..k * 300], &[k, 300]).unwrap(), &Array::scalar(0.0, Dtype::F32)).unwrap();
    for _ in 0..4 {
        w.eval().unwrap();
        ops::matmul(&x, &w).unwrap().eval().unwrap();
    }
    w = ops::multiply(&w, &Array::scalar(2.0, Dtype::F32)).unwrap();
    let doubled = ops::matmul(&x, &w).unwrap().to_vec::<f32>().unwrap();
    let fresh = Array::from_slice(&values[..k * 300].iter().map(|v| v * 2.0).collect::<Vec<_>>(), &[k, 300]).unwrap();
    assert_eq!(doubled, ops::matmul(&x, &fresh).unwrap().to_vec::<f32>().unwrap());
}
