import numpy as np


def samples(number=32, seed=0):
    draw = np.random.default_rng(seed)
    return draw.uniform(0, 1, size=(number, 8, 8, 3)).astype("float32"), draw.integers(0, 4, number)
