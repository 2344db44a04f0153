//! [`Module`]: a struct whose arrays are a named parameter tree.

use crate::quantized::Quantizable;
use isobit::{Array, Dtype, Error, Result};
use std::collections::BTreeMap;

/// Parameters (or gradients, or optimizer state) by dotted name, in the order of the names.
pub type Params = BTreeMap<String, Array>;

/// The dotted name of the place that a visit has reached.
#[derive(Default)]
pub struct Path {
    name: String,
}

impl Path {
    /// The root.
    pub fn new() -> Path {
        Path::default()
    }

    /// The dotted name.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// Runs `f` one step further down.
    pub fn within(&mut self, name: &str, f: impl FnOnce(&mut Path)) {
        let len = self.name.len();
        if len > 0 {
            self.name.push('.');
        }
        self.name.push_str(name);
        f(self);
        self.name.truncate(len);
    }
}

/// A tree of named parameters. Derive it: `#[derive(Module)]`.
///
/// An [`Array`] is a leaf; `Option`, `Box`, `Vec` and arrays of modules are modules (elements are named by their
/// index); numbers, `bool`, `String` and [`Dtype`] are settings without parameters.
pub trait Module {
    /// Calls `f` with the name and value of every parameter, in the order of the fields.
    fn visit(&self, path: &mut Path, f: &mut dyn FnMut(&str, &Array));

    /// As [`Module::visit`], with the right to replace each parameter.
    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Array));

    /// As [`Module::visit`], without the parameters that training leaves as they are: what a quantized matrix is made of,
    /// and fields marked `#[module(frozen)]`.
    fn visit_trainable(&self, path: &mut Path, f: &mut dyn FnMut(&str, &Array));

    /// Calls `f` with the path of every layer whose matrix may be stored quantized.
    fn visit_quantizable(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut dyn Quantizable));

    /// Every parameter by name.
    fn parameters(&self) -> Params {
        let mut all = Params::new();
        self.visit(&mut Path::new(), &mut |name, a| {
            all.insert(name.to_owned(), a.clone());
        });
        all
    }

    /// Every parameter that training changes, by name.
    fn trainable_parameters(&self) -> Params {
        let mut all = Params::new();
        self.visit_trainable(&mut Path::new(), &mut |name, a| {
            if a.dtype().is_inexact() {
                all.insert(name.to_owned(), a.clone());
            }
        });
        all
    }

    /// How many numbers the parameters hold.
    fn num_parameters(&self) -> usize {
        let mut n = 0;
        self.visit(&mut Path::new(), &mut |_, a| n += a.size());
        n
    }

    /// Replaces the parameters that `values` names; the others stay.
    ///
    /// # Errors
    /// A name that no parameter has; another shape or dtype than the parameter's. Then nothing is replaced.
    fn update(&mut self, values: &Params) -> Result<()> {
        let mut found = 0;
        let mut wrong = Vec::new();
        self.visit(&mut Path::new(), &mut |name, old| {
            if let Some(new) = values.get(name) {
                found += 1;
                if new.shape() != old.shape() || new.dtype() != old.dtype() {
                    wrong.push(mismatch(name, old, new));
                }
            }
        });
        if found < values.len() {
            let have = self.parameters();
            wrong.extend(values.keys().filter(|k| !have.contains_key(*k)).map(|k| format!("{k}: no such parameter")));
        }
        if !wrong.is_empty() {
            return Err(Error::value("update", first_few(&wrong)));
        }
        self.visit_mut(&mut Path::new(), &mut |name, a| {
            if let Some(new) = values.get(name) {
                *a = new.clone();
            }
        });
        Ok(())
    }

    /// Replaces every parameter by the one of its name, taking over the floating dtype of `values`: what loading a
    /// weight file does. A parameter that is no float (codes, the scales of some formats) keeps its dtype.
    ///
    /// # Errors
    /// A parameter that `values` lacks, a value that no parameter takes, another shape, a dtype that is not a float or
    /// not the parameter's. Then nothing is replaced.
    fn load(&mut self, values: &Params) -> Result<()> {
        let have = self.parameters();
        let missing: Vec<String> = have.keys().filter(|k| !values.contains_key(*k)).cloned().collect();
        if !missing.is_empty() {
            return Err(Error::value("load", format!("missing tensors: {}", first_few(&missing))));
        }
        let extra: Vec<String> = values.keys().filter(|k| !have.contains_key(*k)).cloned().collect();
        if !extra.is_empty() {
            return Err(Error::value("load", format!("unexpected tensors: {}", first_few(&extra))));
        }
        let mut wrong = Vec::new();
        for (name, old) in &have {
            let new = &values[name];
            if new.shape() != old.shape() {
                wrong.push(format!("{name}: expected shape {:?}, got {:?}", old.shape(), new.shape()));
            } else if old.dtype().is_float() && !new.dtype().is_float() {
                wrong.push(format!("{name}: expected a floating dtype, got {}", new.dtype()));
            } else if !old.dtype().is_float() && new.dtype() != old.dtype() {
                wrong.push(format!("{name}: expected {}, got {}", old.dtype(), new.dtype()));
            }
        }
        if !wrong.is_empty() {
            return Err(Error::value("load", first_few(&wrong)));
        }
        self.visit_mut(&mut Path::new(), &mut |name, a| {
            if let Some(new) = values.get(name) {
                *a = new.clone();
            }
        });
        Ok(())
    }

    /// Converts every floating parameter to `dtype`.
    fn set_dtype(&mut self, dtype: Dtype) -> Result<()> {
        let mut first = Ok(());
        self.visit_mut(&mut Path::new(), &mut |_, a| {
            if a.dtype().is_float() && a.dtype() != dtype {
                match isobit::ops::astype(a, dtype) {
                    Ok(new) => *a = new,
                    Err(e) => first = Err(e),
                }
            }
        });
        first
    }

    /// Computes every parameter that is still lazy.
    fn eval(&self) -> Result<()> {
        let all: Vec<Array> = self.parameters().into_values().collect();
        isobit::eval(&all)
    }
}

