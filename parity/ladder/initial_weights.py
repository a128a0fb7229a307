"""Tests whether both halves draw their initial weights from the same distribution.

Certain tests come first: constants of Keras must be equal; a weight that Keras draws orthogonal
must be orthogonal; a weight that Keras draws within a bound must keep it. Then come statistical
tests, against Keras's formula where its initialiser is known, and against Keras's own numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from parity.data.initial_draws import CONSTANT, FEW, MAX_ENTRIES, is_constant
from parity.ladder.compare import compare_close
from parity.ladder.distributions import (
    ROUNDING,
    Law,
    law_of,
    p_values,
    two_sample_p_values,
)
from parity.ladder.items import LOG_P, Item

# A port that is right fails in one check of a thousand. Every random weight is one test at this
# rate divided by their number, and the tests of a weight share its rate (Bonferroni).
FALSE_ALARMS = 1e-3
# Keras's own numbers contradict a formula only if it is not the one that drew them.
_IMPOSSIBLE = 1e-6
_FLAT = 1e-4  # a smaller spread of singular values is rounding, even in float32
_FLOAT32 = 2.0**-23  # relative: a constant may have been stored in float32


# The condition number of an n x n normal matrix is above t n with a probability of 2 / t (Edelman
# 1988), and Q moves by so many units in the last place: n of a square one, 64 times in 1 of 32.
# Else it lies between the edges of Marchenko and Pastur. Measured: halves differ by at most 3 units
# for kernels of LSTMs of 4 to 128 units, and by 17, 25 and 142 for square ones of 8, 64 and 128.
_OF_SQUARE, _OF_OTHERS = 64.0, 8.0


def drawn_tolerance(
    initializer: Mapping[str, Any] | None, shape: Sequence[int], dtype: str = "float32"
) -> float:
    """Returns by how much two right halves may differ that draw a weight from one seed.

    All but an orthogonal matrix comes of the same few operations, bit for bit. Such a matrix is Q
    of a decomposition, which two libraries round in different orders.

    Args:
        initializer: Keras's configuration with its "class", if there is one.
        shape: of the weight.
        dtype: in which it is drawn.
    """
    if (initializer or {}).get("class") != "Orthogonal" or len(shape) < 2:
        return 0.0
    unit = abs(float((initializer or {}).get("gain", 1.0))) * float(np.finfo(dtype).eps)
    few, many = sorted((math.prod(shape[:-1]), shape[-1]))
    if few == many:
        return _OF_SQUARE * few * unit
    edges = (math.sqrt(many) + math.sqrt(few)) / (math.sqrt(many) - math.sqrt(few))
    return _OF_OTHERS * edges * unit


def p_limit(num_random: int) -> float:
    """Returns the p value below which a weight fails, in a check of so many random weights."""
    return FALSE_ALARMS / max(num_random, 1)


def compare_draws(
    name: str,
    keras: np.ndarray,
    torch: np.ndarray,
    initializer: Mapping[str, Any] | None,
    shape: Sequence[int],
    limit: float,
) -> Item:
    """Checks that constants are equal, bounds are kept and distributions are alike.

    Args:
        name: name of the weight.
        keras: (draws, entries), the weight of the model first; entries may be a part of it.
        torch: (draws, entries); also of another number.
        initializer: Keras's configuration with its "class", if there is one.
        shape: shape of the weight.
        limit: p value below which the weight fails.
    """
    size = math.prod(shape)
    is_cut = torch.ndim == 2 and torch.shape[1] >= min(size, MAX_ENTRIES)
    if keras.size == 0 or torch.size == 0 or not is_cut:
        return compare_close(name, keras, torch, allowed=0.0)
    if is_drawn_constant(keras, initializer, shape):
        return _constant(name, keras[0], torch)
    if not np.isfinite(keras).all() or not np.isfinite(torch).all():
        return _item(name, math.inf, 0.0, "not all values are finite", compared=torch.size)
    if (keras == keras[0]).all() and (same := _constant(name, keras[0], torch)).agrees:
        return same  # numbers that repeat, such as waves, are no sample of a distribution
    allowed = drawn_tolerance(initializer, shape)
    if (same := _drawn_alike(name, keras[0], torch[0], allowed)).agrees:
        return same  # a seeded port has Keras's own numbers, whatever a test says of them
    keras, torch = _different(keras), _different(torch)
    law = law_of(initializer, shape)
    if law is not None and not follows(law, keras[0]):
        law = None  # the weight was set after the layer was built
        keras = keras[:1]
    if law is not None and law.kind == "orthogonal" and torch.shape[1] == size:
        spread = _unlike(law, torch, shape)
        if spread >= _FLAT:
            note = f"singular values are not all {law.scale:.4g}"
            return _item(name, spread, _FLAT, note, compared=torch.size)
    return _drawn(name, keras.reshape(-1), torch.reshape(-1), law, initializer, limit)


def is_drawn_constant(
    keras: np.ndarray, initializer: Mapping[str, Any] | None, shape: Sequence[int]
) -> bool:
    """Whether Keras draws nothing here, but sets the same numbers in every model."""
    if law_of(initializer, shape) is not None:
        return keras.size >= FEW and is_constant(keras)  # it was set after the layer was built
    if (initializer or {}).get("class") in CONSTANT and (keras == keras[0]).all():
        return True
    return is_constant(keras)


def follows(law: Law, values: np.ndarray) -> bool:
    """Whether numbers of Keras are not impossible under the formula of its initialiser."""
    return min(p_values(law, values).values()) > _IMPOSSIBLE


def _constant(name: str, keras: np.ndarray, torch: np.ndarray) -> Item:
    """Compares numbers that Keras does not draw, up to one rounding to float32."""
    if (keras == keras[0]).all():
        theirs = np.full_like(torch, keras[0])
    else:
        entries = min(keras.size, torch.shape[1])
        torch = torch[:, :entries]
        theirs = np.broadcast_to(keras[:entries], torch.shape)
    allowed = _FLOAT32 * float(np.abs(keras).max())
    return compare_close(name, theirs, torch, allowed=allowed)


def _drawn_alike(name: str, keras: np.ndarray, torch: np.ndarray, allowed: float) -> Item:
    """Compares what both halves draw from the seed of the check, up to a rounding to float32."""
    entries = min(keras.size, torch.size)
    allowed = max(allowed, _FLOAT32 * float(np.abs(keras).max()))
    drawn = torch[:entries].astype(keras.dtype)
    return compare_close(name, keras[:entries], drawn, allowed=allowed)


def _different(draws: np.ndarray) -> np.ndarray:
    """Returns the draws without repetitions: a fixed seed draws the same numbers each time."""
    if len(np.unique(draws[:, 0])) == len(draws):
        return draws
    _, first = np.unique(draws, axis=0, return_index=True)
    return np.asarray(draws[np.sort(first)])


def _unlike(law: Law, draws: np.ndarray, shape: Sequence[int]) -> float:
    """Returns by how much singular values differ from the gain, relative to it."""
    matrices = draws.reshape(len(draws), -1, shape[-1])
    values = np.linalg.svd(matrices, compute_uv=False)
    return float(np.abs(values / law.scale - 1).max())


def _drawn(
    name: str,
    a: np.ndarray,
    b: np.ndarray,
    law: Law | None,
    initializer: Mapping[str, Any] | None,
    limit: float,
) -> Item:
    """Tests the numbers of the port against the formula of Keras, and against its numbers."""
    found: dict[str, float] = {}
    text = f"standard deviation {a.std():.3g} in Keras, {b.std():.3g} in torch"
    if law is not None:
        said = f"{(initializer or {}).get('class')} is {law}"
        farthest = float(np.abs(b - law.center).max())
        if farthest > law.bound * (1 + ROUNDING):
            beyond = int((np.abs(b - law.center) > law.bound * (1 + ROUNDING)).sum())
            note = f"{beyond} of {b.size} beyond Keras's bound: {said}"
            return _item(name, farthest, law.bound, note, compared=b.size)
        found = p_values(law, b)
        text = f"{said}; standard deviation {law.deviation:.3g} there, {b.std():.3g} in torch"
    elif min(a.size, b.size) < FEW:
        note = "too few numbers to test the distribution"
        return _item(name, 0.0, 1.0, note, compared=b.size)
    if min(a.size, b.size) >= FEW and (law is None or law.kind != "orthogonal"):
        own = two_sample_p_values(a, b)
        found |= {"sample": own["form"]} if law is not None else own
    test, p = min(found.items(), key=lambda pair: pair[1])
    p = min(1.0, p * len(found))
    # As for all items, it fails if worst is above allowed.
    return Item(
        name=name,
        worst=-math.log10(max(p, 1e-300)),
        allowed=-math.log10(limit),
        unit=LOG_P,
        num_compared=b.size,
        keras=float(a.std()),
        torch=float(b.std()),
        note=f"{text}{_WORDS[test] if p < limit else ''}",
    )


_WORDS = {
    "form": "",
    "sample": "",
    "spread": "; the spread differs",
    "extremes": "; its greatest values are too small or too large",
}


def _item(name: str, worst: float, allowed: float, note: str, compared: int = 1) -> Item:
    return Item(name, worst, allowed, "abs", compared, note=note)
