//! Quantized model directories: made, read back, read as others publish them, refused with one clear error.

mod tiny;

use isobit::quant::{Format, Mode};
use isobit::{Array, Dtype, io, ops};
use isobit_lm::{Quantization, Quantized, Qwen3, Recipe, Session, load, quantize_dir, save};
use isobit_nn::{Module, Params};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tiny::Directory;

fn bits(params: &Params) -> BTreeMap<String, Vec<u8>> {
    params.iter().map(|(k, a)| (k.clone(), a.to_bytes().unwrap())).collect()
}

/// A saved model of floats, with a file beside it that belongs to it and one that does not.
fn floats(sparse: bool) -> Directory {
    let dir = Directory::new();
    save(dir.path(), &tiny::of(tiny::wide_config(sparse)), &tiny::tokenizer(), Dtype::BF16).unwrap();
    fs::write(dir.path().join("tokenizer_config.json"), "{}").unwrap();
    fs::write(dir.path().join("notes.txt"), "not part of it").unwrap();
    dir
}

fn weights(dir: &Path) -> Params {
    io::load_safetensors(dir.join("model.safetensors")).unwrap().0
}

fn rewrite(dir: &Path, change: impl FnOnce(&mut Params)) {
    let mut all = weights(dir);
    change(&mut all);
    io::save_safetensors(dir.join("model.safetensors"), &all, &BTreeMap::new()).unwrap();
}

fn quantize(from: &Path, to: &Path, recipe: &Recipe) -> isobit::Result<Quantized> {
    quantize_dir(from, to, recipe, 1 << 30, |_, _| ())
}

fn refused(from: &Path, recipe: &Recipe) -> String {
    let place = Directory::new();
    let to = place.path().join("above").join("out");
    let e = quantize(from, &to, recipe).expect_err("this should have been refused").to_string();
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0, "{e}: something was left behind");
    e
}

fn scores(model: &Qwen3) -> Vec<f32> {
    let tokens: Vec<u32> = (0..23).map(|i| i * 37 % 320).collect();
    ops::astype(&Session::new(model).read(model, &tokens, 8).unwrap(), Dtype::F32).unwrap().to_vec::<f32>().unwrap()
}

/// The files of a directory with their contents.
fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(dir).unwrap().map(|e| e.unwrap());
    files.map(|e| (e.file_name().to_string_lossy().into_owned(), fs::read(e.path()).unwrap())).collect()
}

#[test]
fn a_directory_is_quantized_and_loads() {
    for sparse in [false, true] {
        for mode in [Mode::Affine, Mode::Mxfp4, Mode::Mxfp8, Mode::Nvfp4] {
            let format = Format::new(mode, (mode == Mode::Affine).then_some(32), None).unwrap();
            let (from, place) = (floats(sparse), Directory::new());
            let to = place.path().join("out");
            let mut recipe = Recipe::new(format);
            recipe.parse_override("layers.1.self_attn.*=8:32").unwrap();
            recipe.parse_override("v_proj=none").unwrap();
            let mut seen = 0;
            let done = quantize_dir(from.path(), &to, &recipe, 1 << 30, |done, total| {
                assert!(done <= total);
                seen = done;
            })
            .unwrap();
            assert_eq!(done.files, ["model.safetensors", "tokenizer.json", "tokenizer_config.json", "config.json"]);
            assert_eq!(done.layers.0 - done.layers.1, 2, "the two value projections stay");
            assert!(done.bytes.1 < done.bytes.0 && done.bits_per_weight < 12.0 && seen > 20, "{done:?}");

            // The same as in memory.
            let mut want = load(from.path()).unwrap().model;
            want.quantize(&done.quantization).unwrap();
            let got = load(&to).unwrap().model;
            assert!(bits(&got.parameters()) == bits(&want.parameters()), "{mode:?}");
            assert_eq!(got.config().quantization, want.config().quantization);
            assert_eq!(scores(&got), scores(&want));
            assert_eq!((got.dtype(), got.quantizable_layers()), (Dtype::BF16, want.quantizable_layers()));
            let stored = weights(&to);
            assert!(stored["model.layers.1.self_attn.q_proj.biases"].dtype() == Dtype::BF16);
            assert!(stored["model.layers.1.self_attn.v_proj.weight"].dtype() == Dtype::BF16);
            assert_eq!(stored.contains_key("model.layers.0.mlp.up_proj.biases"), mode == Mode::Affine);
            assert_eq!(stored["model.embed_tokens.weight"].dtype(), Dtype::U32);
            if sparse {
                let router = &stored["model.layers.1.mlp.gate.weight"];
                assert_eq!(router.shape(), [6, 16], "routers have 8 bits");
            }
            assert!(refused(&to, &recipe).contains("the model is quantized already"));
        }
    }
}

