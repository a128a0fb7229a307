"""from_config: the loss that a Keras configuration describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch_impl.losses import crossentropy, regression
from torch_impl.losses.reduction import Loss
from torch_impl.torch_names import one_of

# By Keras's names: that of the class, that of the function, and the short ones.
_NAMES: dict[type[Loss], str] = {
    crossentropy.BinaryCrossentropy: "binary_crossentropy bce BCE",
    regression.BinaryFocalCrossentropy: "binary_focal_crossentropy",
    crossentropy.CategoricalCrossentropy: "categorical_crossentropy",
    regression.CategoricalFocalCrossentropy: "categorical_focal_crossentropy",
    regression.CategoricalGeneralizedCrossEntropy: "",
    regression.CategoricalHinge: "categorical_hinge",
    regression.CosineSimilarity: "cosine_similarity",
    regression.Dice: "dice",
    regression.Hinge: "hinge",
    regression.Huber: "huber",
    regression.KLDivergence: "kl_divergence kld KLD",
    regression.LogCosh: "log_cosh",
    regression.MeanAbsoluteError: "mean_absolute_error mae MAE",
    regression.MeanAbsolutePercentageError: "mean_absolute_percentage_error mape MAPE",
    regression.MeanSquaredError: "mean_squared_error mse MSE",
    regression.MeanSquaredLogarithmicError: "mean_squared_logarithmic_error msle MSLE",
    regression.Poisson: "poisson",
    crossentropy.SparseCategoricalCrossentropy: "sparse_categorical_crossentropy",
    regression.SquaredHinge: "squared_hinge",
    regression.Tversky: "tversky",
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
        raise ValueError(f"loss {name!r}: {one_of(name, LOSSES, 'torch_impl.losses.LOSSES')}")
    return LOSSES[name]
