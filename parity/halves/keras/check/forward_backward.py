"""One pass of a Keras model, forward in eval mode, and forward and back in train mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.reference import Reference
from parity import errors
from parity.data import probe_inputs
from parity.data.probe_inputs import MOVING, short_name
from parity.errors import InputError
from parity.halves.keras import versions
from parity.halves.keras.call import Call, Calls, end_with
from parity.halves.keras.calls import recorded_calls
from parity.halves.keras.check.inputs import reset_states
from parity.halves.keras.check.metrics import penalties
from parity.halves.keras.check.not_compared import Exercise, useless_masks
from parity.halves.keras.check.objective import Batch, Objective
from parity.halves.keras.check.sequence_masks import (
    asked,
    ends_of,
    kept,
    leaves_out_large,
    uses_masked,
)
from parity.halves.keras.check.structure import as_fed, joined, output_facts, outputs_of
from parity.halves.keras.check.weights import named_variables, trainable
from parity.halves.keras.rounding import Perturbation
from parity.programs.check_spec import CheckSpec
from parity.traces.trace import KerasWriter

# --- The outputs of a Keras model in eval mode, layer by layer; `forward_backward.py` does train
# mode -----
#
# A batch goes in; `forward/…` and `mask/…` come out: inputs, outputs and masks of every call.


def write_forward(
    spec: CheckSpec,
    reference: Reference,
    x: list[np.ndarray],
    writer: KerasWriter,
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
            raise InputError(
                f"the Keras model cannot be computed: {errors.error_message(error)}"
            ) from error
    end_with(calls, output)
    if parts := outputs_of(model, output):
        writer.facts["outputs"] = output_facts(parts, calls)
    if leaves_out_large(spec, calls):
        writer.facts["brief"] = True
    write_calls("eval", calls, output, writer)
    writer.put("forward/eval/output", as_one(model, output))
    return calls, output


def as_one(model: keras.Model, output: Any) -> Any:
    """Returns what a model returns as one tensor: several outputs joined, (N, values of all)."""
    parts = outputs_of(model, output)
    return joined(parts) if parts else output


def write_calls(mode: str, calls: Calls, output: Any, writer: KerasWriter) -> None:
    """Writes inputs and output of every call, and the masks of dropouts.

    Args:
        mode: "eval" or "train".
        calls: of the pass.
        output: what the model returned.
        writer: receives the arrays; with its fact `brief`, only some of them.
    """
    without_large, ends = writer.facts.get("brief", False), ends_of(output)
    keys: dict[int, str] = {}  # number of a call -> key of its output
    for number, call in enumerate(calls):
        for place, value in enumerate(call.inputs):
            source = call.sources[place]
            if not without_large or kept(call, source, value, ends):
                key = f"forward/{mode}/{call.name}/input/{place}"
                if source in keys and calls[source].output is value:
                    writer.put_same(key, keys[source])
                else:
                    writer.put(key, _double(value))
        if not without_large or kept(call, None, call.output, ends):
            keys[number] = f"forward/{mode}/{call.name}/output"
            writer.put(keys[number], _double(call.output))
        if call.state is not None:
            writer.put(f"image_state/{mode}/{call.name}", call.state)
    write_drawn(mode, calls, writer)


def write_drawn(mode: str, calls: Calls, writer: KerasWriter) -> None:
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


# --------------------------------------------------------------------------------------------------
#
# The statistics of batches of a BatchNormalization that a model calls several times in a pass.
#
# A `TimeDistributed` calls its layer for each step, and two branches may share one. A port that
# joins these batches to one normalises otherwise, in train mode alone.


Moments = dict[int, list[tuple[np.ndarray, np.ndarray]]]


@contextmanager
def noted_moments() -> Iterator[Moments]:
    """Notes mean and variance of each batch that a BatchNormalization normalises in the block.

    Yields:
        id of the layer -> (mean, variance) of each of its calls, (channels,) each.
    """
    kind: Any = keras.layers.BatchNormalization
    original = getattr(kind, "_moments", None)
    found: Moments = {}
    if original is None:  # of Keras 2
        yield found
        return

    def moments(layer: Any, *arguments: Any, **keywords: Any) -> Any:
        made = original(layer, *arguments, **keywords)
        if all(hasattr(part, "numpy") for part in made):  # no graph is traced
            mean, variance = (np.array(part.numpy(), np.float64).ravel() for part in made)
            found.setdefault(id(layer), []).append((mean, variance))
        return made

    kind._moments = moments
    try:
        yield found
    finally:
        kind._moments = original


def write_repeated(model: keras.Model, found: Moments, writer: KerasWriter) -> None:
    """Writes `batches/WEIGHT`, (calls, channels), beside the moving statistic of that name.

    Args:
        model: that was called.
        found: of `noted_moments`.
        writer: receives what is written, of layers that are called twice or more.
    """
    names = {id(variable): name for name, variable in named_variables(model).items()}
    for layer in model._flatten_layers():
        calls = found.get(id(layer), [])
        if len(calls) < 2:
            continue
        for number, variable in enumerate((layer.moving_mean, layer.moving_variance)):
            if (name := names.get(id(variable))) is not None:
                writer.put(f"batches/{name}", np.stack([call[number] for call in calls]))


# --- One pass of a Keras model in train mode, forward and back ------------------------------------
#
# A batch with targets and weights goes in. The outputs of every call, the loss, the gradients of
# all parameters and outputs, and the state after the pass come out.


# A dropout of few samples by a low rate drops nothing in most draws: of 4 by 0.025, in 9 of 10.
MASK_TRIES = 64


def write_gradients(
    objective: Objective,
    x: list[np.ndarray],
    batch: Batch,
    writer: KerasWriter,
    perturbation: Perturbation | None,
) -> tuple[Calls, Any, Exercise]:
    """Writes outputs, loss and all gradients of one pass in train mode.

    Args:
        objective: of the model.
        x: inputs of the batch.
        batch: its targets and weights.
        writer: receives what is written.
        perturbation: how rounded numbers are moved.

    Returns:
        The calls of the pass, what the model returned, and what it leaves without effect.
    """
    model = objective.model
    variables = trainable(model)
    fed = as_fed(objective.reference, x)
    reset_states(model)
    watch = recorded_calls(fed, perturbation, mask_tries=MASK_TRIES)
    with tf.GradientTape(persistent=True) as tape, watch as calls, noted_moments() as moments:
        output = model(fed, training=True)
        end_with(calls, output)
        loss = objective.value(output, batch)
        penalty = penalties(model)
    write_calls("train", calls, output, writer)
    writer.put("forward/train/output", as_one(model, output))
    # In the order of the calls, so that the first difference is found first.
    sources = [versions.tensor_of(variable) for variable in variables.values()]
    without_large = writer.facts.get("brief", False)
    inner = [
        call for call in (asked(calls) if without_large else calls) if call.output.dtype.is_floating
    ]
    gradients = tape.gradient(loss, sources + [call.output for call in inner])
    writer.put("loss/value", loss)
    for name, part in objective.parts(output, batch).items():
        writer.put(f"loss/of/{name}", part)
    writer.put("loss/penalty", float(penalty))
    for (name, variable), slope in zip(variables.items(), gradients, strict=False):
        slope = np.zeros(variable.shape) if slope is None else _dense(slope)
        writer.put(f"gradient/{name}", probe_inputs.sampled(slope))
    if model.losses:
        for name, slope in zip(variables, tape.gradient(penalty, sources), strict=True):
            if slope is not None:
                writer.put(f"penalty_gradient/{name}", probe_inputs.sampled(_dense(slope)))
    # That of rows which are gathered is sparse.
    found = gradients[len(sources) :]
    slopes = [None if slope is None else tf.convert_to_tensor(slope) for slope in found]
    for call, slope in zip(inner, slopes, strict=True):
        if slope is not None and not without_large:
            writer.put(f"output_gradient/{call.name}", slope)
    for name, variable in named_variables(model).items():
        if short_name(name) in MOVING:
            writer.put(f"state/{name}", variable.numpy())
    write_repeated(model, moments, writer)
    by_weight = dict(zip(variables, gradients, strict=False))
    exercise = Exercise(
        used_masked=[
            call.name for call, up in zip(inner, slopes, strict=True) if uses_masked(call, up)
        ],
        dead=[call.name for call, up in zip(inner, slopes, strict=True) if _is_dead(call, up)],
        unused=[name for name, slope in by_weight.items() if slope is None],
        idle=[n for n, s in by_weight.items() if s is not None and not _dense(s).any()],
        masks=useless_masks(_masks(calls)),
    )
    for call in calls:
        key = f"forward/train/{call.name}/input/0"
        if call.name in exercise.dead and key not in writer.arrays:  # `revived` asks for it
            writer.put(key, np.asarray(call.inputs[0]))
    return calls, output, exercise


def _is_dead(call: Call, upstream: Any) -> bool:
    """Whether a gradient reaches the output of an activation, and none its input.

    The activation is computed once more by itself: a tape of the whole model goes through all of it
    for every question.
    """
    if call.again is None or upstream is None or not call.inputs or not np.any(upstream):
        return False
    given = tf.identity(call.inputs[0])
    with tf.GradientTape() as tape:
        tape.watch(given)
        output = tf.cast(call.again(given), upstream.dtype)
    slope = tape.gradient(output, given, output_gradients=upstream)
    return slope is not None and not np.any(slope)


def _masks(calls: Calls) -> dict[str, np.ndarray]:
    """Returns what layers keep, without what others add as noise."""
    drawn = {call.name: call.mask for call in calls if call.mask is not None}
    return {name: mask for name, mask in drawn.items() if mask.dtype == np.bool_}


def _dense(slope: Any) -> np.ndarray:
    return np.asarray(tf.convert_to_tensor(slope).numpy())