#[test]
fn the_same_input_gives_the_same_files() {
    let (from, place) = (floats(true), Directory::new());
    let (a, b) = (place.path().join("a"), place.path().join("b"));
    let recipe = Recipe::new(tiny::affine(4));
    quantize(from.path(), &a, &recipe).unwrap();
    let (threads, level) = (isobit::cpu::par::threads(), isobit::cpu::isa::level());
    isobit::cpu::par::set_threads(3);
    isobit::cpu::isa::set_level(isobit::cpu::isa::Level::Scalar);
    let done = quantize(from.path(), &b, &recipe);
    isobit::cpu::par::set_threads(threads);
    isobit::cpu::isa::set_level(level);
    done.unwrap();
    assert!(contents(&a) == contents(&b));
    let e = quantize(from.path(), &a, &recipe).unwrap_err().to_string();
    assert!(e.contains("exists and is not empty"), "{e}");
    assert!(contents(&a) == contents(&b));
    fs::create_dir(place.path().join("empty")).unwrap();
    quantize(from.path(), &place.path().join("empty"), &recipe).unwrap();
}

#[test]
fn large_models_come_in_several_files() {
    let (from, place) = (floats(true), Directory::new());
    let (one, many) = (place.path().join("one"), place.path().join("many"));
    let recipe = Recipe::new(tiny::affine(4));
    quantize(from.path(), &one, &recipe).unwrap();
    let done = quantize_dir(from.path(), &many, &recipe, 10_000, |_, _| ()).unwrap();
    let shards: Vec<&String> = done.files.iter().filter(|f| f.ends_with(".safetensors")).collect();
    assert!(shards.len() > 3 && *shards[0] == format!("model-00001-of-{:05}.safetensors", shards.len()), "{shards:?}");
    assert!(shards.iter().all(|f| fs::metadata(many.join(f)).unwrap().len() < 20_000));
    assert!(!many.join("model.safetensors").exists());
    assert!(bits(&load(&many).unwrap().model.parameters()) == bits(&weights(&one)));
    // A source in several files gives the same.
    let shards_in = Directory::new();
    let all = weights(from.path());
    let mut map = Vec::new();
    for (i, (name, a)) in all.iter().enumerate() {
        let file = format!("part-{}.safetensors", i % 3);
        map.push(format!("\"{name}\": \"{file}\""));
        let path = shards_in.path().join(&file);
        let mut part = if path.exists() { io::load_safetensors(&path).unwrap().0 } else { Params::new() };
        part.insert(name.clone(), a.clone());
        io::save_safetensors(&path, &part, &BTreeMap::new()).unwrap();
    }
    fs::write(
        shards_in.path().join("model.safetensors.index.json"),
        format!("{{\"weight_map\": {{{}}}}}", map.join(",")),
    )
    .unwrap();
    for name in ["config.json", "tokenizer.json", "tokenizer_config.json"] {
        fs::copy(from.path().join(name), shards_in.path().join(name)).unwrap();
    }
    let again = place.path().join("again");
    quantize(shards_in.path(), &again, &recipe).unwrap();
    assert!(contents(&again) == contents(&one));
}

/// The stacked experts of a model of floats, one tensor each as Hugging Face has them.
fn apart(all: &mut Params) {
    for proj in ["gate_proj", "up_proj", "down_proj"] {
        let stack = all.remove(&format!("model.layers.1.mlp.switch_mlp.{proj}.weight")).unwrap();
        for e in 0..6 {
            all.insert(
                format!("model.layers.1.mlp.experts.{e}.{proj}.weight"),
                ops::contiguous(&ops::take_index(&stack, e, 0).unwrap()).unwrap(),
            );
        }
    }
}

#[test]
fn experts_in_tensors_of_their_own_are_put_together() {
    let (from, place) = (floats(true), Directory::new());
    let want = bits(&load(from.path()).unwrap().model.parameters());
    let (a, b) = (place.path().join("a"), place.path().join("b"));
    quantize(from.path(), &a, &Recipe::new(tiny::affine(4))).unwrap();
    rewrite(from.path(), apart);
    assert!(weights(from.path()).contains_key("model.layers.1.mlp.experts.5.up_proj.weight"));
    assert!(bits(&load(from.path()).unwrap().model.parameters()) == want);
    quantize(from.path(), &b, &Recipe::new(tiny::affine(4))).unwrap();
    assert!(contents(&a) == contents(&b));

    let e5 = "model.layers.1.mlp.experts.5.up_proj.weight";
    rewrite(from.path(), |w| drop(w.insert(e5.to_owned(), ops::zeros(&[32, 32], Dtype::BF16).unwrap())));
    let e = load(from.path()).err().unwrap().to_string();
    assert!(e.contains("experts.5.up_proj.weight: expected bfloat16 [32, 64] as for the first expert"), "{e}");
    rewrite(from.path(), |w| drop(w.remove(e5)));
    let e = load(from.path()).err().unwrap().to_string();
    assert!(e.contains("missing tensors: model.layers.1.mlp.experts.5.up_proj.weight"), "{e}");
}

