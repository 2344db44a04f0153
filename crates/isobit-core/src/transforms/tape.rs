//! The recorded graph between a function's stand-in arguments and its results.

use crate::array::{Array, Call, Node};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// One recorded application, inputs before users.
pub(crate) struct Step {
    pub node: Arc<Node>,
    pub call: Call,
}

impl Step {
    pub fn outs(&self) -> Vec<Array> {
        (0..self.node.specs.len() as u32).map(|index| Array { node: Arc::clone(&self.node), index }).collect()
    }
}

/// The applications on which `outputs` depend and which depend on `args`, inputs before users. `args` themselves are
/// not included and nothing behind them is visited.
pub(crate) fn record(args: &[Array], outputs: &[Array]) -> Vec<Step> {
    enum Visit {
        Enter(Arc<Node>),
        Exit(Arc<Node>, Call),
    }
    // node -> does it depend on an argument
    let mut depends: FxHashMap<usize, bool> = FxHashMap::default();
    for a in args {
        depends.insert(a.node_key(), true);
    }
    let mut steps = Vec::new();
    let mut stack: Vec<Visit> = outputs.iter().map(|a| Visit::Enter(Arc::clone(&a.node))).collect();
    while let Some(visit) = stack.pop() {
        match visit {
            Visit::Enter(node) => {
                let key = Arc::as_ptr(&node) as usize;
                if depends.contains_key(&key) {
                    continue;
                }
                depends.insert(key, false);
                if !node.traced {
                    continue;
                }
                let Some(call) = node.call() else { continue };
                let inputs: Vec<Arc<Node>> = call.inputs.iter().map(|a| Arc::clone(&a.node)).collect();
                stack.push(Visit::Exit(node, call));
                stack.extend(inputs.into_iter().map(Visit::Enter));
            }
            Visit::Exit(node, call) => {
                if call.inputs.iter().any(|a| depends.get(&a.node_key()) == Some(&true)) {
                    depends.insert(Arc::as_ptr(&node) as usize, true);
                    steps.push(Step { node, call });
                }
            }
        }
    }
    steps
}
