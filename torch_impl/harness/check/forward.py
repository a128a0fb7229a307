"""What a port computes in eval and in train mode, pair by pair.

Keras's batch goes in; `forward/…` comes out, each pair as it is reached in the port (an error may
be inherited), and fed with Keras's own input (an error is its own).
"""

from __future__ import annotations

from itertools import zip_longest

import numpy as np
import torch

from parity.traces.trace import TraceWriter
from torch_impl.harness.calls import Call, final_states, first_tensor, output_of
from torch_impl.harness.port.paired_layer import PairedLayer
from torch_impl.harness.port.port_under_test import PortUnderTest
from torch_impl.harness.port.portable import as_returned

_COMMUTATIVE = frozenset(("add", "multiply", "average", "maximum", "minimum"))


def write_forward(port: PortUnderTest, mode: str, writer: TraceWriter) -> None:
    """Inputs and outputs of every paired call; in train mode also what it does to its state."""
    is_training = mode == "train"
    with torch.no_grad(), port.kept():
        calls, output = port.forward(mode, "probe", training=is_training)
        by_name = {call.name: call for call in calls}
        writer.put(f"forward/{mode}/output", output.detach().cpu().numpy())
        if is_training:
            writer.put_all("state", _moving(port))
    writer.facts.setdefault("active_dropouts", {})[mode] = [
        call.name for call in calls if call.kind == "dropout" and call.is_active
    ]
    if f"forward/{mode}/output" not in port.bundle:  # Keras's model is not compiled
        return
    for pair in port.pairs:
        chain = [by_name.get(call.name) for call in pair.chain(port.calls)]
        if all(call is not None for call in chain):
            _write_pair(port, mode, pair, [call for call in chain if call is not None], writer)


def _write_pair(
    port: PortUnderTest, mode: str, pair: PairedLayer, chain: list[Call], writer: TraceWriter
) -> None:
    """What a pair is given, makes of it, and makes of Keras's input."""
    nodes = port.bundle.facts["nodes"]
    first, last = nodes[pair.ends.keras_first], nodes[pair.ends.keras_last]
    prefix = f"forward/{mode}/{first['name']}/input"
    keys = [key for n in range(len(chain[0].inputs)) if (key := f"{prefix}/{n}") in port.bundle]
    theirs = [port.bundle[key] for key in keys]
    given = [
        pair.portable(first, chain[0], x, y, is_input=True)
        for x, y in zip_longest(chain[0].inputs, theirs)
        if x is not None
    ]
    order = _order_of_inputs(pair.call.kind, given, theirs)
    for key, number in zip(keys, order, strict=False):
        writer.put(key, given[number])
    key = f"forward/{mode}/{pair.node['name']}"
    output = output_of(chain[-1].output, chain[-1].final, last["output_shape"])
    made = f"forward/{mode}/{last['name']}/output"
    aim = port.bundle[made] if made in port.bundle else None  # noqa: SIM401  # it has no `get`
    writer.put(f"{key}/output", pair.portable(last, chain[-1], output, aim))
    # The mask of a dropout is Keras's already.
    if pair.call.kind == "dropout" or len(first["input_shapes"]) != len(chain[0].inputs):
        return
    fed: list[torch.Tensor] = list(chain[0].inputs)
    for number, source in zip(order, keys, strict=True):
        tensor = pair.native(port.bundle[source], fed[number])
        if tensor is None:
            return
        fed[number] = tensor
    with torch.no_grad(), port.kept():
        result = chain[0].run(*fed)
        for call in chain[1:]:
            result = call.run(first_tensor(result))
    final = final_states(chain[-1].module, result)
    output = output_of(first_tensor(result), final, last["output_shape"])
    writer.put(f"{key}/own", pair.portable(last, chain[-1], output, aim))


def _order_of_inputs(kind: str, given: list[np.ndarray], theirs: list[np.ndarray]) -> list[int]:
    """Which of the port's inputs stands for each of Keras's, where their order is of no matter."""
    order = list(range(len(given)))
    if kind not in _COMMUTATIVE or not len(given) == len(theirs) == 2:
        return order
    errors = []
    for numbers in (order, order[::-1]):
        pairs = [(given[n], y) for n, y in zip(numbers, theirs, strict=True)]
        fits = all(x.shape == y.shape for x, y in pairs)
        errors.append(sum(float(np.abs(x - y).max()) for x, y in pairs) if fits else np.inf)
    return order[::-1] if errors[1] < errors[0] else order


def _moving(port: PortUnderTest) -> dict[str, np.ndarray]:
    return {
        name: array
        for name, array in port.weights().items()
        if name.endswith(("moving_mean", "moving_variance"))
    }


def output_form(port: PortUnderTest, writer: TraceWriter) -> str:
    """What the module returns: Keras's output, what its last activation is applied to, or its log.

    Told by the numbers; where none of them fits, by the last call.
    """
    bundle, key = port.bundle, "forward/eval/output"
    name = bundle.facts.get("output_activation")
    if name is None or key not in writer.arrays:
        return "same"
    ours, theirs = writer.arrays[key], bundle[key]
    linear = bundle[f"forward/eval/{bundle.facts['nodes'][-1]['name']}/input/0"]
    forms = {"same": theirs, "linear": linear}
    with np.errstate(divide="ignore", invalid="ignore"):
        forms["log"] = np.log(theirs)
    forms = {name: as_returned(value, ours.shape) for name, value in forms.items()}
    errors = {
        form: float(np.abs(ours - value).max())
        for form, value in forms.items()
        if value.shape == ours.shape and np.isfinite(value).all()
    }
    best = min(errors, key=lambda form: errors[form], default="same")
    if errors and errors[best] < 1e-6:
        return best
    last = port.calls[-1].kind if port.calls else ""
    return {"activation:log_softmax": "log", f"activation:{name}": "same"}.get(last, "linear")
