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
