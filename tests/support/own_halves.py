"""Both halves of steps of the user's own, as recognisers ask them: arrays and facts by hand."""

from types import SimpleNamespace

import numpy as np

from parity.ladder.custom_steps import FACT


class HalfByHand:
    """A trace: arrays by key, and what it tells of its steps."""

    def __init__(self, arrays, weights=(), nodes=(), **told):
        self.arrays = {key: np.asarray(array, np.float64) for key, array in arrays.items()}
        told = {"logs": [], "called": [], "masks": [], "num_drawn": 0, "num_dropped": 0} | told
        shapes = {name: {"shape": list(shape)} for name, shape in dict(weights).items()}
        self.facts = {FACT: told, "weights": shapes, "nodes": list(nodes)}

    def __contains__(self, key):
        return key in self.arrays

    def __getitem__(self, key):
        return self.arrays[key]

    def below(self, prefix):
        return sorted(key[len(prefix) + 1 :] for key in self.arrays if key.startswith(f"{prefix}/"))


def own_evidence(level, keras, port, failed=()):
    """The evidence of a divergence; `failed` are (name, step) of its items."""
    items = [SimpleNamespace(name=name, step=step) for name, step in failed]
    found = SimpleNamespace(keras=keras, port=port, level=SimpleNamespace(id=level), failed=items)
    kept = {}

    def once(search):
        if search not in kept:
            kept[search] = search(found)
        return kept[search]

    found.once = once
    return found
