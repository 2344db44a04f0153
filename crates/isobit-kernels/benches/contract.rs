//! What the contract of bits costs the two main quantized kernels: each against a variant that is free to sum as it likes.
//!
//! ```text
//! cargo bench -p isobit-kernels --bench contract
//! ```
//!
//! 4 bits, groups of 64, bfloat16, 4096 x 4096, one thread, AVX-512. The free variants lie here and nowhere else:
//!
//! - one row: two accumulators per strip, even and odd k apart, no order within pairs, no flushing;
//! - 504 rows: the matrix dequantized to `code * scale + bias` before the multiplication, 128 k in one sum, no group ends.
//!
//! Strips, blocks and prefetching are the kernels' own. Of one row, packing x and rounding the result are left out (a
//! hundredth, which counts against the contract); of 504 rows both pack and round.

#[cfg(target_arch = "x86_64")]
fn main() {
    if isobit_kernels::isa::level() == isobit_kernels::isa::Level::Avx512 {
        x86::main();
    } else {
        println!("the comparison needs AVX-512");
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn main() {
    println!("the comparison needs AVX-512");
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use isobit_kernels::dtype::Dtype;
    use isobit_kernels::par;
    use isobit_kernels::quant::{Codes, Format, Matrix, Packed, Product, Scales, product};
    use std::arch::x86_64::*;
    use std::time::Instant;

    const N: usize = 4096;
    const K: usize = 4096;
    const GROUP: usize = 64;
    const GROUPS: usize = K / GROUP;
    /// Words of a strip's group: eight vectors of codes, one of scales and biases.
    const WORDS: usize = 9 * 16;
    const ROWS: usize = 504;
    const COPIES: usize = 6;

    /// Zeros on huge pages, where the kernels' own memory lies too; kept until the program ends.
    fn huge<T: Copy + Default>(n: usize) -> &'static mut [T] {
        let page = 2 << 20;
        let room = vec![T::default(); n + page / size_of::<T>()];
        let start = room.as_ptr().align_offset(page);
        let list = &mut room.leak()[start..][..n];
        #[cfg(target_os = "linux")]
        // SAFETY: advice about memory that is ours and contains no address.
        unsafe {
            let bytes = size_of_val(list);
            libc::madvise(list.as_mut_ptr().cast(), bytes, libc::MADV_HUGEPAGE);
            // Pages that are there already would stay small.
            libc::madvise(list.as_mut_ptr().cast(), bytes / page * page, libc::MADV_DONTNEED);
        }
        list
    }

    /// Codes and scales in the file's layout, and the same as the free variants read them.
    struct Weights {
        codes: Vec<u32>,
        scales: Vec<u16>,
        biases: Vec<u16>,
        kept: Packed,
        free: &'static mut [u32],
    }

    impl Weights {
        fn random(seed: u64) -> Weights {
            let mut s = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut next = || {
                s ^= s << 13;
                s ^= s >> 7;
                s ^= s << 17;
                s
            };
            let codes: Vec<u32> = (0..N * K / 8).map(|_| next() as u32).collect();
            // bfloat16 numbers around 0.01 and -0.08.
            let scales: Vec<u16> = (0..N * GROUPS).map(|_| 0x3c20 + (next() % 32) as u16).collect();
            let biases: Vec<u16> = (0..N * GROUPS).map(|_| 0xbda0 + (next() % 32) as u16).collect();
            let free = huge(N / 16 * GROUPS * WORDS);
            for n in 0..N {
                for g in 0..GROUPS {
                    let to = (n / 16 * GROUPS + g) * WORDS + n % 16;
                    for w in 0..8 {
                        free[to + 16 * w] = codes[n * K / 8 + g * 8 + w];
                    }
                    free[to + 128] = u32::from(scales[n * GROUPS + g]) | (u32::from(biases[n * GROUPS + g]) << 16);
                }
            }
            // SAFETY: the vectors hold what the matrix describes.
            let kept = unsafe { Packed::new(&matrix(&codes, &scales, &biases)) };
            Weights { codes, scales, biases, kept, free }
        }
    }

    fn matrix(codes: &[u32], scales: &[u16], biases: &[u16]) -> Matrix {
        Matrix {
            format: Format { bits: 4, group: GROUP, codes: Codes::Unsigned, scales: Scales::Bf16 },
            n: N,
            k: K,
            codes: codes.as_ptr(),
            code_stride: (K / 8) as isize,
            scales: scales.as_ptr().cast(),
            biases: biases.as_ptr().cast(),
            scale_stride: GROUPS as isize,
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn table() -> __m512 {
        let list: [f32; 16] = std::array::from_fn(|i| i as f32);
        // SAFETY: an array of 16.
        unsafe { _mm512_loadu_ps(list.as_ptr()) }
    }

    /// The `i`-th code of each word.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn code(words: __m512i, i: usize, table: __m512) -> __m512 {
        _mm512_permutexvar_ps(_mm512_srlv_epi32(words, _mm512_set1_epi32(4 * i as i32)), table)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn halves(pair: __m512i) -> (__m512, __m512) {
        let high = _mm512_and_si512(pair, _mm512_set1_epi32(0xffff_0000u32 as i32));
        (_mm512_castsi512_ps(_mm512_slli_epi32::<16>(pair)), _mm512_castsi512_ps(high))
    }

    /// One row, free: `x` in single precision, `sums` over its groups.
    #[target_feature(enable = "avx512f")]
    unsafe fn free_row(w: &[u32], x: &[f32], sums: &[f32], out: &mut [f32]) {
        const STRIPS: usize = 4;
        let table = table();
        for first in (0..N / 16).step_by(STRIPS) {
            let mut total = [_mm512_setzero_ps(); STRIPS];
            for g in 0..GROUPS {
                let mut acc = [[_mm512_setzero_ps(); 2]; STRIPS];
                let at = |v: usize| w.as_ptr().wrapping_add(((first + v) * GROUPS + g) * WORDS).cast::<u8>();
                // The same place of the next 256 k, at last of those of the next strips.
                let far = if g + 4 < GROUPS { 4 * WORDS * 4 } else { (STRIPS * GROUPS + 4 - GROUPS) * WORDS * 4 };
                for v in 0..STRIPS {
                    for line in 0..9 {
                        _mm_prefetch::<_MM_HINT_T1>(at(v).wrapping_add(far + 64 * line).cast());
                        _mm_prefetch::<_MM_HINT_T0>(at(v).wrapping_add(2 * WORDS * 4 + 64 * line).cast());
                    }
                }
                for word in 0..GROUP / 8 {
                    // SAFETY: a vector of the group's words.
                    let words: [__m512i; STRIPS] =
                        std::array::from_fn(|v| unsafe { _mm512_load_si512(at(v).add(64 * word).cast()) });
                    for i in 0..8 {
                        // SAFETY: the row has `K` elements.
                        let x = _mm512_set1_ps(unsafe { *x.get_unchecked(g * GROUP + 8 * word + i) });
                        for v in 0..STRIPS {
                            let q = code(words[v], i, table);
                            acc[v][i % 2] = _mm512_fmadd_ps(x, q, acc[v][i % 2]);
                        }
                    }
                }
                for v in 0..STRIPS {
                    // SAFETY: the group's ninth vector.
                    let (scale, bias) = halves(unsafe { _mm512_loadu_si512(at(v).add(512).cast()) });
                    let sum = _mm512_add_ps(acc[v][0], acc[v][1]);
                    total[v] = _mm512_fmadd_ps(sum, scale, total[v]);
                    total[v] = _mm512_fmadd_ps(_mm512_set1_ps(sums[g]), bias, total[v]);
                }
            }
            for v in 0..STRIPS {
                // SAFETY: the output has `N` elements.
                unsafe { _mm512_storeu_ps(out.as_mut_ptr().add((first + v) * 16), total[v]) };
            }
        }
    }

    /// Rows of bfloat16 to `[K / 128][ROWS / 14][128][14]`.
    #[target_feature(enable = "avx512f")]
    fn pack(x: &[u16], panels: &mut [f32]) {
        for (at, panel) in panels.chunks_exact_mut(128 * 14).enumerate() {
            let (block, first) = (at / (ROWS / 14), at % (ROWS / 14) * 14);
            let rows: [&[u16]; 14] = std::array::from_fn(|r| &x[(first + r) * K + block * 128..][..128]);
            for (k, to) in panel.chunks_exact_mut(14).enumerate() {
                for r in 0..14 {
                    to[r] = f32::from_bits(u32::from(rows[r][k]) << 16);
                }
            }
        }
    }

    /// `[N / 32][ROWS][32]` to rows of bfloat16.
    #[target_feature(enable = "avx512f")]
    fn round(totals: &[f32], out: &mut [u16]) {
        for (at, from) in totals.chunks_exact(32).enumerate() {
            let to = &mut out[at % ROWS * N + at / ROWS * 32..][..32];
            for i in 0..32 {
                let bits = from[i].to_bits();
                to[i] = ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16;
            }
        }
    }

    /// [`ROWS`] rows, free; `panels` and `out` are room.
    #[target_feature(enable = "avx512f")]
    unsafe fn free_rows(w: &[u32], x: &[u16], panels: &mut [f32], out: &mut [f32], rounded: &mut [u16]) {
        pack(x, panels);
        let x = panels;
        let table = table();
        let mut codes = vec![0f32; 128 * 32];
        for chunk in (0..N / 32).step_by(8) {
            for block in 0..K / 128 {
                for pair in chunk..chunk + 8 {
                    for v in 0..2 {
                        for g in 2 * block..2 * block + 2 {
                            let at = w.as_ptr().wrapping_add(((2 * pair + v) * GROUPS + g) * WORDS).cast::<u8>();
                            // SAFETY: the group's vectors; the floats have room for 128 k.
                            unsafe {
                                let (scale, bias) = halves(_mm512_loadu_si512(at.add(512).cast()));
                                for word in 0..GROUP / 8 {
                                    let words = _mm512_load_si512(at.add(64 * word).cast());
                                    for i in 0..8 {
                                        let k = g % 2 * GROUP + 8 * word + i;
                                        let to = codes.as_mut_ptr().add((k * 2 + v) * 16);
                                        _mm512_storeu_ps(to, _mm512_fmadd_ps(code(words, i, table), scale, bias));
                                    }
                                }
                            }
                        }
                    }
                    for panel in 0..ROWS / 14 {
                        // SAFETY: the panel of x, the floats, and 14 rows of 32 totals.
                        unsafe {
                            let x = x.as_ptr().add((block * ROWS / 14 + panel) * 128 * 14);
                            let to = out.as_mut_ptr().add((pair * ROWS + panel * 14) * 32);
                            free_tile(codes.as_ptr(), x, to, block == 0);
                        }
                    }
                }
            }
        }
        round(out, rounded);
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn free_tile(codes: *const f32, x: *const f32, to: *mut f32, first: bool) {
        let mut acc = [[_mm512_setzero_ps(); 2]; 14];
        for k in 0..128 {
            // SAFETY: the caller's promise.
            unsafe {
                let q = [_mm512_loadu_ps(codes.add(k * 32)), _mm512_loadu_ps(codes.add(k * 32 + 16))];
                for r in 0..14 {
                    let x = _mm512_set1_ps(*x.add(k * 14 + r));
                    for v in 0..2 {
                        acc[r][v] = _mm512_fmadd_ps(x, q[v], acc[r][v]);
                    }
                }
            }
        }
        for r in 0..14 {
            for v in 0..2 {
                // SAFETY: as above.
                unsafe {
                    let to = to.add(r * 32 + v * 16);
                    let total = if first { acc[r][v] } else { _mm512_add_ps(_mm512_loadu_ps(to), acc[r][v]) };
                    _mm512_storeu_ps(to, total);
                }
            }
        }
    }

    /// Times both in turn over all weights; prints medians and the median of ratios of neighbours.
    fn compare(name: &str, rounds: usize, mut contract: impl FnMut(usize), mut free: impl FnMut(usize)) {
        let mut times = Vec::new();
        for i in 0..rounds + 2 {
            let time = |f: &mut dyn FnMut(usize), copy: usize| {
                let start = Instant::now();
                f(copy % COPIES);
                start.elapsed().as_secs_f64() * 1e3
            };
            times.push((time(&mut contract, i), time(&mut free, i + COPIES / 2)));
        }
        times.drain(..2);
        let middle = |mut list: Vec<f64>| {
            list.sort_by(f64::total_cmp);
            list[list.len() / 2]
        };
        let (a, b): (Vec<f64>, Vec<f64>) = times.iter().copied().unzip();
        let ratio = middle(times.iter().map(|(a, b)| a / b).collect());
        println!("{name:<9} contract {:.3} ms, free {:.3} ms, ratio {ratio:.3}", middle(a), middle(b));
        // For whoever compares the results.
        contract(0);
        free(0);
    }

    pub fn main() {
        par::set_threads(1);
        let all: Vec<Weights> = (0..COPIES as u64).map(|i| Weights::random(i + 1)).collect();
        // bfloat16 numbers of both signs around 1.
        let x: Vec<u16> =
            (0..ROWS * K).map(|i| (0x3f00 + ((i * 7) % 256) as u16) | (((i % 3 == 0) as u16) << 15)).collect();
        let wide: Vec<f32> = x.iter().map(|&x| f32::from_bits(u32::from(x) << 16)).collect();
        let sums: Vec<f32> = wide[..K].chunks(GROUP).map(|x| x.iter().sum()).collect();
        let panels = huge::<f32>(ROWS * K);
        let mut out = vec![0u16; ROWS * N];
        let free = huge::<f32>(ROWS * N);
        let rounded = huge::<u16>(ROWS * N);
        for m in [1, ROWS] {
            let out = out.as_mut_ptr();
            let contract = |i: usize| {
                let w = &all[i];
                let p = Product {
                    w: matrix(&w.codes, &w.scales, &w.biases),
                    kept: Some(&w.kept),
                    m,
                    dtype: Dtype::BF16,
                    x: x.as_ptr().cast(),
                    x_stride: K as isize,
                    out: out.cast(),
                    out_stride: N as isize,
                    rows: None,
                };
                // SAFETY: the vectors hold what the fields describe.
                unsafe { product(&p) };
            };
            let other = |i: usize| {
                let w = &*all[i].free;
                // SAFETY: the level is AVX-512; the vectors have the sizes that the kernels read.
                unsafe {
                    match m {
                        1 => free_row(w, &wide, &sums, free),
                        _ => free_rows(w, &x, panels, free, rounded),
                    }
                }
            };
            compare(if m == 1 { "one row" } else { "504 rows" }, if m == 1 { 200 } else { 12 }, contract, other);
            // The same number but for rounding.
            // SAFETY: the first output, which the last call wrote.
            let got = f32::from_bits(u32::from(unsafe { *out }) << 16);
            assert!((got - free[0]).abs() <= 0.01 * free[0].abs() + 0.1, "{got} for {}", free[0]);
        }
    }
}
