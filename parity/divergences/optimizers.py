"""Divergences of optimizers: what changes of Keras's say, and other evidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from parity.data import probe_inputs
from parity.data.probe_inputs import constraint_of, short_name
from parity.divergences.divergence import NUMBERS, PLACE, SETTINGS, Match, Recogniser, among
from parity.divergences.evidence import Evidence
from parity.divergences.places import RECURRENT
from parity.ladder.comparers.optimizer import averaged_weight
from parity.traces.facts import known

if TYPE_CHECKING:
    from parity.traces.port_facts import Said
    from parity.traces.trace import KerasTrace


# --- What the torch half found: the changes of Keras's optimizer that give the port's numbers -----


def changed(name: str) -> Recogniser:
    """Returns the recogniser of a divergence that is among the changes found."""
    return among(name, lambda evidence: [(each["id"], each["text"]) for each in _found(evidence)])


def _found(evidence: Evidence) -> Sequence[Said]:
    of_level = evidence.level.id == "optimizer"
    return evidence.port.facts.get("optimizer_changes", ()) if of_level else ()


def _unconstrained(evidence: Evidence) -> Match | None:
    """Recognises weights that Keras constrains after each step, and the port perhaps not."""
    if evidence.level.id != "optimizer":
        return None
    if (found := changed("F16")(evidence)) is not None:
        return found
    nodes = {name: node for node in evidence.keras.facts["nodes"] for name in node["weights"]}
    for item in evidence.failed:
        config = nodes[item.name]["config"] if item.name in nodes else {}
        if (given := constraint_of(config, item.name)) is not None:
            return Match(SETTINGS, f"{given['class_name']} of {item.name} in Keras")
    return None


# --- Other evidence -------------------------------------------------------------------------------


def _rate(evidence: Evidence) -> Match | None:
    if evidence.level.id == "optimizer" and evidence.item.name == "learning_rate":
        item = evidence.item
        return Match(
            NUMBERS, f"{item.keras:g} in Keras, {item.torch:g} in the port, step {item.step}"
        )
    return None


def _left_out(evidence: Evidence) -> Match | None:
    if evidence.level.id != "optimizer":
        return None
    names = []
    for item in evidence.failed:
        key = f"optimizer/{probe_inputs.OPTIMIZER_STEPS[-1]}/weights/{item.name}"
        start = f"weights/{item.name}"
        if key in evidence.port and start in evidence.keras:
            w = evidence.keras[start]
            if (
                evidence.is_close(probe_inputs.of_step(w), evidence.port[key])
                and item.name not in names
            ):
                names.append(item.name)
    return Match(NUMBERS, f"the port does not update {', '.join(names[:3])}") if names else None


def _two_biases(evidence: Evidence) -> Match | None:
    item = evidence.item
    key = f"optimizer/{item.step}/weights/{item.name}"
    if evidence.level.id != "optimizer" or key not in evidence.keras or key not in evidence.port:
        return None
    if evidence.kind not in RECURRENT:
        return None
    start = probe_inputs.of_step(evidence.keras[f"weights/{item.name}"])
    theirs, ours = evidence.keras[key] - start, evidence.port[key] - start
    if evidence.is_close(2 * theirs, ours):
        return Match(NUMBERS, f"{item.name} moves twice as far as in Keras")
    return None


def _same_class(evidence: Evidence) -> Match | None:
    """Recognises another optimizer if no change of Keras's gives the port's numbers."""
    if evidence.level.id != "optimizer" or "optimizer_changes" in evidence.port.facts:
        return None
    if evidence.item.name == "learning_rate":
        return None
    port = evidence.port.facts["optimizer"]
    ours = port["class"] if port else ""
    theirs = known(evidence.keras.facts["optimizer"])["class"]
    sure = SETTINGS if theirs.lower() != ours.rpartition(".")[2].lower() else PLACE
    return Match(sure, f"{theirs} in Keras, {ours} in the port")


def _is_of_two(keras: KerasTrace, name: str) -> bool:
    """Whether a weight is the bias of a GRU, (2, 3 * units), of which torch has two."""
    weight = keras.facts["weights"].get(name)
    shape = weight["shape"] if weight else []
    return short_name(name) == "bias" and len(shape) == 2 and shape[0] == 2


def _apart(evidence: Evidence) -> Match | None:
    """Recognises norms of the two biases of a GRU, which are one variable in Keras."""
    if evidence.level.id != "optimizer":
        return None
    if (found := changed("E10")(evidence)) is not None:
        return found
    facts = known(evidence.keras.facts["optimizer"])
    failed = {item.name for item in evidence.failed}
    if facts["class"] != "Lamb" or not all(_is_of_two(evidence.keras, name) for name in failed):
        return None  # of other optimizers, the change of Keras's tells it
    return Match(SETTINGS, f"Lamb has one rate for {min(failed)}, and two in the port")


def _average(evidence: Evidence) -> Match | None:
    """Recognises an average of the weights that one half alone keeps, or that is another one."""
    names = {item.name for item in evidence.failed}
    is_average = all(name.endswith(f".{probe_inputs.AVERAGE}") for name in names)
    if evidence.level.id != "optimizer" or not names or not is_average:
        return changed("F14")(evidence)
    config = known(evidence.keras.facts["optimizer"])["config"]
    if not config.get("use_ema"):
        return Match(NUMBERS, "the port ends with an average of the weights, and Keras does not")
    key = f"optimizer/{evidence.item.step}/average/{evidence.item.name.rpartition('.')[0]}"
    is_kept = not np.array_equal(evidence.port[key], evidence.port[averaged_weight(key)])
    ours = "another one" if is_kept else "none"
    momentum = f"use_ema=True, ema_momentum={config['ema_momentum']:g}"
    return Match(
        NUMBERS, f"Keras ends with an average of the weights ({momentum}), the port with {ours}"
    )


_OF_CHANGES = ("C11", "E1", "E2", "E8", "F1", "F2", "F4", "F5", "F8", "F9", "F14")
RULES: dict[str, Recogniser] = {
    **{name: changed(name) for name in _OF_CHANGES},
    "A14": _two_biases,
    "E10": _apart,
    "F14": _average,
    "F6": _rate,
    "F13": lambda evidence: changed("F13")(evidence) or _same_class(evidence),
    "F15": _left_out,
    "F16": _unconstrained,
}
