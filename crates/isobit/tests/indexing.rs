//! Indexing against NumPy's answers, in transforms, and its errors; how arrays print.
use isobit::array::IntoIndices;
use isobit::{Array, Dtype, Ellipsis, ErrorKind, Index, NewAxis, Result, ops, transforms};

fn ints(v: &[i32], shape: &[usize]) -> Array {
    Array::from_slice(v, shape).unwrap()
}

fn bools(v: &[bool], shape: &[usize]) -> Array {
    Array::from_slice(v, shape).unwrap()
}

fn cube() -> Array {
    ints(&(0..24).collect::<Vec<_>>(), &[2, 3, 4])
}

#[track_caller]
fn reads(x: &Array, index: impl IntoIndices, shape: &[usize], want: &[i32]) {
    let got = x.index(index).unwrap();
    assert_eq!((got.shape(), got.to_vec::<i32>().unwrap().as_slice()), (shape, want));
}

#[track_caller]
fn writes(got: Result<Array>, want: &[i32]) {
    assert_eq!(got.unwrap().to_vec::<i32>().unwrap(), want);
}

#[test]
fn as_numpy() {
    for name in ["ref", "cpu"] {
        isobit::backend::with(isobit::backend::by_name(name).unwrap(), against_numpy);
    }
}

#[rustfmt::skip] // a table
fn against_numpy() {
        let x = cube();
        let (i, j, k) = (ints(&[2, 0, -1], &[3]), ints(&[1, 0], &[2, 1]), ints(&[1], &[]));
        let (e, i01, i01d, id) = (ints(&[], &[0]), ints(&[0, 1], &[2]), ints(&[1, 0, 1], &[3]), ints(&[2, 0, 2], &[3]));
        let m = ops::equal(&ops::remainder(&x, &ints(&[5], &[])).unwrap(), &ints(&[0], &[])).unwrap();
        let (m2, m3) = (bools(&[true, false, true], &[3]), bools(&[false, true, true, false], &[4]));
        // Reads: shape and values that NumPy gives.
        reads(&x, -1, &[3, 4], &[12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23]);
        reads(&x, (1, 2, 3), &[], &[23]);
        reads(&x, 1.., &[1, 3, 4], &[12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23]);
        reads(&x, (.., 1..3), &[2, 2, 4], &[4, 5, 6, 7, 8, 9, 10, 11, 16, 17, 18, 19, 20, 21, 22, 23]);
        reads(&x, (Ellipsis, 0), &[2, 3], &[0, 4, 8, 12, 16, 20]);
        reads(&x, (0, Ellipsis, NewAxis, 1), &[3, 1], &[1, 5, 9]);
        reads(&x, (NewAxis, 1, NewAxis), &[1, 1, 3, 4], &[12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23]);
        reads(&x, (.., Index::range(None, None, -1)), &[2, 3, 4], &[8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3, 20, 21, 22, 23, 16, 17, 18, 19, 12, 13, 14, 15]);
        reads(&x, (.., .., Index::range(-1, 0, -2)), &[2, 3, 2], &[3, 1, 7, 5, 11, 9, 15, 13, 19, 17, 23, 21]);
        reads(&x, (.., 2..2), &[2, 0, 4], &[]);
        reads(&x, (.., -9..99), &[2, 3, 4], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23]);
        reads(&x, (.., &i), &[2, 3, 4], &[8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11, 20, 21, 22, 23, 12, 13, 14, 15, 20, 21, 22, 23]);
        reads(&x, (.., &i, 1), &[2, 3], &[9, 1, 9, 21, 13, 21]);
        reads(&x, (1, .., &i), &[3, 3], &[14, 18, 22, 12, 16, 20, 15, 19, 23]);
        reads(&x, (1, &i), &[3, 4], &[20, 21, 22, 23, 12, 13, 14, 15, 20, 21, 22, 23]);
        reads(&x, (&j, &i), &[2, 3, 4], &[20, 21, 22, 23, 12, 13, 14, 15, 20, 21, 22, 23, 8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11]);
        reads(&x, (&j, NewAxis, &i), &[2, 3, 1, 4], &[20, 21, 22, 23, 12, 13, 14, 15, 20, 21, 22, 23, 8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11]);
        reads(&x, (NewAxis, &j, &i), &[1, 2, 3, 4], &[20, 21, 22, 23, 12, 13, 14, 15, 20, 21, 22, 23, 8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11]);
        reads(&x, (Ellipsis, &i, NewAxis), &[2, 3, 3, 1], &[2, 0, 3, 6, 4, 7, 10, 8, 11, 14, 12, 15, 18, 16, 19, 22, 20, 23]);
        reads(&x, (.., 1.., &i), &[2, 2, 3], &[6, 4, 7, 10, 8, 11, 18, 16, 19, 22, 20, 23]);
        reads(&x, (Index::range(None, None, -1), &i, 1..3), &[2, 3, 2], &[21, 22, 13, 14, 21, 22, 9, 10, 1, 2, 9, 10]);
        reads(&x, &k, &[3, 4], &[12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23]);
        reads(&x, (.., &k), &[2, 4], &[4, 5, 6, 7, 16, 17, 18, 19]);
        reads(&x, &e, &[0, 3, 4], &[]);
        reads(&x, &m, &[5], &[0, 5, 10, 15, 20]);
        reads(&x, (.., &m2), &[2, 2, 4], &[0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15, 20, 21, 22, 23]);
        reads(&x, (1, &m2), &[2, 4], &[12, 13, 14, 15, 20, 21, 22, 23]);
        reads(&x, (0, &m2, &k), &[2], &[1, 9]);
        reads(&x, (Ellipsis, &m3), &[2, 3, 2], &[1, 2, 5, 6, 9, 10, 13, 14, 17, 18, 21, 22]);
        reads(&x, (&i01, .., &i01), &[2, 3], &[0, 4, 8, 13, 17, 21]);
        // Writes.
        writes(x.at((1, ..)).set(&ints(&[0, 100, 200, 300], &[4])), &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0, 100, 200, 300, 0, 100, 200, 300, 0, 100, 200, 300]);
        writes(x.at((.., &i)).set(&ints(&[0, 100, 200, 300], &[4])), &[0, 100, 200, 300, 4, 5, 6, 7, 0, 100, 200, 300, 0, 100, 200, 300, 16, 17, 18, 19, 0, 100, 200, 300]);
        writes(x.at((.., Index::range(None, None, -2), 1..)).set(&ints(&[0, 100, 200], &[3])), &[0, 0, 100, 200, 4, 5, 6, 7, 8, 0, 100, 200, 12, 0, 100, 200, 16, 17, 18, 19, 20, 0, 100, 200]);
        writes(x.at((&j, .., &i)).set(&ints(&[0, 100, 200], &[3])), &[0, 1, 0, 0, 100, 5, 100, 100, 200, 9, 200, 200, 0, 13, 0, 0, 100, 17, 100, 100, 200, 21, 200, 200]);
        writes(x.at(&m).set(&ints(&[7], &[])), &[7, 1, 2, 3, 4, 7, 6, 7, 8, 9, 7, 11, 12, 13, 14, 7, 16, 17, 18, 19, 7, 21, 22, 23]);
        writes(x.at(&m).set(&ints(&[0, 100, 200, 300, 400], &[5])), &[0, 1, 2, 3, 4, 100, 6, 7, 8, 9, 200, 11, 12, 13, 14, 300, 16, 17, 18, 19, 400, 21, 22, 23]);
        writes(x.at((.., &m2)).set(&ints(&[0, 100, 200, 300], &[4])), &[0, 100, 200, 300, 4, 5, 6, 7, 0, 100, 200, 300, 0, 100, 200, 300, 16, 17, 18, 19, 0, 100, 200, 300]);
        writes(x.at((.., &m2)).set(&ints(&[0, 100, 200, 300, 400, 500, 600, 700], &[2, 4])), &[0, 100, 200, 300, 4, 5, 6, 7, 400, 500, 600, 700, 0, 100, 200, 300, 16, 17, 18, 19, 400, 500, 600, 700]);
        writes(x.at((.., &m2)).set(&ints(&[0, 100], &[2, 1, 1])), &[0, 0, 0, 0, 4, 5, 6, 7, 0, 0, 0, 0, 100, 100, 100, 100, 16, 17, 18, 19, 100, 100, 100, 100]);
        writes(x.at((.., &m2)).add(&ints(&[0, 100, 200, 300, 400, 500, 600, 700], &[2, 4])), &[0, 101, 202, 303, 4, 5, 6, 7, 408, 509, 610, 711, 12, 113, 214, 315, 16, 17, 18, 19, 420, 521, 622, 723]);
        writes(x.at((1, &m2)).set(&ints(&[0, 100, 200, 300], &[4])), &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0, 100, 200, 300, 16, 17, 18, 19, 0, 100, 200, 300]);
        writes(x.at((Ellipsis, 1)).add(&ints(&[0, 100, 200], &[3])), &[0, 1, 2, 3, 4, 105, 6, 7, 8, 209, 10, 11, 12, 13, 14, 15, 16, 117, 18, 19, 20, 221, 22, 23]);
        writes(x.at(&i01d).add(&ints(&[0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120, 130, 140, 150, 160, 170, 180, 190, 200, 210, 220, 230, 240, 250, 260, 270, 280, 290, 300, 310, 320, 330, 340, 350], &[3, 3, 4])), &[120, 131, 142, 153, 164, 175, 186, 197, 208, 219, 230, 241, 252, 273, 294, 315, 336, 357, 378, 399, 420, 441, 462, 483]);
        writes(x.at((.., &id, &k)).subtract(&ints(&[0, 10, 20, 30, 40, 50], &[2, 3])), &[0, -9, 2, 3, 4, 5, 6, 7, 8, -11, 10, 11, 12, -27, 14, 15, 16, 17, 18, 19, 20, -59, 22, 23]);
        writes(x.at((&i01d, .., 1..3)).multiply(&ints(&[3], &[])), &[0, 3, 6, 3, 4, 15, 18, 7, 8, 27, 30, 11, 12, 117, 126, 15, 16, 153, 162, 19, 20, 189, 198, 23]);
        writes(x.at((.., &id)).maximum(&ints(&[0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22], &[3, 4])), &[8, 10, 12, 14, 4, 5, 6, 7, 16, 18, 20, 22, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23]);
        writes(x.at(0).minimum(&ints(&[5], &[])), &[0, 1, 2, 3, 4, 5, 5, 5, 5, 5, 5, 5, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23]);
        writes(x.at((NewAxis, 0, .., NewAxis, 0)).set(&ints(&[0, 100, 200], &[1, 3, 1])), &[0, 1, 2, 3, 100, 5, 6, 7, 200, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23]);
}

