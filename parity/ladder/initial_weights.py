"""Whether two halves draw their initial weights from the same distribution.

The sure tests first: what Keras does not draw must be the same number; what Keras draws orthogonal
must be so; what it draws within a bound must keep to it; and two samples of the same distribution
may not be as far apart as the two-sample test of Kolmogorov and Smirnov says they are with a
probability below P_VALUE. A model has tens of weights, so that a right port is called wrong once in
some thousand checks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from parity.ladder.compare import compare_close
from parity.ladder.items import Item

P_VALUE = 1e-5
_FLAT = 1e-4  # spread of singular values that is rounding, float32's too
MIN_SAMPLES = 8  # fewer numbers tell no distribution


def compare_draws(
    name: str,
    keras: np.ndarray,
    torch: np.ndarray,
    initializer: Mapping[str, Any] | None,
    shape: Sequence[int] = (),
) -> Item:
    """Constants are equal, bounds are kept, and distributions are alike (Kolmogorov-Smirnov).

    Args:
        name: of the weight.
        keras: (draws, entries).
        torch: likewise.
        initializer: Keras's configuration with its "class", if there is one.
        shape: of the weight; entries may be a part of it.
    """
    if keras.size == 0 or torch.size == 0 or keras.shape[1:] != torch.shape[1:]:
        return compare_close(name, keras, torch, allowed=0.0)
    if (keras == keras.flat[0]).all():
        return compare_close(name, keras, torch, allowed=0.0)
    a, b = keras.reshape(-1), torch.reshape(-1)
    if not np.isfinite(a).all() or not np.isfinite(b).all():
        return _item(name, math.inf, 0.0, "not all are numbers", compared=a.size)
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
        return _item(name, 0.0, 1.0, "too few numbers to tell a distribution", compared=a.size)
    from scipy import stats

    p = float(stats.ks_2samp(a, b).pvalue)
    spread = f"standard deviation {a.std():.3g} in Keras, {b.std():.3g} in torch, p {p:.2g}"
    # In the form of all items: worst above allowed fails.
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
    """All the same, the gain, for an orthogonal matrix or a part of one."""
    values = np.linalg.svd(draws.reshape(len(draws), -1, shape[-1]), compute_uv=False)
    return np.asarray(values)


def _item(name: str, worst: float, allowed: float, note: str, compared: int = 1) -> Item:
    return Item(name, worst, allowed, "abs", compared, note=note)


def _bound(sample: np.ndarray, initializer: Mapping[str, Any] | None) -> float:
    """The greatest value that Keras can draw; infinite where there is none or it is not known.

    A uniform sample of n comes within a share of 20 / n of its bound but for one time in 5e8; a
    truncated normal does not, and its bound follows from its spread: two standard deviations of
    the normal that is cut, 0.87962566 of which are left.
    """
    kind = str((initializer or {}).get("class", ""))
    is_uniform = "Uniform" in kind or (initializer or {}).get("distribution") == "uniform"
    if is_uniform and sample.size >= 200:
        return float(np.abs(sample).max()) * (1 + 20 / sample.size)
    is_truncated = kind in ("TruncatedNormal", "GlorotNormal", "HeNormal", "LecunNormal")
    if is_truncated and sample.size >= 1000:
        return float(sample.std()) / 0.87962566 * 2 * (1 + 10 / math.sqrt(sample.size))
    return math.inf
