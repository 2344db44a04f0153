//! Random numbers: the bits and samples of MLX 0.32.4 for the same key.
use isobit::{Array, Dtype, Result, bf16, f16, ops, random, transforms};

fn everywhere(f: impl Fn()) {
    for name in ["cpu", "ref"] {
        isobit::backend::with(isobit::backend::by_name(name).unwrap(), &f);
    }
}

fn floats(a: Result<Array>) -> Vec<f32> {
    ops::astype(&a.unwrap(), Dtype::F32).unwrap().to_vec::<f32>().unwrap()
}

fn close(got: Result<Array>, want: &[f32], relative: f32) {
    let got = floats(got);
    assert_eq!(got.len(), want.len());
    for (g, w) in got.iter().zip(want) {
        assert!((g - w).abs() <= relative * (1.0 + w.abs()), "{got:?} {want:?}");
    }
}

#[test]
fn keys() {
    everywhere(|| {
        let words = |a: Array| a.to_vec::<u32>().unwrap();
        assert_eq!(words(random::key(0x0123_4567_89ab_cdef)), [19088743, 2309737967]);
        let three = random::split(&random::key(7), 3).unwrap();
        assert_eq!(words(three), [276534068, 861967409, 1905761346, 1641862660, 2900896126, 1402713516]);
        let bad = Array::from_slice(&[1i32, 2], &[2]).unwrap();
        assert!(random::bits(&[3], 4, Some(&bad)).is_err());
        assert!(random::bits(&[3], 3, Some(&random::key(0))).is_err());
    });
}

#[test]
fn uniform_has_the_bits_of_mlx() {
    everywhere(|| {
        let k = random::key(42);
        let u = |low: f64, high: f64, d| random::uniform(low, high, &[6], d, Some(&k)).unwrap();
        let bits = |low, high| u(low, high, Dtype::F32).to_vec::<f32>().unwrap().into_iter().map(f32::to_bits);
        let unit = [1060820329, 1063158653, 1063210770, 1045769890, 1044322926, 1057807256];
        assert_eq!(bits(0.0, 1.0).collect::<Vec<_>>(), unit);
        let wide = [1070798214, 1075192924, 1075258070, 3212150198, 3213397883, 1061177848];
        assert_eq!(bits(-2.0, 3.0).collect::<Vec<_>>(), wide);
        let bits = |low, high| u(low, high, Dtype::F16).to_vec::<f16>().unwrap().into_iter().map(f16::to_bits);
        assert_eq!(bits(0.0, 1.0).collect::<Vec<_>>(), [14807, 15092, 15098, 12969, 12793, 14439]);
        assert_eq!(bits(-2.0, 3.0).collect::<Vec<_>>(), [16026, 16560, 16568, 48044, 48196, 14852]);
        let bits = |low, high| u(low, high, Dtype::BF16).to_vec::<bf16>().unwrap().into_iter().map(bf16::to_bits);
        assert_eq!(bits(0.0, 1.0).collect::<Vec<_>>(), [16187, 16223, 16223, 15957, 15935, 16141]);
        assert_eq!(bits(-2.0, 3.0).collect::<Vec<_>>(), [16340, 16406, 16406, 49014, 49032, 16192]);
    });
}

#[test]
fn continuous_samples_are_those_of_mlx() {
    // `erfinv` and `log` differ from MLX's in the last places.
    everywhere(|| {
        let k = random::key(42);
        let cases = [(Dtype::F32, 2e-6), (Dtype::F16, 1e-3), (Dtype::BF16, 8e-3)];
        let normal = [2.2245307, 3.2451773, 3.2746646, -0.6254648, -0.780_809_4, 1.2524636];
        let truncated = [0.69375193, 1.127208, 1.1393220, -0.442_468_85, -0.491_815_54, 0.27688843];
        let gumbel = [1.1553133, 1.9647629, 1.9905405, -0.4506455, -0.517_994_64, 0.5151238];
        let laplace = [-0.2310313, -1.6817837, -1.7298534, 2.752355, 2.9710212, 0.788_275_3];
        for (dtype, relative) in cases {
            close(random::normal(&[6], dtype, 1.0, 2.0, Some(&k)), &normal, relative);
            // In half precision a sample of u is rounded before functions that magnify it are taken.
            close(random::truncated_normal(-1.0, 2.0, &[6], dtype, Some(&k)), &truncated, 2.0 * relative);
            close(random::gumbel(&[6], dtype, Some(&k)), &gumbel, 2.0 * relative);
            close(random::laplace(&[6], dtype, 1.0, 2.0, Some(&k)), &laplace, relative);
        }
        let two = random::normal(&[2], Dtype::F64, 0.0, 1.0, Some(&k)).unwrap().to_vec::<f64>().unwrap();
        assert!(two.iter().all(|x| x.is_finite()));
    });
}

