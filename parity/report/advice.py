"""What to look at when a run differs at a level, where no cause was recognised.

The port of a run is this project's own, so that a difference tells of versions, of a device, or of
a change in one of the halves; which of them, the level says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from parity.report.sentences import is_check

if TYPE_CHECKING:
    from parity.ladder.result import Result


@dataclass(frozen=True)
class Advice:
    """What a level tells, and what to do next.

    Attributes:
        title: what a difference there mostly is.
        action: what to do.
    """

    title: str
    action: str


_BY_LEVEL = {
    "data": Advice(
        "the halves were fed otherwise: order, labels, or the pixels of augmented images",
        "run `parity doctor`: it tells which random stream the installed versions draw otherwise; "
        "for images alone, look at 'What was fed' in report.html",
    ),
    "structure": Advice(
        "the two networks are not the same network",
        "compare the layer named above in keras_impl/models.py and torch_impl/models.py",
    ),
    "init": Advice(
        "the initial weights were drawn otherwise",
        "run `parity doctor`; if it passes, compare initialiser and order of the layers",
    ),
    "forward": Advice(
        "a layer computes something else, or a dropout mask was drawn otherwise",
        "look at the first layer above what is allowed under 'Layer by layer'; for masks, run "
        "`parity doctor`",
    ),
    "loss": Advice(
        "the loss is another function, or a penalty is missing",
        "compare reduction, logits or probabilities, and the L2 factors of the layers",
    ),
    "gradient": Advice(
        "the forward pass agrees and its derivative does not",
        "look at what has a gradient of its own there: clipping, the bounds of an activation, ties "
        "in a pool",
    ),
    "optimizer": Advice(
        "a step of the optimizer does something else",
        "compare epsilon and where it is added, bias correction, weight decay and the momenta; "
        "`parity list divergences` names the known ones",
    ),
    "trajectory": Advice(
        "each part agrees in float64, and the trainings part",
        "run it with --dtype float64: if that passes, the difference is rounding that more "
        "perturbed runs would cover (--perturbations); if not, look for state that the parts do "
        "not show, such as the order of the batches in later epochs",
    ),
    "schedule": Advice(
        "the learning rate is cut, or training ends, at another epoch",
        "compare patience, min_delta, cooldown and the epoch at which the callback is asked",
    ),
    "behaviour": Advice(
        "the two histories are judged otherwise",
        "look at the numbers under 'Behaviour': a verdict on the edge needs more seeds "
        "(`parity sweep`)",
    ),
}


def advice_of(result: Result) -> Advice | None:
    """Returns what is known of the level at which a run differs.

    None where a cause was recognised, for a check, and where nothing differs.
    """
    first = result.first_divergence
    if first is None or result.causes or is_check(result):
        return None
    return _BY_LEVEL.get(first[0].id)
