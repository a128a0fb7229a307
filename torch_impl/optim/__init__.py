"""Optimizers by Keras's equations, as torch optimizers.

Each is a `torch.optim.Optimizer` with Keras's arguments, names and defaults. `KerasOptimizer` does
what all of them do: learning rate, weight decay, clipping, averages of the weights, accumulation of
gradients.
"""

from torch_impl.optim.adadelta import Adadelta
from torch_impl.optim.adagrad import Adagrad
from torch_impl.optim.adam import Adam, AdamW
from torch_impl.optim.adamax import Adamax
from torch_impl.optim.base import KerasOptimizer
from torch_impl.optim.ftrl import Ftrl
from torch_impl.optim.lamb import Lamb
from torch_impl.optim.lion import Lion
from torch_impl.optim.nadam import Nadam
from torch_impl.optim.rmsprop import RMSprop
from torch_impl.optim.sgd import SGD
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
