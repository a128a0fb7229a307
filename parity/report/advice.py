"""Advice for a run that differs at a level without a recognised cause.

The port of a run is part of this project. A difference therefore comes from versions, a device, or
a change in one of the halves; the level suggests which one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from parity.report.sentences import is_scenario

if TYPE_CHECKING:
    from parity.ladder.result import Result


@dataclass(frozen=True)
class Advice:
    """Advice for a difference at a level.

    Attributes:
        title: the usual reason for a difference there.
        action: what to do.
    """

    title: str
    action: str


_BY_LEVEL = {
    "data": Advice(
        "the halves got different inputs: order, labels, or pixels of augmented images",
        "run `parity doctor`: it shows which random stream the installed versions draw "
        "differently; if only images differ, look at 'Augmented images' in report.html",
    ),
    "structure": Advice(
        "the two networks are different",
        "compare the layer named above in keras_impl/models.py and torch_impl/models.py",
    ),
    "init": Advice(
        "the initial weights are different",
        "run `parity doctor`; if it passes, compare initialisers and order of the layers",
    ),
    "forward": Advice(
        "a layer gives different output, or a dropout mask is different",
        "look at the first layer above its limit in 'Layer by layer'; for masks, run "
        "`parity doctor`",
    ),
    "loss": Advice(
        "the loss is a different function, or a penalty is missing",
        "compare reduction, logits or probabilities, and the L2 factors of the layers",
    ),
    "metrics": Advice(
        "a metric says another number of the same outputs",
        "compare its threshold, its k, its weights, and how it is averaged over batches",
    ),
    "gradient": Advice(
        "the forward pass agrees, but its derivative differs",
        "look for operations with a special gradient: clipping, the bounds of an activation, ties "
        "in a pool",
    ),
    "optimizer": Advice(
        "the optimizer makes a different step",
        "compare epsilon and its placement, bias correction, weight decay and momenta; "
        "`parity list divergences` lists the known differences",
    ),
    "trajectory": Advice(
        "all parts agree in float64, but from a recorded state of the training the steps differ",
        "look at what changes while a training goes on: state outside of weights and optimizer, "
        "masks, the order of the batches in later epochs; --dtype float64 shows the first step",
    ),
    "schedule": Advice(
        "the learning rate is reduced, or training stops, at a different epoch",
        "compare patience, min_delta, cooldown and the epoch at which the callback is called",
    ),
    "behaviour": Advice(
        "the two histories have different verdicts",
        "look at the numbers in 'Behaviour': a verdict near a limit needs more seeds "
        "(`parity sweep`)",
    ),
}


def advice_of(result: Result) -> Advice | None:
    """Returns the advice for the level at which a run differs.

    It is None if a cause was recognised, for a pair of the user's own, and if nothing differs.
    """
    first = result.first_divergence
    if first is None or result.causes or not is_scenario(result):
        return None
    return _BY_LEVEL.get(first[0].id)
