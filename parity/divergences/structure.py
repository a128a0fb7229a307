"""Divergences of input data and of structure."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from parity.data.probe_inputs import short_name
from parity.divergences.attention import plain
from parity.divergences.between import moved_dropout, other_function, related
from parity.divergences.divergence import NUMBERS, PLACE, SETTINGS, Match, Recogniser
from parity.divergences.evidence import Evidence
from parity.divergences.formulas import formula
from parity.divergences.layers import features_order, other_activation
from parity.divergences.losses import missing_activation
from parity.divergences.masks import drawn_by_step, not_dropped
from parity.divergences.names import module_text
from parity.divergences.output_losses import activated_again
from parity.divergences.places import CARRIED, PARAMETER, RECURRENT
from parity.divergences.relations import FUNCTION


def _scale(evidence: Evidence) -> Match | None:
    """Recognises an input of the port that is an affine function of Keras's, by channel."""
    theirs, ours = _inputs(evidence)
    if theirs is None or ours is None or theirs.shape != ours.shape or theirs.size < 8:
        return None
    x, y = theirs.reshape(-1, theirs.shape[-1]), ours.reshape(-1, ours.shape[-1])
    factor = ((x - x.mean(0)) * (y - y.mean(0))).sum(0) / np.maximum(x.var(0) * len(x), 1e-300)
    shift = y.mean(0) - factor * x.mean(0)
    if not evidence.is_close(factor * x + shift, y):
        return None
    return Match(NUMBERS, f"the port's input is {_few(factor)} times Keras's plus {_few(shift)}")


def _few(values: np.ndarray) -> str:
    shown = sorted({f"{value:.4g}" for value in np.atleast_1d(values)})
    return shown[0] if len(shown) == 1 else f"({', '.join(shown[:4])})"


def _channels(evidence: Evidence) -> Match | None:
    theirs, ours = _inputs(evidence)
    if theirs is None or ours is None or theirs.ndim < 3 or theirs.shape != ours.shape:
        return None
    if theirs.shape[-1] > 1 and evidence.is_close(theirs[..., ::-1], ours):
        return Match(NUMBERS, "the port's channels are Keras's in reverse order")
    return None


def _reshaped(evidence: Evidence) -> Match | None:
    """Recognises a reshape of (N, H, W, C) to (N, C, H, W): the same numbers, in wrong places."""
    theirs, ours = _inputs(evidence)
    if theirs is None or ours is None or theirs.ndim < 3 or theirs.shape != ours.shape:
        return None
    first = np.moveaxis(ours, -1, 1)
    if evidence.is_close(theirs.reshape(first.shape), first) and not evidence.is_close(
        theirs, ours
    ):
        return Match(NUMBERS, "the port has Keras's numbers in memory order, in a different shape")
    return None


def _inputs(evidence: Evidence) -> tuple[np.ndarray | None, np.ndarray | None]:
    if evidence.node is None or evidence.level.id != "data":
        return None, None
    key = f"forward/eval/{evidence.node['name']}/input/0"
    return evidence.keras[key], evidence.port[key]


def _loaded(evidence: Evidence) -> tuple[str, np.ndarray, np.ndarray] | None:
    """Returns (weight, Keras's value, the port's) of a weight that was carried over wrongly."""
    name = evidence.item.name
    if evidence.level.id != "structure" or not name.endswith(CARRIED):
        return None
    key = f"weights/{name.removesuffix(CARRIED)}"
    if key not in evidence.keras or key not in evidence.port:
        return None
    return name, evidence.keras[key], evidence.port[key]


def _axes(evidence: Evidence) -> Match | None:
    """Recognises a kernel with its axes in a different order."""
    found = _loaded(evidence)
    if found is None or found[1].ndim < 3:
        return None
    _, theirs, ours = found
    rank = theirs.ndim
    for axes in itertools.permutations(range(rank)):
        if axes == tuple(range(rank)):
            continue
        turned = theirs.transpose(axes)
        if turned.shape == ours.shape and (turned == ours).all():
            return Match(NUMBERS, f"the port has Keras's kernel with its axes as {axes}")
    for axes in _subsets(range(rank - 2)):
        if (np.flip(theirs, axes) == ours).all():
            return Match(NUMBERS, f"the port has Keras's kernel flipped along {axes}")
    return None


