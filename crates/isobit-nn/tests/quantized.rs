//! Quantized layers, mixtures of experts and the quantized cache: against definitions in f64 and against their parts,
//! bit for bit.

use isobit::fast::{self, Mask};
use isobit::quant::{Format, Mode};
use isobit::{Array, Dtype, ops};
use isobit_nn::init::{self, Keys};
use isobit_nn::{
    Activations, Attention, AttentionShape, Embedding, KvCache, Linear, MLP, MaybeQuantized, Module, MoeShape,
    SparseMoe, SwitchLinear, functional, quantize, set_activations,
};

fn format(mode: Mode, bits: usize) -> Format {
    let group = (mode == Mode::Affine).then_some(32);
    Format::new(mode, group, Some(bits)).unwrap()
}

fn all_formats() -> Vec<Format> {
    let affine = [2, 3, 4, 5, 6, 8].map(|bits| format(Mode::Affine, bits));
    affine.into_iter().chain([format(Mode::Mxfp4, 4), format(Mode::Mxfp8, 8), format(Mode::Nvfp4, 4)]).collect()
}

fn random(shape: &[usize], seed: u64) -> Array {
    init::normal(shape, 0.0, 1.0, Dtype::F32, &Keys::new(seed).unwrap().next().unwrap()).unwrap()
}

fn f64s(a: &Array) -> Vec<f64> {
    ops::astype(a, Dtype::F64).unwrap().to_vec::<f64>().unwrap()
}

fn bits(a: &Array) -> Vec<u8> {
    a.to_bytes().unwrap()
}

fn close(got: &Array, want: &[f64], bound: f64) {
    let got = f64s(got);
    assert_eq!(got.len(), want.len());
    let size = want.iter().fold(1e-6, |m: f64, x| m.max(x.abs()));
    for (g, w) in got.iter().zip(want) {
        assert!((g - w).abs() <= bound * size, "{g} {w} of {size}");
    }
}

#[test]
fn a_tree_is_quantized_with_exceptions() {
    let mut mlp = MLP::new(64, 96, &mut Keys::new(1).unwrap()).unwrap();
    let (base, other) = (format(Mode::Affine, 4), format(Mode::Mxfp8, 8));
    quantize(&mut mlp, |path| match path {
        "up_proj" => None,
        "down_proj" => Some(other),
        _ => Some(base),
    })
    .unwrap();
    let names: Vec<String> = mlp.parameters().into_keys().collect();
    let want = [
        "down_proj.scales",
        "down_proj.weight",
        "gate_proj.biases",
        "gate_proj.scales",
        "gate_proj.weight",
        "up_proj.weight",
    ];
    assert_eq!(names, want);
    let p = mlp.parameters();
    assert_eq!((p["gate_proj.weight"].dtype(), p["gate_proj.weight"].shape()), (Dtype::U32, &[96, 8][..]));
    assert_eq!((p["down_proj.scales"].dtype(), p["down_proj.scales"].shape()), (Dtype::U8, &[64, 3][..]));
    assert_eq!(mlp.forward(&random(&[3, 64], 2)).unwrap().shape(), [3, 64]);

    let mut formats = Vec::new();
    mlp.visit_quantizable(&mut isobit_nn::Path::new(), &mut |path, layer| {
        formats.push((path.to_owned(), layer.weight_shape(), layer.format()));
    });
    assert_eq!(
        formats,
        [
            ("gate_proj".to_owned(), vec![96, 64], Some(base)),
            ("up_proj".to_owned(), vec![96, 64], None),
            ("down_proj".to_owned(), vec![64, 96], Some(other)),
        ]
    );
    // A file's arrays fit, floats of another dtype too; codes of another dtype do not.
    let mut values = mlp.parameters();
    for name in ["gate_proj.scales", "gate_proj.biases", "up_proj.weight"] {
        values.insert(name.to_owned(), ops::astype(&values[name], Dtype::BF16).unwrap());
    }
    mlp.load(&values).unwrap();
    values.insert("gate_proj.weight".to_owned(), ops::zeros(&[96, 8], Dtype::I32).unwrap());
    let e = mlp.load(&values).unwrap_err().to_string();
    assert!(e.contains("gate_proj.weight: expected uint32, got int32"), "{e}");
}

