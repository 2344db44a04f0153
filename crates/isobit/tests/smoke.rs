//! A first use of everything at once.
use isobit::{Array, Dtype, ops, transforms};

#[test]
fn end_to_end() {
    for name in ["cpu", "ref"] {
        isobit::backend::with(isobit::backend::by_name(name).unwrap(), || {
            let a = Array::from_slice(&[1.0f32, 2.0, 3.0, 4.0], &[2, 2]).unwrap();
            let b = ops::add(&a, &ops::exp(&a).unwrap()).unwrap();
            let s = ops::sum(&b, .., false).unwrap();
            assert_eq!(s.shape(), &[] as &[usize]);
            let want: f64 = [1.0f64, 2.0, 3.0, 4.0].iter().map(|x| x + x.exp()).sum();
            assert!((f64::from(s.item::<f32>().unwrap()) - want).abs() < 1e-4);
            let g = transforms::grad(|x| ops::sum(&ops::multiply(&x[0], &ops::exp(&x[0])?)?, .., false), [0]);
            let got = g(&[a.clone()]).unwrap()[0].to_vec::<f32>().unwrap();
            for (g, x) in got.iter().zip([1.0f32, 2.0, 3.0, 4.0]) {
                assert!((g - (1.0 + x) * x.exp()).abs() < 1e-3, "{g}");
            }
            let v = transforms::vmap(move |x: &[Array]| Ok(vec![g(x)?[0].clone()]));
            assert_eq!(v(&[a.clone()]).unwrap()[0].to_vec::<f32>().unwrap(), got);
            let gg = transforms::grad(
                |x| {
                    let inner = transforms::grad(|y| ops::sum(&ops::exp(&y[0])?, .., false), [0]);
                    ops::sum(&inner(x)?[0], .., false)
                },
                [0],
            );
            let got = gg(&[a]).unwrap()[0].to_vec::<f32>().unwrap();
            assert!((got[0] - 1f32.exp()).abs() < 1e-5);
        });
    }
}

#[test]
fn a_million_nodes() {
    for name in ["cpu", "ref"] {
        isobit::backend::with(isobit::backend::by_name(name).unwrap(), || {
            let one = Array::scalar(1.0, Dtype::F32);
            let mut x = Array::scalar(0.0, Dtype::F32);
            let t = std::time::Instant::now();
            for _ in 0..1_000_000 {
                x = ops::add(&x, &one).unwrap();
            }
            let built = t.elapsed();
            let unevaluated = x.clone();
            assert_eq!(x.item::<f32>().unwrap(), 1_000_000.0);
            eprintln!("built {built:?}, all {:?}", t.elapsed());
            drop(unevaluated);
            let mut y = Array::scalar(0.0, Dtype::F32);
            for _ in 0..1_000_000 {
                y = ops::add(&y, &one).unwrap();
            }
            drop(y);
        });
    }
}
