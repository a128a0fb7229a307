"""Shared parts of the comparers of a probe: limits, reasons, errors of the port, changing rates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parity.ladder.compare import compare_exact
from parity.ladder.items import UNKNOWN_TARGETS
from parity.ladder.rounding import dtype_of, limits_of

if TYPE_CHECKING:
    from parity.ladder.items import Item
    from parity.traces.trace import KerasTrace, PortTrace

NO_LOSS = "the Keras model has no single loss"
CUSTOM_STEP = "the Keras model has a train_step of its own, and its loss is not known"
NO_TARGETS = "no targets of the Keras model's loss are known"
IN_OTHER_FORM = "the port's `load` keeps it in another form"
NO_OPTIMIZER = "the port gives no optimizer"
CONSTANT_RATE = (
    "the optimizers differ there, but nothing that the check was given changes the rate; if `fit` "
    "gets a callback that does, give it to Reference, and see `parity explain F5`"
)


def measured(keras: KerasTrace) -> str:
    """Returns the tolerance of a check and its reason."""
    limits, dtype = limits_of(keras), dtype_of(keras.facts)
    moved = "one unit in the last place of the weights and of float32 constants"
    if dtype == "float32":
        moved = "rounding the weights and what each layer returns"
    return (
        f"{dtype}, relative to the largest value: {limits.floor:g}, or {limits.factor:g} times "
        f"what {moved} changes in Keras, up to {limits.most:g}"
    )


def no_loss(keras: KerasTrace) -> str:
    """Returns why there is no loss of the reference to compare with."""
    incomplete = {entry["what"] for entry in keras.facts.get("incomplete") or []}
    if UNKNOWN_TARGETS in incomplete:
        return NO_TARGETS
    return CUSTOM_STEP if keras.facts.get("own_steps") else NO_LOSS


def within_rounding(most: float) -> str:
    """Returns why an array that agrees is not compared: rounding may change more than `most`."""
    return f"it agrees, but rounding may change it by more than {most:g} of its size"


def raised(port: PortTrace, stage: str) -> list[Item]:
    """Returns an item that fails if the port raised where Keras did not."""
    error = port.facts["raised"].get(stage)
    return [] if error is None else [compare_exact(f"{stage} raises", "nothing", str(error))]


def changes_rate(keras: KerasTrace, port: PortTrace) -> bool:
    """Whether a schedule or a callback of either half may change the learning rate."""
    facts = keras.facts["schedule"]
    callbacks = [callback["class"] for callback in facts["callbacks"]]
    return (
        facts["kind"] is not None
        or bool(facts.get("not_compared"))  # a callback of the user's own
        or any(name != "EarlyStopping" for name in callbacks)
        or bool(port.facts["given"]["scheduler"])
    )