#[test]
fn mistakes_are_reported() {
    let x = cube();
    let kind = |index: Vec<Index>| x.index(index).unwrap_err().kind();
    assert_eq!(kind(vec![2.into()]), ErrorKind::Index);
    assert_eq!(kind(vec![(-3).into()]), ErrorKind::Index);
    assert_eq!(kind(vec![0.into(); 4]), ErrorKind::Index);
    assert_eq!(kind(vec![Ellipsis.into(), Ellipsis.into()]), ErrorKind::Index);
    assert_eq!(kind(vec![bools(&[true], &[1]).into()]), ErrorKind::Index);
    assert_eq!(kind(vec![Array::scalar(0.5, Dtype::F32).into()]), ErrorKind::Type);
    assert_eq!(kind(vec![Index::range(None, None, 0)]), ErrorKind::Value);
    assert_eq!(kind(vec![ints(&[0, 1], &[2]).into(), ints(&[0, 1, 2], &[3]).into()]), ErrorKind::Value);
    assert!(x.at(0).set(&ints(&[1, 2], &[2])).is_err());
    // Fewer updates than a mask selects; what is left over of more, as with MLX, is not looked at.
    let every = bools(&[true; 6], &[2, 3]);
    assert_eq!(x.at(&every).set(&ops::zeros(&[5, 4], Dtype::I32).unwrap()).unwrap_err().kind(), ErrorKind::Value);
    let more = ops::reshape(&ops::arange(0, 28, 1, None).unwrap(), &[7, 4]).unwrap();
    writes(x.at(&every).set(&more), &(0..24).collect::<Vec<i32>>());
    assert_eq!(x.at(0).divide(&x).unwrap_err().kind(), ErrorKind::Type);
    // Values of index arrays are clamped, never followed out of the array.
    reads(&x, (1, 2, &ints(&[99, -99, i32::MIN, i32::MAX], &[4])), &[4], &[23, 20, 20, 23]);
}

