//! The program as its users meet it: output, exit status, and one clear line for every mistake.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Directory(PathBuf);

impl Directory {
    fn new() -> Directory {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("isobit-cli-{}-{n}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        let line = |i: usize| format!("fn op_{i}(a: &Array) -> Result<Array> {{ apply({i}, &[a, &b{}]) }}\n", i % 7);
        fs::write(path.join("data.txt"), (0..150).map(line).collect::<String>()).unwrap();
        Directory(path)
    }

    fn join(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn isobit(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_isobit")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Standard output of a run that must succeed.
fn works(arguments: &[&str]) -> String {
    let out = isobit(arguments);
    assert!(out.status.success(), "{arguments:?}: {}", text(&out.stderr));
    text(&out.stdout)
}

/// The one line on standard error of a run that must fail.
fn fails(status: i32, arguments: &[&str]) -> String {
    let out = isobit(arguments);
    let message = text(&out.stderr);
    assert_eq!(out.status.code(), Some(status), "{arguments:?}: {message}");
    assert!(message.contains("error: "), "{message}");
    assert!(!message.contains("panicked"), "{message}");
    if status == 1 {
        assert_eq!(message.lines().count(), 1, "{message}");
    }
    message
}

const TINY: &[&str] = &[
    "--steps",
    "4",
    "--batch",
    "2",
    "--block",
    "16",
    "--vocab",
    "300",
    "--hidden",
    "16",
    "--intermediate",
    "32",
    "--layers",
    "1",
    "--heads",
    "2",
    "--kv-heads",
    "1",
    "--warmup",
    "1",
];

fn train(data: &str, out: &str, more: &[&str]) -> Vec<String> {
    let mut all = vec!["train", "--data", data, "--out", out];
    all.extend(TINY);
    all.extend(more);
    all.into_iter().map(str::to_owned).collect()
}

fn run(arguments: &[String]) -> Output {
    isobit(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn info_names_the_level_in_force() {
    let out = works(&["info"]);
    assert!(out.starts_with(&format!("isobit {}", env!("CARGO_PKG_VERSION"))), "{out}");
    for word in ["levels", "in force", "threads", "memory", "GiB"] {
        assert!(out.contains(word), "{word}: {out}");
    }
    let scalar = Command::new(env!("CARGO_BIN_EXE_isobit")).arg("info").env("ISOBIT_ISA", "scalar").output().unwrap();
    assert!(text(&scalar.stdout).contains("in force: scalar"));
}

#[test]
fn the_shipped_model_generates_the_same_text_for_the_same_seed() {
    let prompt = "/// The sum over";
    let generate = |more: &[&str]| works(&[&["generate", "--prompt", prompt, "--max-tokens", "24"], more].concat());
    let greedy = generate(&[]);
    assert!(greedy.starts_with(prompt) && greedy.len() > prompt.len() + 10, "{greedy:?}");
    assert_eq!(greedy, generate(&["--seed", "3"]), "the seed does not matter at temperature 0");
    assert_eq!(greedy, generate(&["--chunk", "1"]));
    let drawn = generate(&["--temp", "1", "--top-p", "0.95", "--seed", "3"]);
    assert_eq!(drawn, generate(&["--temp", "1", "--top-p", "0.95", "--seed", "3"]));
    assert_ne!(drawn, generate(&["--temp", "1", "--top-p", "0.95", "--seed", "4"]));
    let out = isobit(&["generate", "--prompt", prompt, "--max-tokens", "4"]);
    let speed = text(&out.stderr);
    assert!(speed.contains("tokens/s") && speed.contains("generated: 4 tokens"), "{speed}");
    assert!(!speed.contains("note: "), "{speed}");
    let out = isobit(&["generate", "--prompt", &"/// The sum over\n".repeat(40), "--max-tokens", "2"]);
    let note = text(&out.stderr);
    assert!(out.status.success() && note.contains("tokens; the model was made for up to 128"), "{note}");
}

#[test]
fn prompts_come_from_anywhere() {
    assert!(works(&["generate", "--prompt", "-- x", "--max-tokens", "1"]).starts_with("-- x"));
    let piped = |bytes: &[u8]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isobit"));
        command.args(["generate", "--prompt", "-", "--max-tokens", "5"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        child.wait_with_output().unwrap()
    };
    let long = " ".repeat(5_000);
    let out = piped(long.as_bytes());
    assert!(out.status.success() && text(&out.stdout).starts_with(&long), "{}", text(&out.stderr));
    assert_eq!(text(&piped(b"fn f").stdout), works(&["generate", "--prompt", "fn f", "--max-tokens", "5"]));
    for bad in [&b""[..], b"\xff\xfe"] {
        let out = piped(bad);
        let message = text(&out.stderr);
        assert!(out.status.code() == Some(1) && message.lines().count() == 1, "{message}");
        assert!(message.contains("standard input: ") || message.contains("no tokens"), "{message}");
    }
}

#[test]
fn verify_prints_zeros() {
    let out = works(&["verify", "--tokens", "16", "--batch", "2", "--dtype", "bfloat16"]);
    let rows: Vec<&str> = out.lines().filter(|l| l.starts_with("bfloat16")).collect();
    assert!(rows.len() >= 10, "{out}");
    for row in rows {
        let end: Vec<&str> = row.split_whitespace().rev().take(2).collect();
        assert_eq!(end, ["0", "0"], "{row}");
    }
    assert!(out.ends_with("the same bits in every row\n"));
}

#[test]
fn train_stop_resume_generate() {
    let dir = Directory::new();
    let (data, whole, parts) = (dir.join("data.txt"), dir.join("whole"), dir.join("parts"));
    let out = run(&train(&data, &whole, &[]));
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert!(text(&out.stderr).contains("step 4/4: loss"), "{}", text(&out.stderr));
    assert!(run(&train(&data, &parts, &["--stop-at", "2"])).status.success());
    assert!(!Path::new(&parts).join("model.safetensors").exists());
    works(&["train", "--resume", "--out", &parts]);
    for name in ["model.safetensors", "tokenizer.json", "config.json", "loss.svg", "loss.csv"] {
        assert!(
            fs::read(Path::new(&whole).join(name)).unwrap() == fs::read(Path::new(&parts).join(name)).unwrap(),
            "{name}"
        );
    }
    let text = works(&["generate", "--model", &whole, "--prompt", "fn op_1", "--max-tokens", "5"]);
    assert!(text.starts_with("fn op_1"));
    let table = works(&["verify", "--model", &whole, "--tokens", "8", "--batch", "2"]);
    assert!(table.contains("the same bits"), "{table}");
    let message = fails(1, &["train", "--out", &whole, "--data", &data]);
    assert!(message.contains("already holds a run"), "{message}");
}

#[test]
fn quantize_generate_verify() {
    let dir = Directory::new();
    let (data, float) = (dir.join("data.txt"), dir.join("float"));
    // Heads of 32, and widths that groups divide.
    let wide = ["--hidden", "64", "--intermediate", "64"];
    let mut arguments = train(&data, &float, &[]);
    for pair in wide.chunks(2) {
        let at = arguments.iter().position(|a| a == pair[0]).unwrap();
        arguments[at + 1] = pair[1].to_owned();
    }
    assert!(run(&arguments).status.success());
    for (i, options) in [
        &["--bits", "8", "--group-size", "32"][..],
        &["--mode", "mxfp4", "--override", "down_proj=none"],
        &["--mode", "nvfp4"],
        &[],
    ]
    .iter()
    .enumerate()
    {
        let out = dir.join(&format!("q{i}"));
        works(&[&["quantize", "--model", &float, "--out", &out], *options].concat());
        let kv: &[&str] = if i % 2 == 0 { &["--kv-bits", "8"] } else { &[] };
        let generate = |more: &[&str]| {
            works(&[&["generate", "--model", &out, "--prompt", "fn op_1", "--max-tokens", "5"], kv, more].concat())
        };
        assert!(generate(&[]).starts_with("fn op_1"));
        assert_eq!(generate(&[]), generate(&["--chunk", "1"]));
        let table = works(&[&["verify", "--model", &out, "--tokens", "9", "--batch", "2"], kv].concat());
        assert!(table.contains("the same bits"), "{table}");
        let rounded = ["--activations", "int8"];
        assert!(generate(&rounded).starts_with("fn op_1"));
        let table = works(&[&["verify", "--model", &out, "--tokens", "9", "--batch", "2"], kv, &rounded].concat());
        assert!(table.contains("the same bits"), "{table}");
    }
    // A mixture of experts of 4 bits as MLX publishes it.
    let (mixture, published) =
        (dir.join("mixture"), Path::new(env!("CARGO_MANIFEST_DIR")).join("../isobit-lm/tests/mlx-mixture"));
    fs::create_dir(&mixture).unwrap();
    for name in ["config.json", "model.safetensors", "model.safetensors.index.json"] {
        fs::copy(published.join(name), Path::new(&mixture).join(name)).unwrap();
    }
    fs::copy(Path::new(&float).join("tokenizer.json"), Path::new(&mixture).join("tokenizer.json")).unwrap();
    let of = |command: &[&str], more: &[&str]| works(&[command, &["--model", &mixture], more].concat());
    assert!(of(&["generate", "--prompt", "fn op_1", "--max-tokens", "5"], &[]).starts_with("fn op_1"));
    for more in [&[][..], &["--kv-bits", "3"]] {
        assert!(of(&["verify", "--tokens", "9", "--batch", "2"], more).contains("the same bits"));
    }
    let table =
        of(&["bench", "--prompt", "9", "--tokens", "2", "--calls", "1"], &["--kv-bits", "4", "--activations", "int8"]);
    for word in [
        "mixture with 6.74 bits per weight",
        "eight bits, a cache of 4 bits",
        "prefill          9",
        "decode           2",
    ] {
        assert!(table.contains(word), "{word}: {table}");
    }
    let message = fails(1, &["verify", "--model", &float, "--activations", "int8"]);
    assert!(message.contains("expected a model with quantized weights"), "{message}");
    let again = ["quantize", "--model", &float, "--out", &dir.join("q0")];
    assert!(fails(1, &again).contains("exists and is not empty"));
    let of = |more: &[&str]| fails(1, &[&["quantize", "--model", &float, "--out", &dir.join("new")], more].concat());
    assert!(of(&["--group-size", "128"]).contains("groups of 128 do not divide its 64 inputs"));
    assert!(of(&["--group-size", "48"]).contains("expected a group size in [32, 64, 128]"));
    assert!(of(&["--override", "down_proj"]).contains("expected PATTERN=BITS:GROUP"));
    assert!(of(&["--override", "gone=none"]).contains("fits no layer"));
    // The head width of the shipped model is 48, which no group divides.
    for more in [&["--kv-bits", "8"][..], &["--kv-bits", "4", "--kv-group-size", "32"]] {
        works(&[&["generate", "--prompt", "x", "--max-tokens", "4"], more].concat());
    }
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_no_half_of_a_quantized_model() {
    let dir = Directory::new();
    let (data, float, out) = (dir.join("data.txt"), dir.join("float"), dir.join("out"));
    assert!(run(&train(&data, &float, &[])).status.success());
    let program = env!("CARGO_BIN_EXE_isobit");
    // Blocks of 1 KiB; the widths of this model are too small for groups, and its copy is larger than that.
    let script = format!(
        "trap '' XFSZ; ulimit -f 4; exec '{program}' quantize --model '{float}' --out '{out}' --override '*=none'"
    );
    let failed = Command::new("bash").args(["-c", &script]).output().unwrap();
    let message = text(&failed.stderr);
    assert_eq!(failed.status.code(), Some(1), "{message}");
    assert!(message.contains("could not write") && message.contains("model.safetensors"), "{message}");
    let left: Vec<String> =
        fs::read_dir(&dir.0).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    assert!(left.iter().all(|name| name == "data.txt" || name == "float"), "{left:?}");
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_the_earlier_checkpoint() {
    let dir = Directory::new();
    let (data, out) = (dir.join("data.txt"), dir.join("run"));
    assert!(run(&train(&data, &out, &["--stop-at", "2"])).status.success());
    let first = Path::new(&out).join("checkpoints/step-00000002.safetensors");
    let before = fs::read(&first).unwrap();
    // No file may grow beyond 8 KiB, and the signal that says so is ignored: writes fail like on a full disk.
    let script =
        format!("trap '' XFSZ; ulimit -f 8; exec '{}' train --resume --out '{out}'", env!("CARGO_BIN_EXE_isobit"));
    let failed = Command::new("bash").args(["-c", &script]).output().unwrap();
    let message = text(&failed.stderr);
    assert_eq!(failed.status.code(), Some(1), "{message}");
    let last = message.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: ") && last.contains("step-00000004.safetensors"), "{message}");
    let left: Vec<String> = fs::read_dir(first.parent().unwrap())
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(left, ["step-00000002.safetensors"]);
    assert!(fs::read(&first).unwrap() == before);
    works(&["train", "--resume", "--out", &out]);
}

#[test]
fn command_lines_that_make_no_sense() {
    for (arguments, want) in [
        (&["generate"][..], "--prompt"),
        (&["generate", "--prompt", "x", "--temp", "-1"], "--temp"),
        (&["generate", "--prompt", "x", "--temp", "inf"], "at least 0"),
        (&["generate", "--prompt", "x", "--top-p", "0"], "above 0 and up to 1"),
        (&["generate", "--prompt", "x", "--top-p", "1.5"], "above 0 and up to 1"),
        (&["generate", "--prompt", "x", "--max-tokens", "0"], "--max-tokens"),
        (&["generate", "--prompt", "x", "--seed", "-3"], "--seed"),
        (&["verify", "--tokens", "3"], "8..=4096"),
        (&["verify", "--dtype", "int8"], "bfloat16"),
        (&["train", "--resume", "--steps", "5"], "--resume"),
        (&["generate", "--prompt", "x", "--kv-bits", "7"], "expected one of [2, 3, 4, 5, 6, 8]"),
        (&["generate", "--prompt", "x", "--kv-bits", "-4"], "expected one of [2, 3, 4, 5, 6, 8]"),
        (&["generate", "--prompt", "x", "--kv-group-size", "32"], "--kv-bits"),
        (&["quantize", "--out", "x"], "--model"),
        (&["quantize", "--model", "x", "--out", "y", "--bits", "-4"], "--bits"),
        (&["quantize", "--model", "x", "--out", "y", "--mode", "mxfp6"], "mxfp4"),
        (&["bench", "--shape", "qwen3-9b"], "qwen3-8b"),
        (&["bench", "--shape", "qwen3-0.6b", "--bits", "7"], "expected one of"),
        (&["bench", "--bits", "4"], "--shape"),
        (&["bench", "--model", "x", "--shape", "qwen3-8b"], "--shape"),
        (&["bench", "--model", "x", "--mode", "mxfp4"], "--mode"),
        (&["bench", "--model", "x", "--worker"], "--worker"),
        (&["bench", "--prompt", "9"], "--shape"),
        (&["bench", "--threads", "0"], "1..=1024"),
        (&["bench", "--threads", "100000"], "1..=1024"),
        (&["bench", "--calls", "18446744073709551615"], "--calls"),
        (&["generate", "--prompt", "x", "--activations", "int4"], "int8"),
        (&["dance"], "dance"),
    ] {
        let message = fails(2, arguments);
        assert!(message.contains(want), "{arguments:?}: {message}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_is_full_or_gone_is_no_panic() {
    let of = |script: String| {
        let out = Command::new("bash").args(["-c", &script]).output().unwrap();
        (out.status.code(), text(&out.stderr))
    };
    let program = env!("CARGO_BIN_EXE_isobit");
    let generate = "generate --prompt x --max-tokens 2";
    for command in ["info", "verify --tokens 8 --batch 1", "bench ovh.mlp1000 --calls 1", generate] {
        let (status, message) = of(format!("'{program}' {command} > /dev/full"));
        assert_eq!(status, Some(1), "{command}: {message}");
        assert!(message.lines().count() == 1 && message.contains("standard output: "), "{command}: {message}");
        let (status, message) = of(format!("'{program}' {command} | true; exit ${{PIPESTATUS[0]}}"));
        assert!(status == Some(0) || status == Some(1) && command.starts_with("verify"), "{command}: {message}");
        assert!(!message.contains("error") && !message.contains("panicked"), "{command}: {message}");
    }
    assert_eq!(of(format!("'{program}' {generate} 2> /dev/full")).0, Some(0));
    let (status, message) = of(format!("echo 'ovh.mlp1000 1' | '{program}' bench --worker > /dev/full"));
    assert!(status == Some(1) && message.contains("standard output: "), "{message}");
}

#[cfg(unix)]
#[test]
fn model_files_without_an_end_are_refused() {
    let dir = Directory::new();
    std::os::unix::fs::symlink("/dev/zero", dir.join("config.json")).unwrap();
    let message = fails(1, &["generate", "--model", &dir.join(""), "--prompt", "x"]);
    assert!(message.contains("config.json: not a regular file"), "{message}");
}

#[test]
fn files_that_are_not_what_they_should_be() {
    let dir = Directory::new();
    let message = fails(1, &["generate", "--model", &dir.join("gone"), "--prompt", "x"]);
    assert!(message.contains("gone: not a directory"), "{message}");
    let message = fails(1, &["verify", "--model", &dir.join("")]);
    assert!(message.contains("config.json"), "{message}");
    let message = fails(1, &["generate", "--prompt", ""]);
    assert!(message.contains("the prompt has no tokens"), "{message}");
    fs::write(dir.join("config.json"), r#"{"architectures": ["BertModel"]}"#).unwrap();
    let message = fails(1, &["generate", "--model", &dir.join(""), "--prompt", "x"]);
    assert!(message.contains("Qwen3ForCausalLM") && message.contains("BertModel"), "{message}");
    let message = fails(1, &["train", "--data", &dir.join("gone.txt"), "--out", &dir.join("run")]);
    assert!(message.contains("cannot read") && message.contains("gone.txt"), "{message}");
    let message = fails(1, &["train", "--resume", "--out", &dir.join("run")]);
    assert!(message.contains("no checkpoint to resume from"), "{message}");
    let message = fails(1, &["train", "--heads", "7", "--data", &dir.join("data.txt"), "--out", &dir.join("run")]);
    assert!(message.contains("even multiple of the number of heads"), "{message}");
    assert!(!Path::new(&dir.join("run")).exists(), "a run that never began left files");
}
