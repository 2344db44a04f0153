//! The shipped model of 4 bits and the model of floats that it was made from.

use isobit::{Dtype, ops};
use isobit_lm::{Generation, Generator, LanguageModel, Session, load};
use isobit_nn::losses::{Reduction, cross_entropy};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A directory that is removed at the end of the test.
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("small-model")
}

/// The model of floats with its tokenizer, in `name` under a directory of its own.
fn floats(name: &str) -> Directory {
    let dir = Directory(std::env::temp_dir().join(format!("isobit-shipped-{}-{name}", std::process::id())));
    fs::create_dir_all(dir.0.join("float")).unwrap();
    for (from, to) in [
        ("float/config.json", "config.json"),
        ("float/model.safetensors", "model.safetensors"),
        ("tokenizer.json", "tokenizer.json"),
    ] {
        fs::copy(shipped().join(from), dir.0.join("float").join(to)).unwrap();
    }
    dir
}

#[test]
fn quantizing_the_floats_again_gives_the_shipped_files() {
    let dir = floats("again");
    let out = dir.0.join("out");
    let run = |level: &str| {
        let _ = fs::remove_dir_all(&out);
        let mut command = Command::new(env!("CARGO_BIN_EXE_isobit"));
        command.arg("quantize").arg("--model").arg(dir.0.join("float")).arg("--out").arg(&out);
        let done = command.env("ISOBIT_ISA", level).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        for name in ["config.json", "model.safetensors", "tokenizer.json"] {
            assert!(fs::read(out.join(name)).unwrap() == fs::read(shipped().join(name)).unwrap(), "{name}, {level}");
        }
    };
    run("auto");
    run("scalar");
}

/// In the style of the sources that the model was trained on.
const TEXT: &str = "/// The sum of all elements along the given axes.\n///\n/// # Errors\n/// An axis that is out of range.\n\
    pub fn sum(a: &Array, axes: impl Into<Axes>, keepdims: bool) -> Result<Array> {\n    let axes = axes.into();\n    \
    let x = ops::reshape(&x, &[1, 2, 3])?;\n    assert_eq!(x.shape(), [1, 2, 3]);\n    Ok(x)\n}\n\n#[cfg(test)]\n\
    mod tests {\n    use super::*;\n";

/// Mean loss over the text in nats per token, and which token follows each prefix most likely.
fn judged(m: &LanguageModel) -> (f32, Vec<u32>) {
    let tokens = m.tokenizer.encode(TEXT).unwrap();
    let ids: Vec<i32> = tokens.iter().map(|&t| t as i32).collect();
    let n = ids.len() - 1;
    let input = isobit::Array::from_slice(&ids[..n], &[1, n]).unwrap();
    let targets = isobit::Array::from_slice(&ids[1..], &[1, n]).unwrap();
    let logits = ops::astype(&m.model.logits(&m.model.hidden(&input, None).unwrap()).unwrap(), Dtype::F32).unwrap();
    let loss = cross_entropy(&logits, &targets, None, -1, 0.0, Reduction::Mean).unwrap().item::<f32>().unwrap();
    let best = ops::astype(&ops::argmax(&logits, -1, false).unwrap(), Dtype::U32).unwrap();
    (loss, best.to_vec::<u32>().unwrap())
}

#[test]
fn four_bits_cost_little() {
    let dir = floats("cost");
    let (float, four) = (load(&dir.0.join("float")).unwrap(), load(&shipped()).unwrap());
    let ((a, best_a), (b, best_b)) = (judged(&float), judged(&four));
    let agree = best_a.iter().zip(&best_b).filter(|(x, y)| x == y).count() as f64 / best_a.len() as f64;
    // All of these numbers are the same on every machine: 1.566 and 1.573 nats, 94 % and a cosine of 0.9979.
    assert!(a < 2.0, "the model of floats should know such text: {a}");
    assert!((b - a).abs() < 0.03, "loss {a} with floats, {b} with 4 bits");
    assert!(agree > 0.9, "only {agree} of the most likely tokens agree");

    // Scores of one prompt: correlated, not equal.
    let scores = |m: &LanguageModel| {
        let tokens = m.tokenizer.encode("/// The sum over").unwrap();
        let s = Session::new(&m.model).read(&m.model, &tokens, 64).unwrap();
        ops::astype(&s, Dtype::F32).unwrap().to_vec::<f32>().unwrap()
    };
    let (x, y) = (scores(&float), scores(&four));
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
    let cosine = dot(&x, &y) / (dot(&x, &x) * dot(&y, &y)).sqrt();
    assert!(cosine > 0.995 && x != y, "{cosine}");
    let greedy = |m: &LanguageModel| {
        let mut text = String::new();
        let options = Generation { max_tokens: 12, ..Generation::default() };
        Generator::new(m)
            .run("/// The sum over", &options, |s| {
                text.push_str(s);
                Ok(true)
            })
            .unwrap();
        text
    };
    assert_eq!(greedy(&float), greedy(&four));
}