#[test]
fn transforms_pass_through() {
    let x = ops::astype(&cube(), Dtype::F32).unwrap();
    let rows = ints(&[1, 0, 1], &[3]);
    let g = transforms::grad(|a| ops::sum(&a[0].index((&rows, .., 1..3))?, .., false), [0]);
    let g = g(std::slice::from_ref(&x)).unwrap().remove(0);
    let want: Vec<f32> = (0..24)
        .map(|i| {
            if !(1..3).contains(&(i % 4)) {
                0.0
            } else if i < 12 {
                1.0
            } else {
                2.0
            }
        })
        .collect();
    assert_eq!(g.to_vec::<f32>().unwrap(), want);
    // A mask that is an argument of vmap has no value: writing through it works, reading is an error.
    let masks = ops::greater(&x, &Array::scalar(11.0, Dtype::F32)).unwrap();
    let u = Array::from_slice(&[-1.0f32; 12], &[12]).unwrap();
    let f = |a: &[Array]| Ok(vec![a[0].at(&a[1]).set(&u)?]);
    let got = transforms::vmap(f)(&[x.clone(), masks.clone()]).unwrap().remove(0).to_vec::<f32>().unwrap();
    assert!(got.iter().enumerate().all(|(i, &v)| v == if i < 12 { i as f32 } else { -1.0 }));
    let read = |a: &[Array]| Ok(vec![a[0].index(&a[1])?]);
    assert_eq!(transforms::vmap(read)(&[x, masks]).unwrap_err().kind(), ErrorKind::Value);
}

