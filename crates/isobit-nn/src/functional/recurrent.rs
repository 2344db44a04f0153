//! Recurrent layers over sequences `[..., time, features]`. Weights are `[gates * hidden, features]`.

use crate::term::{Term, term};
use isobit::{Array, Error, Result, ops};

/// What every step gets of the inputs: `x @ weight.T + bias`, step by step.
fn inputs(op: &'static str, x: &Array, weight: &Array, bias: Option<&Array>) -> Result<Vec<Array>> {
    if x.ndim() < 2 {
        return Err(Error::value(op, format!("expected a time and a feature axis, got shape {:?}", x.shape())));
    }
    let mut all = term(x).matmul(ops::transpose(weight, ..)?);
    if let Some(b) = bias {
        all = all + b;
    }
    let all = all.0?;
    match all.shape()[all.ndim() - 2] {
        0 => Err(Error::value(op, "expected at least one step, got none")),
        _ => ops::unstack(&all, -2),
    }
}

/// `state @ weight.T`, if there is a state.
fn kept(state: Option<&Array>, weight: &Array) -> Result<Option<Array>> {
    state.map(|s| ops::matmul(s, &ops::transpose(weight, ..)?)).transpose()
}

fn plus(a: &Array, b: Option<Array>) -> Result<Array> {
    b.map_or_else(|| Ok(a.clone()), |b| ops::add(a, &b))
}

/// `h' = nonlinearity(wx x + wh h + bias)`; all states, along the time axis.
///
/// # Errors
/// No step; what `nonlinearity` returns.
pub fn rnn(
    x: &Array,
    wx: &Array,
    wh: &Array,
    bias: Option<&Array>,
    hidden: Option<&Array>,
    mut nonlinearity: impl FnMut(&Array) -> Result<Array>,
) -> Result<Array> {
    let mut hidden = hidden.cloned();
    let mut states = Vec::new();
    for now in inputs("rnn", x, wx, bias)? {
        let state = nonlinearity(&plus(&now, kept(hidden.as_ref(), wh)?)?)?;
        states.push(state.clone());
        hidden = Some(state);
    }
    ops::stack(&states, -2)
}

/// A gated recurrent unit (Cho et al., 2014); all states, along the time axis.
///
/// Rows of the weights: reset, update, new; `new_bias` is added to the hidden part of the new state.
///
/// # Errors
/// No step; shapes that do not fit one another.
pub fn gru(
    x: &Array,
    wx: &Array,
    wh: &Array,
    bias: Option<&Array>,
    new_bias: Option<&Array>,
    hidden: Option<&Array>,
) -> Result<Array> {
    let steps = inputs("gru", x, wx, bias)?;
    let mut hidden = match hidden {
        Some(h) => h.clone(),
        None => {
            let mut shape = x.shape()[..x.ndim() - 2].to_vec();
            shape.push(wh.shape().last().copied().unwrap_or(0));
            ops::zeros(&shape, x.dtype())?
        }
    };
    let gates = |a: &Array| -> Result<[Term; 3]> {
        let parts = ops::split(a, 3, -1)?;
        Ok([term(&parts[0]), term(&parts[1]), term(&parts[2])])
    };
    let mut states = Vec::new();
    for step in steps {
        let [given_reset, given_update, given_new] = gates(&step)?;
        let [kept_reset, kept_update, mut inner] = gates(&ops::matmul(&hidden, &ops::transpose(wh, ..)?)?)?;
        if let Some(b) = new_bias {
            inner = inner + b;
        }
        let (reset, update) = ((given_reset + kept_reset).sigmoid(), (given_update + kept_update).sigmoid());
        let new = (given_new + reset * inner).tanh();
        hidden = ((1 - &update) * new + &update * &hidden).0?;
        states.push(hidden.clone());
    }
    ops::stack(&states, -2)
}

/// A long short-term memory (Hochreiter and Schmidhuber, 1997); all states and all cells, along the time axis.
///
/// Rows of the weights: input, forget, cell, output.
///
/// # Errors
/// No step; shapes that do not fit one another.
pub fn lstm(
    x: &Array,
    wx: &Array,
    wh: &Array,
    bias: Option<&Array>,
    hidden: Option<&Array>,
    cell: Option<&Array>,
) -> Result<(Array, Array)> {
    let (mut hidden, mut cell) = (hidden.cloned(), cell.cloned());
    let (mut states, mut cells) = (Vec::new(), Vec::new());
    for now in inputs("lstm", x, wx, bias)? {
        let gates = ops::split(&plus(&now, kept(hidden.as_ref(), wh)?)?, 4, -1)?;
        let [input, forget, new, output] = &gates[..] else {
            return Err(Error::runtime("lstm", "a split into four is not four"));
        };
        let mut next = term(input).sigmoid() * term(new).tanh();
        if let Some(c) = &cell {
            next = term(forget).sigmoid() * c + next;
        }
        let next = next.0?;
        let state = (term(output).sigmoid() * term(&next).tanh()).0?;
        states.push(state.clone());
        cells.push(next.clone());
        (hidden, cell) = (Some(state), Some(next));
    }
    Ok((ops::stack(&states, -2)?, ops::stack(&cells, -2)?))
}
