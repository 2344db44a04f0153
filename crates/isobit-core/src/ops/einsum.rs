//! Sums of products in Einstein's notation.

use crate::array::Array;
use crate::error::{Error, Result};
use std::collections::BTreeMap;

const OP: &str = "einsum";

/// A letter, or an axis that an ellipsis stands for (counted from the last one).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Letter(char),
    Batch(usize),
}

type Labels = Vec<Label>;

/// An array and what its axes are called, each label once.
#[derive(Clone)]
struct Term {
    array: Array,
    labels: Labels,
}

/// A sum of products: each operand's axes are named by letters, those of the result too (by default the letters that
/// appear once, in alphabetical order); axes that the result does not name are summed over. An ellipsis stands for any
/// axes, which are broadcast.
///
/// Operands are contracted in pairs, in the order in which each step makes the smallest intermediate result.
///
/// # Dtypes
/// As [`matmul`](super::matmul()).
///
/// # Gradients
/// With respect to every operand.
///
/// # Errors
/// Subscripts that are malformed or do not fit the operands.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 2.0, 3.0, 4.0], &[2, 2])?;
/// let b = Array::from_slice(&[1.0f32, 10.0], &[2])?;
/// assert_eq!(ops::einsum("ij,j->i", &[a, b])?.to_vec::<f32>()?, [21.0, 43.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn einsum(subscripts: &str, operands: &[Array]) -> Result<Array> {
    let (inputs, output) = parse(subscripts, operands)?;
    let mut terms = operands.iter().zip(&inputs).map(|(a, labels)| diagonals(a, labels)).collect::<Result<Vec<_>>>()?;
    for (i, j) in order(&terms, &output) {
        let (low, high) = (i.min(j), i.max(j));
        let b = terms.remove(high);
        let a = terms.remove(low);
        let kept = |l: &Label| output.contains(l) || terms.iter().any(|t| t.labels.contains(l));
        let product = contract(&a, &b, &kept)?;
        terms.push(product);
    }
    let Some(last) = terms.pop() else { return Err(Error::value(OP, "expected at least one operand")) };
    finish(&last, &output)
}

/// The pairs of positions in which [`einsum`] contracts operands; each pair's product goes to the end of the list.
///
/// # Errors
/// As [`einsum`].
///
/// # Examples
/// ```
/// # use isobit::{Dtype, ops};
/// let a = ops::zeros(&[2, 2], Dtype::F32)?;
/// assert_eq!(ops::einsum_path("ij,jk->ik", &[a.clone(), a])?, [[0, 1]]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn einsum_path(subscripts: &str, operands: &[Array]) -> Result<Vec<Vec<usize>>> {
    let (inputs, output) = parse(subscripts, operands)?;
    if operands.len() == 1 {
        return Ok(vec![vec![0]]);
    }
    let terms = operands.iter().zip(&inputs).map(|(a, l)| diagonals(a, l)).collect::<Result<Vec<_>>>()?;
    Ok(order(&terms, &output).into_iter().map(|(i, j)| vec![i.min(j), i.max(j)]).collect())
}

