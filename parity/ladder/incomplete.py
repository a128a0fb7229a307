"""What keeps a check from an answer: parts of the models that could not be compared.

Both traces go in. What is no fault of the port, but might hide one, comes out: what it is, why, and
what the user can do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from parity.ladder.anchored import CHANGES, is_repeated
from parity.ladder.custom_steps import has_all_draws, is_compared
from parity.ladder.recorded import outputs_agree, unknown_weights

if TYPE_CHECKING:
    from parity.traces.trace import KerasTrace, PortTrace, Trace

# What a check leaves open, and a whole training compares; the first in older bundles alone.
SEVERAL_OUTPUTS = "the losses of several outputs"
CUSTOM_TRAIN_STEP = "the model's own train_step"
CUSTOM_LOOP = "make_train_function"  # a method of the model; and one that decides what is trained
CUSTOM_LOSS = "the model's own compute_loss"
DRAWS = "it draws random numbers"  # how the reason of a layer that does so begins
_LOAD = "return a Port with `load`, which sets them, or with `layers`, which pairs them"


def incomplete_of(keras: KerasTrace, port: PortTrace) -> tuple[dict[str, str], ...]:
    """Returns {"what", "why", "do"} of all parts of the models that could not be compared."""
    replayed = port.facts.get("replayed") or []  # layers whose masks the port was given
    found = [e for e in _entries(keras, "incomplete") if e.get("layer") not in replayed]
    if is_compared(keras, port):
        found = [entry for entry in found if entry["what"] != CUSTOM_TRAIN_STEP]
        if has_all_draws(keras, port):  # such as those of a sampling layer, which the step makes
            found = [entry for entry in found if not entry["why"].startswith(DRAWS)]
    found += _entries(port, "incomplete")
    if not port.facts["given"].get("loss") and _has_custom_loss(keras):
        why = "the port gives no loss, and what is trained hangs on it"
        do = "give it: Port(loss=...), or Port(train_step=...) with a step of its own"
        found.append({"what": CUSTOM_LOSS, "why": why, "do": do})
    missing = unknown_weights(keras, port, is_right=outputs_agree(keras, port, "eval"))
    for node in keras.facts["nodes"]:
        names = [weight for weight in node["weights"] if weight in missing]
        if names:
            why = f"parity does not know this layer, and found no place for {', '.join(names)}"
            found.append({"what": node["name"], "why": why, "do": _LOAD})
    return _unique(found)


def _has_custom_loss(keras: KerasTrace) -> bool:
    """Whether the model of a reference has a `compute_loss` of its own, and no `train_step`."""
    return bool(keras.facts.get("own_loss")) and "own_steps" not in keras.facts


def incomplete_training(keras: KerasTrace, torch: PortTrace) -> tuple[dict[str, str], ...]:
    """Returns {"what", "why", "do"} of what of two whole trainings could not be compared."""
    found = _entries(torch, "incomplete")
    if "anchors" in keras.facts and not is_repeated(keras, keras.facts["anchors"]):
        do = "run it with `--dtype float64`, which compares whole trainings"
        found = [*found, {"what": "steps from recorded states", "why": CHANGES, "do": do}]
    if not any(_is_finite_at_first(trace) for trace in (keras, torch)):
        why = "the loss is not a finite number in either half, from the first step on"
        do = "look for such numbers in the data; lower the rate if there are none"
        found = [*found, {"what": "the training", "why": why, "do": do}]
    return _unique(found)


def _is_finite_at_first(trace: Trace) -> bool:
    """Whether the loss of the first step is a finite number; if it is not known, it is taken so."""
    key = "training/loss"
    return key not in trace or not len(trace[key]) or bool(np.isfinite(trace[key][0]))


def not_compared_of(keras: KerasTrace, port: PortTrace) -> tuple[dict[str, str], ...]:
    """Returns {"what", "why"} of what was left out, and does not affect the verdict."""
    found = [*_entries(keras, "not_compared"), *_entries(port, "not_compared")]
    if error := port.facts["raised"].get("layers"):
        why = f"the port raises if it is given Keras's values: {error}"
        found.append({"what": "each layer by itself", "why": why})
    return _unique(found)


def _entries(trace: Trace, name: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = trace.facts.get(name) or []
    return found


def _unique(found: list[dict[str, str]]) -> tuple[dict[str, str], ...]:
    names = ("what", "why", "do")  # a trace may say more, such as the arrays that are meant
    kept = [{name: entry[name] for name in names if name in entry} for entry in found]
    return tuple({entry["what"]: entry for entry in kept}.values())