def _subsets(axes: range) -> list[tuple[int, ...]]:
    return [s for n in range(1, len(axes) + 1) for s in itertools.combinations(axes, n)]


def _dense_transposed(evidence: Evidence) -> Match | None:
    found = _loaded(evidence)
    if found is None or found[1].ndim != 2 or found[1].T.shape != found[2].shape:
        return None
    if (found[2] == found[1].T).all():
        return Match(NUMBERS, "the port's kernel is the transpose of Keras's")
    return None


def _flatten_order(evidence: Evidence) -> Match | None:
    found = _loaded(evidence)
    if found is None or found[1].ndim != 2 or found[1].shape != found[2].shape:
        return None
    _, theirs, ours = found
    same_rows = sorted(map(bytes, theirs)) == sorted(map(bytes, ours))
    if same_rows and not (theirs == ours).all():
        return Match(NUMBERS, "the port's kernel has Keras's rows in a different order")
    return None


def _loaded_otherwise(evidence: Evidence) -> Match | None:
    found = _loaded(evidence)
    if found is None or not evidence.port.facts["given"]["load"]:
        return None
    return Match(SETTINGS, f"{evidence.item.note} after `load`")


def _norm_order(evidence: Evidence) -> Match | None:
    found = _loaded(evidence)
    if found is None or evidence.kind != "batch_norm" or evidence.node is None:
        return None
    for weight in evidence.node["weights"]:
        if weight not in found[0] and (evidence.keras[f"weights/{weight}"] == found[2]).all():
            return Match(NUMBERS, f"the port has {weight} in its place")
    return None


def gates(evidence: Evidence) -> Match | None:
    """Recognises loaded weights of a recurrent layer whose gates are in another order."""
    found = _loaded(evidence)
    if found is None or evidence.kind not in RECURRENT or found[1].shape != found[2].shape:
        return None
    _, theirs, ours = found
    for num_gates in (3, 4):
        if theirs.shape[-1] % num_gates:
            continue
        gates = np.split(theirs, num_gates, axis=-1)
        for order in itertools.permutations(range(num_gates)):
            if (np.concatenate([gates[n] for n in order], axis=-1) == ours).all():
                return Match(NUMBERS, f"the port has Keras's gates in the order {order}")
    return None


def _bias(evidence: Evidence) -> Match | None:
    isolated, theirs, bias = evidence.own_output(), evidence.keras_output(), evidence.weight("bias")
    if evidence.is_forward() and isolated is not None and theirs is not None and bias is not None:
        if isolated.shape == theirs.shape and evidence.is_close(isolated + bias, theirs):
            return Match(NUMBERS, "the port leaves out the bias here")
        return None
    if evidence.node is None or evidence.call is None or evidence.level.id != "structure":
        return None
    theirs, ours = evidence.node["weights"], evidence.call["weights"]
    names = {short_name(name) for name in theirs}
    if abs(len(names) - len(ours)) == 1 and ("bias" in names) != ("bias" in ours):
        which = "Keras's layer has a bias" if "bias" in names else "the port's layer has a bias"
        return Match(NUMBERS, f"only {which}")
    return None


def _reset_after(evidence: Evidence) -> Match | None:
    is_recurrent = evidence.level.id == "structure" and evidence.kind in ("gru", "bidirectional")
    if is_recurrent and evidence.config.get("reset_after") is False:
        return Match(NUMBERS, "Keras's layer has reset_after=False")
    return None


def _shape(evidence: Evidence) -> Match | None:
    is_pair = evidence.node is not None and evidence.call is not None
    if evidence.level.id != "structure" or not is_pair or _loaded(evidence):
        return None
    return Match(PLACE, f"{evidence.item.keras} against {evidence.item.torch}")


