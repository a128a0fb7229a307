"""Divergences of sequences: masks, states that a layer keeps, and dropouts inside of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from parity.divergences import arithmetic, recurrent_steps
from parity.divergences.divergence import NUMBERS, Match, Recogniser, found_by
from parity.divergences.evidence import Evidence
from parity.divergences.places import STATE
from parity.divergences.recurrent_steps import (
    ATTENTION,
    MASKED,
    RECURRENT,
    chain_output,
    given_mask,
    inputs_of,
    is_masked,
    masks_of,
)
from parity.divergences.training import Confident, confident, crossentropies, weights_of
from parity.ladder.compare import only_counted
from parity.ladder.comparers.forward import STATES
from parity.ladder.items import metric_of
from parity.ladder.rounding import allowed

# --- States that a recurrent layer keeps from batch to batch --------------------------------------


def forgotten(evidence: Evidence) -> Match | None:
    """Recognises states that a stateful layer keeps from batch to batch, and the port does not."""
    nodes = evidence.keras.facts["nodes"]
    if evidence.item.name == STATES:
        stateful = [node["name"] for node in nodes if _is_stateful(node["config"])]
        text = f"the states of {', '.join(stateful)} are not kept"
        return Match(NUMBERS, f"in eval mode, the same batch twice makes the same output: {text}")
    if evidence.level.id != "trajectory":
        return None
    names = [node["name"] for node in nodes if _is_stateful(node["config"])]
    key = "trajectory/losses"
    if not names or key not in evidence.keras or "trajectory/loss/1" not in evidence.port:
        return None
    first = evidence.port["trajectory/loss/1"]
    if not evidence.is_close(np.asarray(first).reshape(1), evidence.keras[key][:1]):
        return None
    return Match(NUMBERS, f"the first batch agrees, the second does not: states of {names[0]}")


def _is_stateful(config: Mapping[str, Any]) -> bool:
    inner = config.get("layer")
    return bool(config.get("stateful")) or (
        isinstance(inner, Mapping) and _is_stateful(inner.get("config", {}))
    )


# --- Divergences of the dropouts inside of recurrent layers: missing ones, and other masks --------


_KINDS = ("lstm", "gru", "simple_rnn", "conv_lstm", "bidirectional")


def drawn_by_step(evidence: Evidence) -> Match | None:
    """Recognises masks that are drawn anew in each step, or shared by the gates."""
    item = evidence.item
    if not evidence.is_forward():
        return None
    if item.name.endswith(" drops") and item.keras == "the same in all steps":
        return Match(NUMBERS, f"{item.keras} in Keras, {item.torch} in the port")
    inner = _inner_names(evidence)
    paired = dict(evidence.port.facts["pairs"])
    if item.keras == "absent" and str(item.torch).startswith("dropout"):
        places = [_line(evidence, paired[name]) for name in inner if name in paired]
        line = str(item.torch).partition(" at ")[2]
        if line and line in places:
            return Match(NUMBERS, f"the line {line} draws more masks than Keras")
    if item.keras == "dropout" and item.torch == "absent" and item.name in inner:
        beside = [
            n for n in inner if n != item.name and n.split(".")[:-1] == item.name.split(".")[:-1]
        ]
        if any(name in paired for name in beside):
            return Match(NUMBERS, "Keras draws a mask for each gate, the port fewer")
    return None


def not_dropped(evidence: Evidence) -> Match | None:
    """Recognises a recurrent layer of the port that drops no inputs, or no states."""
    item = evidence.item
    if not evidence.is_forward() or item.name.removesuffix(".rate") not in _inner_names(evidence):
        return None
    name = item.name.removesuffix(".rate")
    what = "states" if "recurrent_dropout" in name else "inputs"
    is_off = item.name.endswith(".rate") and item.torch == 0
    is_missing = item.keras == "dropout" and item.torch == "absent"
    if not (is_off or is_missing):
        return None
    return Match(NUMBERS, f"the port does not drop the {what} of {name.partition('.')[0]}")


def _inner_names(evidence: Evidence) -> list[str]:
    """Returns the names of dropouts inside of recurrent layers."""
    nodes = evidence.keras.facts["nodes"]
    layers = tuple(f"{n['name']}." for n in nodes if n["kind"] in _KINDS)
    return [n["name"] for n in nodes if n["kind"] == "dropout" and n["name"].startswith(layers)]


def _line(evidence: Evidence, name: str) -> str:
    return {call["name"]: call["where"] for call in evidence.port.facts["nodes"]}.get(name, "")


# --- Divergences of masks of sequences: steps that count in one half only -------------------------
#
# Keras's layer is computed with another mask; if that gives the port's numbers, the port has that
# mask. If the port has no layer in Keras's place, what comes of it at the next one is compared.


Array = np.ndarray
MISSING, OTHER, ADDED, LAST = "A64", "A65", "A66", "A67"
_MOST_NODES = 6  # behind which a layer with a mask is looked for


def _found(evidence: Evidence) -> list[tuple[str, str]]:
    """Returns (ID, text) of what gives the port's numbers, at most one."""
    if evidence.level.id != "forward":
        return []
    searches = (_of_steps, _of_last_step, _of_inputs, _of_layer, _of_statistics)
    found = (each for search in searches for each in search(evidence))
    return list(itertools.islice(found, 1))


