//! Training: the same bits on any number of threads, at any level, and through any interruption.

mod tiny;

use isobit::cpu::{isa, par};
use isobit::{Dtype, io};
use isobit_lm::{Settings, Trainer, load};
use isobit_nn::Module;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tiny::Directory;

/// Thread counts and levels are settings of the process.
static PROCESS: Mutex<()> = Mutex::new(());

fn settings(data: &Path) -> Settings {
    Settings {
        data: vec![data.to_owned()],
        seed: 11,
        steps: 12,
        batch: 4,
        block: 24,
        learning_rate: 3e-3,
        warmup: 2,
        weight_decay: 0.1,
        vocab: 320,
        hidden: 32,
        intermediate: 64,
        layers: 2,
        heads: 4,
        kv_heads: 2,
    }
}

fn data() -> (Directory, PathBuf) {
    let dir = Directory::new();
    let path = dir.path().join("data.txt");
    fs::write(&path, tiny::text()).unwrap();
    (dir, path)
}

fn weights(t: &Trainer) -> BTreeMap<String, Vec<u8>> {
    t.model().parameters().iter().map(|(k, a)| (k.clone(), a.to_bytes().unwrap())).collect()
}

fn steps(t: &mut Trainer, n: u64) {
    for _ in 0..n {
        t.step().unwrap();
    }
}

#[test]
fn threads_and_levels_do_not_change_a_bit() {
    let _guard = PROCESS.lock().unwrap();
    let (dir, path) = data();
    let run = |name: &str| {
        let mut t = Trainer::start(&dir.path().join(name), settings(&path)).unwrap();
        steps(&mut t, 3);
        (weights(&t), t.history().to_vec())
    };
    let (threads, level) = (par::threads(), isa::level());
    let want = run("reference");
    for n in [1, 2, 3, 7] {
        par::set_threads(n);
        assert!(run(&format!("threads-{n}")) == want, "{n} threads");
    }
    par::set_threads(threads);
    for l in isa::available() {
        assert!(isa::set_level(l));
        let got = run(l.name());
        isa::set_level(level);
        assert!(got == want, "level {}", l.name());
    }
}

#[test]
fn an_interrupted_run_ends_with_the_same_bits() {
    let _guard = PROCESS.lock().unwrap();
    let (dir, path) = data();
    let mut whole = Trainer::start(&dir.path().join("whole"), settings(&path)).unwrap();
    steps(&mut whole, 5);
    whole.measure_held_out().unwrap();
    steps(&mut whole, 4);

    let run = dir.path().join("parts");
    let mut part = Trainer::start(&run, settings(&path)).unwrap();
    steps(&mut part, 5);
    part.measure_held_out().unwrap();
    part.save_checkpoint(2).unwrap();
    // Lost work after the checkpoint.
    steps(&mut part, 2);
    drop(part);
    let mut part = Trainer::resume(&run).unwrap();
    assert_eq!(part.steps_done(), 5);
    steps(&mut part, 1);
    part.save_checkpoint(2).unwrap();
    let mut part = Trainer::resume(&run).unwrap();
    steps(&mut part, 3);
    assert!(weights(&part) == weights(&whole));
    assert_eq!(part.history(), whole.history());
    assert_eq!(part.settings(), whole.settings());

    part.save_checkpoint(2).unwrap();
    part.save_checkpoint(2).unwrap();
    let kept = fs::read_dir(run.join("checkpoints")).unwrap().count();
    assert_eq!(kept, 2);
    assert!(fs::read_to_string(run.join("loss.svg")).unwrap().contains("<polyline"));
    assert_eq!(fs::read_to_string(run.join("loss.csv")).unwrap().lines().count(), 10);
    part.save_model(Dtype::F32).unwrap();
    let model = load(&run).unwrap();
    let stored: BTreeMap<String, Vec<u8>> =
        model.model.parameters().iter().map(|(k, a)| (k.clone(), a.to_bytes().unwrap())).collect();
    assert!(stored == weights(&whole));
}

