"""Losses by Keras's equations, as torch modules: `loss(y_pred, y_true, sample_weight=None)`.

`base` has the base class, `reduction` turns the losses of samples into one number, and `logits` has
the rule by which a softmax is undone; the other files are the losses. Penalties of weights are in
`torch_impl.regularizers` and `torch_impl.penalty`. Keras's losses Circle and CTC are missing.
"""

from torch_impl.losses.configuration import LOSSES, from_config
from torch_impl.losses.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
)
from torch_impl.losses.logits import channels_last, sigmoid, softmax
from torch_impl.losses.outputs import OutputLosses
from torch_impl.losses.reduction import Loss, sample_weights
from torch_impl.losses.regression import (
    BinaryFocalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalGeneralizedCrossEntropy,
    CategoricalHinge,
    CosineSimilarity,
    Dice,
    Hinge,
    Huber,
    KLDivergence,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    SquaredHinge,
    Tversky,
)
from torch_impl.torch_names import explain_torch_names

__all__ = [
    "LOSSES",
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "Dice",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "OutputLosses",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "Tversky",
    "channels_last",
    "from_config",
    "sample_weights",
    "sigmoid",
    "softmax",
]

explain_torch_names(__name__)
