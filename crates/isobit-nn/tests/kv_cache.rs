//! The cache of keys and values: growth, sharing of a prefix, errors.

use isobit::Array;
use isobit_nn::KvCache;

/// Keys `[1, 2, n, 2]` whose values count up from `start`, token by token.
fn block(start: usize, n: usize) -> Array {
    let data: Vec<f32> =
        (0..2).flat_map(|h| (0..n).flat_map(move |t| (0..2).map(move |d| token(h, start + t, d)))).collect();
    Array::from_slice(&data, &[1, 2, n, 2]).unwrap()
}

fn token(head: usize, position: usize, d: usize) -> f32 {
    (position * 10 + head * 2 + d) as f32
}

#[test]
fn any_division_into_updates_gives_the_same_keys() {
    for cuts in [vec![700], vec![1; 40], vec![3, 250, 4, 1, 300], vec![256, 256, 1]] {
        let (mut cache, mut n) = (KvCache::new(), 0);
        for c in cuts {
            let (k, v) = cache.update(&block(n, c), &block(n + 1, c)).unwrap();
            n += c;
            assert_eq!(cache.len(), n);
            assert!(cache.capacity() >= n && cache.capacity() % 256 == 0);
            assert_eq!(k.to_vec::<f32>().unwrap(), block(0, n).to_vec::<f32>().unwrap());
            assert_eq!(v.to_vec::<f32>().unwrap(), block(1, n).to_vec::<f32>().unwrap());
        }
    }
}

#[test]
fn a_shared_prefix_is_not_overwritten() {
    let mut a = KvCache::new();
    a.update(&block(0, 5), &block(0, 5)).unwrap().0.eval().unwrap();
    let mut b = a.clone();
    let (ka, _) = a.update(&block(5, 2), &block(5, 2)).unwrap();
    ka.eval().unwrap();
    let (kb, _) = b.update(&block(90, 1), &block(90, 1)).unwrap();
    kb.eval().unwrap();
    assert_eq!(ka.to_vec::<f32>().unwrap(), block(0, 7).to_vec::<f32>().unwrap());
    let got = kb.to_vec::<f32>().unwrap();
    assert_eq!(got[10], token(0, 90, 0));
    a.truncate(5);
    let (again, _) = a.update(&block(5, 3), &block(5, 3)).unwrap();
    assert_eq!(again.to_vec::<f32>().unwrap(), block(0, 8).to_vec::<f32>().unwrap());
}

#[test]
fn what_does_not_continue_the_cache_is_refused() {
    let mut cache = KvCache::new();
    cache.update(&block(0, 2), &block(0, 2)).unwrap();
    let other = isobit::ops::zeros(&[1, 3, 1, 2], isobit::Dtype::F32).unwrap();
    let e = cache.update(&other, &other).err().unwrap().to_string();
    assert!(e.contains("expected float32 [1, 2, L, 2], got float32 [1, 3, 1, 2]"), "{e}");
    let flat = isobit::ops::zeros(&[2], isobit::Dtype::F32).unwrap();
    assert!(cache.update(&flat, &flat).is_err());
    assert_eq!(cache.len(), 2);
}
#[test]
fn one_token_is_written_in_place() {
    let mut cache = KvCache::new();
    cache.update(&block(0, 3), &block(0, 3)).unwrap().1.eval().unwrap();
    let address = |c: &KvCache| c.arrays().map(|a| a.tensor().unwrap().as_byte_ptr() as usize).collect::<Vec<_>>();
    let before = address(&cache);
    for n in 3..9 {
        let (k, v) = cache.update(&block(n, 1), &block(n, 1)).unwrap();
        isobit::eval(&[k, v]).unwrap();
    }
    assert_eq!(address(&cache), before);
}
