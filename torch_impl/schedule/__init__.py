"""Learning rates by Keras's rules, and what watches a training.

`LearningRateSchedule` and its kinds give the rate of a step; ReduceLROnPlateau and EarlyStopping
act once in an epoch.
"""

from torch_impl.schedule.base import LearningRateSchedule, as_lambda_lr
from torch_impl.schedule.callbacks import EarlyStopping, ReduceLROnPlateau
from torch_impl.schedule.cosine import CosineDecay, CosineDecayRestarts
from torch_impl.schedule.decays import (
    ExponentialDecay,
    InverseTimeDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
)

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "EarlyStopping",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "ReduceLROnPlateau",
    "as_lambda_lr",
]
