"""Divergences inside recurrent layers: their activations."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np

from parity.divergences import arithmetic
from parity.divergences.divergence import NUMBERS, Match, Recogniser
from parity.divergences.evidence import Evidence

_INNER = ("sigmoid", "hard_sigmoid", "hard_sigmoid (of Keras 2)", "tanh", "relu", "linear")
_OUTER = ("tanh", "sigmoid", "relu", "linear", "softsign", "elu")

Function = Callable[[np.ndarray], np.ndarray]


def _inner_activation(evidence: Evidence) -> Match | None:
    if not evidence.is_forward("lstm", "gru", "simple_rnn") or not evidence.is_own:
        return None
    x = evidence.keras_input()
    names = ("kernel", "recurrent_kernel", "bias")
    parts = [evidence.weight(name, of_cell=True) for name in names]
    if x is None or x.ndim != 3 or parts[0] is None or parts[1] is None:
        return None
    is_whole = bool(evidence.config.get("return_sequences"))
    for outer, inner in _tried(evidence):
        steps = list(
            arithmetic.recurrent(
                evidence.kind,
                x[:, ::-1] if evidence.config.get("go_backwards") else x,
                (parts[0], parts[1], parts[2]),
                arithmetic.ACTIVATIONS[outer],
                arithmetic.ACTIVATIONS[inner],
                reset_after=bool(evidence.config.get("reset_after", True)),
            )
        )
        value = np.stack(steps, axis=1) if is_whole else steps[-1]
        if evidence.gives(value):
            return Match(NUMBERS, f"activation {outer}, inner activation {inner} in the port")
    return None


def _tried(evidence: Evidence) -> Iterator[tuple[str, str]]:
    theirs = (
        str(evidence.config.get("activation")),
        str(evidence.config.get("recurrent_activation")),
    )
    if evidence.kind == "simple_rnn":
        yield from ((outer, "linear") for outer in _OUTER if outer != theirs[0])
        return
    yield from (pair for pair in itertools.product(_OUTER, _INNER) if pair != theirs)


RULES: dict[str, Recogniser] = {"A29": _inner_activation}