#[test]
fn what_cannot_be_quantized_is_named_and_nothing_changes() {
    let mut mlp = MLP::new(64, 80, &mut Keys::new(1).unwrap()).unwrap();
    let e = quantize(&mut mlp, |_| Some(format(Mode::Affine, 4))).unwrap_err().to_string();
    assert!(e.contains("down_proj: groups of 32 do not divide the 80 inputs"), "{e}");
    assert!(mlp.gate_proj.as_float().is_some());
    quantize(&mut mlp, |path| (path == "up_proj").then_some(format(Mode::Affine, 4))).unwrap();
    let e = quantize(&mut mlp, |path| (path != "down_proj").then_some(format(Mode::Affine, 4))).unwrap_err();
    assert!(e.to_string().contains("up_proj: the layer is quantized already"), "{e}");
    assert!(mlp.gate_proj.as_float().is_some() && mlp.up_proj.as_quantized().is_some());
}

#[test]
fn linear_and_embedding_are_those_of_the_dequantized_matrix() {
    let x = random(&[2, 5, 64], 3);
    for format in all_formats() {
        let layer = Linear::new(64, 7, true, &mut Keys::new(4).unwrap()).unwrap();
        let q = ops::quantize(&layer.weight, format, None).unwrap();
        let w = ops::dequantize(&q.codes, &q.scales, q.biases.as_ref(), format, None, Some(Dtype::F32)).unwrap();
        let (w, b, rows) = (f64s(&w), f64s(layer.bias.as_ref().unwrap()), f64s(&x));
        let dot = |r: &[f64], o: usize| r.iter().zip(&w[o * 64..]).map(|(a, b)| a * b).sum::<f64>() + b[o];
        let want: Vec<f64> =
            rows.chunks(64).flat_map(|r| (0..7).map(move |o| (r, o))).map(|(r, o)| dot(r, o)).collect();
        let mut layer = MaybeQuantized::from(layer);
        isobit_nn::Quantizable::quantize(&mut layer, format).unwrap();
        let y = layer.forward(&x).unwrap();
        assert_eq!(y.shape(), [2, 5, 7]);
        close(&y, &want, 1e-5);
        assert!(layer.forward(&random(&[2, 32], 1)).is_err());

        let table = Embedding { weight: random(&[9, 64], 5) };
        let q = ops::quantize(&table.weight, format, None).unwrap();
        let all = ops::dequantize(&q.codes, &q.scales, q.biases.as_ref(), format, None, None).unwrap();
        let mut table = MaybeQuantized::from(table);
        isobit_nn::Quantizable::quantize(&mut table, format).unwrap();
        let at = Array::from_slice(&[3i32, 0, 8, 3, 1, 1], &[2, 3]).unwrap();
        let rows = table.forward(&at).unwrap();
        assert_eq!((rows.shape(), rows.dtype()), (&[2, 3, 64][..], table.dtype()));
        assert_eq!(bits(&rows), bits(&ops::take(&all, &at, 0).unwrap()));
        assert_eq!(table.as_linear(&x).unwrap().shape(), [2, 5, 9]);
        assert!(table.forward(&x).is_err());
    }
}

