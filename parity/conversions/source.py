"""Source: the weights of a file or of a bundle, with what a module is compared with.

The names are those of a check: "dense_1.kernel".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from parity.conversions.further_batches import Further, further_of
from parity.conversions.named import keys_by_name
from parity.conversions.proof import most_of
from parity.conversions.twin import Twin
from parity.conversions.twin_inputs import TwinInputs
from parity.conversions.twin_trace import drawn_weights, set_weights, write_trace
from parity.data import draws, probe_inputs
from parity.errors import InputError
from parity.traces.trace import KerasTrace
from parity.weights.copied import Copied

SEED = 0


@dataclass(frozen=True)
class Source:
    """What is carried, and what the module is compared with.

    Attributes:
        trace: what Keras, or the twin, computes with drawn weights.
        arrays: the weights to carry, by name.
        keys: where each of them is in the file, by name.
        told: what the trace is of, in words.
        again: returns the trace with the weights to carry in the place of the drawn ones, and how
            far an output may be off there; None: the weights of the trace are these.
        trainable: names of the weights that Keras trains, in Keras's order.
        most: how far the output of a module may be off, relative to the largest number.
        further: other batches, each of which shows what the first one does not.
    """

    trace: KerasTrace
    arrays: Mapping[str, np.ndarray]
    keys: Mapping[str, str]
    told: str
    again: Callable[[], tuple[KerasTrace, float]] | None
    trainable: list[str]
    most: float
    further: Sequence[Further] = ()


def source_of_file(copied: Copied, config: Mapping[str, Any], folder: Path) -> Source:
    """Returns the source of a file whose model has a twin.

    Args:
        copied: the weights of the file.
        config: of its model.
        folder: for the trace; is made.

    Raises:
        ValueError: the model has no twin.
        InputError: configuration and weights do not belong together, or are damaged.
    """
    twin = Twin(config)
    keys = keys_by_name(twin, copied.weights)
    arrays = {name: copied.arrays[f"weights/{key}"] for name, key in keys.items()}
    drawn = drawn_weights(twin, SEED)
    fixed = {name: arrays[name] for name, array in drawn.items() if array.dtype.kind != "f"}
    first = drawn | fixed
    set_weights(twin, first)
    try:
        inputs = TwinInputs(twin)
        batch = inputs.drawn(SEED)
        trace = write_trace(twin, inputs, folder, batch)
    except InputError:
        raise
    except (RuntimeError, MemoryError, LookupError, TypeError, AttributeError) as error:
        text = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"the model of the configuration cannot be run ({text})") from None

    def again() -> tuple[KerasTrace, float]:
        set_weights(twin, arrays)
        made = write_trace(twin, inputs, folder.with_name(f"{folder.name}-again"), batch)
        return made, most_of(made, has_float32=twin.has_float32)

    text = "its twin by the configuration in the file"
    most = most_of(trace, has_float32=twin.has_float32)
    further = tuple(further_of(twin, inputs, folder, SEED, first))
    return Source(trace, arrays, keys, text, again, twin.trained, most, further)


def source_of_bundle(trace: KerasTrace) -> Source:
    """Returns the source of a bundle, which holds what Keras itself computed.

    A check gives other values to weights that are constant, so that a swap shows. The first ones
    are among the initial weights.

    Raises:
        InputError: they are not all there.
    """
    arrays, lost = {}, []
    for name in trace.facts["weights"]:
        now, first = trace[f"weights/{name}"], trace[f"init/{name}"][0]
        if now.dtype.kind != "f" or np.array_equal(now.reshape(-1)[: first.size], _single(first)):
            arrays[name] = now
        elif first.size == now.size:
            arrays[name] = _single(first).reshape(now.shape)
        elif first.size and _is_constant(trace, name):
            arrays[name] = np.full(now.shape, _single(first)[0])
        else:
            lost.append(name)
    if lost:
        raise InputError(
            f"the bundle has other values of {', '.join(lost[:3])} than the model, which a check "
            "needs; give the file of the model instead"
        )
    trainable = [name for name, entry in trace.facts["weights"].items() if entry["trainable"]]
    keys = {name: name for name in arrays}
    text = "what Keras computed, in the bundle"
    return Source(trace, arrays, keys, text, None, trainable, most_of(trace, has_float32=False))


def _single(array: np.ndarray) -> np.ndarray:
    return probe_inputs.single(np.asarray(array, dtype=np.float64))


def _is_constant(trace: KerasTrace, name: str) -> bool:
    kind = trace.facts["initializers"].get(name, {}).get("class")
    return kind in draws.CONSTANT
