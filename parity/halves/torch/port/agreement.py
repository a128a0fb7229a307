"""Whether a port computes what Keras did: errors relative to Keras's largest value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from parity.halves.torch.call import Call, output_of
from parity.halves.torch.kinds import REPLAYED
from parity.halves.torch.port.paired_layer import PairedLayer
from parity.halves.torch.port.portable import Axes, as_returned, nearest
from parity.ladder.compare import counts_of, only_counted
from parity.ladder.recorded import in_form
from parity.ladder.rounding import LIMITS, Limits, limits_of
from parity.traces.trace import KerasTrace

# --------------------------------------------------------------------------------------------------
#
# Whether a port computes what Keras computed: errors of arrays, relative to Keras's largest value.
#
# Outputs of both go in, an error comes out; it is compared with what rounding explains in Keras.


def error_of(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Returns the greatest difference, relative to the largest value of Keras's array."""
    if ours.shape != theirs.shape or not ours.size:
        return np.inf
    with np.errstate(invalid="ignore", over="ignore"):
        far = np.abs(ours.astype(np.float64) - theirs.astype(np.float64)).max()
        scale = float(np.abs(theirs).max()) or 1.0
    return float(far) / scale if np.isfinite(far) and np.isfinite(scale) else np.inf


def allowed_of(keras: KerasTrace, *keys: str) -> float:
    """Returns the error that rounding explains for any of some arrays, by the ladder's limits."""

    def share(noise: Mapping[str, float], limits: Limits) -> float:
        measured = max((float(noise.get(key, 0.0)) for key in keys), default=0.0)
        return min(limits.factor * measured, limits.most)

    limits = limits_of(keras)
    in_float32 = share(keras.facts.get("float32_noise") or {}, LIMITS["float32"])
    return max(limits.floor, share(keras.facts["noise"], limits)) + in_float32


def output_error(keras: KerasTrace, output: torch.Tensor, mode: str = "eval") -> float:
    """Returns the error of an output, in units of what rounding explains.

    A port may return what goes into Keras's last activation, or its log.
    """
    if f"forward/{mode}/output" not in keras:
        return np.inf
    ours = output.detach().cpu().numpy()
    found = [
        error_of(*_only_counted(keras, output, ours, theirs, mode)) / allowed
        for theirs, allowed in forms_of(keras, mode)
    ]
    return min(found, default=np.inf)


