import numpy as np


def samples(number=32, seed=0):
    draw = np.random.default_rng(seed)
    left = draw.uniform(0, 1, size=(number, 12, 12, 1)).astype("float32")
    right = draw.uniform(0, 1, size=(number, 12, 12, 1)).astype("float32")
    return [left, right], draw.integers(0, 2, number).astype("float32")
