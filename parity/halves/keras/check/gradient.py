"""One pass of a Keras model in train mode, forward and back.

A batch with targets and weights goes in. The outputs of every call, the loss, the gradients of all
parameters and outputs, and the state after the pass come out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from parity.data import probe_inputs
from parity.data.weight_names import MOVING, short_name
from parity.halves.keras import versions
from parity.halves.keras.call import Call
from parity.halves.keras.call_list import Calls
from parity.halves.keras.calls import recorded_calls
from parity.halves.keras.check.brief import asked
from parity.halves.keras.check.exercised import Exercise, useless_masks
from parity.halves.keras.check.forward import as_one, write_calls
from parity.halves.keras.check.inputs import reset_states
from parity.halves.keras.check.loss import penalties
from parity.halves.keras.check.model import named_variables, trainable
from parity.halves.keras.check.objective import Batch, Objective
from parity.halves.keras.check.repeated_norms import noted_moments, write_repeated
from parity.halves.keras.check.sequence_masks import uses_masked
from parity.halves.keras.check.structure import as_fed
from parity.halves.keras.last_activations import end_with
from parity.halves.keras.rounding import Perturbation
from parity.traces.trace import TraceWriter

# A dropout of few samples by a low rate drops nothing in most draws: of 4 by 0.025, in 9 of 10.
MASK_TRIES = 64


def write_gradients(
    objective: Objective,
    x: list[np.ndarray],
    batch: Batch,
    writer: TraceWriter,
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
    brief = writer.facts.get("brief", False)
    inner = [call for call in (asked(calls) if brief else calls) if call.output.dtype.is_floating]
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
        if slope is not None and not brief:
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