def _activation(evidence: Evidence) -> Match | None:
    item = evidence.item
    kinds = (str(item.keras), str(item.torch))
    if evidence.level.id == "structure" and kinds[0].startswith("activation:"):
        names = [kind.removeprefix("activation:") for kind in kinds]
        return Match(NUMBERS, f"{names[0]} in Keras, {names[1]} in the port")
    return None


def _norm_scale(evidence: Evidence) -> Match | None:
    """Recognises a normalisation with a scale or an offset in one half only."""
    node, call = evidence.node, evidence.call
    if evidence.level.id != "structure" or node is None or call is None:
        return None
    if node["kind"] not in ("batch_norm", "layer_norm", "group_norm"):
        return None
    theirs = {name.rpartition(".")[2] for name in node["weights"]} & {"gamma", "beta"}
    names = {"weight": "gamma", "bias": "beta"}
    ours = {names.get(name, name) for name in call["weights"]} & {"gamma", "beta"}
    if theirs == ours:
        return None
    texts = [" and ".join(sorted(found)) or "neither" for found in (theirs, ours)]
    return Match(NUMBERS, f"{texts[0]} in Keras, {texts[1]} in the port")


def _shared(evidence: Evidence) -> Match | None:
    """Recognises a layer that one half calls several times, where the other has several."""
    if evidence.level.id != "structure":
        return None
    nodes, calls = evidence.keras.facts["nodes"], evidence.port.facts["nodes"]
    again = [node for node in nodes if "#" in node["name"] and node["weights"]]
    repeated = [call for call in calls if "#" in call["name"] and call["weights"]]
    shapes = evidence.keras.facts["weights"]

    def is_like(node: Mapping[str, Any], call: Mapping[str, Any]) -> bool:
        theirs = sorted(shapes[name]["shape"] for name in node["weights"])
        return theirs == sorted(call["weights"].values())

    if evidence.node in again and evidence.item.name.startswith(PARAMETER):
        first = str(evidence.config.get("name"))
        return Match(SETTINGS, f"Keras calls {first} twice, the port has two layers")
    if evidence.call is not None and evidence.node is None:
        for node in again:
            if is_like(node, evidence.call):
                first = node["name"].partition("#")[0]
                return Match(
                    SETTINGS, f"Keras calls {first} again where the port has another layer"
                )
    if evidence.node is not None and evidence.node["weights"]:
        for call in repeated:
            if is_like(evidence.node, call):
                first = call["name"].partition("#")[0]
                return Match(
                    SETTINGS,
                    f"the port calls {module_text(first)} again where Keras has another layer",
                )
    return None


def _missing(evidence: Evidence) -> Match | None:
    item = evidence.item
    is_place = evidence.level.id in ("structure", "forward")
    if is_place and "absent" in (item.keras, item.torch):
        where, name = "the port lacks", item.name
        if item.torch != "absent":
            is_call = any(name == call["name"] for call in evidence.port.facts["nodes"])
            where, name = "only the port has", module_text(name) if is_call else name
        others = (moved_dropout, _shared, drawn_by_step, not_dropped)
        is_other = any(rule(evidence) is not None for rule in others)
        return Match(
            PLACE if is_other else NUMBERS,
            f"{where} {name} ({item.keras if item.torch == 'absent' else item.torch})",
        )
    if evidence.level.id == "structure" and item.torch == "not used":
        return Match(SETTINGS, f"no layer of the port uses {item.name}")
    return None


RULES: dict[str, Recogniser] = {
    "H7": _scale,
    "H12": _channels,
    "H13": _reshaped,
    "A1": _axes,
    "A2": _dense_transposed,
    "A3": lambda evidence: _flatten_order(evidence) or features_order(evidence),
    "A10": _norm_order,
    "A14b": _reset_after,
    "A11": _bias,
    "A31": _norm_scale,
    "A30": _shared,
    "A16": lambda evidence: (
        _activation(evidence)
        or other_activation(evidence)
        or missing_activation(evidence)
        or activated_again(evidence)
        or plain("A16")(evidence)
        or other_function(evidence, "")
        or formula("A16")(evidence)
        or related(FUNCTION)(evidence)
    ),
    "A17": _missing,
    "A32": _loaded_otherwise,
    "A15": _shape,
}