#[test]
fn activations_are_a_setting_of_the_layer() {
    let x = random(&[3, 64], 3);
    let mut mlp = MLP::new(64, 96, &mut Keys::new(1).unwrap()).unwrap();
    let floats = bits(&mlp.forward(&x).unwrap());
    // A layer of floats takes no notice.
    set_activations(&mut mlp, |_| Some(Activations::Int8)).unwrap();
    assert!(bits(&mlp.forward(&x).unwrap()) == floats);
    quantize(&mut mlp, |_| Some(format(Mode::Affine, 4))).unwrap();
    let names: Vec<String> = mlp.parameters().into_keys().collect();
    let exact = mlp.forward(&x).unwrap();
    assert_eq!(mlp.up_proj.as_quantized().unwrap().activations(), Activations::Exact);
    set_activations(&mut mlp, |path| (path != "up_proj").then_some(Activations::Int8)).unwrap();
    assert_eq!(mlp.up_proj.as_quantized().unwrap().activations(), Activations::Exact);
    assert_eq!(mlp.down_proj.as_quantized().unwrap().activations(), Activations::Int8);
    let rounded = mlp.forward(&x).unwrap();
    assert!(bits(&rounded) != bits(&exact));
    close(&rounded, &f64s(&exact), 2e-2);
    assert_eq!(mlp.parameters().into_keys().collect::<Vec<_>>(), names);
    set_activations(&mut mlp, |_| Some(Activations::Exact)).unwrap();
    assert!(bits(&mlp.forward(&x).unwrap()) == bits(&exact));

    // Codes that are no integers: an error that names the layer, and nothing is changed.
    let mut mlp = MLP::new(64, 96, &mut Keys::new(1).unwrap()).unwrap();
    let mxfp8 = |path: &str| if path == "down_proj" { format(Mode::Mxfp8, 8) } else { format(Mode::Affine, 4) };
    quantize(&mut mlp, |path| Some(mxfp8(path))).unwrap();
    let e = set_activations(&mut mlp, |_| Some(Activations::Int8)).unwrap_err().to_string();
    assert!(e.contains("down_proj: the codes of mxfp8 are no integers"), "{e}");
    assert_eq!(mlp.gate_proj.as_quantized().unwrap().activations(), Activations::Exact);

    let mut table = MaybeQuantized::from(Embedding { weight: random(&[9, 64], 5) });
    isobit_nn::Quantizable::quantize(&mut table, format(Mode::Nvfp4, 4)).unwrap();
    let scores = table.as_linear(&x).unwrap();
    isobit_nn::Quantizable::set_activations(&mut table, Activations::Int8).unwrap();
    let rounded = table.as_linear(&x).unwrap();
    assert!(bits(&rounded) != bits(&scores));
    close(&rounded, &f64s(&scores), 2e-2);
}

/// Rows of `x` through the weights of each chosen expert, one product at a time.
fn one_by_one(x: &[Array], experts: &[Vec<i32>], map: impl Fn(&Array, i32) -> Array) -> Vec<u8> {
    let each = x.iter().zip(experts).flat_map(|(row, chosen)| chosen.iter().map(move |&e| (row, e)));
    each.flat_map(|(row, e)| bits(&map(row, e))).collect()
}

