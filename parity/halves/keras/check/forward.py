"""The outputs of a Keras model in eval mode, layer by layer; `gradient.py` does train mode.

A batch goes in; `forward/…` and `mask/…` come out: inputs, outputs and masks of every call.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.reference import Reference
from parity import errors
from parity.errors import InputError
from parity.halves.keras.call_list import Calls
from parity.halves.keras.calls import recorded_calls
from parity.halves.keras.check.brief import ends_of, is_brief, kept
from parity.halves.keras.check.inputs import reset_states
from parity.halves.keras.check.outputs import joined, outputs_of, told
from parity.halves.keras.check.structure import as_fed
from parity.halves.keras.last_activations import end_with
from parity.halves.keras.rounding import Perturbation
from parity.programs.check_spec import CheckSpec
from parity.traces.trace import TraceWriter


def write_forward(
    spec: CheckSpec,
    reference: Reference,
    x: list[np.ndarray],
    writer: TraceWriter,
    perturbation: Perturbation | None,
) -> tuple[Calls, Any]:
    """Writes inputs and outputs of every call; returns the calls, and what the model returns.

    Several outputs are told as the fact `outputs`. With the fact `brief`, large arrays of layers
    are left out.

    Raises:
        InputError: TensorFlow has an operation of the model for no such tensors.
    """
    model = reference.model
    fed = as_fed(reference, x)
    reset_states(model)
    with recorded_calls(fed, perturbation) as calls:
        try:
            output = model(fed, training=False)
        except tf.errors.OpError as error:
            raise InputError(f"the Keras model cannot be computed: {errors.told(error)}") from error
    end_with(calls, output)
    if parts := outputs_of(model, output):
        writer.facts["outputs"] = told(parts, calls)
    if is_brief(spec, calls):
        writer.facts["brief"] = True
    write_calls("eval", calls, output, writer)
    writer.put("forward/eval/output", as_one(model, output))
    return calls, output


def as_one(model: keras.Model, output: Any) -> Any:
    """Returns what a model returns as one tensor: several outputs joined, (N, values of all)."""
    parts = outputs_of(model, output)
    return joined(parts) if parts else output


def write_calls(mode: str, calls: Calls, output: Any, writer: TraceWriter) -> None:
    """Writes inputs and output of every call, and the masks of dropouts.

    Args:
        mode: "eval" or "train".
        calls: of the pass.
        output: what the model returned.
        writer: receives the arrays; with its fact `brief`, only some of them.
    """
    brief, ends = writer.facts.get("brief", False), ends_of(output)
    keys: dict[int, str] = {}  # number of a call -> key of its output
    for number, call in enumerate(calls):
        for place, value in enumerate(call.inputs):
            source = call.sources[place]
            if not brief or kept(call, source, value, ends):
                key = f"forward/{mode}/{call.name}/input/{place}"
                if source in keys and calls[source].output is value:
                    writer.put_same(key, keys[source])
                else:
                    writer.put(key, _double(value))
        if not brief or kept(call, None, call.output, ends):
            keys[number] = f"forward/{mode}/{call.name}/output"
            writer.put(keys[number], _double(call.output))
        if call.state is not None:
            writer.put(f"image_state/{mode}/{call.name}", call.state)
    write_drawn(mode, calls, writer)


def write_drawn(mode: str, calls: Calls, writer: TraceWriter) -> None:
    """Writes the masks of dropouts, and the numbers that the user's own code draws.

    Args:
        mode: "eval", "train", "step1", ...
        calls: of a pass.
        writer: receives `mask/MODE/LAYER`, and `draw/MODE/NUMBER/KIND[/LAYER]` of each draw.
    """
    for call in calls:
        if call.mask is not None:
            writer.put(f"mask/{mode}/{call.name}", call.mask)
    for number, draw in enumerate(calls.draws):
        key = f"draw/{mode}/{number}/{draw.kind}"
        writer.put(f"{key}/{draw.layer}" if draw.layer else key, _double(draw.values))


def _double(value: Any) -> np.ndarray:
    """Returns a tensor with real numbers as float64, which a float32 input is not."""
    array = np.asarray(value)
    return array.astype(np.float64, copy=False) if array.dtype.kind == "f" else array
