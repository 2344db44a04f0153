//! Random bits: threefry2x32 with 20 rounds (Salmon, Moraes, Dror, Shaw 2011).

use crate::value::Values;

fn threefry(key: [u32; 2], counter: [u32; 2]) -> [u32; 2] {
    let schedule = [key[0], key[1], key[0] ^ key[1] ^ 0x1BD1_1BDA];
    let [mut x, mut y] = [counter[0].wrapping_add(key[0]), counter[1].wrapping_add(key[1])];
    for round in 0..20usize {
        let turns = [13, 15, 26, 6, 17, 29, 16, 24][round % 8];
        x = x.wrapping_add(y);
        y = y.rotate_left(turns) ^ x;
        if round % 4 == 3 {
            let n = round / 4 + 1;
            x = x.wrapping_add(schedule[n % 3]);
            y = y.wrapping_add(schedule[(n + 1) % 3]).wrapping_add(n as u32);
        }
    }
    [x, y]
}

/// `bytes` bytes for each key, as integers of `width` bytes. Of `n` words the first half are first results of the hash,
/// the second half second results; the middle one of an odd number stands alone.
pub fn bits(keys: &Values, bytes: usize, width: usize) -> Values {
    let keys = keys.ints();
    let mut out = Vec::new();
    for key in keys.chunks(2) {
        let key = [key[0] as u32, key[1] as u32];
        let n = bytes.div_ceil(4);
        let upper = n.div_ceil(2);
        let mut words = vec![0u32; n];
        for i in 0..upper {
            let partner = upper + i;
            let pair = threefry(key, [i as u32, if partner < n { partner as u32 } else { 0 }]);
            words[i] = pair[0];
            if partner < n {
                words[partner] = pair[1];
            }
        }
        let all: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).take(bytes).collect();
        out.extend(all.chunks(width).map(|c| c.iter().rev().fold(0i128, |v, &b| v << 8 | i128::from(b))));
    }
    Values::I(out)
}
