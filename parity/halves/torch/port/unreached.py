"""Activations of a port that get no number in some of their pieces: these are not compared.

Where Keras has a limit, its half draws numbers beyond it. A ReLU6 of a port in the place of a ReLU
has one that Keras does not have.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch

from parity.data.pieces import Function, limits_of, missing
from parity.halves.torch.call import Call

if TYPE_CHECKING:
    from parity.halves.torch.port.port_under_test import PortUnderTest


def unreached(port: PortUnderTest) -> Iterator[dict[str, str]]:
    """Yields an entry of the fact `not_compared` for each such piece that Keras does not tell.

    Args:
        port: after its pass in eval mode with Keras's weights.
    """
    told = {str(each.get("what")) for each in port.keras.facts.get("not_compared") or []}
    nodes = {pair.call.name: str(pair.node["name"]) for pair in port.all_pairs}
    for call in port.eval_calls:
        if not call.kind.startswith("activation:") or len(call.inputs) != 1:
            continue
        given = call.inputs[0]
        if not given.is_floating_point() or not given.numel():
            continue
        for piece in missing(limits_of(_function_of(call)), np.asarray(given.detach().cpu())):
            numbers = f"numbers {piece}"
            if f"{numbers} in {nodes.get(call.name)}" not in told:
                yield {
                    "what": f"{numbers} in {call.name} of the port",
                    "why": "no probe has any; Keras's layer may have no limit there, or another",
                }


def _function_of(call: Call) -> Function:
    """Returns an activation as a function of numbers, along the batch."""
    given = call.inputs[0]

    def function(numbers: np.ndarray) -> np.ndarray:
        rows = torch.from_numpy(numbers.reshape(-1, *[1] * (given.ndim - 1))).to(given)
        with torch.no_grad():
            made = call.run(rows)
        return np.asarray(made.detach().cpu()).reshape(numbers.shape)

    return function
