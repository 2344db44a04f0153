//! Model directories: what is saved loads back; every defect is named.

mod tiny;

use isobit::{Array, Dtype, io, ops};
use isobit_lm::{load, save};
use isobit_nn::{Module, Params};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tiny::Directory;

fn bits(params: &Params) -> BTreeMap<String, Vec<u8>> {
    params.iter().map(|(k, a)| (k.clone(), a.to_bytes().unwrap())).collect()
}

fn saved() -> Directory {
    let dir = Directory::new();
    save(dir.path(), &tiny::model(false), &tiny::tokenizer(), Dtype::F32).unwrap();
    dir
}

fn error(dir: &Path) -> String {
    load(dir).err().expect("loading should have failed").to_string()
}

/// Writes the weights of a saved model again, changed.
fn with_weights(change: impl FnOnce(&mut Params)) -> String {
    let dir = saved();
    let path = dir.path().join("model.safetensors");
    let mut weights = io::load_safetensors(&path).unwrap().0;
    change(&mut weights);
    io::save_safetensors(&path, &weights, &BTreeMap::new()).unwrap();
    error(dir.path())
}

#[test]
fn a_saved_model_loads_back() {
    let dir = saved();
    let back = load(dir.path()).unwrap();
    assert_eq!(bits(&back.model.parameters()), bits(&tiny::model(false).parameters()));
    assert_eq!(back.model.config(), &tiny::config(false));
    assert_eq!(back.tokenizer.encode("fn op_3").unwrap(), tiny::tokenizer().encode("fn op_3").unwrap());

    let dir = Directory::new();
    save(dir.path(), &tiny::model(true), &tiny::tokenizer(), Dtype::BF16).unwrap();
    let back = load(dir.path()).unwrap();
    assert_eq!(back.model.dtype(), Dtype::BF16);
    let mut want = tiny::model(true);
    want.set_dtype(Dtype::BF16).unwrap();
    assert_eq!(bits(&back.model.parameters()), bits(&want.parameters()));
}

/// Replaces the single file by two shards and an index.
fn shard(dir: &Path) {
    let (weights, about) = io::load_safetensors(dir.join("model.safetensors")).unwrap();
    let mut map = Vec::new();
    for (i, name) in ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"].iter().enumerate() {
        let part: Params =
            weights.iter().enumerate().filter(|(n, _)| n % 2 == i).map(|(_, (k, a))| (k.clone(), a.clone())).collect();
        map.extend(part.keys().map(|k| format!("\"{k}\": \"{name}\"")));
        io::save_safetensors(dir.join(name), &part, &about).unwrap();
    }
    let index = format!("{{\"metadata\": {{\"total_size\": 0}}, \"weight_map\": {{{}}}}}", map.join(", "));
    fs::write(dir.join("model.safetensors.index.json"), index).unwrap();
    fs::remove_file(dir.join("model.safetensors")).unwrap();
}

#[test]
fn shards_are_put_together() {
    let dir = saved();
    shard(dir.path());
    assert_eq!(bits(&load(dir.path()).unwrap().model.parameters()), bits(&tiny::model(false).parameters()));

    let second = dir.path().join("model-00002-of-00002.safetensors");
    let index = dir.path().join("model.safetensors.index.json");
    let text = fs::read_to_string(&index).unwrap();
    // Without the index all files count, and none may repeat what another has.
    fs::remove_file(&index).unwrap();
    assert_eq!(bits(&load(dir.path()).unwrap().model.parameters()), bits(&tiny::model(false).parameters()));
    let third = dir.path().join("model-00003-of-00003.safetensors");
    fs::copy(&second, &third).unwrap();
    assert!(error(dir.path()).contains("model-00003-of-00003.safetensors: model.embed_tokens.weight is in an earlier"));
    fs::remove_file(&third).unwrap();
    fs::write(
        &index,
        text.replace("\"model.norm.weight\": \"model-00001", "\"model.norm.weight\": \"model-00002")
            .replace("\"lm_head.weight\": \"model-00002", "\"lm_head.weight\": \"model-00001"),
    )
    .unwrap();
    let e = error(dir.path());
    assert!(e.contains("the index places") || e.contains("is not in the index"), "{e}");
    fs::write(&index, text.replace("model-00002-of", "../model-00002-of")).unwrap();
    assert!(error(dir.path()).contains("expected a file name"));
    fs::write(&index, "{}").unwrap();
    assert!(error(dir.path()).contains("missing object `weight_map`"));
    fs::write(&index, &text).unwrap();
    let whole = fs::read(&second).unwrap();
    fs::write(&second, &whole[..whole.len() - 100]).unwrap();
    let e = error(dir.path());
    assert!(e.contains("model-00002-of-00002.safetensors") && e.contains("truncated"), "{e}");
    fs::remove_file(&second).unwrap();
    assert!(error(dir.path()).contains("model-00002-of-00002.safetensors"));
}

