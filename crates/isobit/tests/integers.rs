//! Derivatives with respect to integers are those with respect to their values: the same as of the same function of floats.
use isobit::transforms::{checkpoint, custom_function, jvp, vjp, vmap};
use isobit::{Array, Dtype, Result, ops};

type Fun = Box<dyn Fn(&Array) -> Result<Array>>;

fn integers(v: &[i32], shape: &[usize]) -> Array {
    Array::from_slice(v, shape).unwrap()
}

fn matrix() -> Array {
    integers(&[3, -1, 4, 2, 5, -6], &[2, 3])
}

/// The numbers of any dtype as float64.
fn numbers(a: &Array) -> Vec<f64> {
    ops::astype(a, Dtype::F64).unwrap().to_vec::<f64>().unwrap()
}

fn functions() -> Vec<(&'static str, Fun)> {
    let like = |x: &Array, v: &[i32]| ops::astype(&integers(v, &[2, 3]), x.dtype());
    let five = [2, 7, 1, 8, 2, 8];
    let row = |x: &Array| ops::astype(&integers(&[10, 20, 30], &[1, 3]), x.dtype());
    let places = |v: &[i32], shape: &[usize]| integers(v, shape);
    vec![
        ("abs", Box::new(ops::abs)),
        ("add", Box::new(move |x| ops::add(x, &like(x, &five)?))),
        ("astype", Box::new(|x| ops::astype(x, Dtype::F32))),
        (
            "astype then half",
            Box::new(|x| ops::multiply(&ops::astype(x, Dtype::F32)?, &Array::scalar(0.5, Dtype::F32))),
        ),
        ("broadcast", Box::new(|x| ops::broadcast_to(x, &[4, 2, 3]))),
        ("concatenate", Box::new(|x| ops::concatenate(&[x.clone(), x.clone()], 0))),
        ("cummax", Box::new(|x| ops::cummax(x, 1, false, true))),
        ("cumprod", Box::new(|x| ops::cumprod(x, 1, false, true))),
        ("cumsum", Box::new(|x| ops::cumsum(x, 0, true, true))),
        ("depends", Box::new(|x| Ok(ops::depends(&[x.clone()], &[ops::square(x)?])?.remove(0)))),
        ("divide", Box::new(|x| ops::divide(x, &Array::scalar(4.0, Dtype::F32)))),
        ("exp", Box::new(ops::exp)),
        ("expand_dims", Box::new(|x| ops::expand_dims(x, 1))),
        ("flip", Box::new(|x| ops::flip(x, ..))),
        ("floor_divide", Box::new(move |x| ops::floor_divide(x, &like(x, &five)?))),
        ("gather", Box::new(move |x| ops::gather(x, &[places(&[1, 0, 1], &[3])], &[0], &[1, 3]))),
        (
            "matmul",
            Box::new(|x| ops::matmul(&ops::astype(x, Dtype::F32)?, &ops::astype(&ops::transpose(x, ..)?, Dtype::F32)?)),
        ),
        ("max", Box::new(|x| ops::max(x, 1, false))),
        ("maximum", Box::new(move |x| ops::maximum(x, &like(x, &five)?))),
        ("mean", Box::new(|x| ops::mean(x, 0, false))),
        ("min", Box::new(|x| ops::min(x, .., false))),
        ("minimum", Box::new(move |x| ops::minimum(x, &like(x, &five)?))),
        ("multiply", Box::new(move |x| ops::multiply(x, &row(x)?))),
        ("negative", Box::new(ops::negative)),
        ("pad", Box::new(|x| ops::pad(x, &[(1, 0), (0, 2)], ops::PadMode::Edge))),
        ("power", Box::new(|x| ops::power(x, &ops::astype(&integers(&[3], &[1]), x.dtype())?))),
        ("prod", Box::new(|x| ops::prod(x, 1, true))),
        (
            "put_along_axis",
            Box::new(move |x| {
                ops::put_along_axis(
                    x,
                    &places(&[1, 0], &[2, 1]),
                    &ops::square(&ops::slice(x, &[0, 0], &[2, 1], &[1, 1])?)?,
                    1,
                )
            }),
        ),
        ("remainder", Box::new(move |x| ops::remainder(x, &like(x, &five)?))),
        ("reshape", Box::new(|x| ops::reshape(x, &[3, 2]))),
        ("select", Box::new(move |x| ops::where_(&ops::greater(x, &like(x, &five)?)?, x, &ops::square(x)?))),
        ("slice", Box::new(|x| ops::slice(x, &[0, 2], &[2, 0], &[1, -1]))),
        ("slice_update", Box::new(move |x| ops::slice_update(&ops::square(x)?, &row(x)?, &[1, 0], &[2, 3], &[1, 1]))),
        ("sort", Box::new(|x| ops::sort(x, 1))),
        ("split", Box::new(|x| Ok(ops::split(x, 3, 1)?.remove(2)))),
        ("square", Box::new(ops::square)),
        ("squeeze", Box::new(|x| ops::squeeze(&ops::slice(x, &[0, 0], &[1, 3], &[1, 1])?, 0))),
        ("subtract", Box::new(move |x| ops::subtract(&like(x, &five)?, x))),
        ("sum", Box::new(|x| ops::sum(x, 1, false))),
        ("take_along_axis", Box::new(move |x| ops::take_along_axis(x, &places(&[2, 2], &[2, 1]), 1))),
        ("transpose", Box::new(|x| ops::transpose(x, ..))),
        (
            "narrow and wide",
            Box::new(|x| {
                ops::sum(&ops::astype(x, if x.dtype().is_integer() { Dtype::I8 } else { Dtype::F32 })?, 0, false)
            }),
        ),
        ("chain", Box::new(|x| ops::square(&ops::astype(&ops::cumsum(x, 1, false, true)?, Dtype::F32)?))),
        (
            "checkpoint",
            Box::new(|x| {
                Ok(checkpoint(|xs: &[Array]| Ok(vec![ops::multiply(&xs[0], &ops::square(&xs[0])?)?]))(&[x.clone()])?
                    .remove(0))
            }),
        ),
        (
            "custom function",
            Box::new(|x| {
                Ok(custom_function(|xs: &[Array]| Ok(vec![ops::square(&xs[0])?])).call(&[x.clone()])?.remove(0))
            }),
        ),
        (
            "vmap",
            Box::new(|x| Ok(vmap(|xs: &[Array]| Ok(vec![ops::prod(&xs[0], .., false)?]))(&[x.clone()])?.remove(0))),
        ),
    ]
}

