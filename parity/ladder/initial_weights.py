"""Tests whether both halves draw their initial weights from the same distribution.

Certain tests come first: constants of Keras must be equal; a weight that Keras draws orthogonal
must be orthogonal; a weight that Keras draws within a bound must keep it. Last, the two-sample
Kolmogorov-Smirnov test must not give a p value below P_VALUE. A model has tens of weights, so a
correct port fails once in about a thousand checks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from parity.ladder.compare import compare_close
from parity.ladder.items import Item

P_VALUE = 1e-5
_FLAT = 1e-4  # a smaller spread of singular values is rounding, even in float32
MIN_SAMPLES = 8  # fewer numbers show no distribution


def compare_draws(
    name: str,
    keras: np.ndarray,
    torch: np.ndarray,
    initializer: Mapping[str, Any] | None,
    shape: Sequence[int] = (),
) -> Item:
    """Checks that constants are equal, bounds are kept and distributions are alike.

    Args:
        name: name of the weight.
        keras: (draws, entries).
        torch: (draws, entries).
        initializer: Keras's configuration with its "class", if there is one.
        shape: shape of the weight; entries may be a part of it.
    """
    if keras.size == 0 or torch.size == 0 or keras.shape[1:] != torch.shape[1:]:
        return compare_close(name, keras, torch, allowed=0.0)
    if (keras == keras.flat[0]).all():
        return compare_close(name, keras, torch, allowed=0.0)
    a, b = keras.reshape(-1), torch.reshape(-1)
    if not np.isfinite(a).all() or not np.isfinite(b).all():
        return _item(name, math.inf, 0.0, "not all values are finite", compared=a.size)
    is_whole = len(shape) > 1 and keras.shape[1] == math.prod(shape)
    if is_whole and "Orthogonal" in str((initializer or {}).get("class", "")):
        values = [_singular_values(draws, shape) for draws in (keras, torch)]
        gain = float(values[0].mean()) or 1.0
        spreads = [float(np.abs(each / gain - 1).max()) for each in values]
        if spreads[0] < _FLAT:
            note = f"singular values are not all {gain:.4g}" if spreads[1] >= _FLAT else ""
            return _item(name, spreads[1], _FLAT, note, compared=torch.size)
    bound = _bound(a, initializer)
    beyond = int((np.abs(b) > bound * (1 + 1e-6)).sum())
    if beyond:
        return _item(
            name, float(np.abs(b).max()), bound, f"{beyond} of {b.size} beyond Keras's bound"
        )
    if min(a.size, b.size) < MIN_SAMPLES:
        return _item(name, 0.0, 1.0, "too few numbers to test the distribution", compared=a.size)
    from scipy import stats

    p = float(stats.ks_2samp(a, b).pvalue)
    spread = f"standard deviation {a.std():.3g} in Keras, {b.std():.3g} in torch, p {p:.2g}"
    # As for all items, it fails if worst is above allowed.
    return Item(
        name=name,
        worst=-math.log10(max(p, 1e-300)),
        allowed=-math.log10(P_VALUE),
        unit="-log10 p",
        num_compared=a.size,
        keras=float(a.std()),
        torch=float(b.std()),
        note=spread,
    )


def _singular_values(draws: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Returns the singular values; all equal the gain for an orthogonal matrix or a part of one."""
    values = np.linalg.svd(draws.reshape(len(draws), -1, shape[-1]), compute_uv=False)
    return np.asarray(values)


def _item(name: str, worst: float, allowed: float, note: str, compared: int = 1) -> Item:
    return Item(name, worst, allowed, "abs", compared, note=note)


def _bound(sample: np.ndarray, initializer: Mapping[str, Any] | None) -> float:
    """Returns the greatest value that Keras can draw; infinite if there is none or it is unknown.

    The largest of n uniform numbers comes within a fraction of 20 / n of the bound, except once in
    5e8 cases. A truncated normal does not, so its bound follows from its spread: it is two standard
    deviations of the original normal, and truncation leaves 0.87962566 of the standard deviation.
    """
    kind = str((initializer or {}).get("class", ""))
    is_uniform = "Uniform" in kind or (initializer or {}).get("distribution") == "uniform"
    if is_uniform and sample.size >= 200:
        return float(np.abs(sample).max()) * (1 + 20 / sample.size)
    is_truncated = kind in ("TruncatedNormal", "GlorotNormal", "HeNormal", "LecunNormal")
    if is_truncated and sample.size >= 1000:
        return float(sample.std()) / 0.87962566 * 2 * (1 + 10 / math.sqrt(sample.size))
    return math.inf