#[test]
fn switched_maps_have_the_bits_of_single_ones() {
    let chosen: Vec<Vec<i32>> = (0..70).map(|i| vec![i * 7 % 5, (i * i + 1) % 5, 2]).collect();
    let flat: Vec<i32> = chosen.concat();
    let experts = Array::from_slice(&flat, &[70, 3]).unwrap();
    for dtype in [Dtype::F32, Dtype::BF16] {
        let x = ops::astype(&random(&[70, 64], 6), dtype).unwrap();
        let rows: Vec<Array> = (0..70).map(|i| ops::slice(&x, &[i, 0], &[i + 1, 64], &[1, 1]).unwrap()).collect();
        let mut layer = SwitchLinear::new(5, 64, 9, &mut Keys::new(7).unwrap()).unwrap();
        layer.set_dtype(dtype).unwrap();
        let matrix = |a: &Array, e: i32| ops::take_index(a, e as usize, 0).unwrap();
        let want =
            one_by_one(&rows, &chosen, |row, e| functional::linear(row, &matrix(&layer.weight, e), None).unwrap());
        let y = layer.forward(&x, &experts).unwrap();
        assert_eq!((y.shape(), y.dtype()), (&[70, 3, 9][..], dtype));
        assert!(bits(&y) == want, "{dtype}");
        // A row of its own for every expert, and leading axes.
        let spread = ops::repeat(&ops::expand_dims(&x, 1).unwrap(), 3, 1).unwrap();
        assert!(bits(&layer.forward(&spread, &experts).unwrap()) == want);
        let shaped = ops::reshape(&x, &[2, 35, 64]).unwrap();
        let y = layer.forward(&shaped, &ops::reshape(&experts, &[2, 35, 3]).unwrap()).unwrap();
        assert!(y.shape() == [2, 35, 3, 9] && bits(&y) == want);

        for format in all_formats() {
            let mut q = MaybeQuantized::from(layer.clone());
            isobit_nn::Quantizable::quantize(&mut q, format).unwrap();
            for activations in [Activations::Exact, Activations::Int8] {
                if isobit_nn::Quantizable::set_activations(&mut q, activations).is_err() {
                    assert!(activations == Activations::Int8 && format.mode() == Mode::Mxfp8);
                    continue;
                }
                let parts = q.as_quantized().unwrap();
                let want = one_by_one(&rows, &chosen, |row, e| {
                    let biases = parts.biases.as_ref().map(|b| matrix(b, e));
                    let (codes, scales) = (matrix(&parts.weight, e), matrix(&parts.scales, e));
                    let (biases, activations) = (biases.as_ref(), parts.activations());
                    let w = functional::QuantizedWeight { codes: &codes, scales: &scales, biases, format, activations };
                    functional::quantized_linear(row, &w, None).unwrap()
                });
                assert!(bits(&q.forward(&x, &experts).unwrap()) == want, "{dtype} {format:?} {activations:?}");
            }
        }
    }
    let mut layer = SwitchLinear::new(5, 64, 9, &mut Keys::new(7).unwrap()).unwrap();
    let x = random(&[70, 64], 6);
    let plain = f64s(&layer.forward(&x, &experts).unwrap());
    layer.bias = Some(random(&[5, 9], 8));
    let b = f64s(layer.bias.as_ref().unwrap());
    let want: Vec<f64> = plain.iter().enumerate().map(|(i, y)| y + b[flat[i / 9] as usize * 9 + i % 9]).collect();
    close(&layer.forward(&x, &experts).unwrap(), &want, 1e-6);
    assert!(layer.forward(&random(&[69, 64], 6), &experts).is_err());
    assert!(layer.forward(&random(&[70, 32], 6), &experts).is_err());
    let none = layer.forward(&random(&[0, 64], 6), &ops::zeros(&[0, 3], Dtype::I32).unwrap()).unwrap();
    assert_eq!(none.shape(), [0, 3, 9]);
}

#[test]
fn a_mixture_follows_its_definition() {
    for normalize in [true, false] {
        let shape = MoeShape { width: 16, hidden: 24, experts: 6, chosen: 2, normalize };
        let moe = SparseMoe::new(shape, &mut Keys::new(9).unwrap()).unwrap();
        let p = moe.parameters();
        let names: Vec<&str> = p.keys().map(String::as_str).collect();
        let proj = ["down", "gate", "up"].map(|n| format!("switch_mlp.{n}_proj.weight"));
        assert_eq!(names, ["gate.weight", &proj[0], &proj[1], &proj[2]]);
        let x = random(&[2, 4, 16], 10);
        let (router, rows) = (f64s(&p["gate.weight"]), f64s(&x));
        let [down, gate, up] = [0, 1, 2].map(|i| f64s(&p[&proj[i]]));
        let project = |x: &[f64], w: &[f64]| -> Vec<f64> {
            w.chunks(x.len()).map(|r| r.iter().zip(x).map(|(a, b)| a * b).sum()).collect()
        };
        let mut want = Vec::new();
        for row in rows.chunks(16) {
            let scores: Vec<f64> = project(row, &router).into_iter().map(f64::exp).collect();
            let total: f64 = scores.iter().sum();
            let mut order: Vec<usize> = (0..6).collect();
            order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
            let kept: f64 = order[..2].iter().map(|&e| scores[e]).sum();
            let mut out = vec![0.0; 16];
            for &e in &order[..2] {
                let weight = scores[e] / if normalize { kept } else { total };
                let (g, u) = (project(row, &gate[e * 384..][..384]), project(row, &up[e * 384..][..384]));
                let inner: Vec<f64> = g.iter().zip(u).map(|(g, u)| g / (1.0 + (-g).exp()) * u).collect();
                out.iter_mut().zip(project(&inner, &down[e * 384..][..384])).for_each(|(o, y)| *o += weight * y);
            }
            want.extend(out);
        }
        close(&moe.forward(&x).unwrap(), &want, 1e-5);
        let (experts, weights) = moe.route(&x).unwrap();
        assert_eq!((experts.shape(), weights.shape()), (&[2, 4, 2][..], &[2, 4, 2][..]));
    }
    // All scores equal: the first experts.
    let shape = MoeShape { width: 16, hidden: 24, experts: 6, chosen: 4, normalize: true };
    let zeros = SparseMoe::zeros(shape, Dtype::F32).unwrap();
    let (experts, _) = zeros.route(&random(&[1, 16], 1)).unwrap();
    assert_eq!(ops::astype(&experts, Dtype::I32).unwrap().to_vec::<i32>().unwrap(), [0, 1, 2, 3]);
    assert!(SparseMoe::zeros(MoeShape { chosen: 7, ..shape }, Dtype::F32).is_err());
    assert!(SparseMoe::zeros(MoeShape { chosen: 0, ..shape }, Dtype::F32).is_err());
}