/// The labels of every operand and of the result.
fn parse(subscripts: &str, operands: &[Array]) -> Result<(Vec<Labels>, Labels)> {
    let bad = |what: String| Error::value(OP, format!("{what} in subscripts {subscripts:?}"));
    let text: String = subscripts.chars().filter(|c| !c.is_whitespace()).collect();
    let (left, right) = match text.split_once("->") {
        Some((l, r)) => (l, Some(r)),
        None => (text.as_str(), None),
    };
    let parts: Vec<&str> = left.split(',').collect();
    if parts.len() != operands.len() {
        return Err(bad(format!("expected {} operands, got {}", parts.len(), operands.len())));
    }
    let letters = |part: &str, batch: usize| -> Result<Labels> {
        let (front, back) = part.split_once("...").map_or((part, None), |(f, b)| (f, Some(b)));
        let mut labels = Labels::new();
        let push =
            |s: &str| -> Result<Labels> {
                s.chars()
                    .map(|c| {
                        if c.is_ascii_alphabetic() {
                            Ok(Label::Letter(c))
                        } else {
                            Err(bad(format!("unexpected {c:?}")))
                        }
                    })
                    .collect()
            };
        labels.extend(push(front)?);
        if let Some(back) = back {
            labels.extend((0..batch).rev().map(Label::Batch));
            labels.extend(push(back)?);
        }
        Ok(labels)
    };
    let mut inputs = Vec::new();
    let mut batch = 0;
    let mut sizes: BTreeMap<Label, usize> = BTreeMap::new();
    for (part, a) in parts.iter().zip(operands) {
        let named = letters(part, 0)?.len();
        let more = a.ndim().checked_sub(named).filter(|&m| m == 0 || part.contains("..."));
        let Some(more) = more else {
            return Err(bad(format!("{part:?} does not fit {} axes", a.ndim())));
        };
        batch = batch.max(more);
        let labels = letters(part, more)?;
        for (&l, &n) in labels.iter().zip(a.shape()) {
            let known = sizes.entry(l).or_insert(n);
            if *known == 1 {
                *known = n;
            }
            if n != *known && n != 1 {
                return Err(bad(format!("axes of one name have sizes {known} and {n}")));
            }
        }
        inputs.push(labels);
    }
    let output = match right {
        Some(r) => letters(r, batch)?,
        None => {
            let mut once: Labels = (0..batch).rev().map(Label::Batch).collect();
            let all: Labels = inputs.iter().flatten().copied().collect();
            let count = |l: &Label| all.iter().filter(|x| *x == l).count();
            once.extend(sizes.keys().filter(|l| matches!(l, Label::Letter(_)) && count(l) == 1));
            once
        }
    };
    let repeated = output.iter().enumerate().any(|(i, l)| output[..i].contains(l));
    if repeated || output.iter().any(|l| !sizes.contains_key(l)) {
        return Err(bad("a letter of the result is repeated or names no axis".to_string()));
    }
    Ok((inputs, output))
}

/// An operand whose axes of one name have become one, by taking diagonals.
fn diagonals(a: &Array, labels: &[Label]) -> Result<Term> {
    let (mut array, mut labels) = (a.clone(), labels.to_vec());
    while let Some((i, j)) = repeated(&labels) {
        array = super::diagonal(&array, 0, i as isize, j as isize)?;
        let label = labels.remove(j);
        labels.remove(i);
        labels.push(label);
    }
    Ok(Term { array, labels })
}

fn repeated(labels: &[Label]) -> Option<(usize, usize)> {
    (0..labels.len()).find_map(|i| (i + 1..labels.len()).find(|&j| labels[i] == labels[j]).map(|j| (i, j)))
}

fn size_of(terms: &[Term], label: Label) -> usize {
    let of = |t: &Term| t.labels.iter().position(|&l| l == label).map(|d| t.array.shape()[d]);
    terms.iter().filter_map(of).max().unwrap_or(1)
}

/// Pairs of positions, greedily: first the pair whose contraction leaves the fewest elements in memory, of those the one
/// that takes the fewest products of elements.
fn order(terms: &[Term], output: &[Label]) -> Vec<(usize, usize)> {
    let mut sets: Vec<Labels> = terms.iter().map(|t| t.labels.clone()).collect();
    let size = |labels: &[Label]| labels.iter().map(|&l| size_of(terms, l) as f64).product::<f64>();
    let mut path = Vec::new();
    while sets.len() > 1 {
        let mut best: Option<((f64, f64), usize, usize)> = None;
        for i in 0..sets.len() {
            for j in i + 1..sets.len() {
                let mut all = sets[i].clone();
                all.extend(sets[j].iter().filter(|l| !sets[i].contains(l)));
                let others = || sets.iter().enumerate().filter(|(k, _)| *k != i && *k != j);
                let kept: Labels = all
                    .iter()
                    .copied()
                    .filter(|l| output.contains(l) || others().any(|(_, s)| s.contains(l)))
                    .collect();
                let cost = (size(&kept) - size(&sets[i]) - size(&sets[j]), size(&all));
                if best.is_none_or(|b| cost < b.0) {
                    best = Some((cost, i, j));
                }
            }
        }
        let Some((_, i, j)) = best else { break };
        let b = sets.remove(j);
        let mut all = sets.remove(i);
        all.extend(b.into_iter().filter(|l| !all.contains(l)).collect::<Labels>());
        all.retain(|l| output.contains(l) || sets.iter().any(|s| s.contains(l)));
        sets.push(all);
        path.push((i, j));
    }
    path
}

