"""Divergences of layers without windows, and of operations between two layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from parity.divergences import arithmetic, attention
from parity.divergences.between import other_function, other_part, other_reduction
from parity.divergences.divergence import NUMBERS, PLACE, SETTINGS, Match, Recogniser
from parity.divergences.evidence import OF_FLOAT32, Evidence, differs
from parity.divergences.other_formulas import formula
from parity.divergences.places import RECURRENT, TURNING
from parity.divergences.plain_attention import plain
from parity.divergences.related import related, with_facts
from parity.divergences.relations import PERMUTED
from parity.divergences.sample_norms import (
    NORMS,
    normalised,
    normalised_before,
    tried_epsilons,
    tried_epsilons_before,
)
from parity.divergences.windows import other_pool


def _other_epsilon(evidence: Evidence) -> Match | None:
    """Recognises epsilon of LayerNormalization and GroupNormalization, slope of LeakyReLU, ..."""
    if (found := tried_epsilons_before(evidence)) is not None:
        return found
    if not evidence.is_forward():
        return None
    config, settings = evidence.config, evidence.settings
    names = (
        ("epsilon", "eps"),
        ("epsilon", "epsilon"),
        ("negative_slope", "negative_slope"),
        ("alpha", "alpha"),
        ("groups", "num_groups"),
        ("axis", "dim"),
    )
    if evidence.kind == "rms_norm" or (evidence.kind in NORMS and not settings):
        return tried_epsilons(evidence)
    if evidence.kind in NORMS or evidence.kind.startswith("activation:"):
        for theirs, ours in names:
            if theirs in config and ours in settings and differs(config[theirs], settings[ours]):
                if theirs == "axis":
                    continue
                said = f"{theirs} {config[theirs]:g} in Keras, {settings[ours]:g} in the port"
                is_proven = evidence.gives(_computed(evidence, theirs, settings[ours]))
                return Match(NUMBERS if is_proven else SETTINGS, said)
    if evidence.kind == "activation:leaky_relu":
        return _tried(evidence, "leaky_relu (0.01)", "leaky_relu (0.3)", "leaky_relu")
    return None


def _computed(evidence: Evidence, name: str, value: Any) -> np.ndarray | None:
    """Returns what Keras's layer gives with another constant; None if its formula is not here."""
    x = evidence.keras_input()
    if x is None or evidence.node is None:
        return None
    if name == "negative_slope":
        return np.where(x > 0, x, value * x)
    if name == "alpha" and evidence.kind == "activation:elu":
        return np.where(x > 0, x, value * np.expm1(np.minimum(x, 0)))
    return normalised(evidence, evidence.node, x, {name: value})


# --- activations ---------------------------------------------------------------------------------


def _tried(evidence: Evidence, *names: str) -> Match | None:
    x = evidence.keras_input()
    if x is None:
        return None
    for name in names:
        if evidence.gives(arithmetic.ACTIVATIONS[name](x)):
            return Match(NUMBERS, f"the port computes {name}")
    return None


def _gelu(evidence: Evidence) -> Match | None:
    if not evidence.is_forward():
        return None
    if evidence.kind == "activation:gelu":
        return _tried(evidence, "gelu (exact)", "gelu (tanh)")
    return _between(evidence, "gelu (exact)", "gelu (tanh)")


def _softmax_axis(evidence: Evidence) -> Match | None:
    x = evidence.keras_input()
    if not evidence.is_forward("activation:softmax") or x is None:
        return None
    for axis in range(x.ndim):
        shifted = np.exp(x - x.max(axis=axis, keepdims=True))
        if evidence.gives(shifted / shifted.sum(axis=axis, keepdims=True)):
            return Match(NUMBERS, f"the port takes the softmax over axis {axis}")
    return None


def _between(evidence: Evidence, *names: str) -> Match | None:
    """Recognises a different activation before a layer."""
    found = evidence.failing_input()
    if found is None or evidence.node is None:
        return None
    number, theirs, ours = found
    before = evidence.source(number)
    if before is None or not before["kind"].startswith("activation:"):
        return None
    key = f"forward/{evidence.mode}/{before['name']}/input/0"
    for name in names if key in evidence.keras else ():
        made = arithmetic.ACTIVATIONS[name](evidence.keras[key])
        # A port, and TensorFlow, may have a constant of the function in float32.
        if evidence.is_close(made, ours) or (
            evidence.is_close(made, ours, OF_FLOAT32)
            and not evidence.is_close(made, theirs, OF_FLOAT32)
        ):
            return Match(NUMBERS, f"the port computes {name} before {evidence.node['name']}")
    return None


def _added(evidence: Evidence) -> Match | None:
    """Recognises an additional activation before a layer of the port."""
    found = evidence.failing_input()
    if found is None or evidence.node is None:
        return None
    _, x, ours = found
    for name, activation in arithmetic.ACTIVATIONS.items():
        if evidence.is_close(activation(x), ours):
            return Match(NUMBERS, f"only the port computes {name} before {evidence.node['name']}")
    return None


def other_activation(evidence: Evidence) -> Match | None:
    """Recognises a different or missing activation."""
    if not evidence.is_forward():
        return None
    failing = evidence.failing_input()
    before = evidence.source(failing[0]) if failing else None
    same = str(before["kind"]).removeprefix("activation:") if before else ""
    # The same with other constants has a name of its own.
    names = [n for n in arithmetic.ACTIVATIONS if n != same and not n.startswith(f"{same} (")]
    found = _between(evidence, *names) or _added(evidence)
    if found is None and evidence.kind.startswith("activation:"):
        own = evidence.kind.removeprefix("activation:")  # the same, possibly with other constants
        others = [name for name in arithmetic.ACTIVATIONS if not name.startswith(own)]
        found = _tried(evidence, *others)
    return found


