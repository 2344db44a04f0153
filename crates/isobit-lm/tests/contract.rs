//! The same bits on a model, however its scores are computed; and text that depends on the seed alone.

mod tiny;

use isobit::Dtype;
use isobit::cpu::isa;
use isobit::quant::{Format, Mode};
use isobit_lm::{Generation, Generator, LanguageModel, Plan, Qwen3, Sampler, Sampling, Session, verify};
use isobit_nn::Module;

fn rows(count: usize, len: usize) -> Vec<Vec<u32>> {
    (0..count).map(|r| (0..len).map(|i| ((i * 37 + r * 101 + i * i) % 320) as u32).collect()).collect()
}

fn all_zero(dtype: Dtype, tie: bool) {
    let mut model = tiny::model(tie);
    model.set_dtype(dtype).unwrap();
    zero(&model, &dtype.to_string());
}

fn zero(model: &Qwen3, what: &str) {
    let plan = Plan { rows: rows(4, 37), threads: vec![1, 2, 3], levels: isa::available() };
    let mut seen = 0;
    let checks = verify(model, &plan, |_| seen += 1).unwrap();
    assert_eq!(seen, checks.len());
    assert!(checks.len() >= 11);
    assert_eq!(checks[0].name == "prefill without a cache", model.cache_format().is_none());
    let failed: Vec<_> = checks.iter().filter(|c| !c.passed()).collect();
    assert!(failed.is_empty(), "{what}: {failed:#?}");
}

#[test]
fn every_way_gives_the_same_bits_in_float32() {
    all_zero(Dtype::F32, true);
}

#[test]
fn every_way_gives_the_same_bits_in_bfloat16() {
    all_zero(Dtype::BF16, false);
}

#[test]
fn every_way_gives_the_same_bits_in_float16() {
    all_zero(Dtype::F16, true);
}

#[test]
fn every_way_gives_the_same_bits_with_4_bit_weights() {
    for dtype in [Dtype::F32, Dtype::F16, Dtype::BF16] {
        zero(&tiny::quantized(false, dtype, tiny::affine(4)), &format!("dense, {dtype}"));
    }
}

#[test]
fn every_way_gives_the_same_bits_with_a_4_bit_mixture_of_experts() {
    for dtype in [Dtype::F32, Dtype::F16, Dtype::BF16] {
        zero(&tiny::quantized(true, dtype, tiny::affine(4)), &format!("sparse, {dtype}"));
    }
}

#[test]
fn every_way_gives_the_same_bits_with_a_mixture_of_floats() {
    let mut model = tiny::of(tiny::wide_config(true));
    zero(&model, "sparse, float32");
    model.set_dtype(Dtype::BF16).unwrap();
    zero(&model, "sparse, bfloat16");
}

#[test]
fn every_way_gives_the_same_bits_in_the_other_modes() {
    for (mode, sparse) in [(Mode::Mxfp4, true), (Mode::Mxfp8, false), (Mode::Nvfp4, true)] {
        let format = Format::new(mode, None, None).unwrap();
        zero(&tiny::quantized(sparse, Dtype::BF16, format), mode.name());
    }
}

#[test]
fn every_way_gives_the_same_bits_with_a_quantized_cache() {
    for (sparse, bits, dtype) in [(false, 4, Dtype::BF16), (false, 8, Dtype::F32), (true, 8, Dtype::BF16)] {
        let mut model = tiny::quantized(sparse, dtype, tiny::affine(4));
        model.set_cache_format(Some(tiny::affine(bits))).unwrap();
        zero(&model, &format!("{bits}-bit cache, {dtype}"));
    }
    // Heads of 16, which groups of 32 do not divide.
    let mut model = tiny::model(true);
    model.set_cache_format(Some(tiny::affine(8))).unwrap();
    zero(&model, "narrow heads");
}

#[test]
fn a_quantized_cache_changes_scores_a_little() {
    let mut model = tiny::of(tiny::wide_config(false));
    let text = &rows(1, 40)[0];
    let scores = |model: &Qwen3| Session::new(model).read(model, text, 7).unwrap().to_vec::<f32>().unwrap();
    let exact = scores(&model);
    let size = exact.iter().fold(0f32, |m, x| m.max(x.abs()));
    let mut off = Vec::new();
    for bits in [8, 4] {
        model.set_cache_format(Some(tiny::affine(bits))).unwrap();
        let got = scores(&model);
        off.push(exact.iter().zip(&got).fold(0f32, |m, (a, b)| m.max((a - b).abs())) / size);
    }
    // Half a step of 255 or 15 in every key and value, carried through two blocks.
    assert!(off[0] > 0.0 && off[0] < 0.02 && off[1] > off[0] && off[1] < 0.3, "{off:?}");
    let floats = isobit::quant::Format::new(isobit::quant::Mode::Mxfp4, None, None).unwrap();
    let e = model.set_cache_format(Some(floats)).unwrap_err().to_string();
    assert!(e.contains("affine"), "{e}");
}

