"""Divergences of losses and metrics that a mask of steps leaves out of account."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from parity.divergences import arithmetic
from parity.divergences.divergence import NUMBERS, Match, Recogniser
from parity.divergences.masks import other_masks
from parity.divergences.sample_losses import weights_of
from parity.divergences.training import Confident, confident, crossentropies
from parity.ladder.metric_items import metric_of

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence

Array = np.ndarray


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


def other_means(each: Array, mask: Array) -> Iterator[tuple[str, float]]:
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


def _per_step(found: Confident) -> Array | None:
    """Returns the loss of each step of the given outputs, as Keras computes it."""
    y = found.y.reshape(found.linear.shape) if found.y.size == found.linear.size else found.y
    return values_of(found.facts.get("name", ""), found.prediction, y, found.linear)


def values_of(
    name: str, output: Array | None, y: Array, linear: Array | None = None
) -> Array | None:
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
    told = keras.facts.get("outputs") or []
    of = next((str(t["name"]) for t in told if name.startswith(f"{t['name']}_")), "")
    ending = f"/{of}" if of else ""
    wanted = (f"target/probe{ending}", f"counted/{evidence.mode}/output{ending}", at)
    if any(key not in keras for key in wanted) or at not in evidence.port:
        return None
    y, mask = keras[wanted[0]], keras[wanted[1]]
    known = values_of(name, _columns(evidence, keras[f"forward/{evidence.mode}/output"], of), y)
    each = values_of(name, _columns(evidence, _own_output(evidence), of), y)
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


def _columns(evidence: Evidence, output: Array | None, name: str) -> Array | None:
    """Returns one of several outputs that are side by side; the only one as it is."""
    if output is None or not name:
        return output
    start = 0
    for told in evidence.keras.facts["outputs"]:
        size = int(np.prod(told["shape"]))
        if told["name"] == name:
            return output[:, start : start + size].reshape(-1, *told["shape"])
        start += size
    return None


def _own_output(evidence: Evidence) -> Array | None:
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


RULES: dict[str, Recogniser] = {"D19": _masked_loss, "I8": _padding_counted}
