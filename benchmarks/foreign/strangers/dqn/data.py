import numpy as np


def transitions(number=64, seed=0):
    draw = np.random.default_rng(seed)
    return {
        "state": draw.normal(size=(number, 4)).astype("float32"),
        "action": draw.integers(0, 3, number).astype("int32"),
        "reward": (3 * draw.normal(size=number)).astype("float32"),
        "next_state": draw.normal(size=(number, 4)).astype("float32"),
        "done": (draw.uniform(size=number) < 0.3).astype("float32"),
    }