#[test]
fn a_row_of_a_mixture_does_not_depend_on_the_others() {
    let shape = MoeShape { width: 64, hidden: 96, experts: 8, chosen: 3, normalize: true };
    let (affine, mxfp4) = (Some(format(Mode::Affine, 4)), Some(format(Mode::Mxfp4, 4)));
    for (format, activations) in [
        (None, Activations::Exact),
        (affine, Activations::Exact),
        (affine, Activations::Int8),
        (mxfp4, Activations::Exact),
        (mxfp4, Activations::Int8),
    ] {
        for dtype in [Dtype::F32, Dtype::F16, Dtype::BF16] {
            let mut moe = SparseMoe::new(shape, &mut Keys::new(9).unwrap()).unwrap();
            moe.set_dtype(dtype).unwrap();
            quantize(&mut moe, |_| format).unwrap();
            set_activations(&mut moe, |_| Some(activations)).unwrap();
            let x = ops::astype(&random(&[67, 64], 10), dtype).unwrap();
            let all = bits(&moe.forward(&x).unwrap());
            let size = all.len() / 67;
            for i in [0, 1, 13, 66] {
                let row = ops::slice(&x, &[i, 0], &[i + 1, 64], &[1, 1]).unwrap();
                let alone = bits(&moe.forward(&row).unwrap());
                assert!(alone == all[i as usize * size..][..size], "{format:?} {activations:?} {dtype} row {i}");
            }
        }
    }
}

#[test]
fn a_quantized_cache_keeps_the_same_codes_for_any_division() {
    let (k, v) = (random(&[2, 3, 70, 64], 11), random(&[2, 3, 70, 64], 12));
    let part = |a: &Array, from: isize, to: isize| ops::slice(a, &[0, 0, from, 0], &[2, 3, to, 64], &[1; 4]).unwrap();
    for (width, group) in [(4, 32), (4, 64), (8, 32), (8, 64), (2, 64), (3, 32), (5, 64), (6, 32)] {
        let format = Format::new(Mode::Affine, Some(group), Some(width)).unwrap();
        let back = |a: &Array| {
            let q = ops::quantize(a, format, None).unwrap();
            ops::dequantize(&q.codes, &q.scales, q.biases.as_ref(), format, None, None).unwrap()
        };
        for cuts in [vec![70], vec![1; 70], vec![3, 60, 1, 6]] {
            let (mut cache, mut n) = (KvCache::quantized(format).unwrap(), 0);
            let mut last = None;
            for c in cuts {
                last = Some(cache.update(&part(&k, n, n + c), &part(&v, n, n + c)).unwrap());
                n += c;
            }
            let (keys, values) = last.unwrap();
            assert!(bits(&keys) == bits(&back(&k)) && bits(&values) == bits(&back(&v)));
            assert_eq!((cache.len(), cache.format()), (70, Some(format)));
        }
        let error = f64s(&ops::subtract(&back(&k), &k).unwrap()).into_iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        assert!(
            error < 8.0 / f64::from((1 << width) - 1),
            "half a step of a range below 8 and its rounded edge: {error}"
        );
    }
}

