"""States that one recurrent layer hands to another, such as an encoder to its decoder."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from parity.traces.trace import Trace


def is_state_of(keras: Trace, item: str, layer: str | None, wrong: Collection[str]) -> bool:
    """Whether an input is a state that a recurrent layer returns which is wrong by itself.

    Keras's output goes on from such a layer in the port, but not what it returns beside it. So the
    state differs because the layer does.

    Args:
        keras: the results of Keras.
        item: "input of LAYER (MODE)".
        layer: of the input.
        wrong: Keras's layers that are wrong for Keras's input.
    """
    mode = "train" if "(train)" in item else "eval"
    nodes = keras.facts["nodes"]
    node = next((each for each in nodes if each["name"] == layer), None)
    for number, source in enumerate(node["sources"] if node else ()):
        before = nodes[source] if source is not None and source >= 0 else None
        if before is None or before["name"] not in wrong:
            continue
        given = f"forward/{mode}/{layer}/input/{number}"
        made = f"forward/{mode}/{before['name']}/output"
        is_known = given in keras and made in keras
        returns = is_known and before["config"].get("return_state")
        if returns and not np.array_equal(keras[given], keras[made]):
            return True
    return False
