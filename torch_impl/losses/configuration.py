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

# By Keras's names: that of the class, that of the function, and the short ones.
_NAMES: dict[type[Loss], str] = {
    BinaryCrossentropy: "binary_crossentropy bce BCE",
    BinaryFocalCrossentropy: "binary_focal_crossentropy",
    CategoricalCrossentropy: "categorical_crossentropy",
    CategoricalFocalCrossentropy: "categorical_focal_crossentropy",
    CategoricalGeneralizedCrossEntropy: "",
    CategoricalHinge: "categorical_hinge",
    CosineSimilarity: "cosine_similarity",
    Dice: "dice",
    Hinge: "hinge",
    Huber: "huber",
    KLDivergence: "kl_divergence kld KLD",
    LogCosh: "log_cosh",
    MeanAbsoluteError: "mean_absolute_error mae MAE",
    MeanAbsolutePercentageError: "mean_absolute_percentage_error mape MAPE",
    MeanSquaredError: "mean_squared_error mse MSE",
    MeanSquaredLogarithmicError: "mean_squared_logarithmic_error msle MSLE",
    Poisson: "poisson",
    SparseCategoricalCrossentropy: "sparse_categorical_crossentropy",
    SquaredHinge: "squared_hinge",
    Tversky: "tversky",
}
LOSSES = {n: kind for kind, names in _NAMES.items() for n in (kind.__name__, *names.split())}


def from_config(config: str | Mapping[str, Any]) -> Loss:
    """Returns the loss that Keras's configuration describes.

    The name of a function gives a loss with its defaults and a mean over the batch, as
    `model.compile(loss="mse")` does. Keras's configuration lacks the delta of a Huber loss and the
    axis of a cosine: Keras restores their defaults, and so does this function.

    Args:
        config: a name such as "mse" or "SparseCategoricalCrossentropy", or a dictionary of
            `keras.losses.serialize`, with "class_name" and "config".

    Raises:
        ValueError: there is no loss of that name here.
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