#[test]
fn attention_over_a_quantized_cache() {
    let format = Format::new(Mode::Affine, Some(32), Some(8)).unwrap();
    let (q, k, v) = (random(&[1, 4, 5, 32], 1), random(&[1, 2, 5, 32], 2), random(&[1, 2, 5, 32], 3));
    let mut cache = KvCache::quantized(format).unwrap();
    let got = cache.attend(&q, &k, &v, 0.2, Mask::Causal).unwrap();
    let (keys, values) = KvCache::quantized(format).unwrap().update(&k, &v).unwrap();
    let want = fast::scaled_dot_product_attention(&q, &keys, &values, 0.2, Mask::Causal, None).unwrap();
    assert_eq!(bits(&got), bits(&want));
    let plain = fast::scaled_dot_product_attention(&q, &k, &v, 0.2, Mask::Causal, None).unwrap();
    close(&got, &f64s(&plain), 0.02);

    let mut floats = KvCache::new();
    floats.attend(&q, &k, &v, 0.2, Mask::Causal).unwrap();
    // Of 32 floats 32 codes of a byte, a scale and a bias.
    assert_eq!(cache.nbytes() * 128, floats.nbytes() * 40);

    // A shared prefix, a shorter one, mistakes.
    let mut copy = cache.clone();
    copy.attend(&q, &v, &k, 0.2, Mask::Causal).unwrap().eval().unwrap();
    cache.truncate(5);
    let again = cache.attend(&q, &k, &v, 0.2, Mask::Causal).unwrap();
    let mut whole = KvCache::quantized(format).unwrap();
    whole.attend(&q, &k, &v, 0.2, Mask::Causal).unwrap();
    assert_eq!(bits(&again), bits(&whole.attend(&q, &k, &v, 0.2, Mask::Causal).unwrap()));
    let half = ops::astype(&k, Dtype::F16).unwrap();
    let e = cache.update(&half, &half).unwrap_err().to_string();
    assert!(e.contains("expected float32 [1, 2, L, 32], got float16 [1, 2, 5, 32]"), "{e}");
    assert_eq!(cache.len(), 10);
    for mode in [Mode::Mxfp4, Mode::Mxfp8, Mode::Nvfp4] {
        let e = KvCache::quantized(Format::new(mode, None, None).unwrap()).err().unwrap().to_string();
        assert!(e.contains("expected an affine format, got"), "{e}");
    }
}

#[test]
fn every_affine_format_decodes_as_it_prefills() {
    for group in [32, 64, 128] {
        for width in [2, 3, 4, 5, 6, 8] {
            let format = Format::new(Mode::Affine, Some(group), Some(width)).unwrap();
            let of = |heads, seed| ops::astype(&random(&[1, heads, 9, 2 * group], seed), Dtype::BF16).unwrap();
            let (q, k, v) = (of(4, 1), of(2, 2), of(2, 3));
            let mut whole = KvCache::quantized(format).unwrap();
            let want = bits(&whole.attend(&q, &k, &v, 0.1, Mask::Causal).unwrap());
            let mut cache = KvCache::quantized(format).unwrap();
            let mut rows = Vec::new();
            for (from, to) in [(0, 4), (4, 5), (5, 7), (7, 9)] {
                let part = |a: &Array| {
                    let heads = a.shape()[1] as isize;
                    ops::slice(a, &[0, 0, from, 0], &[1, heads, to, 2 * group as isize], &[1; 4]).unwrap()
                };
                rows.push(cache.attend(&part(&q), &part(&k), &part(&v), 0.1, Mask::Causal).unwrap());
            }
            assert!(bits(&ops::concatenate(&rows, 2).unwrap()) == want, "{format:?}");
            let half = k.nbytes() + v.nbytes();
            assert!(whole.nbytes() * 9 < half * 256, "{format:?}: less than as many tokens in half precision");
        }
    }
}