def features_order(evidence: Evidence) -> Match | None:
    """Recognises the same input features in a different order."""
    x, ours = evidence.keras_input(), evidence.port_input()
    if not evidence.is_forward("dense", "batch_norm") or x is None or ours is None:
        return None
    if evidence.is_close(x, ours) or not evidence.is_close(
        np.sort(x, axis=-1), np.sort(ours, axis=-1)
    ):
        return None
    before = evidence.source()
    is_flat = before is None or before["kind"] in TURNING
    if not is_flat and related(PERMUTED)(evidence) is not None:
        return None
    return Match(NUMBERS, "the same features in a different order")


def _wiring(evidence: Evidence) -> Match | None:
    """Recognises an input of the port's layer that Keras has at a different place."""
    found, node = evidence.failing_input(), evidence.node
    if evidence.level.id not in ("data", "forward") or found is None or node is None:
        return None
    number, theirs_given, ours = found
    if (moved := normalised_before(evidence, theirs_given, ours)) is not None:
        return moved
    for other in range(len(node["input_shapes"])):
        if evidence.is_recorded(f"{node['name']}/input/{other}", ours):
            return Match(NUMBERS, f"the inputs of {node['name']} are in a different order")
    for other in evidence.keras.facts["nodes"]:
        key = f"forward/{evidence.mode}/{other['name']}/output"
        if evidence.is_in_doubt(other["name"]):  # the port has it from Keras, at a place of its own
            continue
        is_last = (
            other["kind"] in RECURRENT
            and key in evidence.keras
            and evidence.keras[key].ndim == 3
            and evidence.is_close(evidence.keras[key][:, -1], ours)
        )
        if is_last or evidence.is_recorded(f"{other['name']}/output", ours):
            before = evidence.source(number)
            theirs = before["name"] if before else "a different tensor"
            return Match(
                NUMBERS, f"{node['name']} gets {other['name']} in the port, {theirs} in Keras"
            )
        for place, source in enumerate(other["sources"]):
            is_of_model = source == -1 and other["name"] != node["name"]
            if is_of_model and evidence.is_recorded(f"{other['name']}/input/{place}", ours):
                told = f"{node['name']} gets what {other['name']} gets in Keras"
                return Match(NUMBERS, f"in the port, {told}")
    return None


def _between_layers(evidence: Evidence) -> Match | None:
    """Recognises an unknown difference between two layers, or behind the last one."""
    if evidence.is_output:
        text = "what comes after the last layer that was compared"
        return Match(PLACE, with_facts(evidence, text))
    if not evidence.is_forward() or not evidence.is_input:
        return None
    found = evidence.failing_input()
    before = evidence.source(found[0] if found else 0)
    name = before["name"] if before else "the input"
    text = f"{name} and what comes after it, up to {evidence.node['name']}"  # type: ignore[index]
    return Match(PLACE, with_facts(evidence, text))


# --- dropout, resampling -------------------------------------------------------------------------


def _rate(evidence: Evidence) -> Match | None:
    item = evidence.item
    if not evidence.is_forward() or not item.name.endswith((".rate", ".stddev")):
        return None
    theirs, ours = float(item.keras), float(item.torch)
    inverted = abs(theirs + ours - 1) < 1e-12
    return Match(NUMBERS, "the port has 1 - rate" if inverted else f"{theirs:g} against {ours:g}")


def _grain(evidence: Evidence) -> Match | None:
    item = evidence.item
    if not evidence.is_forward("dropout") or not item.name.endswith(" drops"):
        return None
    if item.keras == "the same in all steps":  # that of a recurrent layer
        return None
    return Match(NUMBERS, f"{item.keras} in Keras, {item.torch} in the port")


def _mode(evidence: Evidence) -> Match | None:
    item = evidence.item
    is_image = evidence.kind.startswith("random_image:")
    if not evidence.is_forward() or item.keras not in ("on", "off") or is_image:
        return None
    return Match(NUMBERS, f"{item.name}: {item.keras} in Keras, {item.torch} in the port")


def _resampling(evidence: Evidence) -> Match | None:
    if not evidence.is_forward("upsampling") or evidence.is_own is False:
        return None
    detail = f"{evidence.config.get('interpolation', 'nearest')} in Keras"
    said = evidence.settings.get("mode")
    if said is not None:
        detail += f", {said} in the port"
    return Match(SETTINGS, detail)


def _own_error(evidence: Evidence) -> Match | None:
    """Recognises a layer that is wrong for Keras's input, without a known formula."""
    if not evidence.is_forward() or not evidence.is_own or evidence.node is None:
        return None
    text = f"{evidence.node['name']} itself gives a different output"
    return Match(PLACE / 2, with_facts(evidence, text))


RULES: dict[str, Recogniser] = {
    "A13": lambda evidence: (
        _other_epsilon(evidence)
        or other_function(evidence, "leaky_relu")
        or formula("A13")(evidence)
    ),
    "A20": lambda evidence: (
        _gelu(evidence) or other_function(evidence, "gelu") or formula("A20")(evidence)
    ),
    "A21": lambda evidence: (
        _softmax_axis(evidence)
        or attention.softmax_axis(evidence)
        or plain("A21")(evidence)
        or formula("A21")(evidence)
    ),
    "C6": _rate,
    "C15": _grain,
    "C7": _mode,
    "C14": _resampling,
    "A22": lambda evidence: (
        attention.exchanged(evidence)
        or plain("A22")(evidence)
        or _wiring(evidence)
        or other_part(evidence)
        or formula("A22")(evidence)
    ),
    "A23": lambda evidence: other_pool(evidence) or other_reduction(evidence),
    "N1": _between_layers,
    "N2": _own_error,
}
