"""Predictions: what arrays of a trace of Keras are expected to be, given others of the same trace.

The arrays of layers follow from weights and inputs by the formulas of `parity.traces.formulas`;
weights after a step are near those before it. `pack` and `unpack` ask for the same predictions in
the same order, and each may use what was read before it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from parity.data.probe_inputs import of_step, sampled
from parity.data.weight_names import short_name
from parity.traces.formulas.call import Array, LayerCall
from parity.traces.formulas.table import BACK, OUTPUT, WEIGHTS

# Multiplications for all predictions of a bundle. VGG16 takes 2**38, and a core makes 2**33 a
# second. What is beyond has no prediction: a bundle says how much is computed.
MAX_WORK = 2**39
_FLAWED = (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError)
_PARTS = ("depthwise_kernel", "pointwise_kernel")  # of a separable convolution, which is two calls


class Predictions:
    """Predictions for the arrays of one trace.

    Args:
        facts: of the trace.
        shapes: of its arrays, by key.
        get: returns an array that was read before.

    Attributes:
        order: all keys, in the order in which they are to be read.
    """

    def __init__(
        self,
        facts: Mapping[str, Any],
        shapes: Mapping[str, tuple[int, ...]],
        get: Callable[[str], Array],
    ) -> None:
        self._shapes, self._get, self._nodes = shapes, get, facts["nodes"]
        self._work = 0
        self._calls: dict[str, list[int]] = {}  # by weight
        self._uses: dict[int, list[tuple[int, int]]] = {}  # node and place, by their source
        for number, node in enumerate(self._nodes):
            for weight in node["weights"]:
                self._calls.setdefault(weight, []).append(number)
            for place, source in enumerate(node["sources"]):
                if source is not None and source >= 0:
                    self._uses.setdefault(source, []).append((number, place))
        self._rules: dict[str, Callable[[], Array | None]] = {}
        for key, rule in self._found():
            if key in self._shapes:
                self._rules.setdefault(key, rule)
        self.order = [*sorted(set(self._shapes) - set(self._rules)), *self._rules]

    def of(self, key: str) -> Array | None:
        """Returns the float64 array that a key is expected to have, or None."""
        rule = self._rules.get(key)
        if rule is None:
            return None
        try:
            with np.errstate(all="ignore"):
                found = rule()
        except _FLAWED:  # facts of a bundle, or settings that a formula does not know
            return None
        return None if found is None else np.ascontiguousarray(found, dtype=np.float64)

    def _found(self) -> Iterator[tuple[str, Callable[[], Array | None]]]:
        for mode in ("eval", "train"):
            for number, node in enumerate(self._nodes):
                prefix = f"forward/{mode}/{node['name']}"
                for place in range(len(node["sources"])):
                    yield f"{prefix}/input/{place}", _nothing
                yield f"{prefix}/output", partial(self._output, number, mode)
            yield f"forward/{mode}/output", _nothing
        for number in reversed(range(len(self._nodes))):
            yield f"output_gradient/{self._nodes[number]['name']}", partial(self._slope, number)
        names = sorted(
            key.removeprefix("weights/") for key in self._shapes if key[:8] == "weights/"
        )
        steps = {prefix: self._steps(prefix) for prefix in ("trajectory", "optimizer")}
        for name in names:
            yield f"gradient/{name}", partial(self._gradient, name)
            yield f"init/{name}", partial(self._init, name)
            for prefix, suffix in (("trajectory", ""), ("optimizer", "/weights")):
                before = f"weights/{name}"
                for step in steps[prefix]:
                    key = f"{prefix}/{step}{suffix}/{name}"
                    yield key, partial(self._near, before)
                    before = key if key in self._shapes else before

    def _steps(self, prefix: str) -> list[int]:
        found = {key.split("/", 2)[1] for key in self._shapes if key.startswith(f"{prefix}/")}
        return sorted(int(step) for step in found if step.isdecimal() and len(step) < 10)

    def _near(self, before: str) -> Array:
        return of_step(self._get(before))

    def _init(self, name: str) -> Array | None:
        """The first draw is what the weights were made of, if they are not constant."""
        drawn = np.zeros(self._shapes[f"init/{name}"])
        drawn[0] = self._get(f"weights/{name}").reshape(-1)[: drawn.shape[1]]
        return drawn

    def _output(self, number: int, mode: str) -> Array | None:
        formula = OUTPUT.get(self._nodes[number]["kind"])
        return None if formula is None else formula(self._call(number, mode))

    def _passed(self, number: int) -> tuple[LayerCall, Array, Array]:
        """Returns a call in train mode, its output, and the gradient by it."""
        name = self._nodes[number]["name"]
        output = self._get(f"forward/train/{name}/output")
        slope = self._get(f"output_gradient/{name}")
        if slope.shape != output.shape:
            raise ValueError("another shape")
        return self._call(number, "train"), output, slope

    def _slope(self, number: int) -> Array | None:
        """Returns the gradient by an output: the sum of what comes back from all its uses."""
        total: Array | None = None
        for user, place in self._uses.get(number, []):
            formula = BACK.get(self._nodes[user]["kind"])
            found = None if formula is None else formula(*self._passed(user))[place]
            if found is None:
                return None
            total = found if total is None else total + found
        return total

    def _gradient(self, name: str) -> Array | None:
        """Returns the gradient by a weight: the sum over the calls of its layer."""
        total: Array | None = None
        for number in self._calls.get(name, []):
            formula = WEIGHTS.get(self._nodes[number]["kind"])
            if formula is None:
                return None
            short = short_name(name)
            found = formula(*self._passed(number))["kernel" if short in _PARTS else short]
            total = found if total is None else total + found
        return None if total is None else sampled(total)

    def _call(self, number: int, mode: str) -> LayerCall:
        node = self._nodes[number]
        prefix = f"forward/{mode}/{node['name']}"
        inputs = [self._get(f"{prefix}/input/{n}") for n in range(len(node["sources"]))]
        weights = {}
        for name in node["weights"]:
            short = short_name(name)
            weights["kernel" if short in _PARTS else short] = self._get(f"weights/{name}")
        mask = f"mask/{mode}/{node['name']}"
        call = LayerCall(
            kind=node["kind"],
            config=node["config"],
            inputs=inputs,
            shape=self._shapes[f"{prefix}/output"],
            weights=weights,
            is_training=mode == "train",
            mask=self._get(mask) if mask in self._shapes else None,
        )
        self._work += _work(call)
        if self._work > MAX_WORK:
            raise ValueError("too much work")
        return call


def _nothing() -> None:
    """What is only ever another array again has a place in the order, and no prediction."""


def _work(call: LayerCall) -> int:
    """Returns how many multiplications a formula makes, at most."""
    kernel = call.weights.get("kernel")
    if kernel is not None:
        return math.prod(call.shape[:-1]) * kernel.size
    size = call.config.get("pool_size", 1)
    return math.prod(call.shape) * math.prod([size] if isinstance(size, int) else size)
