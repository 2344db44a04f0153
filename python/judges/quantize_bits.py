"""The bits of MLX's quantization, as sums for ``crates/isobit/tests/quantized_bits.rs``.

``python python/judges/quantize_bits.py`` in an environment with MLX prints the tables of that test, which makes the same
inputs. Left out is what the test names: inputs on which isobit differs on purpose.
"""

import mlx.core as mx
import numpy as np

FORMATS = [("affine", group, bits) for group in (32, 64, 128) for bits in (2, 3, 4, 5, 6, 8)]
FORMATS += [("mxfp4", 32, 4), ("mxfp8", 32, 8), ("nvfp4", 16, 4)]
DTYPES = [mx.float32, mx.float16, mx.bfloat16]
KINDS, ROWS, WIDTH = 8, 4, 128


def splitmix(z):
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def drawn(kind, i):
    r = splitmix(np.uint64(kind << 32) | i)
    base = ((r & np.uint64(0xFFFF)).astype(np.float32) - np.float32(32767.5)) / np.float32(8192)
    return base * (2.0 ** ((r >> np.uint64(16)) & np.uint64(3)).astype(np.float32)).astype(np.float32)


def powers(mode, half):
    """Exponents of the small and of the large inputs."""
    if mode == "affine":
        return (-20, 10) if half else (-130, 120)
    if mode == "nvfp4":
        return (-20, 3) if half else (-130, 3)
    return (-3, 10) if half else (-100, 120)


def inputs(mode, dtype):
    i = np.arange(ROWS * WIDTH, dtype=np.uint64)
    small, large = powers(mode, dtype == mx.float16)
    f = np.float32
    kinds = [
        drawn(0, i),
        drawn(1, i // np.uint64(WIDTH)),
        np.where(drawn(2, i) < 0, f(-0.0), f(0.0)),
        np.where(i % np.uint64(WIDTH) == 5, drawn(3, i), f(0)),
        np.ldexp(drawn(4, i), small),
        np.ldexp(drawn(5, i), large),
        np.round(drawn(6, i) * f(2)) / f(4),
        np.abs(drawn(7, i)),
    ]
    assert len(kinds) == KINDS
    return mx.array(np.stack(kinds).astype(f).reshape(KINDS * ROWS, WIDTH)).astype(dtype)


def fnv(arrays):
    h = 0xCBF29CE484222325
    for a in arrays:
        a = a.view(mx.uint16) if a.dtype in (mx.float16, mx.bfloat16) else a
        for byte in np.array(a).tobytes():
            h = (h ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return h


def numbers(dtype):
    """Every finite 16-bit float, or 65,536 float32."""
    i = np.arange(65536, dtype=np.uint64)
    if dtype == mx.float32:
        bits = (splitmix(i) >> np.uint64(32)).astype(np.uint32)
        bits = np.where((bits >> 23) & 255 == 255, bits ^ np.uint32(1 << 30), bits)
        return mx.array(bits).view(mx.float32)
    x = mx.array(i.astype(np.uint16)).view(dtype)
    return mx.where(mx.isfinite(x), x, mx.array(1, dtype))


def main():
    print("const QUANTIZED: [[u64; 3]; 21] = [")
    for mode, group, bits in FORMATS:
        how = dict(group_size=group, bits=bits, mode=mode)
        row = []
        for dtype in DTYPES:
            q = mx.quantize(inputs(mode, dtype), **how)
            row.append(fnv([*q, mx.dequantize(*q, **how)]))
        print(f"    [{', '.join(f'0x{h:016x}' for h in row)}], // {mode} {bits} bits, groups of {group}")
    print("];")
    print(f"const TO_FP8: [u64; 3] = [{', '.join(f'0x{fnv([mx.to_fp8(numbers(d))]):016x}' for d in DTYPES)}];")
    codes = mx.array(np.array([c for c in range(256) if c & 127 != 127], dtype=np.uint8))
    print(f"const FROM_FP8: [u64; 3] = [{', '.join(f'0x{fnv([mx.from_fp8(codes, d)]):016x}' for d in DTYPES)}];")


if __name__ == "__main__":
    np.seterr(over="ignore")
    main()