#[test]
fn derivatives_of_integers_are_those_of_their_values() {
    let mut moved = 0;
    for (name, f) in functions() {
        for dtype in [Dtype::I32, Dtype::I64, Dtype::I16] {
            let x = ops::astype(&matrix(), dtype).unwrap();
            let float = ops::astype(&x, Dtype::F32).unwrap();
            let one = |xs: &[Array]| Ok(vec![f(&xs[0])?]);
            let like = f(&float).unwrap();
            let ct = ops::add(
                &ops::reshape(&ops::arange(0.0, like.size() as f64, 1.0, Dtype::F32).unwrap(), &ops_shape(&like))
                    .unwrap(),
                &Array::scalar(0.25, Dtype::F32),
            )
            .unwrap();
            let (_, got) = vjp(one, &[x.clone()], &[ct.clone()]).unwrap_or_else(|e| panic!("{name}: {e}"));
            let (_, want) = vjp(one, &[float.clone()], &[ct]).unwrap();
            assert_eq!(got[0].dtype(), Dtype::F32, "{name}");
            assert_eq!(numbers(&got[0]), numbers(&want[0]), "vjp of {name}, {dtype}");
            moved += usize::from(numbers(&want[0]).iter().any(|&v| v != 0.0));

            let tangent = Array::from_slice(&[0.5f32, 1.0, -2.0, 0.25, 3.0, 1.5], &[2, 3]).unwrap();
            let (_, got) = jvp(one, &[x.clone()], &[tangent.clone()]).unwrap_or_else(|e| panic!("{name}: {e}"));
            let (_, want) = jvp(one, &[float], &[tangent]).unwrap();
            assert_eq!(got[0].dtype(), Dtype::F32, "{name}");
            assert_eq!(numbers(&got[0]), numbers(&want[0]), "jvp of {name}, {dtype}");
        }
    }
    // All but floor_divide, whose derivative is zero.
    assert_eq!(moved, (functions().len() - 1) * 3);
}

