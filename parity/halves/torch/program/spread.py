"""How far a small change of the initial weights drives a whole training of a port apart.

A right port differs from Keras by rounding, and perhaps by what Keras's constants in float32 make
of it; the probes have measured by how much it does after a few steps. A training that begins with
weights moved by as much, by one unit in the last place at least, shows what that grows into. It is
a whole training more, and is made only if this one is not so near that it passes without.

The probes are fed other numbers than the training. So where Keras scales its input by constants in
float32, the second training is fed inputs that are moved by as much as such a constant may be.
If the probes have shown that a port has not Keras's constants, its steps are longer by a share of
what these change in a step, so that twice this is allowed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from parity.data import probe_inputs
from parity.halves.torch.port.feeding import Change
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.ladder.compare import relative_differences
from parity.ladder.rounding import (
    NOISE_FACTOR,
    OF_A_CONSTANT,
    TIMES_OF_CONSTANTS,
    is_decided_by_rounding,
    limits_of,
)
from parity.traces.trace import KerasTrace, PortWriter, RunResult, Unwritten

# A schedule of Keras computes in float32, and its last bits are others in the graph of `fit`.
OF_A_SCHEDULE = 2.0**-23
# Of what constants change, twice is allowed, and of a second training many times what it is apart.
SHARE_OF_CONSTANTS = TIMES_OF_CONSTANTS / NOISE_FACTOR
_SMALLEST = 1e-30  # of a scale, to divide by


def moved(weights: Mapping[str, np.ndarray], size: float) -> dict[str, np.ndarray]:
    """Returns weights, each of them multiplied by 1 + size or 1 - size."""
    generator = np.random.default_rng(1)
    return {
        name: value * (1 + size * generator.choice([-1.0, 1.0], size=value.shape))
        for name, value in weights.items()
    }


def moved_inputs(nodes: Sequence[Mapping[str, Any]]) -> Change | None:
    """Returns what moves the inputs of a model as a float32 constant moves what they are scaled to.

    s x + o of a Rescaling, with s larger by a share and o smaller by it, is that of x moved by this
    share of x - o / s. So is a Normalization with a mean m of its own, where m takes the place of
    o / s. Only layers count in front of which no layer has weights: others scale no inputs.

    Args:
        nodes: of Keras.

    Returns:
        None if no such layer has a constant.
    """
    at_input: set[int | None] = {-1}
    origins: list[float] = []  # the largest that such a layer makes 0 of
    for number, node in enumerate(nodes):
        if not at_input.intersection(node["sources"]) or node["weights"]:
            continue
        at_input.add(number)
        config = node["config"]
        if node["kind"] == "rescaling":
            scale, offset = (np.abs(np.asarray(config[k], float)) for k in ("scale", "offset"))
            origins.append(float(np.max(offset / np.maximum(scale, _SMALLEST))))
        elif node["kind"] == "normalization" and config.get("mean") is not None:
            origins.append(float(np.max(np.abs(config["mean"]))))
    if not origins:
        return None
    origin = max(origins)
    return lambda x: x + OF_A_CONSTANT * (x + origin)


def of_constants(keras: KerasTrace) -> float:
    """Returns by what share the constants of Keras's optimizer, in float32, change its steps."""
    shares = [0.0]
    for key, change in keras.facts.get("constants", {}).items():
        part, _, rest = key.partition("/weights/")
        if part.startswith("optimizer/") and f"weights/{rest}" in keras:
            start = probe_inputs.of_step(keras[f"weights/{rest}"])
            way = float(np.abs(keras[key] - start).max(initial=0.0))
            shares.append(float(change) * keras.largest(key) / max(way, _SMALLEST))
    return max(shares)


