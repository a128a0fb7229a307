"""The outputs of a port in eval and in train mode, pair by pair.

Keras's batch goes in, `forward/…` comes out, as the port computes it from beginning to end.
"""

from __future__ import annotations

import numpy as np
import torch

from parity.ladder.counted import counts_of
from parity.ladder.recorded import FORMS, in_form
from parity.ladder.rounding import limits_of
from parity.traces.trace import TraceWriter
from torch_impl.harness.call import output_of
from torch_impl.harness.kinds import REPLAYED
from torch_impl.harness.port.given_images import is_compared
from torch_impl.harness.port.port_under_test import PortUnderTest
from torch_impl.harness.port.portable import as_returned

_ENOUGH = 8  # numbers that are all between 0 and 1 by no chance


def write_forward(port: PortUnderTest, mode: str, writer: TraceWriter) -> None:
    """Writes the output of every pair and of the module; in train mode also the changed state."""
    is_training = mode == "train"
    with torch.no_grad(), port.kept():
        calls, output = port.forward(mode, "probe", training=is_training)
        by_name = {call.name: call for call in calls}
        writer.put(f"forward/{mode}/output", port.as_told(output).detach().cpu().numpy())
        if is_training:
            writer.put_all("state", port.moving())
    writer.facts.setdefault("active_dropouts", {})[mode] = [
        call.name for call in calls if call.kind in REPLAYED and call.is_active
    ]
    if f"forward/{mode}/output" not in port.keras:  # Keras's model is not compiled
        return
    for pair in port.pairs:
        ended = by_name.get(pair.chain(port.calls)[-1].name)
        if ended is not None and is_compared(pair, mode):
            last = port.keras.facts["nodes"][pair.ends.keras_last]
            made = f"forward/{mode}/{last['name']}/output"
            theirs = port.keras[made] if made in port.keras else None  # noqa: SIM401  # no `get`
            output = output_of(ended.output, ended.final, last["output_shape"])
            key = f"forward/{mode}/{pair.node['name']}/output"
            writer.put(key, pair.portable(last, ended, output, theirs))


def output_form(port: PortUnderTest, writer: TraceWriter) -> str:
    """Finds what the module returns: Keras's output, the input of its last activation, or its log.

    The values decide: those of Keras, or else whether they can be probabilities; if neither fits,
    the last call decides.
    """
    keras, key = port.keras, "forward/eval/output"
    name = keras.facts.get("output_activation")
    if name is None or key not in writer.arrays:
        return "same"
    ours = writer.arrays[key]
    forms = {form: as_returned(in_form(keras, "eval", form), ours.shape) for form in FORMS}
    counts = counts_of(keras, key, keras[key].shape)
    where = True if counts is None else as_returned(counts, ours.shape)
    errors = {
        form: float(np.abs(ours - value).max(initial=0.0, where=where))
        for form, value in forms.items()
        if value.shape == ours.shape and np.isfinite(value).all()
    }
    best = min(errors, key=lambda form: errors[form], default="same")
    if errors and errors[best] < limits_of(keras).most:
        return best
    if _are_probabilities(ours, name):
        return "same"
    last = port.calls[-1].kind if port.calls else ""
    return {"activation:log_softmax": "log", f"activation:{name}": "same"}.get(last, "linear")


def _are_probabilities(output: np.ndarray, activation: str) -> bool:
    """Whether an output is that of a sigmoid or a softmax, and by its values nothing else."""
    if output.size < _ENOUGH or not ((output > 0) & (output < 1)).all():
        return False
    if activation == "softmax" and output.ndim > 1:
        sums = [output.sum(axis) for axis in (1, -1)]  # channels first, or last
        return any(np.allclose(each, 1.0, rtol=0, atol=1e-6) for each in sums)
    return activation == "sigmoid"