#[test]
fn plans_are_checked() {
    let model = tiny::model(true);
    let plan = |rows| Plan { rows, threads: vec![], levels: vec![] };
    for bad in [vec![], rows(1, 7), vec![vec![1; 9], vec![1; 8]], vec![vec![400; 9]]] {
        assert!(verify(&model, &plan(bad), |_| ()).is_err());
    }
}

#[test]
fn sampling_follows_the_seed() {
    let scores = isobit::Array::from_slice(&[0.0f32, 3.0, 1.0, 2.9, -4.0], &[5]).unwrap();
    let draw = |temperature, top_p, seed| -> Vec<u32> {
        let mut s = Sampler::new(Sampling { temperature, top_p, seed }).unwrap();
        (0..200).map(|_| s.sample(&scores).unwrap()).collect()
    };
    assert_eq!(draw(0.0, 1.0, 1), [1; 200]);
    assert_eq!(draw(1.0, 1.0, 1), draw(1.0, 1.0, 1));
    assert_ne!(draw(1.0, 1.0, 1), draw(1.0, 1.0, 2));
    let free = draw(1.0, 1.0, 1);
    assert!((0..4).all(|t| free.contains(&t)), "{free:?}");
    // Tokens 1 and 3 hold 0.9 of the probability: the smallest set that reaches 0.6.
    let nucleus = draw(1.0, 0.6, 1);
    assert!(nucleus.iter().all(|t| [1, 3].contains(t)) && nucleus.contains(&1) && nucleus.contains(&3));
    assert_eq!(draw(1.0, 0.01, 1), [1; 200]);
    let share = free.iter().filter(|&&t| t == 1).count() as f64 / 200.0;
    assert!((share - 0.46).abs() < 0.12, "{share}");
    for (temperature, top_p) in [(-1.0, 1.0), (f32::NAN, 1.0), (1.0, 0.0), (1.0, 1.5)] {
        assert!(Sampler::new(Sampling { temperature, top_p, seed: 0 }).is_err());
    }
    // Damaged weights: no token is as good as any other.
    for scores in [[0.5, f32::NAN, 1.0], [f32::NEG_INFINITY; 3]] {
        let scores = isobit::Array::from_slice(&scores, &[3]).unwrap();
        for (temperature, top_p) in [(0.0, 1.0), (1.0, 1.0), (1.0, 0.5)] {
            let mut s = Sampler::new(Sampling { temperature, top_p, seed: 0 }).unwrap();
            let e = s.sample(&scores).unwrap_err().to_string();
            assert!(e.contains("no numbers"), "{e}");
        }
    }
}

#[test]
fn text_does_not_depend_on_chunks_or_on_what_was_read_before() {
    let model = LanguageModel { model: tiny::model(true), tokenizer: tiny::tokenizer() };
    let prompt = "fn op_1(a: &Array) -> Result<Array> { apply(1, &[a";
    let text = |generator: &mut Generator, chunk, seed| {
        let sampling = Sampling { temperature: 1.0, top_p: 0.9, seed };
        let mut out = String::new();
        let options = Generation { max_tokens: 24, sampling, chunk };
        let timing = generator
            .run(prompt, &options, |s| {
                out.push_str(s);
                Ok(true)
            })
            .unwrap();
        (out, timing)
    };
    let (want, first) = text(&mut Generator::new(&model), 512, 7);
    assert!(!want.is_empty() && first.prompt_tokens > 8);
    for chunk in [1, 3, 8] {
        assert_eq!(text(&mut Generator::new(&model), chunk, 7).0, want);
    }
    assert_ne!(text(&mut Generator::new(&model), 512, 8).0, want);
    let mut generator = Generator::new(&model);
    generator
        .run("fn op_1(a: &Array) else", &Generation { max_tokens: 5, ..Default::default() }, |_| Ok(true))
        .unwrap();
    let (again, second) = text(&mut generator, 512, 7);
    assert_eq!(again, want);
    assert!(second.prompt_tokens < first.prompt_tokens, "the common beginning was read again");
    let (third, timing) = text(&mut generator, 512, 7);
    assert_eq!((third, timing.prompt_tokens), (want, 1));
    assert!(generator.run("", &Generation::default(), |_| Ok(true)).is_err());
}

#[test]
fn a_session_refuses_tokens_that_do_not_exist() {
    let model = tiny::model(true);
    let mut s = Session::new(&model);
    assert!(s.read(&model, &[5, 320], 4).unwrap_err().to_string().contains("token 320"));
    assert!(s.read(&model, &[], 4).is_err());
    assert_eq!(s.read(&model, &[5, 6, 7], 2).unwrap().shape(), &[320]);
    assert_eq!(s.tokens(), [5, 6, 7]);
    assert_eq!(s.resume(&[5, 6, 7]).tokens(), [5, 6]);
    assert_eq!(s.resume(&[9]).tokens(), [] as [u32; 0]);
}
