"""Sequences of a monitored metric, for the tests of what watches a training."""

import numpy as np

NAN = float("nan")
NUM_EPOCHS = 30


def metric_values(seed, min_delta, dtype):
    """A sequence of losses with ties, plateaus, steps around `min_delta`, jumps and NaN.

    Values are numbers of the dtype of the run, as the losses of a run are.
    """
    generator = np.random.default_rng([seed, 1])
    best, values = 2.0, [NAN if seed % 10 == 0 else 2.0]
    tiny = 1e-9 if dtype == "float64" else 1e-7
    while len(values) < NUM_EPOCHS:
        move = generator.choice(["tie", "plateau", "around", "better", "worse", "nan", "infinite"],
                                p=[0.2, 0.25, 0.25, 0.1, 0.15, 0.03, 0.02])  # fmt: skip
        if move == "tie":
            value = best
        elif move == "plateau":
            value = best + generator.uniform(0, 0.01)
        elif move == "around":
            value = best - min_delta + generator.choice([-tiny, -1e-12, 0, 1e-12, tiny])
        elif move == "better":
            value = best - min_delta - generator.uniform(0, 0.2)
        elif move == "worse":
            value = best + generator.uniform(0, 1)
        else:
            value = NAN if move == "nan" else float("inf")
        value = float(np.dtype(dtype).type(value))
        best = min(best, value) if value == value else best
        values.append(value)
    return values