#[test]
fn division_is_exact_and_duplicates_count() {
    let x = Array::from_slice(&[1.0f32, 7.0, 3.0], &[3]).unwrap();
    let got = x.at(&ints(&[0, 2, 2], &[3])).divide(&Array::from_slice(&[3.0f32, 2.0, 5.0], &[3]).unwrap()).unwrap();
    assert_eq!(got.to_vec::<f32>().unwrap(), [1.0 / 3.0, 7.0, 3.0 / 10.0]);
}

#[test]
fn arrays_print_as_in_mlx() {
    let show = |a: &Array| a.to_string();
    assert_eq!(show(&Array::scalar(1.5, Dtype::F32)), "array(1.5, dtype=float32)");
    assert_eq!(show(&ints(&[1, 2, 3, 4], &[2, 2])), "array([[1, 2],\n       [3, 4]], dtype=int32)");
    assert_eq!(show(&bools(&[true, false], &[2])), "array([True, False], dtype=bool)");
    assert_eq!(show(&ops::zeros(&[0], Dtype::BF16).unwrap()), "array([], dtype=bfloat16)");
    assert_eq!(show(&ops::arange(0, 2000, 1, None).unwrap()), "array([0, 1, 2, ..., 1997, 1998, 1999], dtype=int32)");
    let tall =
        ops::transpose(&ops::reshape(&ops::arange(0, 14, 1, Dtype::F16).unwrap(), &[2, 7]).unwrap(), ..).unwrap();
    let rows =
        "[[0, 7],\n       [1, 8],\n       [2, 9],\n       ...,\n       [4, 11],\n       [5, 12],\n       [6, 13]]";
    assert_eq!(show(&tall), format!("array({rows}, dtype=float16)"));
    let deep = ops::reshape(&ops::arange(0, 4, 1, None).unwrap(), &[2, 1, 2]).unwrap();
    assert_eq!(show(&deep), "array([[[0, 1]],\n       [[2, 3]]], dtype=int32)");
    let seen = std::cell::RefCell::new(String::new());
    let f = |a: &[Array]| {
        *seen.borrow_mut() = show(&a[0]);
        Ok(a.to_vec())
    };
    transforms::vmap(f)(&[ints(&[1, 2], &[2, 1])]).unwrap();
    assert_eq!(*seen.borrow(), "array(traced, shape=[1], dtype=int32)");
}