fn ops_shape(a: &Array) -> Vec<isize> {
    a.shape().iter().map(|&n| n as isize).collect()
}

#[test]
fn second_derivatives_pass_too() {
    let x = matrix();
    let slope = |xs: &[Array]| {
        let (_, g) = vjp(
            |ys: &[Array]| Ok(vec![ops::sum(&ops::power(&ys[0], &Array::from_slice(&[3i32], &[1])?)?, .., false)?]),
            xs,
            &[Array::scalar(1.0, Dtype::F32)],
        )?;
        Ok(vec![ops::sum(&g[0], .., false)?])
    };
    let (_, g) = vjp(slope, &[x.clone()], &[Array::scalar(1.0, Dtype::F32)]).unwrap();
    let want: Vec<f64> = numbers(&x).iter().map(|v| 6.0 * v).collect();
    assert_eq!(numbers(&g[0]), want);
}

#[test]
fn nothing_passes_where_integers_are_no_numbers() {
    let float = Array::from_slice(&[1.5f32, -2.5, 3.0], &[3]).unwrap();
    let ints = integers(&[5, 6, 7], &[3]);
    let two = Array::from_slice(&[2i32], &[1]).unwrap();
    let sum = |a: Array| Ok(vec![ops::sum(&ops::astype(&a, Dtype::F32)?, .., false)?]);
    let slope = |f: &dyn Fn(&Array) -> Result<Array>, x: &Array| {
        let (_, g) = vjp(|xs| sum(f(&xs[0])?), &[x.clone()], &[Array::scalar(1.0, Dtype::F32)]).unwrap();
        let (_, t) = jvp(|xs| sum(f(&xs[0])?), &[x.clone()], &[ops::ones_like(x).unwrap()]).unwrap();
        assert_eq!(numbers(&t[0]), [0.0]);
        numbers(&g[0])
    };
    // Rounded to integers, as bits, as places, compared: steps.
    assert_eq!(slope(&|x| ops::astype(x, Dtype::I32), &float), [0.0; 3]);
    assert_eq!(slope(&|x| ops::add(&ops::argsort(x, 0)?, &two), &float), [0.0; 3]);
    assert_eq!(slope(&|x| ops::bitwise_and(x, &two), &ints), [0.0; 3]);
    assert_eq!(slope(&|x| ops::left_shift(x, &two), &ints), [0.0; 3]);
    assert_eq!(slope(&|x| ops::view(x, Dtype::F32), &ints), [0.0; 3]);
    assert_eq!(slope(&|x| ops::greater(x, &two), &ints), [0.0; 3]);
    // Places are refused, as before.
    let places = vjp(
        |xs| Ok(vec![ops::take(&float, &xs[0], 0)?]),
        &[integers(&[0, 2], &[2])],
        &[ops::ones(&[2], Dtype::F32).unwrap()],
    );
    assert!(places.unwrap_err().to_string().contains("stop_gradient"));
    // Bools have gradients of zeros.
    let mask = ops::greater(&float, &Array::scalar(0.0, Dtype::F32)).unwrap();
    let (_, g) =
        vjp(|xs| Ok(vec![ops::multiply(&xs[0], &float)?]), &[mask], &[ops::ones(&[3], Dtype::F32).unwrap()]).unwrap();
    assert_eq!(numbers(&g[0]), [0.0; 3]);
}