#[test]
fn the_loss_goes_down() {
    let _guard = PROCESS.lock().unwrap();
    let (dir, path) = data();
    let run = dir.path().join("run");
    let mut t =
        Trainer::start(&run, Settings { steps: 60, warmup: 5, learning_rate: 1e-2, ..settings(&path) }).unwrap();
    let first = t.step().unwrap();
    assert!((first.loss - (t.tokenizer().vocab_size() as f32).ln()).abs() < 0.3, "{}", first.loss);
    assert!(first.grad_norm > 0.0 && first.tokens == 96);
    steps(&mut t, 58);
    let last = t.step().unwrap();
    assert!(last.loss < 0.6 * first.loss, "{} {}", first.loss, last.loss);
    assert!(last.learning_rate < 0.1 * 1e-2);
    let held_out = t.measure_held_out().unwrap().unwrap();
    assert!(held_out < 0.8 * first.loss, "{held_out}");
}

#[test]
fn what_cannot_be_resumed_is_refused() {
    let _guard = PROCESS.lock().unwrap();
    let (dir, path) = data();
    let run = dir.path().join("run");
    let message = |r: isobit::Result<Trainer>| r.err().expect("this should have failed").to_string();
    assert!(message(Trainer::resume(&run)).contains("no checkpoint"));
    let mut t = Trainer::start(&run, settings(&path)).unwrap();
    steps(&mut t, 1);
    let file = t.save_checkpoint(2).unwrap();
    assert!(message(Trainer::start(&run, settings(&path))).contains("already holds a run"));

    fs::write(&path, format!("{} changed", tiny::text())).unwrap();
    assert!(message(Trainer::resume(&run)).contains("the data has changed"));
    fs::write(&path, tiny::text()).unwrap();
    Trainer::resume(&run).unwrap();

    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() - 8]).unwrap();
    let e = message(Trainer::resume(&run));
    assert!(e.contains("step-00000001.safetensors") && e.contains("truncated"), "{e}");
    fs::write(&file, &whole).unwrap();

    let (tensors, about) = io::load_safetensors(&file).unwrap();
    let changed = |name: &str, a: Option<isobit::Array>| {
        let mut all = tensors.clone();
        match a {
            Some(a) => drop(all.insert(name.to_owned(), a)),
            None => drop(all.remove(name)),
        }
        io::save_safetensors(&file, &all, &about).unwrap();
        message(Trainer::resume(&run))
    };
    let norm = "model:model.norm.weight";
    let half = isobit::ops::astype(&tensors[norm], Dtype::F16).unwrap();
    assert!(changed(norm, Some(half)).contains("expected float32 [32], got float16 [32]"));
    assert!(changed(norm, None).contains("missing tensors: model.norm.weight"));
    assert!(changed("optimizer:step", None).contains("no `step`"));
    assert!(changed("other", Some(tensors[norm].clone())).contains("unexpected tensor other"));
    io::save_safetensors(&file, &tensors, &BTreeMap::new()).unwrap();
    assert!(message(Trainer::resume(&run)).contains("not a training checkpoint"));
}

#[test]
fn settings_are_checked() {
    let (dir, path) = data();
    let good = settings(&path);
    for bad in [
        Settings { heads: 3, ..good.clone() },
        Settings { kv_heads: 3, ..good.clone() },
        Settings { batch: 0, ..good.clone() },
        Settings { steps: 0, warmup: 0, ..good.clone() },
        Settings { warmup: 12, ..good.clone() },
        Settings { learning_rate: f64::NAN, ..good.clone() },
        Settings { weight_decay: -1.0, ..good.clone() },
        Settings { vocab: 100, ..good.clone() },
        Settings { block: 1 << 20, ..good.clone() },
        Settings { data: vec![dir.path().join("gone")], ..good },
    ] {
        assert!(Trainer::start(&dir.path().join("run"), bad.clone()).is_err(), "{bad:?}");
    }
}
