import numpy as np


def samples(number=24, seed=0):
    draw = np.random.default_rng(seed)
    return (
        draw.uniform(0, 1, size=(number, 16, 16, 2)).astype("float32"),
        draw.integers(0, 3, size=(number, 16, 16)),
    )
