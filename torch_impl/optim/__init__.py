"""Optimizers by Keras's equations, as torch optimizers.

Each is a `torch.optim.Optimizer` with Keras's arguments, names and defaults. `KerasOptimizer` does
what all of them do: learning rate, weight decay, clipping, averages of the weights, accumulation of
gradients.
"""

from torch_impl.optim.adam import Adam, AdamW
from torch_impl.optim.adaptive import Adadelta, Adagrad, Adamax, Ftrl, Nadam, RMSprop
from torch_impl.optim.base import KerasOptimizer
from torch_impl.optim.sgd import SGD, Lamb, Lion
from torch_impl.torch_names import explain_torch_names

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "KerasOptimizer",
    "Lamb",
    "Lion",
    "Nadam",
    "RMSprop",
]

explain_torch_names(__name__)