#[test]
fn discrete_samples_are_those_of_mlx() {
    everywhere(|| {
        let k = random::key(42);
        let ints = |low: i64, high: i64, shape: &[usize]| {
            random::randint(low, high, shape, Dtype::I32, Some(&k)).unwrap().to_vec::<i32>().unwrap()
        };
        assert_eq!(ints(-5, 5, &[12]), [1, -4, -2, 4, -5, -3, 2, 0, -3, -2, -3, -3]);
        assert_eq!(ints(-1000, 1000, &[7]), [375, 199, -470, -218, 525, -431, -920]);
        assert_eq!(ints(5, -5, &[2]), [5, 5]);
        // Values of MLX 0.32.4 for bounds that float32 cannot tell apart, bounds of floats, and arrays of bounds.
        let near =
            random::randint((1i64 << 24) + 1, (1i64 << 24) + 6, &[6], Dtype::I64, Some(&random::key(3))).unwrap();
        assert_eq!(near.to_vec::<i64>().unwrap(), [16777218, 16777218, 16777218, 16777220, 16777220, 16777220]);
        let reals = random::randint(-2.5, 7.0, &[8], Dtype::I32, Some(&random::key(3))).unwrap();
        assert_eq!(reals.to_vec::<i32>().unwrap(), [0, 5, 5, 2, -2, -2, 5, 1]);
        let low = Array::from_slice(&[0i32, 10], &[2, 1]).unwrap();
        let high = Array::from_slice(&[5i32, 15, 50], &[3]).unwrap();
        let each = random::randint(&low, &high, &[2, 2, 3], Dtype::I16, Some(&random::key(5))).unwrap();
        assert_eq!(each.to_vec::<i16>().unwrap(), [0, 14, 25, 10, 12, 25, 0, 13, 28, 10, 10, 45]);
        assert!(random::randint(&low, &high, &[3], Dtype::I16, None).is_err());
        let coins = random::bernoulli(0.3, &[12], Some(&k)).unwrap().to_vec::<bool>().unwrap();
        let want = [false, true, false, false, true, true, false, false, true, false, true, true];
        assert_eq!(coins, want);
        assert_eq!(random::bernoulli(1.0, &[3], Some(&k)).unwrap().to_vec::<bool>().unwrap(), [true; 3]);
        let p = Array::from_slice(&[0.1f32, 0.2, 0.3, 0.4, 0.4, 0.3, 0.2, 0.1], &[2, 4]).unwrap();
        let logits = ops::log(&p).unwrap();
        let draw = |axis, shape| random::categorical(&logits, axis, shape, Some(&k)).unwrap().to_vec::<u32>().unwrap();
        assert_eq!(draw(-1, None), [1, 0]);
        assert_eq!(draw(-1, Some(&[3, 2][..])), [2, 1, 3, 3, 1, 2]);
        assert_eq!(draw(0, None), [1, 0, 0, 0]);
        let many = |axis, n| random::categorical_samples(&logits, axis, n, Some(&k)).unwrap().to_vec::<u32>().unwrap();
        assert_eq!(many(-1, 5), [3, 1, 2, 3, 3, 1, 0, 1, 1, 0]);
        assert_eq!(many(0, 3), [1, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0]);
        let order = random::permutation(10, Some(&k)).unwrap().to_vec::<u32>().unwrap();
        assert_eq!(order, [5, 2, 7, 1, 6, 8, 0, 9, 4, 3]);
        let rows = Array::from_slice(&[1i32, 2, 3, 4, 5, 6, 7, 8, 9], &[3, 3]).unwrap();
        let mixed = |axis| random::permutation_of(&rows, axis, Some(&k)).unwrap().to_vec::<i32>().unwrap();
        assert_eq!(mixed(0), [7, 8, 9, 4, 5, 6, 1, 2, 3]);
        assert_eq!(mixed(1), [3, 2, 1, 6, 5, 4, 9, 8, 7]);
    });
}

/// One test, since the sequence belongs to the process.
#[test]
fn the_sequence_of_keys() {
    everywhere(|| {
        random::seed(42);
        assert_eq!(random::state().to_vec::<u32>().unwrap(), [0, 42]);
        close(random::uniform(0.0, 1.0, &[2], Dtype::F32, None), &[0.955_981_25, 0.403_272_57], 0.0);
        assert_eq!(random::state().to_vec::<u32>().unwrap(), [2465931498, 3679230171]);
        close(random::uniform(0.0, 1.0, &[2], Dtype::F32, None), &[0.537_103_95, 0.104_098_655], 0.0);
        let here = random::state();
        let a = floats(random::normal(&[3], Dtype::F32, 0.0, 1.0, None));
        random::set_state(&here).unwrap();
        assert_eq!(floats(random::normal(&[3], Dtype::F32, 0.0, 1.0, None)), a);
        assert!(random::set_state(&Array::scalar(1, Dtype::I32)).is_err());
    });
}

#[test]
fn a_batch_of_keys_is_a_loop() {
    everywhere(|| {
        let keys = random::split(&random::key(3), 4).unwrap();
        let draw = |k: &[Array]| Ok(vec![random::normal(&[5], Dtype::F32, 0.0, 1.0, Some(&k[0]))?]);
        let all = transforms::vmap(draw)(&[keys.clone()]).unwrap()[0].to_vec::<f32>().unwrap();
        let one = |i| draw(&[ops::take_index(&keys, i, 0).unwrap()]).unwrap()[0].to_vec::<f32>().unwrap();
        assert_eq!(all, (0..4).flat_map(one).collect::<Vec<_>>());
    });
}
