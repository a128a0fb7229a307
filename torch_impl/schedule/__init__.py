"""Learning rates by Keras's rules, and what watches a training.

`LearningRateSchedule` and its kinds give the rate of a step; ReduceLROnPlateau, EarlyStopping and
LearningRateScheduler act once in an epoch.
"""

from torch_impl.schedule.base import LearningRateSchedule, as_lambda_lr
from torch_impl.schedule.callbacks import EarlyStopping, ReduceLROnPlateau

__all__ = [
    "EarlyStopping",
    "LearningRateSchedule",
    "ReduceLROnPlateau",
    "as_lambda_lr",
]
