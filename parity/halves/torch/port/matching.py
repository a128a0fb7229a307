"""Which weight of a Keras layer belongs into which variable of a call, by their names."""

from __future__ import annotations

from collections.abc import Sequence

from parity.halves.torch.call import Call
from torch_impl.weights import match


def matched_weights(names: Sequence[str], call: Call) -> dict[str, str]:
    """Returns Keras's name of each weight of a layer -> its name in the module, if they match."""
    targets = [variable.name for variable in call.variables]
    # Two convolutions in torch can have the two kernels of one Keras layer.
    local = {
        name.partition(".")[2].replace("depthwise_", "").replace("pointwise_", ""): name
        for name in names
    }
    try:
        found = match(list(local), targets, by_kind=True)
    except ValueError:
        return {}
    return {local[short]: target for short, target in found.items()}
