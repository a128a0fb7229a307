"""What Keras would record of a chain of layers, computed with the right layers of torch.

`torch_impl.layers` are compared with Keras in tests of their own. A row of a chain is the name of
Keras's layer, its kind, its configuration, and the right module.
"""

import check_pairs
import numpy as np
import torch

from parity.data import probe_inputs
from torch_impl.weights import assign, read

SEED, BATCH = 5, 4


def recorded_chain(x, rows):
    """What a check reads of a chain.

    Args:
        x: input of the chain in Keras's layout, float64.
        rows: (name, kind, configuration, right module) of each layer.
    """
    rows = [(name, kind, config, module.double()) for name, kind, config, module in rows]
    arrays, weights, nodes = {"input/probe/0": x}, {}, []
    draw = np.random.default_rng(SEED)
    for number, (name, kind, config, module) in enumerate(rows):
        found = {f"{name}.{key}": a for key, a in read(module).items() if a.dtype.kind == "f"}
        filled = {key: probe_inputs.filled(SEED, {key: a})[key] for key, a in found.items()}
        _assign(module, {key.partition(".")[2]: a for key, a in filled.items()})
        weights |= filled
        nodes.append(
            {
                "name": name,
                "kind": kind,
                "config": config,
                "sources": [number - 1],
                "weights": list(found),
            }
        )
    arrays |= {f"weights/{name}": array for name, array in weights.items()}
    for mode in ("eval", "train"):
        y = torch.from_numpy(x)
        y = y.movedim(-1, 1) if y.ndim > 2 else y
        for node, (name, kind, config, module) in zip(nodes, rows, strict=True):
            module.train(mode == "train")
            arrays[f"forward/{mode}/{name}/input/0"] = given = _portable(y)
            with torch.no_grad():
                if kind == "lstm":  # features last in torch, too
                    y = module(y.movedim(1, -1))
                elif kind != "dropout":
                    y = module(y)
                elif mode == "train":
                    mask = draw.random(given.shape) < 1 - config["rate"]
                    arrays[f"mask/train/{name}"] = mask
                    kept = torch.from_numpy(mask)
                    kept = kept.movedim(-1, 1) if y.ndim > 2 else kept
                    y = torch.where(kept, y / (1 - config["rate"]), 0.0)
            arrays[f"forward/{mode}/{name}/output"] = made = _portable(y)
            node["input_shapes"], node["output_shape"] = [list(given.shape)], list(made.shape)
        arrays[f"forward/{mode}/output"] = made
    for name, _, _, module in rows:
        for key, array in read(module).items():
            if key.startswith("moving_"):
                arrays[f"state/{name}.{key}"] = array
    facts = {
        "nodes": nodes,
        "weights": {
            name: {"shape": list(a.shape), "trainable": True} for name, a in weights.items()
        },
        "noise": {},
        "inputs": [{"name": "x", "shape": list(x.shape[1:]), "tokens": None}],
        "loss": None,
        "optimizer": None,
        "schedule": {"kind": None, "callbacks": [], "not_compared": []},
    }
    return check_pairs.Recorded(arrays, facts, {}, {"seed": SEED})


def _portable(y):
    y = y.movedim(1, -1) if y.ndim > 2 else y
    return y.numpy().copy(order="C")


def _assign(module, arrays):
    if arrays:
        assign(module, arrays)


def images(side=7, channels=3):
    """Images with negative values, in Keras's layout."""
    return np.random.default_rng(SEED).normal(size=(BATCH, side, side, channels))


def features(number=6):
    """Features of samples."""
    return np.random.default_rng(SEED).normal(size=(BATCH, number))