def _of_layer(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Yields masks with which a layer, or one behind which nothing is paired, gives the numbers."""
    keras, mode = evidence.keras, evidence.mode
    for node, chain, ours, key in _places(evidence):
        also = [each["name"] for each in chain if is_masked(keras, mode, each)]
        tried = itertools.product(_given(evidence, node), _tried(evidence, node))
        for inputs, (name, text, masks) in tried:
            # If the mask is missing there, it may be missing in the layers behind as well.
            for keeps in (True, False) if also and name == MISSING else (True,):
                value = chain_output(keras, mode, node, chain, inputs, masks, keeps=keeps)
                if value is not None and _gives(evidence, key, value, ours):
                    names = [node["name"], *([] if keeps else also)]
                    subject = names[0] if keeps else f"each of {', '.join(names)}"
                    yield name, f"in the port, {subject} {text}"


def _given(evidence: Evidence, node: Mapping[str, Any]) -> Iterator[list[Array]]:
    """Yields what a layer may get: Keras's inputs; with what the port has at masked steps; zeros.

    There Keras has zeros, or repeats the last step; that is nothing the port has to do.
    """
    inputs = inputs_of(evidence.keras, evidence.mode, node)
    yield inputs
    prefix = f"forward/{evidence.mode}/{node['name']}/input"
    for fill in ("port", "zeros"):
        mixed = []
        for number, x in enumerate(inputs):
            mask, key = masks_of(evidence.keras, evidence.mode, node)[number], f"{prefix}/{number}"
            other = evidence.port[key] if fill == "port" and key in evidence.port else None
            other = np.zeros_like(x) if other is None or other.shape != x.shape else other
            keep = None if mask is None or mask.shape != x.shape[:2] else mask
            mixed.append(x if keep is None else np.where(keep[..., None], x, other))
        if not all(np.array_equal(a, b) for a, b in zip(mixed, inputs, strict=True)):
            yield mixed


def _places(
    evidence: Evidence,
) -> Iterator[tuple[Mapping[str, Any], list[Mapping[str, Any]], Array, str]]:
    """Yields a node with a mask, the nodes behind it, what the port makes of these, and its key."""
    node = evidence.node
    if node is None:
        return
    isolated = evidence.own_output()
    if isolated is not None and node["kind"] in MASKED:
        yield node, [], isolated, f"forward/{evidence.mode}/{node['name']}/output"
    failing = evidence.failing_input()
    if failing is None:
        return
    number, _, ours = failing
    key = f"forward/{evidence.mode}/{node['name']}/input/{number}"
    chain: list[Mapping[str, Any]] = []
    before = evidence.source(number)
    while before is not None and len(chain) < _MOST_NODES:
        if before["kind"] in MASKED:
            yield before, chain, ours, key
        chain = [before, *chain]
        source = before["sources"][0] if before["sources"] else None
        before = None if source is None or source < 0 else evidence.keras.facts["nodes"][source]


def _tried(
    evidence: Evidence, node: Mapping[str, Any]
) -> Iterator[tuple[str, str, list[Array | None]]]:
    """Yields (ID, text, masks of the inputs) of the masks that a port may have instead."""
    masks = masks_of(evidence.keras, evidence.mode, node)
    known = [mask for mask in masks if mask is not None]
    if not known:
        return
    if is_both := node["kind"] == "bidirectional":
        masks = [known[0]] * 2
    keras_mask = masks[-1] if node["kind"] in ATTENTION else masks[0]
    if keras_mask is None:
        return

    def with_other(other: Array | None) -> list[Array | None]:
        if node["kind"] in ATTENTION:  # the mask of the values; that of the queries stays
            return [masks[0], other, *masks[2:]]
        return [other for _ in masks]

    yield MISSING, "takes all steps, the masked ones too", with_other(None)
    if is_both:  # a mask that one direction lacks may change nothing: no mask at all comes first
        yield MISSING, "has the mask in the forward direction alone", [keras_mask, None]
        yield MISSING, "has the mask in the backward direction alone", [None, keras_mask]
    fillers = {n["config"].get("mask_value") for n in evidence.keras.facts["nodes"]}
    x = inputs_of(evidence.keras, evidence.mode, node)[0]
    for value in fillers - {None}:
        has_one = (x == value).reshape(*keras_mask.shape, -1).any(-1)
        text = "leaves out steps of which one value is the masked one"
        yield OTHER, text, with_other(keras_mask & ~has_one)
    for text, other in other_masks(keras_mask):
        yield OTHER, text, with_other(other)


def other_masks(mask: Array) -> Iterator[tuple[str, Array]]:
    """Yields masks that a port may have in the place of another, (N, T), each with a text.

    A sequence of one step keeps it, since a packed sequence has one at least.
    """
    none = np.zeros((len(mask), 1), bool)
    later, earlier = np.hstack([mask[:, 1:], none]), np.hstack([none, mask[:, :-1]])
    is_long = mask.sum(1, keepdims=True) > 1
    yield "takes the masked steps in the place of the others", ~mask
    yield "leaves out the last step that counts", np.where(is_long, mask & later, mask)
    yield "takes one step more, the first masked one", mask | earlier
    yield "leaves out the first step that counts", np.where(is_long, mask & earlier, mask)


def _gives(evidence: Evidence, key: str, value: Array, ours: Array) -> bool:
    """Whether a value is the port's, and not Keras's, where values count."""
    theirs = evidence.keras[key]
    if value.shape != theirs.shape or ours.shape != theirs.shape:
        return False
    # What comes before may be in float32 in Keras, and not in the port.
    most = max(evidence.close, allowed(evidence.keras, key))
    computed, counted = only_counted(evidence.keras, key, value, ours)
    return evidence.is_close(computed, counted, most) and not evidence.is_close(
        *only_counted(evidence.keras, key, value, theirs), most
    )


def _of_steps(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Yields that the mean divides by all steps, though it adds up those that count."""
    for node, chain, ours, key in _places(evidence):
        mask = given_mask(evidence.keras, evidence.mode, node["name"])
        if node["kind"] != "global_average_pool" or chain or mask is None:
            continue
        x = inputs_of(evidence.keras, evidence.mode, node)[0]
        total = np.where(mask[..., None], x, 0.0).sum(1)
        if _gives(evidence, key, total / mask.shape[1], ours.reshape(total.shape)):
            text = f"divides by all {mask.shape[1]} steps, Keras by those that count"
            yield OTHER, f"{node['name']} adds up the steps that count and {text}"


def _of_inputs(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Yields steps of an input that the port replaces, by what it puts there."""
    failing, node = evidence.failing_input(), evidence.node
    if failing is None or node is None:
        return
    number, theirs, ours = failing
    mask = given_mask(evidence.keras, evidence.mode, node["name"], number)
    if mask is not None and ours.ndim == theirs.ndim == 3 and mask.shape == theirs.shape[:2]:
        yield from _of_fewer_steps(evidence, node["name"], theirs, ours, mask)
    if mask is None or ours.shape != theirs.shape or mask.shape != theirs.shape[:2]:
        return
    scale = float(np.abs(theirs).max()) or 1.0
    with np.errstate(invalid="ignore"):
        far = np.abs(ours - theirs).reshape(*mask.shape, -1).max(-1)
    same = far <= evidence.close * scale
    if same[mask].all() and not same.all():
        yield ADDED, f"the masked steps of the input of {node['name']} are replaced in the port"
    empty = ~np.abs(ours).reshape(*mask.shape, -1).any(-1)
    if (same | empty | ~mask).all() and not same[mask].all():
        for text, other in other_masks(mask):
            if ((same | ~mask) == (other | ~mask)).all():
                yield OTHER, f"in the port, {node['name']} {text}"


def _of_fewer_steps(
    evidence: Evidence, name: str, theirs: Array, ours: Array, mask: Array
) -> Iterator[tuple[str, str]]:
    """Yields that a packed sequence is shorter than the longest one of Keras."""
    most, longest = int(mask.sum(1).max()), ours.shape[1]
    if longest >= most:
        return
    text = f"{name} gets at most {longest} steps in the port, {most} in Keras"
    fillers = {n["config"].get("mask_value") for n in evidence.keras.facts["nodes"]} - {None}
    for value in fillers:
        has_one = (theirs == value).any(-1)
        if int((mask & ~has_one).sum(1).max()) == longest:
            text += ": those of which one value is the masked one are left out"
    yield OTHER, text


def _of_last_step(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Yields that the output of another step than the last that counts goes on."""
    node = evidence.node
    if node is None:
        return
    failing = evidence.failing_input()
    layer = evidence.source(failing[0]) if failing is not None else node
    if layer is None or layer["kind"] not in RECURRENT or layer["config"].get("return_sequences"):
        return
    mask = given_mask(evidence.keras, evidence.mode, layer["name"])
    if mask is None:
        return
    outputs = list(_inputs_after(evidence, layer)) if failing is None else [failing[2]]
    x = inputs_of(evidence.keras, evidence.mode, layer)[0]
    made = [
        recurrent_steps.recurrent_output(
            evidence.keras, layer, layer["config"], layer["kind"], x, each, is_whole=True
        )
        for each in (mask, None)
    ]
    if made[0] is None or made[1] is None:
        return
    theirs = evidence.keras[f"forward/{evidence.mode}/{layer['name']}/output"]
    last = mask.shape[1] - 1 - mask[:, ::-1].argmax(1)
    rows = np.arange(len(mask))
    zeros = np.where(mask[..., None], made[0], 0.0)
    trials = [("the last step of the padded output, which is 0 there", zeros[:, -1])]
    offsets = (-1, "the step before the last that counts"), (1, "the first masked step")
    for offset, text in offsets:
        at = np.clip(last + offset, 0, mask.shape[1] - 1)
        trials += [(text, values[rows, at]) for values in (made[1], made[0], zeros)]
    for ours in outputs:
        for text, value in trials:
            is_ours = value.shape == ours.shape and evidence.is_close(value, ours)
            if is_ours and not evidence.is_close(value, theirs):
                yield LAST, f"behind {layer['name']}, the port takes {text}"


def _inputs_after(evidence: Evidence, layer: Mapping[str, Any]) -> Iterator[Array]:
    """Yields what the port gives on behind a layer of Keras, to the next paired one."""
    nodes = evidence.keras.facts["nodes"]
    for node in nodes:
        for place, source in enumerate(node["sources"]):
            key = f"forward/{evidence.mode}/{node['name']}/input/{place}"
            if (
                source is not None
                and source >= 0
                and nodes[source] is layer
                and key in evidence.port
            ):
                yield evidence.port[key]


def _of_statistics(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Yields that moving statistics take in masked steps."""
    node, item = evidence.node, evidence.item.name
    if node is None or node["kind"] != "batch_norm" or not item.endswith(STATE):
        return
    mask = given_mask(evidence.keras, "train", node["name"])
    name = item.removesuffix(STATE)
    key = f"forward/train/{node['name']}/input/0"
    if mask is None or key not in evidence.keras or f"state/{name}" not in evidence.port:
        return
    values = evidence.keras[key].reshape(-1, evidence.keras[key].shape[-1])
    keep, number = float(node["config"]["momentum"]), len(values)
    batch = values.mean(0) if name.endswith("mean") else values.var(0)
    for factor in (1.0, number / max(number - 1, 1)):
        moved = evidence.keras[f"weights/{name}"] * keep + batch * factor * (1 - keep)
        if evidence.is_close(moved, evidence.port[f"state/{name}"]):
            yield MISSING, f"in the port, {name} takes all steps, the masked ones too"


RULES: dict[str, Recogniser] = {
    name: found_by(name, _found) for name in (MISSING, OTHER, ADDED, LAST)
}


# --- Divergences of losses and metrics that a mask of steps leaves out of account -----------------


LossValues = np.ndarray


def _masked_loss(evidence: Evidence) -> Match | None:
    """Recognises a masked loss that counts other steps, or divides by another number."""
    found = evidence.once(confident)
    if found is None:
        return None
    key = f"counted/eval/output/{found.name}" if found.name else "counted/eval/output"
    if key not in evidence.keras:
        return None
    each, mask = _per_step(found), evidence.keras[key]
    if each is None or each.shape != mask.shape:
        return None
    weights = weights_of(evidence, found.name)
    if weights is not None and weights.size == each.size:  # those of steps
        each = each * weights.reshape(each.shape)
    for text, value in other_means(each, mask):
        if found.gives(value):
            return Match(NUMBERS, f"in the port, the loss {text}")
    return None


def other_means(each: LossValues, mask: LossValues) -> Iterator[tuple[str, float]]:
    """Yields the loss of a batch that other rules make of the losses of steps.

    Args:
        each: losses, (N, T).
        mask: where they count.
    """
    kept = np.where(mask, each, 0.0)
    yield "counts masked steps, too", float(each.mean())
    yield (
        f"divides by all {mask.size} steps, not by the {mask.sum()} that count",
        float(kept.mean()),
    )
    per_sample = kept.sum(1) / np.maximum(mask.sum(1), 1)
    yield "is the mean of the means of the samples", float(per_sample.mean())
    yield "counts the masked steps alone", float(each[~mask].mean()) if not mask.all() else np.nan
    yield "divides by the number of samples", float(kept.sum() / len(mask))
    yield "is a sum", float(kept.sum())
    none = np.zeros((len(mask), 1), bool)
    shifted = (
        ("takes the mask of the next step for that of a step", np.hstack([mask[:, 1:], none])),
        ("takes the mask of the step before for that of a step", np.hstack([none, mask[:, :-1]])),
    )
    for text, other in (*shifted, *other_masks(mask)):
        yield text, float(each[other].mean()) if other.any() else np.nan


def _per_step(found: Confident) -> LossValues | None:
    """Returns the loss of each step of the given outputs, as Keras computes it."""
    y = found.y.reshape(found.linear.shape) if found.y.size == found.linear.size else found.y
    return values_of(found.facts.get("name", ""), found.prediction, y, found.linear)


def values_of(
    name: str, output: LossValues | None, y: LossValues, linear: LossValues | None = None
) -> LossValues | None:
    """Returns the values of a loss or a metric for each step; None if it is not known here.

    Args:
        name: of the loss or the metric.
        output: of the model.
        y: targets.
        linear: the output before its activation, if that is known.
    """
    if output is None:
        return None
    labels = y if y.ndim < output.ndim else y.argmax(-1)
    if "categorical_crossentropy" in name:
        logits = np.log(np.maximum(output, 1e-300)) if linear is None else linear
        return crossentropies(logits, labels.astype(int))
    if name.endswith(("mse", "mean_squared_error")):
        return np.asarray(((output - y) ** 2).mean(-1))
    if name.endswith(("mae", "mean_absolute_error")):
        return np.asarray(np.abs(output - y).mean(-1))
    if "accuracy" in name and output.shape[-1] > 1:
        return np.asarray((output.argmax(-1) == labels).astype(float))
    return None


def _padding_counted(evidence: Evidence) -> Match | None:
    """Recognises a metric that counts masked steps."""
    if evidence.level.id != "metrics" or f"counted/{evidence.mode}/output" not in evidence.keras:
        return None
    name, keras = metric_of(evidence.item.name), evidence.keras
    at = f"metric/{evidence.mode}/{name}"
    outputs = keras.facts.get("outputs") or []
    of = next((str(t["name"]) for t in outputs if name.startswith(f"{t['name']}_")), "")
    ending = f"/{of}" if of else ""
    wanted = (f"target/probe{ending}", f"counted/{evidence.mode}/output{ending}", at)
    if any(key not in keras for key in wanted) or at not in evidence.port:
        return None
    y, mask = keras[wanted[0]], keras[wanted[1]]
    known = values_of(name, _columns(evidence, keras[f"forward/{evidence.mode}/output"], of), y)
    each = values_of(name, _columns(evidence, _activated_output(evidence), of), y)
    if known is None or each is None or not known.shape == each.shape == mask.shape:
        return None
    theirs, ours = float(keras[at][0]), float(evidence.port[at][0])
    is_known = np.isclose(float(known[mask].mean()), theirs, rtol=1e-6)
    if (
        is_known
        and np.isclose(float(each.mean()), ours, rtol=1e-6)
        and not np.isclose(ours, theirs)
    ):
        return Match(NUMBERS, f"the mean over all {mask.size} steps gives the port's number")
    return None


def _columns(evidence: Evidence, output: LossValues | None, name: str) -> LossValues | None:
    """Returns one of several outputs that are side by side; the only one as it is."""
    if output is None or not name:
        return output
    start = 0
    for each in evidence.keras.facts["outputs"]:
        size = int(np.prod(each["shape"]))
        if each["name"] == name:
            return output[:, start : start + size].reshape(-1, *each["shape"])
        start += size
    return None


def _activated_output(evidence: Evidence) -> LossValues | None:
    """Returns the port's output after Keras's activation, with its own values at masked steps."""
    key = f"forward/{evidence.mode}/output"
    if key not in evidence.port:
        return None
    output = evidence.port[key]
    form = evidence.port.facts.get("output_form")
    if form == "linear":
        name = evidence.keras.facts.get("output_activation") or "linear"
        return np.asarray(arithmetic.ACTIVATIONS[name](output))
    return np.exp(output) if form == "log" else output


RULES_OF_MASKED_LOSSES: dict[str, Recogniser] = {"D19": _masked_loss, "I8": _padding_counted}