#[test]
fn layers_without_scales_are_floats_unless_config_says_otherwise() {
    let (from, place) = (floats(false), Directory::new());
    let to = place.path().join("out");
    let mut recipe = Recipe::new(tiny::affine(4));
    recipe.parse_override("down_proj=none").unwrap();
    quantize(from.path(), &to, &recipe).unwrap();
    // As older files have it: nothing but the format.
    let path = to.join("config.json");
    let config = fs::read_to_string(&path).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&config).unwrap();
    let map = json.as_object_mut().unwrap();
    map.remove("quantization_config");
    map.insert("quantization".to_owned(), serde_json::json!({"group_size": 32, "bits": 4}));
    fs::write(&path, json.to_string()).unwrap();
    let model = load(&to).unwrap().model;
    let q = model.config().quantization.clone().unwrap();
    assert_eq!(q.format_of("model.layers.0.mlp.down_proj"), None);
    assert_eq!(q.format_of("model.layers.0.mlp.up_proj"), Some(tiny::affine(4)));

    json["quantization"]["model.layers.0.mlp.down_proj"] = serde_json::json!({"group_size": 32, "bits": 4});
    fs::write(&path, json.to_string()).unwrap();
    let e = load(&to).err().unwrap().to_string();
    assert!(e.contains("missing tensors: model.layers.0.mlp.down_proj.biases"), "{e}");
    // A name that MLX passes over.
    json["quantization"] = serde_json::json!({"group_size": 32, "bits": 4, "model.layers.7.mlp.down_proj": false});
    fs::write(&path, json.to_string()).unwrap();
    assert!(scores(&load(&to).unwrap().model) == scores(&model));
}

#[test]
fn formats_that_config_does_not_name_are_read_off_the_tensors() {
    for sparse in [false, true] {
        let (from, place) = (floats(sparse), Directory::new());
        let to = place.path().join("out");
        let mut recipe = Recipe::new(tiny::affine(4));
        for text in ["q_proj=8:32", "k_proj=3:64", "v_proj=4:32:mxfp4", "o_proj=4:16:nvfp4", "up_proj=8:32:mxfp8"] {
            recipe.parse_override(text).unwrap();
        }
        quantize(from.path(), &to, &recipe).unwrap();
        let want = load(&to).unwrap().model;
        let path = to.join("config.json");
        let mut json: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        // Also if config.json names a format that no layer has.
        for format in
            [serde_json::json!({"group_size": 32, "bits": 4}), serde_json::json!({"group_size": 64, "bits": 6})]
        {
            json["quantization"] = format;
            fs::write(&path, json.to_string()).unwrap();
            let got = load(&to).unwrap().model;
            assert!(bits(&got.parameters()) == bits(&want.parameters()));
            assert_eq!(scores(&got), scores(&want));
            let (a, b) = (got.config().quantization.clone().unwrap(), want.config().quantization.clone().unwrap());
            for (layer, _) in want.quantizable_layers() {
                assert_eq!(a.format_of(&layer), b.format_of(&layer), "{layer}");
            }
        }
    }
}

