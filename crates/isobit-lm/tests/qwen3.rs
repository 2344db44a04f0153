//! The decoder against a second implementation: plain loops in f64, written from the architecture's definition.

mod tiny;

use isobit::Array;
use isobit_lm::{Config, Experts, Qwen3};
use isobit_nn::{Module, Params};

struct Reference {
    weights: Params,
    config: Config,
}

fn product(x: &[f64], w: &[f64]) -> Vec<f64> {
    w.chunks(x.len()).map(|row| row.iter().zip(x).map(|(a, b)| a * b).sum()).collect()
}

impl Reference {
    fn get(&self, name: &str) -> Vec<f64> {
        self.weights[name].to_vec::<f32>().unwrap().into_iter().map(f64::from).collect()
    }

    /// `x @ w.T` for one row.
    fn project(&self, x: &[f64], name: &str) -> Vec<f64> {
        product(x, &self.get(name))
    }

    fn feed_forward(&self, x: &[f64], [gate, up, down]: [&[f64]; 3]) -> Vec<f64> {
        let inner: Vec<f64> =
            product(x, gate).iter().zip(product(x, up)).map(|(g, u)| g / (1.0 + (-g).exp()) * u).collect();
        product(&inner, down)
    }

    /// Softmax over all experts, the best of them, weighted.
    fn mixture(&self, x: &[f64], path: &str, e: &Experts) -> Vec<f64> {
        let scores: Vec<f64> = self.project(x, &format!("{path}.gate.weight")).into_iter().map(f64::exp).collect();
        let mut order: Vec<usize> = (0..e.num_experts).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        let chosen = &order[..e.num_experts_per_tok];
        let among = if e.norm_topk_prob { chosen } else { &order };
        let total: f64 = among.iter().map(|&i| scores[i]).sum();
        let of = |name: &str| self.get(&format!("{path}.switch_mlp.{name}_proj.weight"));
        let [gate, up, down] = [of("gate"), of("up"), of("down")];
        let size = gate.len() / e.num_experts;
        let mut out = vec![0.0; x.len()];
        for &i in chosen {
            let y = self.feed_forward(x, [&gate, &up, &down].map(|w| &w[i * size..][..size]));
            out.iter_mut().zip(y).for_each(|(o, y)| *o += scores[i] / total * y);
        }
        out
    }

    fn norm(&self, x: &[f64], name: &str) -> Vec<f64> {
        let rms = (x.iter().map(|v| v * v).sum::<f64>() / x.len() as f64 + 1e-6).sqrt();
        x.iter().zip(self.get(name)).map(|(v, w)| v / rms * w).collect()
    }

    fn rotated(&self, x: &[f64], name: &str, position: usize) -> Vec<f64> {
        let x = self.norm(x, name);
        let half = x.len() / 2;
        let mut out = x.clone();
        for i in 0..half {
            let angle = position as f64 / 10_000f64.powf(i as f64 / half as f64);
            out[i] = x[i] * angle.cos() - x[i + half] * angle.sin();
            out[i + half] = x[i + half] * angle.cos() + x[i] * angle.sin();
        }
        out
    }

