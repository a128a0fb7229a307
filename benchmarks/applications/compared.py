"""The twin of one network beside it, in float64: outputs, and one training step.

Both get the same random weights and images. A step is of SGD with momentum, which moves a weight by
its gradient; Adam would move one whose gradient is nothing but rounding as far as any other.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Torch comes before TensorFlow, since the other order can crash.
import torch  # noqa: I001
import keras
import numpy as np
import tensorflow as tf

from benchmarks.applications.networks import batch, build, network, randomise, comparable_config
from torch_impl.keras_config import KerasModel, from_keras_config
from torch_impl.layouts import variables
from torch_impl.losses import SparseCategoricalCrossentropy
from torch_impl.optim import SGD
from torch_impl.weights import gradient_of, to_array

COMPARED = "eval", "train", "gradient", "weights"
BAR, ROUNDINGS, DEAD = 1e-12, 10, 1e-9
RATE, MOMENTUM = 0.01, 0.9


def in_float64() -> None:
    """Lets Keras compute in float64 from now on, and both halves in one thread."""
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    torch.set_num_threads(1)


def difference(ours: np.ndarray, theirs: np.ndarray, scale: float | None = None) -> float:
    """Returns the greatest difference, relative to the greatest entry of Keras's, or to `scale`."""
    scale = largest(theirs) if scale is None else scale
    return largest(ours - theirs) / (scale or 1.0)


def largest(array: np.ndarray) -> float:
    """Returns the greatest absolute entry of an array."""
    return float(np.max(np.abs(array), initial=0.0))


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


@dataclass(frozen=True)
class Moved:
    """What Keras computes if every pixel moves by its last bit.

    Attributes:
        output: in train mode.
        gradients: of the weights by path.
        statistics: of normalisations after the call, by path.
    """

    output: np.ndarray
    gradients: dict[str, np.ndarray]
    statistics: dict[str, np.ndarray]


class Pair:
    """A network and its twin, with the same weights.

    Args:
        model: the network, as its constructor makes it.
    """

    def __init__(self, model: keras.Model) -> None:
        config = comparable_config(model)
        self.model = network(config)
        self.x, self.y = batch(model)
        randomise(self.model, self.x)
        self.twin: KerasModel = from_keras_config(config)
        self.twin.load_keras_weights({w.path: w.numpy() for w in self.model.weights})
        paths = [w.path for w in self.model.weights]
        self._own = dict(zip(paths, variables(self.twin), strict=True))

    def compare(self) -> Iterator[Compared]:
        """Yields what was compared: the items of `COMPARED`, in this order."""
        self.twin.eval()
        with torch.no_grad():
            ours = self.twin(torch.from_numpy(self.x)).numpy()
        theirs = self.model(self.x, training=False).numpy()
        yield Compared("eval", difference(ours, theirs), 0.0, "output")
        moved = self._last_bit()
        output, gradients = self._keras_step()
        own_output, own_gradients = self._torch_step()
        noise = difference(moved.output, output)
        yield Compared("train", difference(own_output, output), noise, "output")
        yield _worst("gradient", own_gradients, gradients, moved.gradients)
        own = {path: to_array(v.to_keras(v.tensors)) for path, v in self._own.items()}
        weights = {w.path: w.numpy() for w in self.model.weights}
        for name, gradient in gradients.items():  # the first step of SGD with Nesterov's momentum
            changed = RATE * (1 + MOMENTUM) * (moved.gradients[name] - gradient)
            moved.statistics[name] = weights[name] - changed
        yield _worst("weights", own, weights, moved.statistics)

    def _last_bit(self) -> Moved:
        """Returns what Keras computes if every pixel moves by its last bit."""
        kept = [(v, v.numpy()) for v in self.model.variables if not v.trainable]
        found = self._keras_gradients(np.nextafter(self.x, np.inf))
        trained = {id(v) for v in self.model.trainable_variables}
        statistics = {w.path: w.numpy() for w in self.model.weights if id(w) not in trained}
        for variable, value in kept:
            variable.assign(value)
        return Moved(*found, statistics)

    def _keras_gradients(self, x: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        trained = self.model.trainable_variables
        with tf.GradientTape() as tape:
            output = self.model(x, training=True)
            loss = loss_of(self.y, output)
        gradients = tape.gradient(loss, [w.value for w in trained])
        return output.numpy(), {w.path: g.numpy() for w, g in zip(trained, gradients, strict=True)}

    def _keras_step(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        output, gradients = self._keras_gradients(self.x)
        optimizer = keras.optimizers.SGD(RATE, MOMENTUM, nesterov=True)
        optimizer.apply(list(map(tf.constant, gradients.values())), self.model.trainable_variables)
        return output, gradients

    def _torch_step(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        parameters = [p for p in self.twin.parameters() if p.requires_grad]
        optimizer = SGD(parameters, learning_rate=RATE, momentum=MOMENTUM, nesterov=True)
        self.twin.train()
        output = self.twin(torch.from_numpy(self.x))
        loss_of = SparseCategoricalCrossentropy(from_logits=True)
        loss_of(output, torch.from_numpy(self.y)).backward()
        found = {path: gradient_of(variable) for path, variable in self._own.items()}
        optimizer.step()
        gradients = {path: to_array(g) for path, g in found.items() if g is not None}
        return output.detach().numpy(), gradients


def _worst(
    what: str,
    ours: dict[str, np.ndarray],
    theirs: dict[str, np.ndarray],
    moved: dict[str, np.ndarray],
) -> Compared:
    """Returns the greatest difference of many arrays, in relation to what rounding explains.

    Each is relative to the greatest entry of its array. A normalisation takes away what a bias in
    front of it adds, so that the gradient of the bias is nothing but rounding: such arrays, below
    `DEAD` times the greatest entry of all, are compared relative to that.

    Args:
        what: is compared.
        ours: of the twin, by name.
        theirs: of Keras.
        moved: of Keras, with pixels that are moved by their last bit.
    """
    if ours.keys() != theirs.keys():
        raise ValueError(f"{sorted(ours.keys() ^ theirs.keys())} are of one half only")
    scales = {name: largest(array) for name, array in theirs.items()}
    top = max(scales.values())
    found = []
    for name, scale in scales.items():
        scale = top if scale < DEAD * top else scale
        differences = [difference(other[name], theirs[name], scale) for other in (ours, moved)]
        found.append(Compared(what, *differences, name))
    return max(found, key=lambda one: one.difference / one.allowed)


def told(name: str, path: Path) -> Iterator[dict[str, Any]]:
    """Yields the size of a network, and what was compared; its config is written to a file."""
    model = build(name)
    path.write_text(model.to_json(), encoding="utf-8")
    yield {"parameters": model.count_params(), "shape": model.input_shape[1:3]}
    pair = Pair(model)
    del model
    for found in pair.compare():
        yield {**asdict(found), "allowed": found.allowed}


if __name__ == "__main__":
    in_float64()
    for line in told(sys.argv[1], Path(sys.argv[2])):
        print(json.dumps(line), flush=True)
