//! The graph as text for Graphviz (<https://graphviz.org/doc/info/lang.html>), to look at. Evaluates nothing.

use crate::array::{Array, Node, State};
use rustc_hash::FxHashMap;
use std::fmt::Write;
use std::sync::Arc;

/// The graph behind arrays in the DOT language: a box for every operation that has not run, an ellipse for every array that
/// has its values, and an arrow from each to whatever uses it. Given names stand beside the nodes that make those arrays.
///
/// # Examples
/// ```
/// # use isobit::{Array, Dtype, dot, ops};
/// let a = Array::from_slice(&[1.0f32, 2.0], &[2])?;
/// let b = ops::exp(&a)?;
/// let text = dot::graph(&[("b", &b)]);
/// assert!(text.contains("exp") && text.contains("->"));
/// b.eval()?;
/// assert!(!dot::graph(&[("b", &b)]).contains("->"));
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn graph(arrays: &[(&str, &Array)]) -> String {
    let mut names: FxHashMap<*const Node, Vec<&str>> = FxHashMap::default();
    let mut todo: Vec<Arc<Node>> = Vec::new();
    for (name, a) in arrays {
        let of = names.entry(Arc::as_ptr(&a.node)).or_default();
        if !name.is_empty() {
            of.push(name);
        }
        todo.push(Arc::clone(&a.node));
    }
    // A number for every node that was met; the nodes are held, so that no address is used twice.
    let mut numbers: FxHashMap<*const Node, usize> = FxHashMap::default();
    let mut held: Vec<Arc<Node>> = Vec::new();
    let mut number = |node: &Arc<Node>, todo: &mut Vec<Arc<Node>>| {
        let next = numbers.len();
        *numbers.entry(Arc::as_ptr(node)).or_insert_with(|| {
            todo.push(Arc::clone(node));
            next
        })
    };
    let (mut out, mut fresh) = (String::from("digraph {\n"), Vec::new());
    for node in todo {
        number(&node, &mut fresh);
    }
    while let Some(node) = fresh.pop() {
        let own = number(&node, &mut fresh);
        let inputs = match &*node.state.lock() {
            State::Lazy(call) => Some((call.prim.name(), call.inputs.clone())),
            _ => None,
        };
        let names = names.get(&Arc::as_ptr(&node)).map_or(String::new(), |n| n.join(", "));
        let spec: Vec<String> = node.specs.iter().map(|s| format!("{} {:?}", s.dtype, s.shape.as_slice())).collect();
        let what = inputs.as_ref().map_or("values", |(name, _)| name);
        let shape = if inputs.is_some() { "box" } else { "ellipse" };
        // A name is the caller's text: what would end the quotes is escaped.
        let label = format!("{names}\\n{what}\\n{}", spec.join(", ")).replace('"', "\\\"");
        let label = label.trim_start_matches("\\n");
        let _ = writeln!(out, "{own} [label=\"{label}\", shape={shape}];");
        for input in inputs.iter().flat_map(|(_, inputs)| inputs) {
            let from = number(&input.node, &mut fresh);
            let _ = writeln!(out, "{from} -> {own};");
        }
        held.push(node);
    }
    out.push_str("}\n");
    out
}