def _only_counted(
    keras: KerasTrace, output: torch.Tensor, ours: np.ndarray, theirs: np.ndarray, mode: str
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the port's output and Keras's in the port's layout, with zeros where none counts."""
    where = nearest(output, theirs)
    given = as_returned(theirs, ours.shape, where)
    counts = counts_of(keras, f"forward/{mode}/output", theirs.shape)
    if counts is None or given.shape != ours.shape:
        return ours, given
    counts = as_returned(counts, ours.shape, where)
    return np.where(counts, ours, 0.0), np.where(counts, given, 0.0)


def forms_of(keras: KerasTrace, mode: str = "eval") -> Iterator[tuple[np.ndarray, float]]:
    """Yields what a port may return for Keras's output in a mode, and how far it may be off."""
    key = f"forward/{mode}/output"
    yield in_form(keras, mode, "same"), allowed_of(keras, key)
    if keras.facts.get("output_activation") is None:
        return
    before = f"forward/{mode}/{keras.facts['nodes'][-1]['name']}/input/0"
    for form in ("linear", "log") if before in keras else ("log",):
        yield in_form(keras, mode, form), allowed_of(keras, key, before)


def last_activation_agrees(
    keras: KerasTrace, pairs: Sequence[PairedLayer], again: Sequence[Call]
) -> bool:
    """Whether the port gives Keras's last activation what Keras gives it, in eval mode.

    True if the port does not have it. The output alone may say little: a softmax of large values is
    0 or 1, whatever comes before it.

    Args:
        keras: what Keras computed.
        pairs: all pairs.
        again: calls of a pass in eval mode, with Keras's weights.
    """
    last = keras.facts["nodes"][-1]
    if keras.facts.get("output_activation") is None or not last["kind"].startswith("activation:"):
        return True
    by_name = {call.name: call for call in again}
    return all(
        _is_given(keras, pair, last, by_name[pair.call.name])
        for pair in pairs
        if pair.node["name"] == last["name"] and pair.call.name in by_name
    )


def agreeing(
    keras: KerasTrace, pairs: Sequence[PairedLayer], calls: Sequence[Call], again: Sequence[Call]
) -> list[PairedLayer]:
    """Returns the pairs that compute the same, of a port whose output in eval mode is Keras's.

    The others are two ways of splitting the same computation, such as a ReLU before a pool or
    behind it: what they make cannot be compared, and is right, since what comes of it is. A dropout
    stays, since it does nothing in eval mode.

    Args:
        keras: what Keras computed.
        pairs: all pairs.
        calls: of the pass in which they were found.
        again: of a pass in eval mode, with Keras's weights.
    """
    by_name = {call.name: call for call in again}
    nodes = keras.facts["nodes"]
    found = []
    for pair in pairs:
        chain = [by_name.get(call.name) for call in pair.chain(calls)]
        first, last = nodes[pair.ends.keras_first], nodes[pair.ends.keras_last]
        is_same = pair.call.kind in REPLAYED or any(call is None for call in chain)
        if not is_same and chain[0] is not None and chain[-1] is not None:
            is_same = _is_same(keras, pair, (first, chain[0]), (last, chain[-1]))
        if is_same:
            found.append(pair)
    return found


def _is_same(
    keras: KerasTrace,
    pair: PairedLayer,
    first: tuple[Mapping[str, Any], Call],
    last: tuple[Mapping[str, Any], Call],
) -> bool:
    is_given = _is_given(keras, pair, *first)
    # A layer with the same weights and input is not split in another way.
    num_weights = len(pair.node["weights"])
    is_whole = (
        0 < num_weights == len(pair.variables)
        and pair.node["kind"] == pair.call.kind
        and len(first[1].inputs) == 1
        and last[0]["output_shape"] in _forms_of(last[1])
    )
    return is_given and (is_whole or _is_made(keras, pair, *last))


def _forms_of(call: Call) -> list[list[int]]:
    """Returns the shape of an output as it is, and with the channels last."""
    shapes = [list(x.shape) for x in (call.output, call.final) if x is not None]
    return shapes + [[shape[0], *shape[2:], shape[1]] for shape in shapes if len(shape) > 2]


def _is_given(keras: KerasTrace, pair: PairedLayer, node: Mapping[str, Any], call: Call) -> bool:
    """Whether a layer has Keras's input, if it has only one."""
    keys = [f"forward/eval/{node['name']}/input/{n}" for n in range(len(node["input_shapes"]))]
    if len(call.inputs) != 1 or len(keys) != 1 or keys[0] not in keras:
        return True
    theirs = keras[keys[0]]
    ours = pair.portable(node, call, call.inputs[0], theirs, is_input=True)
    theirs, ours = only_counted(keras, keys[0], theirs, ours)
    return error_of(ours, theirs) <= allowed_of(keras, keys[0])


def _is_made(keras: KerasTrace, pair: PairedLayer, node: Mapping[str, Any], call: Call) -> bool:
    """Whether a layer has Keras's output, before or after Keras's activation."""
    keys = [f"forward/eval/{node['name']}{end}/output" for end in ("", ".activation")]
    output = output_of(call.output, call.final, node["output_shape"])
    is_log = call.kind == "activation:log_softmax"  # it replaces a softmax
    errors = []
    for key in keys:
        if key in keras:
            ours = pair.portable(node, call, output, keras[key])
            ours = np.exp(ours) if is_log else ours
            theirs, ours = only_counted(keras, key, keras[key], ours)
            errors.append(error_of(ours, theirs) / allowed_of(keras, key))
    return not errors or min(errors) <= 1


# --- In which order the tensors of a port have Keras's axes, by their values ----------------------
#
# A pass of the port with Keras's weights goes in. Where a tensor has Keras's values in one order
# and not in another, that is its order, whatever its shape and its way say.


def with_nearest_axes(
    keras: KerasTrace, pairs: Sequence[PairedLayer], calls: Sequence[Call], again: Sequence[Call]
) -> list[PairedLayer]:
    """Returns the pairs with the axes that their values show; the others keep theirs.

    Args:
        keras: what Keras computed.
        pairs: all pairs.
        calls: of the pass in which they were found.
        again: of a pass in eval mode, with Keras's weights.
    """
    by_name = {call.name: call for call in again}
    return [
        _with_nearest_axes(keras, pair, [by_name.get(x.name) for x in pair.chain(calls)])
        for pair in pairs
    ]


def _with_nearest_axes(
    keras: KerasTrace, pair: PairedLayer, chain: Sequence[Call | None]
) -> PairedLayer:
    nodes = keras.facts["nodes"]
    first, last = nodes[pair.ends.keras_first], nodes[pair.ends.keras_last]
    input_axes = made = None
    key = f"forward/eval/{first['name']}/input/0"
    if chain[0] is not None and chain[0].inputs and key in keras:
        input_axes = nearest(chain[0].inputs[0], keras[key])
    key = f"forward/eval/{last['name']}/output"
    if chain[-1] is not None and key in keras:
        output = output_of(chain[-1].output, chain[-1].final, last["output_shape"])
        made = nearest(output, keras[key])
    return replace(pair, taken=input_axes or pair.taken, made=made or pair.made)


def returned_axes(
    keras: KerasTrace, output: torch.Tensor, calls: Sequence[Call], made: Sequence[Axes | None]
) -> Axes | None:
    """Returns the order of the axes of what a port returns; None: it is not known.

    Args:
        keras: what Keras computed.
        output: of the port, in eval mode, with Keras's weights.
        calls: of that pass.
        made: orders of their outputs, as they came about.
    """
    if output.ndim < 3:
        return None
    for theirs, _ in forms_of(keras):
        if (found := nearest(output, theirs)) is not None:
            return found
    numbers = [n for n, call in enumerate(calls) if _is_same_order(call.output, output)]
    return made[numbers[-1]] if numbers and numbers[-1] < len(made) else None


def _is_same_order(ours: torch.Tensor, other: torch.Tensor) -> bool:
    return ours.shape == other.shape and torch.equal(ours, other)