fn mismatch(name: &str, old: &Array, new: &Array) -> String {
    format!("{name}: expected {} {:?}, got {} {:?}", old.dtype(), old.shape(), new.dtype(), new.shape())
}

/// The first few of a list of complaints, and how many more there are.
pub(crate) fn first_few(all: &[String]) -> String {
    const SHOWN: usize = 4;
    let mut s = all.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("; ");
    if all.len() > SHOWN {
        s.push_str(&format!("; and {} more", all.len() - SHOWN));
    }
    s
}

impl Module for Array {
    fn visit(&self, path: &mut Path, f: &mut dyn FnMut(&str, &Array)) {
        f(path.as_str(), self);
    }

    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Array)) {
        f(path.as_str(), self);
    }

    fn visit_trainable(&self, path: &mut Path, f: &mut dyn FnMut(&str, &Array)) {
        f(path.as_str(), self);
    }

    fn visit_quantizable(&mut self, _: &mut Path, _: &mut dyn FnMut(&str, &mut dyn Quantizable)) {}
}

impl<M: Module> Module for Option<M> {
    fn visit(&self, path: &mut Path, f: &mut dyn FnMut(&str, &Array)) {
        if let Some(m) = self {
            m.visit(path, f);
        }
    }

    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Array)) {
        if let Some(m) = self {
            m.visit_mut(path, f);
        }
    }

    fn visit_trainable(&self, path: &mut Path, f: &mut dyn FnMut(&str, &Array)) {
        if let Some(m) = self {
            m.visit_trainable(path, f);
        }
    }

    fn visit_quantizable(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut dyn Quantizable)) {
        if let Some(m) = self {
            m.visit_quantizable(path, f);
        }
    }
}

impl<M: Module + ?Sized> Module for Box<M> {
    fn visit(&self, path: &mut Path, f: &mut dyn FnMut(&str, &Array)) {
        (**self).visit(path, f);
    }

    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Array)) {
        (**self).visit_mut(path, f);
    }

    fn visit_trainable(&self, path: &mut Path, f: &mut dyn FnMut(&str, &Array)) {
        (**self).visit_trainable(path, f);
    }

    fn visit_quantizable(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut dyn Quantizable)) {
        (**self).visit_quantizable(path, f);
    }
}

impl<M: Module> Module for [M] {
    fn visit(&self, path: &mut Path, f: &mut dyn FnMut(&str, &Array)) {
        for (i, m) in self.iter().enumerate() {
            path.within(&i.to_string(), |path| m.visit(path, f));
        }
    }

    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Array)) {
        for (i, m) in self.iter_mut().enumerate() {
            path.within(&i.to_string(), |path| m.visit_mut(path, f));
        }
    }

    fn visit_trainable(&self, path: &mut Path, f: &mut dyn FnMut(&str, &Array)) {
        for (i, m) in self.iter().enumerate() {
            path.within(&i.to_string(), |path| m.visit_trainable(path, f));
        }
    }

    fn visit_quantizable(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut dyn Quantizable)) {
        for (i, m) in self.iter_mut().enumerate() {
            path.within(&i.to_string(), |path| m.visit_quantizable(path, f));
        }
    }
}

impl<M: Module> Module for Vec<M> {
    fn visit(&self, path: &mut Path, f: &mut dyn FnMut(&str, &Array)) {
        self.as_slice().visit(path, f);
    }

    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Array)) {
        self.as_mut_slice().visit_mut(path, f);
    }

    fn visit_trainable(&self, path: &mut Path, f: &mut dyn FnMut(&str, &Array)) {
        self.as_slice().visit_trainable(path, f);
    }

    fn visit_quantizable(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut dyn Quantizable)) {
        self.as_mut_slice().visit_quantizable(path, f);
    }
}

impl<M: Module, const N: usize> Module for [M; N] {
    fn visit(&self, path: &mut Path, f: &mut dyn FnMut(&str, &Array)) {
        self.as_slice().visit(path, f);
    }

    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Array)) {
        self.as_mut_slice().visit_mut(path, f);
    }

    fn visit_trainable(&self, path: &mut Path, f: &mut dyn FnMut(&str, &Array)) {
        self.as_slice().visit_trainable(path, f);
    }

    fn visit_quantizable(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut dyn Quantizable)) {
        self.as_mut_slice().visit_quantizable(path, f);
    }
}

macro_rules! settings {
    ($($t:ty),*) => {
        $(impl Module for $t {
            fn visit(&self, _: &mut Path, _: &mut dyn FnMut(&str, &Array)) {}
            fn visit_mut(&mut self, _: &mut Path, _: &mut dyn FnMut(&str, &mut Array)) {}
            fn visit_trainable(&self, _: &mut Path, _: &mut dyn FnMut(&str, &Array)) {}
            fn visit_quantizable(&mut self, _: &mut Path, _: &mut dyn FnMut(&str, &mut dyn Quantizable)) {}
        })*
    };
}
settings!(bool, u8, u16, u32, u64, usize, i8, i16, i32, i64, isize, f32, f64, String, Dtype);
