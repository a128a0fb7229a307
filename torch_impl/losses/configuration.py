"""from_config: the loss that a Keras configuration describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch_impl.losses.base import Loss
from torch_impl.losses.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
)
from torch_impl.losses.hinge import CategoricalHinge, Hinge, SquaredHinge
from torch_impl.losses.probabilistic import (
    BinaryFocalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalGeneralizedCrossEntropy,
    KLDivergence,
    Poisson,
)
from torch_impl.losses.regression import (
    CosineSimilarity,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
)
from torch_impl.losses.segmentation import Dice, Tversky

# By Keras's names: of the class, of the function, and the short ones.
LOSSES: dict[str, type[Loss]] = {
    "BinaryCrossentropy": BinaryCrossentropy,
    "binary_crossentropy": BinaryCrossentropy,
    "bce": BinaryCrossentropy,
    "BCE": BinaryCrossentropy,
    "BinaryFocalCrossentropy": BinaryFocalCrossentropy,
    "binary_focal_crossentropy": BinaryFocalCrossentropy,
    "CategoricalCrossentropy": CategoricalCrossentropy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "CategoricalFocalCrossentropy": CategoricalFocalCrossentropy,
    "categorical_focal_crossentropy": CategoricalFocalCrossentropy,
    "CategoricalGeneralizedCrossEntropy": CategoricalGeneralizedCrossEntropy,
    "CategoricalHinge": CategoricalHinge,
    "categorical_hinge": CategoricalHinge,
    "CosineSimilarity": CosineSimilarity,
    "cosine_similarity": CosineSimilarity,
    "Dice": Dice,
    "dice": Dice,
    "Hinge": Hinge,
    "hinge": Hinge,
    "Huber": Huber,
    "huber": Huber,
    "KLDivergence": KLDivergence,
    "kl_divergence": KLDivergence,
    "kld": KLDivergence,
    "KLD": KLDivergence,
    "LogCosh": LogCosh,
    "log_cosh": LogCosh,
    "MeanAbsoluteError": MeanAbsoluteError,
    "mean_absolute_error": MeanAbsoluteError,
    "mae": MeanAbsoluteError,
    "MAE": MeanAbsoluteError,
    "MeanAbsolutePercentageError": MeanAbsolutePercentageError,
    "mean_absolute_percentage_error": MeanAbsolutePercentageError,
    "mape": MeanAbsolutePercentageError,
    "MAPE": MeanAbsolutePercentageError,
    "MeanSquaredError": MeanSquaredError,
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
    "MSE": MeanSquaredError,
    "MeanSquaredLogarithmicError": MeanSquaredLogarithmicError,
    "mean_squared_logarithmic_error": MeanSquaredLogarithmicError,
    "msle": MeanSquaredLogarithmicError,
    "MSLE": MeanSquaredLogarithmicError,
    "Poisson": Poisson,
    "poisson": Poisson,
    "SparseCategoricalCrossentropy": SparseCategoricalCrossentropy,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "SquaredHinge": SquaredHinge,
    "squared_hinge": SquaredHinge,
    "Tversky": Tversky,
    "tversky": Tversky,
}


def from_config(config: str | Mapping[str, Any]) -> Loss:
    """Returns the loss that Keras's configuration describes.

    The name of a function gives a loss with its defaults and a mean over the batch, as
    `model.compile(loss="mse")` does. Keras's own configuration lacks the delta of a Huber loss and
    the axis of a cosine: what it restores has the defaults, and so has this.

    Args:
        config: a name such as "mse" or "SparseCategoricalCrossentropy", or a dictionary of
            `keras.losses.serialize`, with "class_name" and "config".

    Raises:
        ValueError: no loss of that name is here.
    """
    if isinstance(config, str):
        return _class(config)()
    settings = config.get("config") or {}
    if config["class_name"] == "function":  # whose "config" is its name
        return _class(settings)()
    return _class(config["class_name"]).from_config(settings)


def _class(name: Any) -> type[Loss]:
    if name not in LOSSES:
        raise ValueError(f"loss {name!r}: expected one of {sorted(LOSSES)}")
    return LOSSES[name]
