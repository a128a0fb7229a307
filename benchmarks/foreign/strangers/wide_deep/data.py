import numpy as np


def table(number=64, seed=0):
    draw = np.random.default_rng(seed)
    return {
        "numbers": (draw.normal(size=(number, 3)) * [10, 1, 0.1] + [40, 5, 0]).astype("float32"),
        "work": draw.integers(0, 6, number).astype("int32"),
        "country": draw.integers(0, 9, number).astype("int32"),
    }