/// A term with its axes in another order; of labels that it does not have, axes of size 1.
fn arranged(term: &Term, labels: &[Label]) -> Result<Array> {
    let order: Vec<isize> =
        labels.iter().filter_map(|l| term.labels.iter().position(|x| x == l)).map(|d| d as isize).collect();
    let mut array = super::transpose(&term.array, order.as_slice())?;
    let missing: Vec<isize> =
        labels.iter().enumerate().filter(|(_, l)| !term.labels.contains(l)).map(|(i, _)| i as isize).collect();
    if !missing.is_empty() {
        array = super::expand_dims(&array, missing.as_slice())?;
    }
    Ok(array)
}

/// A term without the axes that nothing else needs, summed over.
fn summed(term: &Term, needed: impl Fn(&Label) -> bool) -> Result<Term> {
    let gone: Vec<isize> =
        term.labels.iter().enumerate().filter(|(_, l)| !needed(l)).map(|(d, _)| d as isize).collect();
    if gone.is_empty() {
        return Ok(term.clone());
    }
    let labels = term.labels.iter().copied().filter(&needed).collect();
    Ok(Term { array: super::sum(&term.array, gone.as_slice(), false)?, labels })
}

/// The product of two terms, summed over labels that are not kept: a batched matrix product where there are such, else
/// an elementwise one.
fn contract(a: &Term, b: &Term, kept: &dyn Fn(&Label) -> bool) -> Result<Term> {
    let a = summed(a, |l| kept(l) || b.labels.contains(l))?;
    let b = summed(b, |l| kept(l) || a.labels.contains(l))?;
    let both = |l: &&Label| b.labels.contains(l);
    let inner: Labels = a.labels.iter().filter(both).filter(|l| !kept(l)).copied().collect();
    let batch: Labels = a.labels.iter().filter(both).filter(|l| kept(l)).copied().collect();
    let rows: Labels = a.labels.iter().filter(|l| !b.labels.contains(l)).copied().collect();
    let columns: Labels = b.labels.iter().filter(|l| !a.labels.contains(l)).copied().collect();
    let labels: Labels = batch.iter().chain(&rows).chain(&columns).copied().collect();
    if inner.is_empty() {
        return Ok(Term { array: super::multiply(&arranged(&a, &labels)?, &arranged(&b, &labels)?)?, labels });
    }
    let terms = [a, b];
    let sizes = |list: &[Label]| list.iter().map(|&l| size_of(&terms, l)).collect::<Vec<usize>>();
    let flat = |term: &Term, outer: &[Label], inside: &[Label]| -> Result<Array> {
        let all: Labels = batch.iter().chain(outer).chain(inside).copied().collect();
        // An axis of size 1 beside a longer one of its name is repeated.
        let array = super::broadcast_to(&arranged(term, &all)?, &sizes(&all))?;
        let mut shape: Vec<isize> = sizes(&batch).iter().map(|&n| n as isize).collect();
        shape.push(sizes(outer).iter().product::<usize>() as isize);
        shape.push(sizes(inside).iter().product::<usize>() as isize);
        super::reshape(&array, &shape)
    };
    let left = flat(&terms[0], &rows, &inner)?;
    let right = flat(&terms[1], &inner, &columns)?;
    let shape: Vec<isize> = sizes(&labels).iter().map(|&n| n as isize).collect();
    Ok(Term { array: super::reshape(&super::matmul(&left, &right)?, &shape)?, labels })
}

/// The last term as the result: summed over what is left, its axes in order.
fn finish(term: &Term, output: &[Label]) -> Result<Array> {
    let term = summed(term, |l| output.contains(l))?;
    arranged(&term, output)
}
