"""Random numbers that the user's own code draws in a Keras program, as TensorFlow made them.

A kind of operation goes in. What it draws comes out, in words that both halves know: a port that
draws numbers of the same distribution can be given Keras's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

NORMAL, UNIFORM, INTEGERS = "normal", "uniform", "integers"
OTHER = "other"  # of a distribution that is not told to a port

# Operations of TensorFlow. Normal numbers are standard, uniform ones from 0 to 1.
_KINDS = {
    "RandomStandardNormal": NORMAL,
    "StatelessRandomNormal": NORMAL,
    "RandomUniform": UNIFORM,
    "StatelessRandomUniform": UNIFORM,
    "RandomUniformInt": INTEGERS,
    "StatelessRandomUniformInt": INTEGERS,
}
_DRAWS = re.compile("Random|Multinomial|TruncatedNormal|^Rng")
_OF_STATE = re.compile("GetKeyCounter|GetAlg|ReadAndSkip")  # they move a generator on


@dataclass(frozen=True)
class Draw:
    """Numbers that were drawn.

    Attributes:
        layer: name of the layer that drew them, "" outside of all.
        kind: NORMAL, UNIFORM, INTEGERS or OTHER.
        values: as they were drawn, before they were scaled.
    """

    layer: str
    kind: str
    values: np.ndarray


def kind_of_draw(operation: str) -> str | None:
    """Returns what an operation of TensorFlow draws; None if it draws nothing."""
    if not _DRAWS.search(operation) or _OF_STATE.search(operation):
        return None
    return _KINDS.get(re.sub(r"V\d+$", "", operation), OTHER)