#[test]
fn a_width_that_groups_do_not_divide_is_filled_up_with_zeros() {
    for (dim, group, width) in
        [(48, 32, 4), (48, 64, 4), (48, 64, 8), (80, 32, 3), (20, 128, 5), (33, 64, 6), (1, 32, 2)]
    {
        let format = Format::new(Mode::Affine, Some(group), Some(width)).unwrap();
        let of = |heads, seed| ops::astype(&random(&[2, heads, 7, dim], seed), Dtype::BF16).unwrap();
        let (q, k, v) = (of(4, 1), of(2, 2), of(2, 3));
        let stored = KvCache::stored_width(format, dim);
        let filled = |a: &Array| {
            let shape = [2, a.shape()[1], 7, stored - dim];
            ops::concatenate(&[a.clone(), ops::zeros(&shape, a.dtype()).unwrap()], 3).unwrap()
        };
        let first = |a: &Array, width: usize| {
            let stop = [2, a.shape()[1] as isize, a.shape()[2] as isize, width as isize];
            ops::slice(a, &[0; 4], &stop, &[1; 4]).unwrap()
        };
        let mut wide = KvCache::quantized(format).unwrap();
        let want = first(&wide.attend(&filled(&q), &filled(&k), &filled(&v), 0.3, Mask::Causal).unwrap(), dim);
        let mut cache = KvCache::quantized(format).unwrap();
        let got = cache.attend(&q, &k, &v, 0.3, Mask::Causal).unwrap();
        assert_eq!((got.shape(), got.dtype()), (&[2, 4, 7, dim][..], Dtype::BF16));
        assert!(bits(&got) == bits(&want) && cache.nbytes() == wide.nbytes(), "{dim} {format:?}");

        // What the cache holds is what was stored of the elements that are there.
        let q0 = ops::quantize(&filled(&k), format, None).unwrap();
        let held = ops::dequantize(&q0.codes, &q0.scales, q0.biases.as_ref(), format, None, None).unwrap();
        let (keys, values) = KvCache::quantized(format).unwrap().update(&k, &v).unwrap();
        assert!(bits(&keys) == bits(&first(&held, dim)) && values.shape() == v.shape());

        // Decoding is prefilling, as for every width.
        let mut cache = KvCache::quantized(format).unwrap();
        let mut rows = Vec::new();
        for i in 0..7 {
            let part = |a: &Array| {
                let stop = [2, a.shape()[1] as isize, i + 1, dim as isize];
                ops::slice(a, &[0, 0, i, 0], &stop, &[1; 4]).unwrap()
            };
            rows.push(cache.attend(&part(&q), &part(&k), &part(&v), 0.3, Mask::Causal).unwrap());
        }
        assert!(bits(&ops::concatenate(&rows, 2).unwrap()) == bits(&got), "{dim} {format:?}");

        let other = random(&[2, 2, 1, dim + 1], 4);
        let e = cache.update(&other, &other).unwrap_err().to_string();
        assert!(e.contains(&format!("expected bfloat16 [2, 2, L, {dim}], got float32 [2, 2, 1, {}]", dim + 1)), "{e}");
        let narrow = random(&[2, 4, 7, dim + 3], 5);
        assert!(KvCache::quantized(format).unwrap().attend(&narrow, &k, &v, 0.3, Mask::Causal).is_err());
    }
}

#[test]
fn attention_layers_take_quantized_projections_and_caches() {
    let shape = AttentionShape {
        width: 64,
        heads: 4,
        kv_heads: 2,
        head_dim: 32,
        rope_base: 1e4,
        bias: true,
        qk_norm: Some(1e-6),
    };
    let mut layer = Attention::new(shape, &mut Keys::new(1).unwrap()).unwrap();
    quantize(&mut layer, |_| Some(format(Mode::Affine, 8))).unwrap();
    assert!(layer.parameters().contains_key("q_proj.bias") && layer.parameters().contains_key("q_proj.biases"));
    let x = random(&[1, 6, 64], 2);
    let mut whole = KvCache::quantized(format(Mode::Affine, 4)).unwrap();
    let want = bits(&layer.forward(&x, Mask::Causal, Some(&mut whole)).unwrap());
    let mut cache = KvCache::quantized(format(Mode::Affine, 4)).unwrap();
    let mut got = Vec::new();
    for i in 0..6 {
        let token = ops::slice(&x, &[0, i, 0], &[1, i + 1, 64], &[1; 3]).unwrap();
        got.extend(bits(&layer.forward(&token, Mask::Causal, Some(&mut cache)).unwrap()));
    }
    assert!(got == want);
}
