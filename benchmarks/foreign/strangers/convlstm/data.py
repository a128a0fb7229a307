import numpy as np


def samples(number=24, seed=0):
    draw = np.random.default_rng(seed)
    movies = (draw.uniform(size=(number, 5, 6, 6, 1)) > 0.7).astype("float32")
    return movies[:, :-1], movies[:, 1:]
