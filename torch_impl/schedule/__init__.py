"""Learning rates and callbacks by Keras's rules.

`LearningRateSchedule` and its subclasses give the rate of a step. `LearningRateScheduler`,
`ReduceLROnPlateau` and `EarlyStopping` act once per epoch.
"""

from torch_impl.schedule.base import LearningRateSchedule, as_lambda_lr
from torch_impl.schedule.callbacks import EarlyStopping, LearningRateScheduler, ReduceLROnPlateau
from torch_impl.schedule.decays import (
    CosineDecay,
    CosineDecayRestarts,
    ExponentialDecay,
    InverseTimeDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
)
from torch_impl.torch_names import explain_torch_names

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "EarlyStopping",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "LearningRateScheduler",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "ReduceLROnPlateau",
    "as_lambda_lr",
]

explain_torch_names(__name__)