    fn logits(&self, tokens: &[u32], head: &str) -> Vec<Vec<f64>> {
        let (width, d) = (self.config.hidden_size, self.config.head_dim);
        let table = self.get("model.embed_tokens.weight");
        let mut stream: Vec<Vec<f64>> = tokens.iter().map(|&t| table[t as usize * width..][..width].to_vec()).collect();
        for layer in 0..2 {
            let p = format!("model.layers.{layer}");
            let normed: Vec<Vec<f64>> =
                stream.iter().map(|x| self.norm(x, &format!("{p}.input_layernorm.weight"))).collect();
            let all = |part: &str| -> Vec<Vec<f64>> {
                normed.iter().map(|x| self.project(x, &format!("{p}.self_attn.{part}_proj.weight"))).collect()
            };
            let (q, k, v) = (all("q"), all("k"), all("v"));
            for t in 0..tokens.len() {
                let mut mixed = vec![0.0; 4 * d];
                for h in 0..4 {
                    let g = h / 2 * d;
                    let qh = self.rotated(&q[t][h * d..][..d], &format!("{p}.self_attn.q_norm.weight"), t);
                    let score = |s: usize| {
                        let kh = self.rotated(&k[s][g..][..d], &format!("{p}.self_attn.k_norm.weight"), s);
                        (qh.iter().zip(kh).map(|(a, b)| a * b).sum::<f64>() / (d as f64).sqrt()).exp()
                    };
                    let weights: Vec<f64> = (0..=t).map(score).collect();
                    let total: f64 = weights.iter().sum();
                    for i in 0..d {
                        mixed[h * d + i] = (0..=t).map(|s| weights[s] / total * v[s][g + i]).sum();
                    }
                }
                let out = self.project(&mixed, &format!("{p}.self_attn.o_proj.weight"));
                stream[t].iter_mut().zip(out).for_each(|(x, o)| *x += o);
            }
            for x in &mut stream {
                let y = self.norm(x, &format!("{p}.post_attention_layernorm.weight"));
                let of = |name: &str| self.get(&format!("{p}.mlp.{name}_proj.weight"));
                let out = match self.config.experts_of(layer) {
                    Some(e) => self.mixture(&y, &format!("{p}.mlp"), e),
                    None => self.feed_forward(&y, [&of("gate"), &of("up"), &of("down")]),
                };
                x.iter_mut().zip(out).for_each(|(x, o)| *x += o);
            }
        }
        stream.iter().map(|x| self.project(&self.norm(x, "model.norm.weight"), head)).collect()
    }
}

fn compare(model: &Qwen3, head: &str) {
    let tokens = [7u32, 300, 12, 12, 0, 255, 90, 31, 8];
    let want = Reference { weights: model.parameters(), config: model.config().clone() }.logits(&tokens, head);
    let input = Array::from_slice(&tokens.map(|t| t as i32), &[1, tokens.len()]).unwrap();
    let got = model.logits(&model.hidden(&input, None).unwrap()).unwrap().to_vec::<f32>().unwrap();
    let size = want.iter().flatten().fold(0f64, |m, x| m.max(x.abs()));
    assert!(size > 0.5, "scores too small to compare: {size}");
    for (g, w) in got.iter().zip(want.iter().flatten()) {
        assert!((f64::from(*g) - w).abs() < 2e-5 * size, "{g} {w}");
    }
}

#[test]
fn tied_and_untied_models_follow_the_definition() {
    compare(&tiny::model(true), "model.embed_tokens.weight");
    compare(&tiny::model(false), "lm_head.weight");
}

#[test]
fn mixtures_of_experts_follow_the_definition() {
    compare(&tiny::of(tiny::wide_config(true)), "lm_head.weight");
    let mut config = tiny::wide_config(true);
    if let Some(e) = &mut config.experts {
        (e.norm_topk_prob, e.num_experts_per_tok, e.mlp_only_layers) = (false, 3, vec![]);
    }
    compare(&tiny::of(config), "lm_head.weight");
}

#[test]
fn tensor_names_are_the_published_ones() {
    let names: Vec<String> = tiny::model(false).parameters().into_keys().collect();
    let mut want = vec!["lm_head.weight".to_owned(), "model.embed_tokens.weight".to_owned()];
    for layer in 0..2 {
        for part in [
            "input_layernorm",
            "mlp.down_proj",
            "mlp.gate_proj",
            "mlp.up_proj",
            "post_attention_layernorm",
            "self_attn.k_norm",
            "self_attn.k_proj",
            "self_attn.o_proj",
            "self_attn.q_norm",
            "self_attn.q_proj",
            "self_attn.v_proj",
        ] {
            want.push(format!("model.layers.{layer}.{part}.weight"));
        }
    }
    want.push("model.norm.weight".to_owned());
    assert_eq!(names, want);
    assert!(!tiny::model(true).parameters().contains_key("lm_head.weight"));
}