def move_port(port: PortUnderTest, keras: KerasTrace, share: float) -> None:
    """Makes a port compute what the probes leave open: its inputs, and the lengths of its steps.

    Args:
        port: to be trained a second time.
        keras: what Keras computed.
        share: how far the port is from Keras after the probes, from `left_open`.
    """
    port.input_change = moved_inputs(keras.facts["nodes"])
    if share > np.finfo(np.float64).eps:  # else the port has Keras's constants
        lengthen_steps(port.built.optimizer, of_constants(keras) * SHARE_OF_CONSTANTS)


def lengthen_steps(optimizer: Any, share: float) -> None:
    """Makes every step of an optimizer of torch longer by a share of it."""
    before: dict[torch.Tensor, torch.Tensor] = {}

    def note(of: torch.optim.Optimizer, *_: Any) -> None:
        for group in of.param_groups:
            before.update({weight: weight.detach().clone() for weight in group["params"]})

    def lengthen(*_: Any) -> None:
        with torch.no_grad():
            for weight, value in before.items():
                weight += share * (weight - value)

    if share and isinstance(optimizer, torch.optim.Optimizer):
        optimizer.register_step_pre_hook(note)
        optimizer.register_step_post_hook(lengthen)


def left_open(keras: KerasTrace, probes: PortWriter) -> float:
    """Returns how far a port is from Keras after the few steps of the probes, relative.

    It is one unit in the last place if that is so little that the training can be as near as the
    tolerance. Weights whose gradient is nothing but rounding are left out: they may be anywhere.

    Args:
        keras: what Keras computed.
        probes: what the port computed in the same steps.
    """
    epsilon = float(np.finfo(np.float64).eps)
    if "trajectory/losses" in keras:
        last = len(keras["trajectory/losses"])
    elif (last := max(keras.numbers("log"), default=0)) == 0:  # no steps of the user's own either
        return epsilon
    keys = [f"trajectory/{last}/{name}" for name in keras.facts["weights"]]
    decided = [key for key in keys if is_decided_by_rounding(keras, key)]
    theirs = {key: keras[key] for key in keys if key in probes.arrays and key not in decided}
    found = [apart for _, apart in relative_differences(theirs, probes.arrays)]
    apart = max([*found, 0.0 if keras.facts["schedule"]["kind"] is None else OF_A_SCHEDULE])
    limits = limits_of(keras)
    is_open = limits.factor * apart > limits.floor or bool(decided)
    return min(max(apart, epsilon), limits.most_in_training) if is_open else epsilon


def is_near(keras: KerasTrace, writer: PortWriter, result: RunResult) -> bool:
    """Whether a training passes however little a change of its initial weights drives it apart.

    It is compared as the whole training will be, with the tolerance for rounding alone, which a
    spread can only widen.

    Args:
        keras: training of the reference.
        writer: of the port's training, without a spread.
        result: of the port's training.
    """
    # A sweep imports this module, and compares nothing.
    from parity.ladder.comparers.training import schedule, trajectory
    from parity.ladder.items import FAIL

    port = Unwritten(writer, result)
    return all(each(keras, port).status != FAIL for each in (trajectory, schedule))


def spread_of(
    arrays: Mapping[str, np.ndarray], others: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """Returns how far two trainings are apart: by the key of an array, and by step as "scalar/N".

    In a single number, such as a loss, changes may cancel by chance: it counts as changed as much
    as the weights were up to that step.

    Args:
        arrays: of the trace of a training.
        others: of the one that began with other weights.
    """
    arrays, others = (
        {key: array for key, array in each.items() if key.count("/") > 1}
        for each in (arrays, others)
    )
    found = dict(relative_differences(arrays, others))
    greatest, by_step = 0.0, {}
    steps = {int(key.split("/")[2]) for key in found if key.startswith("training/weights/")}
    for step in sorted(steps):
        names = [key for key in found if key.startswith(f"training/weights/{step}/")]
        greatest = max(greatest, *(found[key] for key in names))
        by_step[f"scalar/{step}"] = greatest
    return {**found, **by_step}