#[test]
fn missing_and_truncated_files_are_named() {
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        let dir = saved();
        let path = dir.path().join(name);
        let whole = fs::read(&path).unwrap();
        for len in [whole.len() / 2, 5, 0] {
            fs::write(&path, &whole[..len]).unwrap();
            let e = error(dir.path());
            assert!(e.contains(name), "{name} cut to {len}: {e}");
        }
        fs::remove_file(&path).unwrap();
        assert!(error(dir.path()).contains(name));
    }
    assert!(error(Path::new("/nowhere/at/all")).contains("not a directory"));
}

#[test]
fn end_tokens_of_generation_config_count() {
    let dir = saved();
    let path = dir.path().join("generation_config.json");
    fs::write(&path, "{\"eos_token_id\": [7, 0], \"do_sample\": true}").unwrap();
    assert_eq!(load(dir.path()).unwrap().model.config().eos_token_ids, [7, 0]);
    for (text, want) in [("{\"eos_token_id\": 320}", "expected less than 320, got 320"), ("{", "not JSON")] {
        fs::write(&path, text).unwrap();
        let e = error(dir.path());
        assert!(e.contains("generation_config.json") && e.contains(want), "{e}");
    }
}

#[test]
fn wrong_tensors_are_named() {
    let norm = "model.norm.weight".to_owned();
    let e = with_weights(|w| drop(w.remove(&norm)));
    assert!(e.contains("missing tensors: model.norm.weight"), "{e}");
    let e = with_weights(|w| drop(w.insert("model.extra".into(), w[&norm].clone())));
    assert!(e.contains("unexpected tensors: model.extra"), "{e}");
    let e = with_weights(|w| drop(w.insert(norm.clone(), ops::ones(&[47], Dtype::F32).unwrap())));
    assert!(e.contains("model.norm.weight: expected shape [48], got [47]"), "{e}");
    let e = with_weights(|w| drop(w.insert(norm.clone(), Array::from_slice(&[1i32; 48], &[48]).unwrap())));
    assert!(e.contains("model.norm.weight: expected a floating dtype, got int32"), "{e}");
}

#[test]
fn a_config_of_another_model_is_refused() {
    let dir = saved();
    let path = dir.path().join("config.json");
    let text = fs::read_to_string(&path).unwrap();
    for (from, to, want) in [
        ("Qwen3ForCausalLM", "GPT2LMHeadModel", "architectures: expected [\"Qwen3ForCausalLM\"] or"),
        ("\"hidden_size\": 48", "\"hidden_size\": 64", "expected shape"),
        ("\"vocab_size\": 320", "\"vocab_size\": 280", "the tokenizer has 320 tokens, the model only 280"),
        ("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3", "missing tensors: model.layers.2"),
        ("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 2000000000", "missing tensors: model.layers.1999999999"),
    ] {
        fs::write(&path, text.replace(from, to)).unwrap();
        let e = error(dir.path());
        assert!(e.contains(want), "{to}: {e}");
    }
}
