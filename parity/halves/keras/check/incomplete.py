"""What of a Keras model a check cannot give to a port: random numbers, and masks of no steps.

The calls of a pass in eval mode and of one in train mode go in; entries for the report come out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from parity.halves.keras.call_list import Calls
from parity.ladder.incomplete import DRAWS
from parity.ladder.loss_items import UNKNOWN_TARGETS
from parity.traces.trace import ARE_NAN


def incomplete(passes: Sequence[Calls]) -> list[dict[str, str]]:
    """Returns what cannot be compared, why, and what the user can do.

    Args:
        passes: the calls of each pass.
    """
    return [*_random(passes), *_masked(passes)]


def unknown_targets(problem: str, *, has_given: bool = False) -> dict[str, str]:
    """Returns what a check leaves open if the loss has no value for its targets.

    Args:
        problem: in words.
        has_given: whether targets are of the data, and not drawn.
    """
    if has_given:
        why = f"the loss has no value: {problem}"
        do = "find what Keras refuses: model.evaluate(x, y, sample_weight=...) of a few samples"
    else:
        why = f"no targets are known: {problem}"
        do = "give samples of them: keras_impl.Reference(model, y=...), or --data with x and y"
    return {"what": UNKNOWN_TARGETS, "why": why, "do": do}


def not_a_number(arrays: Mapping[str, np.ndarray], *, has_data: bool) -> list[dict[str, str]]:
    """Returns the outputs in which Keras has NaN: what a port makes there could not be judged.

    Args:
        arrays: of the trace, with `forward/MODE/output…`.
        has_data: whether the samples are the user's, and not drawn.
    """
    samples = "the samples of --data" if has_data else "inputs that were drawn at random"
    do = "look for such numbers in the samples, and in the weights"
    if not has_data:
        do = "say which numbers the inputs take, Reference(model, inputs=keras_impl.Input(shape, "
        do += "range=(low, high))), or give samples of them: --data"
    found = []
    for mode in ("eval", "train"):
        outputs = [
            arrays[key] for key in sorted(arrays) if key.startswith(f"forward/{mode}/output")
        ]
        count = sum(int(np.isnan(each).sum()) for each in outputs)
        if count:
            total = sum(each.size for each in outputs)
            why = f"{count:,} of its {total:,} numbers {ARE_NAN}, for {samples}"
            found.append({"what": f"the output ({mode})", "why": why, "do": do})
    return found


def replayable(passes: Sequence[Calls]) -> dict[str, float]:
    """Returns layers that drop whole samples, as stochastic depth does, with their factors.

    Their masks are in the trace, like those of dropouts: a port that keeps the same samples, times
    the factor, computes the same.
    """
    return {
        name: _snapped(factor)
        for calls in passes
        for name, factor in calls.factors.items()
        if factor
    }


def _random(passes: Sequence[Calls]) -> Iterator[dict[str, str]]:
    drew = {name: kind for calls in passes for name, kind in calls.drew.items()}
    for name, kind in drew.items():
        yield {
            "what": f"{name} ({kind})",
            "why": f"{DRAWS}, which a port cannot draw alike",
            "do": "build both models without them for the check, with a rate or deviation of 0",
            "layer": name,
        }


def _masked(passes: Sequence[Calls]) -> Iterator[dict[str, str]]:
    used = {name: kind for calls in passes for name, kind in calls.used_masks.items()}
    masked = {name for calls in passes for name in calls.masked}
    for name, kind in used.items():
        if name not in masked:
            yield {
                "what": f"the mask of sequences in {name} ({kind})",
                "why": "no step of the probe is masked there, so nothing shows whether a port has "
                "the mask",
                "do": "give samples with masked steps (--data)",
                "layer": name,
            }


def _snapped(factor: float) -> float:
    """Returns the factor of the rate with few digits that is nearest: 1.25 of rate 0.2."""
    rate = round(1 - 1 / factor, 6)
    near = 1 / (1 - rate) if rate < 1 else factor
    return near if abs(near / factor - 1) < 1e-6 else factor
