"""Monitor: Keras's rule for when a value is better, for ReduceLROnPlateau and EarlyStopping."""

from __future__ import annotations

import numpy as np

# Names of Keras's own metrics, and the short names of `metrics=["mse"]`.
_GREATER_IS_BETTER = frozenset(
    [
        *("acc", "accuracy", "auc", "binary_accuracy", "binary_io_u", "categorical_accuracy"),
        *("concordance_correlation", "cosine_similarity", "f1_score", "fbeta_score", "io_u"),
        *("mean_io_u", "one_hot_io_u", "one_hot_mean_io_u", "pearson_correlation"),
        *("precision", "precision_at_recall", "r2_score", "recall", "recall_at_precision"),
        *("sensitivity_at_specificity", "sparse_categorical_accuracy"),
        *("sparse_top_k_categorical_accuracy", "specificity_at_sensitivity"),
        "top_k_categorical_accuracy",
    ]
)
_LESS_IS_BETTER = frozenset(
    [
        *("loss", "bce", "binary_crossentropy", "categorical_crossentropy"),
        *("categorical_hinge", "hinge", "kl_divergence", "logcosh", "mae", "mape"),
        *("mean_absolute_error", "mean_absolute_percentage_error", "mean_squared_error"),
        *("mean_squared_logarithmic_error", "mse", "msle", "poisson"),
        *("root_mean_squared_error", "sparse_categorical_crossentropy", "squared_hinge"),
    ]
)


class Monitor:
    """Compares the values of a metric as Keras's callbacks do.

    The first value is always better. Later ones must be better by more than `min_delta`, which is
    absolute. Values are compared in float32, in float64 runs too (`keras.ops.less` of two Python
    floats). A NaN is better than no value, and no value is better than a NaN.

    Source: keras 3.15 `callbacks/monitor_callback.py`.

    Args:
        monitor: name of the metric, used by "auto"; a leading "val_" does not matter.
        mode: "min" if less is better, "max" if more is better, "auto" to decide by the name.
        min_delta: its sign does not matter.

    Raises:
        ValueError: the mode is another one, with which Keras warns and takes "auto"; or it is
            "auto", and the name is not that of a Keras metric with one better direction.
    """

    def __init__(self, monitor: str, mode: str, min_delta: float) -> None:
        if mode not in ("auto", "min", "max"):
            raise ValueError(f'mode={mode!r}: expected "auto", "min" or "max"')
        if mode == "auto":
            mode = _direction(monitor)
        self._is_less_better = mode == "min"
        self._min_delta = abs(min_delta)

    def is_better(self, value: float, best: float | None) -> bool:
        """Whether a value is better than the best so far; None is worse than any value."""
        if best is None:
            return True
        if self._is_less_better:
            return bool(np.float32(value + self._min_delta) < np.float32(best))
        return bool(np.float32(value - self._min_delta) > np.float32(best))


def _direction(monitor: str) -> str:
    name = monitor.removeprefix("val_")
    if name in _LESS_IS_BETTER:
        return "min"
    if name in _GREATER_IS_BETTER:
        return "max"
    raise ValueError(
        f'mode="auto" for monitor={monitor!r}: the name does not tell whether more is better; '
        'expected mode="min" or mode="max"'
    )
