//! The derived parameter tree: names, replacing, loading and its errors.

use isobit::{Array, Dtype, ops};
use isobit_nn::{Module, Params};

#[derive(Clone, Module)]
struct Leaf {
    weight: Array,
    bias: Option<Array>,
    width: usize,
}

#[derive(Clone, Module)]
struct Tree<M: Module> {
    #[module(name = "gamma")]
    scale: Array,
    layers: Vec<M>,
    pair: [Leaf; 2],
    boxed: Box<Leaf>,
    r#type: Leaf,
    #[module(skip)]
    _table: std::sync::Arc<Vec<Array>>,
}

fn leaf(bias: bool) -> Leaf {
    let zeros = |n| ops::zeros(&[n], Dtype::F32).unwrap();
    Leaf { weight: zeros(3), bias: bias.then(|| zeros(1)), width: 3 }
}

fn tree() -> Tree<Leaf> {
    Tree {
        scale: ops::ones(&[2], Dtype::F32).unwrap(),
        layers: vec![leaf(true), leaf(false)],
        pair: [leaf(false), leaf(false)],
        boxed: Box::new(leaf(true)),
        r#type: leaf(false),
        _table: std::sync::Arc::new(vec![]),
    }
}

#[test]
fn names_follow_the_fields() {
    let t = tree();
    let names: Vec<String> = t.parameters().into_keys().collect();
    let want = [
        "boxed.bias",
        "boxed.weight",
        "gamma",
        "layers.0.bias",
        "layers.0.weight",
        "layers.1.weight",
        "pair.0.weight",
        "pair.1.weight",
        "type.weight",
    ];
    assert_eq!(names, want);
    assert_eq!(t.num_parameters(), 2 + 6 * 3 + 2);
    assert_eq!(t.layers[0].width, 3);
}

#[test]
fn update_replaces_what_is_named_and_nothing_on_error() {
    let mut t = tree();
    let two = Array::from_slice(&[2.0f32, 2.0, 2.0], &[3]).unwrap();
    let mut values = Params::from([("layers.1.weight".to_owned(), two.clone())]);
    t.update(&values).unwrap();
    assert_eq!(t.layers[1].weight.to_vec::<f32>().unwrap(), [2.0; 3]);
    assert_eq!(t.layers[0].weight.to_vec::<f32>().unwrap(), [0.0; 3]);

    values.insert("layers.0.weight".to_owned(), Array::from_slice(&[9.0f32], &[1]).unwrap());
    values.insert("layers.1.weight".to_owned(), Array::from_slice(&[9.0f32; 3], &[3]).unwrap());
    values.insert("nowhere".to_owned(), two);
    let e = t.update(&values).unwrap_err().to_string();
    assert!(e.contains("layers.0.weight: expected float32 [3], got float32 [1]"), "{e}");
    assert!(e.contains("nowhere: no such parameter"), "{e}");
    assert_eq!(t.layers[1].weight.to_vec::<f32>().unwrap(), [2.0; 3]);
}

#[test]
fn load_wants_every_tensor_and_no_other() {
    let mut t = tree();
    let full = t.parameters();
    t.load(&full).unwrap();

    let mut v = full.clone();
    v.remove("gamma");
    assert!(t.load(&v).unwrap_err().to_string().contains("missing tensors: gamma"));
    let mut v = full.clone();
    v.insert("delta".to_owned(), full["gamma"].clone());
    assert!(t.load(&v).unwrap_err().to_string().contains("unexpected tensors: delta"));
    let mut v = full.clone();
    v.insert("gamma".to_owned(), Array::from_slice(&[1i32, 2], &[2]).unwrap());
    let e = t.load(&v).unwrap_err().to_string();
    assert!(e.contains("gamma: expected a floating dtype, got int32"), "{e}");
    let mut v = full;
    v.insert("gamma".to_owned(), ops::zeros(&[4], Dtype::F32).unwrap());
    let e = t.load(&v).unwrap_err().to_string();
    assert!(e.contains("gamma: expected shape [2], got [4]"), "{e}");
}

#[test]
fn gradients_by_name() {
    let t = tree();
    let loss = |t: &Tree<Leaf>| {
        let w = &t.layers[0].weight;
        ops::sum(&ops::add(&ops::multiply(w, w)?, &ops::exp(&t.pair[1].weight)?)?, .., false)
    };
    let (value, grads) = isobit_nn::value_and_grad(&t, loss).unwrap();
    assert_eq!(value.item::<f32>().unwrap(), 3.0);
    assert_eq!(grads.len(), t.parameters().len());
    assert_eq!(grads["pair.1.weight"].to_vec::<f32>().unwrap(), [1.0; 3]);
    assert_eq!(grads["gamma"].to_vec::<f32>().unwrap(), [0.0; 2]);
    let (_, some) = isobit_nn::value_and_grad_where(&t, |n| n.starts_with("pair"), loss).unwrap();
    assert_eq!(some.keys().collect::<Vec<_>>(), ["pair.0.weight", "pair.1.weight"]);
    assert!(isobit_nn::value_and_grad_where(&t, |_| false, loss).is_err());
}