#[test]
fn wrong_quantized_tensors_are_named() {
    let (from, place) = (floats(true), Directory::new());
    let to = place.path().join("out");
    quantize(from.path(), &to, &Recipe::new(tiny::affine(4))).unwrap();
    let good = weights(&to);
    let name = |part: &str| format!("model.layers.1.mlp.switch_mlp.up_proj.{part}");
    let error = |change: &dyn Fn(&mut Params)| {
        let mut all = good.clone();
        change(&mut all);
        io::save_safetensors(to.join("model.safetensors"), &all, &BTreeMap::new()).unwrap();
        load(&to).err().expect("loading should have failed").to_string()
    };
    let put = |part: &'static str, a: Array| move |w: &mut Params| drop(w.insert(name(part), a.clone()));
    let zeros = |shape: &[usize], dtype| ops::zeros(shape, dtype).unwrap();
    for (e, want) in [
        (error(&put("weight", zeros(&[6, 32, 8], Dtype::I32))), "weight: expected uint32, got int32"),
        (error(&put("weight", zeros(&[6, 32, 7], Dtype::U32))), "weight: expected shape [6, 32, 8], got [6, 32, 7]"),
        (error(&put("weight", zeros(&[6, 32, 64], Dtype::BF16))), "weight: expected shape [6, 32, 8]"),
        (error(&put("scales", zeros(&[6, 32, 1], Dtype::BF16))), "scales: expected shape [6, 32, 2]"),
        (error(&put("scales", zeros(&[6, 32, 2], Dtype::U8))), "scales: expected a floating dtype, got uint8"),
        (error(&|w| drop(w.remove(&name("biases")))), "missing tensors: model.layers.1.mlp.switch_mlp.up_proj.biases"),
        (error(&|w| drop(w.insert("x".into(), zeros(&[1], Dtype::F32)))), "unexpected tensors: x"),
    ] {
        assert!(e.contains(want), "{want}: {e}");
    }
    io::save_safetensors(to.join("model.safetensors"), &good, &BTreeMap::new()).unwrap();
    load(&to).unwrap();
    fs::copy(from.path().join("config.json"), to.join("config.json")).unwrap();
    let e = load(&to).err().unwrap().to_string();
    assert!(e.contains("the weights are quantized, but config.json has no `quantization`"), "{e}");
}

#[test]
fn what_cannot_be_quantized_is_refused() {
    let from = floats(false);
    let recipe = Recipe::new(tiny::affine(4));
    let e = refused(from.path(), &Recipe::new(Format::new(Mode::Affine, Some(128), None).unwrap()));
    assert!(e.contains("model.embed_tokens: groups of 128 do not divide its 64 inputs") && e.contains("=none"), "{e}");
    let mut odd = recipe.clone();
    odd.parse_override("experts.*=8:32").unwrap();
    assert!(refused(from.path(), &odd).contains("\"experts.*\" fits no layer"));
    assert!(refused(&from.path().join("gone"), &recipe).contains("not a directory"));

    let name = "model.layers.1.mlp.up_proj.weight";
    let good = weights(from.path())[name].clone();
    for value in [f64::NAN, f64::INFINITY] {
        let one = ops::full(&[1, 1], value, Dtype::BF16).unwrap();
        let bad = ops::slice_update(&good, &one, &[95, 63], &[96, 64], &[1, 1]).unwrap();
        rewrite(from.path(), |w| drop(w.insert(name.to_owned(), bad)));
        let e = refused(from.path(), &recipe);
        assert!(e.contains("model.layers.1.mlp.up_proj.weight: some values are not finite"), "{e}");
    }
    rewrite(from.path(), |w| drop(w.remove(name)));
    assert!(refused(from.path(), &recipe).contains("missing tensors: model.layers.1.mlp.up_proj.weight"));
    let mut model = tiny::of(tiny::wide_config(false));
    model.quantize(&Quantization::new(tiny::affine(4))).unwrap();
    assert!(model.quantize(&Quantization::new(tiny::affine(4))).is_err());
}

/// A mixture of experts made, quantized (router 8 bits, one projection left as it is) and saved by mlx-lm 0.32.2, with the
/// scores that MLX computes.
#[test]
fn a_checkpoint_as_mlx_publishes_it() {
    let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mlx-mixture");
    let dir = Directory::new();
    for name in ["config.json", "model.safetensors", "model.safetensors.index.json"] {
        fs::copy(published.join(name), dir.path().join(name)).unwrap();
    }
    fs::write(dir.path().join("tokenizer.json"), tiny::tokenizer().to_json().unwrap()).unwrap();
    let model = load(dir.path()).unwrap().model;
    let q = model.config().quantization.clone().unwrap();
    let at = |path: &str| q.format_of(path).map(|f| f.bits());
    assert_eq!(at("model.layers.1.mlp.gate"), Some(8));
    assert_eq!(at("model.layers.1.mlp.switch_mlp.up_proj"), Some(4));
    assert_eq!(at("model.layers.0.self_attn.v_proj"), None);

    let known = io::load_safetensors(published.join("scores.safetensors")).unwrap().0;
    let tokens = ops::expand_dims(&known["tokens"], 0).unwrap();
    let got = model.logits(&model.hidden(&tokens, None).unwrap()).unwrap().to_vec::<f32>().unwrap();
    let want = known["scores"].to_vec::<f32>().unwrap();
    let size = want.iter().fold(0f32, |m, x| m.max(x.abs()));
    assert!(size > 1.0);
    for (g, w) in got[got.len() - want.len()..].iter().zip(&want) {
        assert!((g - w).abs() < 1e-5 * size, "{g} {w}");
    }
}
