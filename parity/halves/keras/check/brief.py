"""What a brief probe leaves out: large arrays of single layers.

They decide nothing: outputs, losses, gradients of weights and steps do. They say where a difference
comes from. So a check of a large model first goes without them, and records them if there is one.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

import tensorflow as tf

from parity.halves.keras.call import Call
from parity.halves.keras.check.sequence_masks import counted_in
from parity.programs.check_spec import CheckSpec

# Numbers in the outputs of all calls of one pass; 16 MiB. Below, a check costs little as it is.
LEAST = 2**21
SMALL = 1_024  # numbers of an array that is kept in any case


def is_brief(spec: CheckSpec, calls: Sequence[Call]) -> bool:
    """Whether a probe leaves the layers out, as the spec allows and the size of a pass demands."""
    return spec.brief and sum(math.prod(call.output.shape) for call in calls) > LEAST


def kept(call: Call, source: int | None, value: Any, ends: Collection[int]) -> bool:
    """Whether a brief probe keeps an input or the output of a call.

    What reaches the model is compared by the level `data`, and an output may be returned without
    its activation. A layer that is not known may draw random numbers.

    Args:
        call: the call.
        source: of an input: number of the call that made it, -1 for an input of the model; None for
            an output.
        value: tensor.
        ends: ids of what the model returns.
    """
    is_end = id(call.output) in ends or call.kind.startswith("unknown:")
    return source == -1 or is_end or math.prod(value.shape) <= SMALL


def ends_of(output: Any) -> set[int]:
    """Returns the ids of the tensors that a model returns."""
    return {id(tensor) for tensor in tf.nest.flatten(output)}


def asked(calls: Sequence[Call]) -> list[Call]:
    """Returns the calls whose gradient tells what a probe leaves without effect."""
    return [call for call in calls if call.again is not None or counted_in(call.output) is not None]
