"""Loss: its value, its penalties, and what it makes of right and wrong outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parity.ladder.compare import compare_close
from parity.ladder.comparers.probe import MEASURED, NO_LOSS, close, raised
from parity.ladder.comparers.run import compare_facts
from parity.ladder.outcome import Outcome, judged, judged_if_any, skipped
from parity.ladder.tolerance import FLOAT64, SEMANTIC, Tolerance

if TYPE_CHECKING:
    from parity.traces.bundle import Bundle
    from parity.traces.trace import Trace


def of_run(keras: Trace, torch: Trace, tolerance: Tolerance) -> Outcome:
    """The penalties, and the loss in eval mode, in train mode, with the masks of the gradient."""
    items = compare_facts("l2", keras.facts["settings"]["l2"], torch.facts["settings"]["l2"])
    items += [
        compare_close(
            name, keras[f"loss/{name}"], torch[f"loss/{name}"], allowed=FLOAT64, unit="rel"
        )
        for name in ("eval", "train", "gradient")
    ]
    return judged(SEMANTIC, items)


def of_probe(bundle: Bundle, port: Trace) -> Outcome:
    """The loss of given outputs, right and wrong ones, and of the model, penalties included."""
    if bundle.facts["loss"] is None:
        return skipped(NO_LOSS)
    if not port.facts["given"]["loss"]:
        return skipped("the port gives no loss")
    items = raised(port, "loss")
    for key, label in (
        ("loss/confident/value", "loss of confident outputs"),
        ("loss/confident/gradient", "its gradient"),
        ("loss/value", "loss"),
    ):
        if key in port:
            items.append(close(bundle, port, key, label))
    return judged_if_any(MEASURED, items)
