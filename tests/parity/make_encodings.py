"""Writes tests/testdata/encodings.json: what sentence-transformers' quantize_embeddings and NumPy's float16 make of some
vectors, among them what lies on the borders. Deterministic.

Run with sentence-transformers installed:  python tests/parity/make_encodings.py
"""

import json
import pathlib

import numpy as np
from sentence_transformers.util.quantization import quantize_embeddings

OUT = pathlib.Path(__file__).resolve().parents[1] / "testdata" / "encodings.json"
DIMENSION = 19  # not a multiple of 8


def floats(array):
    """As hexadecimal bits: decimal text would leave rounding to whoever reads it."""
    return np.asarray(array, dtype="<f4").tobytes().hex()


def vectors(random):
    normal = random.standard_normal((24, DIMENSION)).astype(np.float32)
    unit = normal / np.linalg.norm(normal, axis=1, keepdims=True)
    special = np.array([0.0, -0.0, 1.0, -1.0, 1e-30, -1e-30, 0.5, 0.25, 3.0e4, -3.0e4], dtype=np.float32)
    corners = np.stack([np.resize(special, DIMENSION), np.resize(special[::-1], DIMENSION)])
    return np.concatenate([unit, normal * 10, corners]).astype(np.float32)


def halves(random):
    """Every kind of half: ties both ways, subnormal, the borders of zero and infinity."""
    exact = np.arange(0, 0x7C00, 37, dtype=np.uint16).view(np.float16).astype(np.float32)
    between = (exact[:-1] + exact[1:]) / 2
    borders = np.array([2.0**-24, 2.0**-25, np.nextafter(np.float32(2.0**-25), np.float32(1)), 2.0**-14, 65504, 65519.996,
                        65520, 65536, 1e30, np.inf, 0.0, 2.0**-149], dtype=np.float32)
    random_bits = random.integers(0x30000000, 0x48000000, 500, dtype=np.uint32).view(np.float32)
    all_of_them = np.concatenate([exact, between, np.nextafter(between, np.float32(0)),
                                  np.nextafter(between, np.float32(np.inf)), borders, random_bits]).astype(np.float32)
    return np.concatenate([all_of_them, -all_of_them])


def main():
    random = np.random.default_rng(6)
    batch = vectors(random)
    ranges = np.stack([batch[:20].min(axis=0), batch[:20].max(axis=0)])
    ranges[:, 3] = 0.25  # of no width
    ranges[:, 4] = [0, 255]  # borders of levels are whole numbers
    batch[24:44, 4] = np.arange(20) * 13.0
    singles = halves(random)
    with np.errstate(over="ignore"):
        half_bytes = singles.astype("<f2").tobytes().hex()
    expected = {
        precision: quantize_embeddings(batch, precision=precision, ranges=ranges).tobytes().hex()
        for precision in ("int8", "uint8", "binary", "ubinary")}
    calibrated = quantize_embeddings(batch, precision="uint8", calibration_embeddings=batch[:24]).tobytes().hex()
    OUT.write_text(json.dumps({
        "dimension": DIMENSION, "vectors": floats(batch), "minimum": floats(ranges[0]), "maximum": floats(ranges[1]),
        "expected": expected, "calibration_vectors": 24, "calibrated_uint8": calibrated,
        "floats": floats(singles), "halves": half_bytes}, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
