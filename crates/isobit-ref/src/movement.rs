//! Elements moved, not changed.

use crate::value::{Values, indices, ravel};
use isobit_core::Spec;
use isobit_core::ops::slice::Region;

/// Inputs one after the other along an axis.
pub fn concatenate(x: &[Values], shapes: &[&[usize]], axis: usize, out: &Spec) -> Values {
    let pick = |ix: &[usize]| {
        let (mut at, mut k) = (ix[axis], 0);
        while at >= shapes[k][axis] {
            at -= shapes[k][axis];
            k += 1;
        }
        let mut inner = ix.to_vec();
        inner[axis] = at;
        (k, ravel(&inner, shapes[k]))
    };
    match &x[0] {
        Values::F(_) => {
            let all: Vec<Vec<f64>> = x.iter().map(Values::floats).collect();
            Values::F(indices(&out.shape).map(|ix| pick(&ix)).map(|(k, i)| all[k][i]).collect())
        }
        Values::I(_) => {
            let all: Vec<Vec<i128>> = x.iter().map(Values::ints).collect();
            Values::I(indices(&out.shape).map(|ix| pick(&ix)).map(|(k, i)| all[k][i]).collect())
        }
    }
}

/// A region replaced.
pub fn slice_update(x: &Values, update: &Values, region: &Region, shape: &[usize]) -> Values {
    let places: Vec<usize> = indices(region.shape())
        .map(|ix| {
            let at: Vec<usize> = ix
                .iter()
                .enumerate()
                .map(|(d, &i)| (region.start()[d] + region.step()[d] * i as isize) as usize)
                .collect();
            ravel(&at, shape)
        })
        .collect();
    match (x, update) {
        (Values::F(x), u) => {
            let mut out = x.clone();
            places.into_iter().zip(u.floats()).for_each(|(p, v)| out[p] = v);
            Values::F(out)
        }
        (Values::I(x), u) => {
            let mut out = x.clone();
            places.into_iter().zip(u.ints()).for_each(|(p, v)| out[p] = v);
            Values::I(out)
        }
    }
}
