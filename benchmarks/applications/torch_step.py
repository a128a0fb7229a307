"""The twin of a network beside it, in float64: outputs, and one training step.

It gets the weights and the images of Keras's step, which `keras_step` has written.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.applications.arrays import Arrays
from torch_impl.keras_config import KerasModel, from_keras_config
from torch_impl.layouts import Variable, variables
from torch_impl.losses import SparseCategoricalCrossentropy
from torch_impl.optim import SGD
from torch_impl.weights import gradient_of, to_array

COMPARED = "eval", "train", "gradient", "weights"
BAR, ROUNDINGS, DEAD = 1e-12, 10, 1e-9
RATE = 0.01  # of keras_step


@dataclass(frozen=True)
class Compared:
    """What was compared of a network and its twin.

    Attributes:
        what: one of `COMPARED`.
        difference: the greatest one, relative to the greatest entry.
        noise: the greatest change of Keras's own if every pixel moves by its last bit, likewise.
        where: name of the array.
    """

    what: str
    difference: float
    noise: float
    where: str

    @property
    def allowed(self) -> float:
        """What rounding explains: it is not in the pixels alone, but in every operation."""
        return max(BAR, ROUNDINGS * self.noise)


def twin_of(config: dict[str, Any], folder: Path) -> KerasModel:
    """Returns the twin of a network with the weights of Keras's step."""
    twin = from_keras_config(config)
    arrays = Arrays(folder)
    twin.load_keras_weights({path: arrays.get("weights", path) for path in arrays.names("weights")})
    return twin


def compare(twin: KerasModel, folder: Path) -> Iterator[Compared]:
    """Yields what was compared: the items of `COMPARED`, in this order.

    Args:
        twin: of a network, as `twin_of` makes it; it makes a step.
        folder: what Keras computes.
    """
    arrays = Arrays(folder)
    x, y = (torch.from_numpy(np.array(arrays.get("batch", name))) for name in "xy")
    twin.eval()
    with torch.no_grad():
        yield _one("eval", twin(x).numpy(), arrays.get("output", "eval"))
    twin.train()
    output = twin(x)
    SparseCategoricalCrossentropy(from_logits=True)(output, y).backward()
    theirs, moved = arrays.get("output", "train"), arrays.get("moved.output", "train")
    yield _one("train", output.detach().numpy(), theirs, moved)
    yield _worst("gradient", _gradients(twin, arrays), arrays, "gradient", _moved_gradient)
    for parameter in twin.parameters():
        if parameter.requires_grad:  # one by one, so that the steps of all are never in memory
            SGD([parameter], learning_rate=RATE).step()
    yield _worst("weights", _weights(twin, arrays), arrays, "stepped", _moved_weight)


def _paths(twin: KerasModel, arrays: Arrays) -> Iterator[tuple[str, Variable]]:
    """Yields the paths of Keras's weights, with the variables of the twin."""
    yield from zip(map(str, arrays.get("batch", "paths")), variables(twin), strict=True)


def _gradients(twin: KerasModel, arrays: Arrays) -> Iterator[tuple[str, np.ndarray]]:
    for path, variable in _paths(twin, arrays):
        gradient = gradient_of(variable)
        if gradient is not None:
            yield path, to_array(gradient)


def _weights(twin: KerasModel, arrays: Arrays) -> Iterator[tuple[str, np.ndarray]]:
    for path, variable in _paths(twin, arrays):
        yield path, to_array(variable.to_keras(variable.tensors))


def _moved_gradient(arrays: Arrays, path: str) -> np.ndarray:
    return arrays.get("moved.gradient", path)


def _moved_weight(arrays: Arrays, path: str) -> np.ndarray:
    if arrays.has("moved.stepped", path):
        return arrays.get("moved.stepped", path)
    change = arrays.get("moved.gradient", path) - arrays.get("gradient", path)
    moved: np.ndarray = arrays.get("stepped", path) - RATE * change
    return moved


def _largest(array: np.ndarray) -> float:
    """Returns the greatest absolute entry of an array."""
    return float(np.max(np.abs(array), initial=0.0))


def _one(
    what: str, ours: np.ndarray, theirs: np.ndarray, moved: np.ndarray | None = None
) -> Compared:
    """Returns the greatest difference of one array, relative to its greatest entry."""
    scale = _largest(theirs) or 1.0
    noise = 0.0 if moved is None else _largest(moved - theirs) / scale
    return Compared(what, _largest(ours - theirs) / scale, noise, "output")


def _worst(
    what: str,
    ours: Iterator[tuple[str, np.ndarray]],
    arrays: Arrays,
    kind: str,
    moved_of: Callable[[Arrays, str], np.ndarray],
) -> Compared:
    """Returns the greatest difference of many arrays, in relation to what rounding explains.

    Each is relative to the greatest entry of its array. A normalisation takes away what a bias in
    front of it adds, so that the gradient of the bias is nothing but rounding: such arrays, below
    `DEAD` times the greatest entry of all, are compared relative to that.

    Args:
        what: is compared.
        ours: of the twin, by name.
        arrays: of Keras.
        kind: of them.
        moved_of: returns what Keras computes with pixels that are moved by their last bit, by name.
    """
    found = {}
    for path, array in ours:
        theirs = arrays.get(kind, path)
        changes = _largest(array - theirs), _largest(moved_of(arrays, path) - theirs)
        found[path] = (_largest(theirs), *changes)
    if one_sided := found.keys() ^ set(arrays.names(kind)):
        raise ValueError(f"{sorted(one_sided)} are of one half only")
    top = max(scale for scale, _, _ in found.values())
    relative = []
    for path, (scale, change, noise) in found.items():
        unit = (top if scale < DEAD * top else scale) or 1.0
        relative.append(Compared(what, change / unit, noise / unit, path))
    return max(relative, key=lambda one: one.difference / one.allowed)


def main(folder: Path) -> None:
    """Prints what was compared."""
    torch.set_num_threads(1)
    config = json.loads((folder / "comparable.json").read_text("utf-8"))
    for found in compare(twin_of(config["config"], folder / "step"), folder / "step"):
        print(json.dumps({**asdict(found), "allowed": found.allowed}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
