"""Data: the batch of a probe, as it reaches the first layer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from parity.ladder.comparers.probe import measured
from parity.ladder.items import STYLE
from parity.ladder.outcome import Outcome, judged, skipped
from parity.ladder.recorded import MODES, close, outputs_agree

if TYPE_CHECKING:
    from parity.traces.trace import Trace


def of_probe(keras: Trace, port: Trace) -> Outcome:
    """Compares the input of the first layer, after the port's own input handling.

    A port may prepare its input itself; then its outputs agree.
    """
    excused = outputs_agree(keras, port, *MODES)
    for keras_name, _ in port.facts["pairs"]:
        key = f"forward/eval/{port.facts['ends'][keras_name][0]}/input/0"
        if key in keras and key in port:
            item = close(keras, port, key, f"input of {keras_name}")
            if item.num_compared == 0:  # such as steps that are folded into the batch
                return skipped("the input reaches the first layer in another form", applies=False)
            form = f"the same batch, as it reaches the first layer ({port.facts['fed']})"
            return judged(
                f"{form}; {measured(keras)}",
                [item if item.agrees or not excused else replace(item, role=STYLE)],
            )
    return skipped("no layer of the port could be paired by its input")
