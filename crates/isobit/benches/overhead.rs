//! What one operation costs besides its arithmetic: a chain of scalar operations built and evaluated, the answer checked.
//!
//! `cargo bench -p isobit --bench overhead`

use isobit::{Array, Dtype, Result, ops};
use std::time::Instant;

const LENGTH: usize = 10_000;
const REPEATS: usize = 60;

/// Best time of several runs, in microseconds per operation.
fn per_op(name: &str, mut run: impl FnMut() -> Result<()>) -> Result<f64> {
    run()?;
    let mut best = f64::INFINITY;
    for _ in 0..REPEATS {
        let start = Instant::now();
        run()?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    let micros = best * 1e6 / LENGTH as f64;
    println!("{name:<44} {micros:8.3} us/op");
    Ok(micros)
}

fn main() -> Result<()> {
    let one = Array::scalar(1.0, Dtype::F32);
    let zero = Array::scalar(0.0, Dtype::F32);
    per_op("x + one, 0-d, built and evaluated", || {
        let mut x = zero.clone();
        for _ in 0..LENGTH {
            x = ops::add(&x, &one)?;
        }
        assert_eq!(x.item::<f32>()?, LENGTH as f32);
        Ok(())
    })?;
    per_op("x + one, 0-d, built only", || {
        let mut x = zero.clone();
        for _ in 0..LENGTH {
            x = ops::add(&x, &one)?;
        }
        assert_eq!(x.shape(), &[] as &[usize]);
        Ok(())
    })?;
    per_op("(x + 1.0), a number each time", || {
        let mut x = zero.clone();
        for _ in 0..LENGTH {
            x = (x + 1.0)?;
        }
        assert_eq!(x.item::<f32>()?, LENGTH as f32);
        Ok(())
    })?;
    per_op("exp(-x), alternating, 0-d", || {
        let mut x = zero.clone();
        for _ in 0..LENGTH / 2 {
            x = x.negative()?.exp()?;
        }
        // The fixed point of e^-x.
        assert!((x.item::<f32>()? - 0.567_143_3).abs() < 1e-6);
        Ok(())
    })?;
    let sixteen = Array::from_slice(&[1.0f32; 16], &[16])?;
    per_op("x + ones, 16 elements", || {
        let mut x = sixteen.clone();
        for _ in 0..LENGTH {
            x = ops::add(&x, &sixteen)?;
        }
        assert_eq!(x.to_vec::<f32>()?, vec![LENGTH as f32 + 1.0; 16]);
        Ok(())
    })?;
    per_op("x + one, 16 elements and a scalar", || {
        let mut x = sixteen.clone();
        for _ in 0..LENGTH {
            x = ops::add(&x, &one)?;
        }
        assert_eq!(x.to_vec::<f32>()?, vec![LENGTH as f32 + 1.0; 16]);
        Ok(())
    })?;
    per_op("x + one, 0-d, evaluated one by one", || {
        let mut x = zero.clone();
        for _ in 0..LENGTH {
            x = ops::add(&x, &one)?;
            x.eval()?;
        }
        assert_eq!(x.item::<f32>()?, LENGTH as f32);
        Ok(())
    })?;
    Ok(())
}
