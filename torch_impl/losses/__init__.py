"""Losses by Keras's equations, as torch modules: `loss(y_pred, y_true, sample_weight=None)`.

`reduction` holds what all share once the losses of the samples are known, `logits` the rule by
which a softmax is undone, `base` the class; the others are the losses. Penalties of weights are in
`torch_impl.regularizers` and `torch_impl.penalty`. Of Keras's losses, Circle and CTC are missing.
"""

from torch_impl.losses.base import Loss
from torch_impl.losses.configuration import LOSSES, from_config
from torch_impl.losses.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
)
from torch_impl.losses.hinge import CategoricalHinge, Hinge, SquaredHinge
from torch_impl.losses.logits import sigmoid, softmax
from torch_impl.losses.probabilistic import (
    BinaryFocalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalGeneralizedCrossEntropy,
    KLDivergence,
    Poisson,
)
from torch_impl.losses.reduction import sample_weights
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
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "Tversky",
    "from_config",
    "sample_weights",
    "sigmoid",
    "softmax",
]