#[test]
fn there_is_no_derivative_with_respect_to_an_index() {
    let x = Array::from_slice(&[3.0f32, 1.0, 2.0], &[3]).unwrap();
    let i = Array::from_slice(&[2i32, 0], &[2]).unwrap();
    let ct = [Array::from_slice(&[1.0f32, 1.0], &[2]).unwrap()];
    let both = [x.clone(), i.clone()];
    let shifted = |a: &[Array]| Ok(vec![ops::take(&a[0], &ops::add(&a[1], &Array::scalar(0, Dtype::I32))?, 0)?]);
    let e = isobit::transforms::vjp(shifted, &both, &ct).unwrap_err();
    assert!(e.to_string().contains("stop_gradient"), "{e}");
    let along = |a: &[Array]| Ok(vec![ops::take_along_axis(&a[0], &a[1], 0)?]);
    assert!(isobit::transforms::vjp(along, &both, &ct).is_err());
    let stopped = |a: &[Array]| Ok(vec![ops::take(&a[0], &ops::stop_gradient(&a[1])?, 0)?]);
    let (_, grads) = isobit::transforms::vjp(stopped, &both, &ct).unwrap();
    assert_eq!(grads[0].to_vec::<f32>().unwrap(), [1.0, 0.0, 1.0]);
    assert_eq!(grads[1].to_vec::<f32>().unwrap(), [0.0, 0.0]);
    // An index that the function finds by comparing floats is a constant, as the derivative wants it.
    let best = |a: &[Array]| Ok(vec![ops::take(&a[0], &ops::argmax(&a[0], None, false)?, 0)?]);
    let one = [Array::scalar(1.0, Dtype::F32)];
    let (_, grads) = isobit::transforms::vjp(best, &[x], &one).unwrap();
    assert_eq!(grads[0].to_vec::<f32>().unwrap(), [1.0, 0.0, 0.0]);
}

#[test]
fn nothing_starts_inside_a_function_that_is_transformed() {
    let x = [Array::from_slice(&[1.0f32, 2.0], &[2]).unwrap()];
    let constant = ops::exp(&x[0]).unwrap();
    let f = |a: &[Array]| {
        isobit::async_eval(std::slice::from_ref(&constant))?;
        let y = ops::exp(&a[0])?;
        let e = isobit::async_eval(std::slice::from_ref(&y)).unwrap_err();
        assert_eq!(e.kind(), isobit::ErrorKind::Value);
        y.eval()?;
        Ok(vec![y])
    };
    let (_, grads) = isobit::transforms::vjp(f, &x, &x).unwrap();
    isobit::async_eval(&grads).unwrap();
    assert_eq!(grads[0].size(), 2);
}
