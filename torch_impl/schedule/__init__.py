"""Learning rates and callbacks by Keras's rules.

`LearningRateSchedule` and its subclasses give the rate of a step. `LearningRateScheduler`,
`ReduceLROnPlateau` and `EarlyStopping` act once per epoch.
"""

from torch_impl.schedule.base import LearningRateSchedule, as_lambda_lr
from torch_impl.schedule.cosine import CosineDecay, CosineDecayRestarts
from torch_impl.schedule.decays import (
    ExponentialDecay,
    InverseTimeDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
)
from torch_impl.schedule.early_stopping import EarlyStopping
from torch_impl.schedule.learning_rate_scheduler import LearningRateScheduler
from torch_impl.schedule.reduce_lr_on_plateau import ReduceLROnPlateau
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
