"""The outputs of a port in eval and in train mode, pair by pair.

Keras's batch goes in, `forward/…` comes out, as the port computes it from beginning to end.
"""

from __future__ import annotations

import numpy as np
import torch

from parity.halves.torch.call import output_of
from parity.halves.torch.kinds import REPLAYED
from parity.halves.torch.port.given_images import is_compared
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.halves.torch.port.portable import as_returned
from parity.ladder.compare import counts_of
from parity.ladder.recorded import FORMS, in_form
from parity.ladder.rounding import limits_of
from parity.traces.trace import PortWriter

_SUM_OFF = 1e-5  # of float32 outputs; logits whose sums are all as near to 1 are not expected


def write_forward(port: PortUnderTest, mode: str, writer: PortWriter) -> None:
    """Writes the output of every pair and of the module; in train mode also the changed state."""
    is_training = mode == "train"
    with torch.no_grad(), port.kept():
        calls, output = port.forward(mode, "probe", training=is_training)
        by_name = {call.name: call for call in calls}
        writer.put(f"forward/{mode}/output", port.as_recorded(output).detach().cpu().numpy())
        if is_training:
            writer.put_all("state", port.moving())
        elif port.keras.facts.get("stateful"):
            # The same batch again: a layer that goes on from its last states makes another output.
            again = port.outputs.of(port.returned_for(port.arguments("probe")))
            writer.facts["goes_on"] = not torch.equal(again, output)
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
            if port.keras.facts.get("brief") and made not in port.keras:
                continue
            theirs = port.keras[made] if made in port.keras else None  # noqa: SIM401  # no `get`
            output = output_of(ended.output, ended.final, last["output_shape"])
            key = f"forward/{mode}/{pair.node['name']}/output"
            writer.put(key, pair.portable(last, ended, output, theirs))


def output_form(port: PortUnderTest, writer: PortWriter) -> str:
    """Finds what the module returns: Keras's output, the input of its last activation, or its log.

    The values decide. If none of the three fits, the last call decides, or whether the values are
    such as the activation makes.
    """
    keras, key = port.keras, "forward/eval/output"
    name = keras.facts.get("output_activation")
    if name is None or key not in writer.arrays:
        return "same"
    ours = writer.arrays[key]
    may = port.outputs.may_return("", name)
    if not may:
        return "same"
    forms = {
        form: as_returned(in_form(keras, "eval", form), ours.shape)
        for form in FORMS
        if form == "same" or form in may
    }
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
    last = port.calls[-1].kind if port.calls else ""
    by_call = {"activation:log_softmax": "log", f"activation:{name}": "same"}
    found = by_call.get(last) or form_by_range(str(name), ours)
    return found if found in may else "same"


def form_by_range(name: str, output: np.ndarray) -> str:
    """Returns what an output is, by the range of Keras's last activation.

    The last layer of a twin has its activation inside of it, and no call of its own.

    Args:
        name: of the activation.
        output: of a wrong port, (N, ...).

    Returns:
        "same", "log" or "linear".
    """
    if name == "sigmoid":
        return "same" if (output >= 0).all() and (output <= 1).all() else "linear"
    if name == "softmax" and output.ndim > 1:
        with np.errstate(over="ignore"):
            forms = {"same": output, "log": np.exp(output)}
        for form, made in forms.items():
            sums = [made.sum(axis) for axis in (1, -1)]
            if (made >= 0).all() and any(np.allclose(total, 1, atol=_SUM_OFF) for total in sums):
                return form
    return "linear"
