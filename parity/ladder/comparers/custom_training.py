"""Steps of training by the code of both halves: what they return, apply and leave as weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parity.ladder.compare import compare_close, compare_exact
from parity.ladder.comparers.probe import IN_OTHER_FORM, measured, raised, within_rounding
from parity.ladder.custom_steps import FACT, GRADIENTS
from parity.ladder.items import Outcome, judged_if_any
from parity.ladder.recorded import close, weights_after, weights_in_other_form
from parity.ladder.rounding import allowed, allowed_in_training, limits_of

if TYPE_CHECKING:
    from parity.ladder.items import Item
    from parity.traces.trace import KerasTrace, PortTrace


_NOT_RETURNED = "the port's train_step does not return it"
_NO_OPTIMIZER_STEP = "the port's train_step calls the `step` of no torch.optim.Optimizer"


def of_loss(keras: KerasTrace, port: PortTrace) -> Outcome:
    """Compares what the first step returns: losses, and whatever it has among them."""
    items, left = raised(port, "train_step"), []
    for name in keras.facts[FACT]["logs"]:
        if f"log/1/{name}" in port:
            items.append(_log(keras, port, 1, name))
        elif FACT in port.facts:
            left.append((name, _NOT_RETURNED))
    return judged_if_any(measured(keras), items, left)


def of_gradient(keras: KerasTrace, port: PortTrace) -> Outcome:
    """Compares the gradient of every weight that an optimizer gets first."""
    items, left = raised(port, "train_step"), []
    most, unknown = limits_of(keras).most, weights_in_other_form(keras, port)
    has_gradients = any(port.below(GRADIENTS[0]))
    for weight in keras.facts["weights"]:
        key = f"gradient/{weight}"
        if weight not in port.facts["weights"] or not has_gradients:
            continue
        if weight in unknown:
            left.append((f"gradient of {weight}", IN_OTHER_FORM))
        elif key not in keras and key in port:
            items.append(compare_exact(weight, "no gradient", "a gradient"))
        elif key in keras and key not in port:
            items.append(compare_exact(weight, "a gradient", "no gradient"))
        elif key in keras:
            item = close(keras, port, key, weight)
            if allowed(keras, key) > most and item.agrees:
                left.append((f"gradient of {weight}", within_rounding(most)))
            else:
                items.append(item)
    if FACT in port.facts and not has_gradients:
        left.append(("gradients", _NO_OPTIMIZER_STEP))
    return judged_if_any(measured(keras), items, left)


def of_trajectory(keras: KerasTrace, port: PortTrace) -> Outcome:
    """Compares the weights after each step, and what the steps behind the first return."""
    items, left = raised(port, "train_step"), dict[str, str]()
    most, unknown = limits_of(keras).most_in_training, weights_in_other_form(keras, port)
    for step in keras.numbers("log"):
        for name in keras.facts[FACT]["logs"] if step > 1 else ():
            if f"log/{step}/{name}" in port:
                item = _log(keras, port, step, name)
                if item.allowed > most and item.agrees:
                    left[f"{name} of step {step}"] = within_rounding(most)
                else:
                    items.append(item)
        for weight, after, is_decided in weights_after(keras, port, step, unknown):
            if after is None:
                left[f"{weight} in training"] = IN_OTHER_FORM
            elif is_decided:
                left[f"{weight} in training"] = within_rounding(most)
            else:
                items.append(after)
    return judged_if_any(measured(keras), items, left.items())


def _log(keras: KerasTrace, port: PortTrace, step: int, name: str) -> Item:
    key = f"log/{step}/{name}"
    most = allowed_in_training(keras, step, key)
    return compare_close(name, keras[key], port[key], allowed=most, unit="rel", step=step)
