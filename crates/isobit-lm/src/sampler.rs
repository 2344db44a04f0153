//! From scores to the next token.

use isobit::{Array, Dtype, Error, Result, ops, random};
use isobit_nn::init::Keys;

/// How tokens are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Scores are divided by it; 0 takes the highest score.
    pub temperature: f32,
    /// Draw from the smallest set of tokens whose probability reaches this.
    pub top_p: f32,
    /// The same seed draws the same tokens.
    pub seed: u64,
}

impl Default for Sampling {
    /// The highest score.
    fn default() -> Sampling {
        Sampling { temperature: 0.0, top_p: 1.0, seed: 0 }
    }
}

/// Draws tokens.
pub struct Sampler {
    sampling: Sampling,
    keys: Keys,
}

impl Sampler {
    /// # Errors
    /// A negative or infinite temperature, a `top_p` outside `(0, 1]`.
    pub fn new(sampling: Sampling) -> Result<Sampler> {
        if !(sampling.temperature >= 0.0 && sampling.temperature.is_finite()) {
            return Err(Error::value(
                "sampler",
                format!("temperature: expected 0 or more, got {}", sampling.temperature),
            ));
        }
        if !(sampling.top_p > 0.0 && sampling.top_p <= 1.0) {
            return Err(Error::value("sampler", format!("top_p: expected within (0, 1], got {}", sampling.top_p)));
        }
        Ok(Sampler { sampling, keys: Keys::new(sampling.seed)? })
    }

    /// The next token for scores `[vocab]`.
    ///
    /// # Errors
    /// Scores of which one is not a number or all are minus infinity: there is no next token.
    pub fn sample(&mut self, logits: &Array) -> Result<u32> {
        let Sampling { temperature, top_p, .. } = self.sampling;
        let best = ops::astype(&ops::max(logits, -1isize, false)?, Dtype::F32)?;
        let token = if temperature == 0.0 {
            ops::argmax(logits, -1, false)?
        } else {
            let key = self.keys.next()?;
            let scores = ops::astype(logits, Dtype::F32)?;
            let scores = ops::divide(&scores, &Array::scalar(f64::from(temperature), Dtype::F32))?;
            if top_p < 1.0 {
                nucleus(&scores, top_p, &key)?
            } else {
                random::categorical(&scores, -1, None, Some(&key))?
            }
        };
        let token = ops::astype(&token, Dtype::U32)?;
        isobit::eval(&[best.clone(), token.clone()])?;
        let score = best.item::<f32>()?;
        if score.is_nan() || score == f32::NEG_INFINITY {
            let message = format!("the model's scores are no numbers ({score}): its weights are damaged or overflow");
            return Err(Error::value("sample", message));
        }
        token.item::<u32>()
    }
}

/// A draw from the tokens, best first, before which less than `top_p` of the probability lies.
fn nucleus(scores: &Array, top_p: f32, key: &Array) -> Result<Array> {
    let order = ops::argsort(&ops::negative(scores)?, -1)?;
    let sorted = ops::take_along_axis(scores, &order, -1)?;
    let probabilities = ops::softmax(&sorted, -1isize, true)?;
    let before = ops::subtract(&ops::cumsum(&probabilities, -1, false, true)?, &probabilities)?;
    let keep = ops::less(&before, &Array::scalar(f64::from(top_p), Dtype::F32))?;
    let masked = ops::where_(&keep, &sorted, &Array::scalar(f64::NEG_INFINITY, Dtype::F32))?;
    let place = random::categorical(&masked, -1, None, Some(key))?;
    ops::take(&order, &place, 0)
}
