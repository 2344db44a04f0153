//! Comparing results: bit for bit, within units of the last place, or within a derivative's tolerance.

use crate::data::{Data, Values};
use crate::{Checked, Failure};
use isobit_core::Dtype;

/// Distance from `x` to the next number of that dtype.
pub fn ulp(x: f64, dtype: Dtype) -> f64 {
    let (mantissa, min_exp) = match dtype {
        Dtype::F16 => (10, -14),
        Dtype::BF16 => (7, -126),
        Dtype::F32 | Dtype::C64 => (23, -126),
        _ => (52, -1022),
    };
    if x == 0.0 || !x.is_finite() {
        return 2f64.powi(min_exp - mantissa);
    }
    let exp = ((x.abs().to_bits() >> 52) as i32 - 1023).max(min_exp);
    2f64.powi(exp) * 2f64.powi(-mantissa)
}

/// Largest relative rounding error of the precision in which results of that dtype are accumulated.
pub fn accumulation_eps(dtype: Dtype) -> f64 {
    if dtype == Dtype::F64 { 2f64.powi(-53) } else { 2f64.powi(-24) }
}

fn same_spec(got: &Data, want: &Data) -> Checked {
    if got.dtype != want.dtype || got.shape != want.shape {
        return Err(Failure(format!("expected {} {:?}, got {} {:?}", want.dtype, want.shape, got.dtype, got.shape)));
    }
    Ok(())
}

/// The same bits; any NaN equals any other.
pub fn same_bits(got: &Data, want: &Data) -> Checked {
    same_spec(got, want)?;
    let bad = match (&got.values, &want.values) {
        (Values::F(g), Values::F(w)) => {
            let differs = |(g, w): (&f64, &f64)| g.to_bits() != w.to_bits() && !(g.is_nan() && w.is_nan());
            g.iter().zip(w).position(differs).map(|i| (i, format!("{:e}", w[i]), format!("{:e}", g[i])))
        }
        (Values::C(g), Values::C(w)) => {
            let same = |g: f64, w: f64| g.to_bits() == w.to_bits() || g.is_nan() && w.is_nan();
            let differs = |(g, w): (&[f64; 2], &[f64; 2])| !(same(g[0], w[0]) && same(g[1], w[1]));
            g.iter()
                .zip(w)
                .position(differs)
                .map(|i| (i, format!("{:e}", w[i][0]) + &format!(" {:e}j", w[i][1]), format!("{:?}", g[i])))
        }
        (Values::I(g), Values::I(w)) => {
            g.iter().zip(w).position(|(g, w)| g != w).map(|i| (i, w[i].to_string(), g[i].to_string()))
        }
        _ => return Err(Failure("floats against integers".into())),
    };
    match bad {
        None => Ok(()),
        Some((i, want, got)) => Err(Failure(format!("element {i}: expected {want}, got {got} (bits differ)"))),
    }
}

/// Within `ulps` units of the last place plus `slack[i]`; NaN equals NaN, zeros agree in sign if nothing else
/// is allowed.
pub fn within(got: &Data, want: &Data, ulps: f64, slack: Option<&[f64]>) -> Checked {
    same_spec(got, want)?;
    if let (Values::C(g), Values::C(w)) = (&got.values, &want.values) {
        return within_complex(g, w, ulps, slack);
    }
    let (Values::F(g), Values::F(w)) = (&got.values, &want.values) else {
        return same_bits(got, want);
    };
    for (i, (&g, &w)) in g.iter().zip(w).enumerate() {
        if g.is_nan() && w.is_nan() {
            continue;
        }
        let extra = slack.map_or(0.0, |s| if s[i].is_nan() { 0.0 } else { s[i] });
        let allowed = ulps * ulp(w, want.dtype) + extra;
        let zeros_differ = g == 0.0 && w == 0.0 && slack.is_none() && g.is_sign_negative() != w.is_sign_negative();
        if zeros_differ || !(g == w || (g - w).abs() <= allowed && g.is_finite() && w.is_finite()) {
            let off = (g - w).abs() / ulp(w, want.dtype);
            return Err(Failure(format!(
                "element {i}: expected {w:e}, got {g:e} ({off:.1} ulps off, {:.1} allowed)",
                allowed / ulp(w, want.dtype)
            )));
        }
    }
    Ok(())
}

/// [`within`] of complex numbers: either part is allowed the units of the larger one, since sums and products of parts
/// cancel. The sign of a zero is not compared.
fn within_complex(got: &[[f64; 2]], want: &[[f64; 2]], ulps: f64, slack: Option<&[f64]>) -> Checked {
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        let size = w.iter().filter(|x| x.is_finite()).fold(0.0f64, |m, x| m.max(x.abs()));
        let extra = slack.map_or(0.0, |s| if s[i].is_nan() { 0.0 } else { s[i] });
        let allowed = ulps * ulp(size, Dtype::C64) + extra;
        let close = |g: f64, w: f64| {
            g == w || g.is_nan() && w.is_nan() || (g - w).abs() <= allowed && g.is_finite() && w.is_finite()
        };
        if !(close(g[0], w[0]) && close(g[1], w[1])) {
            return Err(Failure(format!("element {i}: expected {w:?}, got {g:?} ({allowed:e} allowed)")));
        }
    }
    Ok(())
}

/// Relatively or absolutely close, element by element, on the scale of the largest element.
pub fn close(got: &[f64], want: &[f64], tol: f64) -> Checked {
    if got.len() != want.len() {
        return Err(Failure(format!("expected {} numbers, got {}", want.len(), got.len())));
    }
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        // Written so that a NaN on either side fails.
        if !((g - w).abs() <= tol * (1.0 + w.abs())) {
            return Err(Failure(format!("element {i}: expected {w:e}, got {g:e}")));
        }
    }
    Ok(())
}
