"""Right ports of the models of `keras_losses`."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.pairs.torch_base import Lambda, keras_init
from benchmarks.pairs.torch_net import mlp, port
from torch_impl import Port, losses
from torch_impl.penalty import Penalty, RegularizedLoss
from torch_impl.regularizers import L1, L1L2, L2

# --- losses and penalties -------------------------------------------------------------------------


def sigmoid_squeezed() -> Port:
    """From logits (N,), as in many programs."""
    module = nn.Sequential(mlp(1), nn.Flatten(0))
    return port(
        nn.BCEWithLogitsLoss(), module, target=lambda y: torch.from_numpy(np.array(y)).flatten()
    )


def class_weights() -> Port:
    """The mean over samples of weighted losses."""
    weights = torch.tensor([0.7, 1.0, 2.9], dtype=torch.float64)

    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return (F.cross_entropy(output, target, reduction="none") * weights[target]).mean()

    return port(loss, mlp(3))


def l2() -> Port:
    """Uses the penalty of this project."""
    module = mlp()
    return port(RegularizedLoss(nn.MSELoss(), Penalty(module, {"0.weight": L2(0.02)})), module)


def l2_by_hand() -> Port:
    """A sum of squares."""
    module = mlp()
    kernel = module[0].weight

    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return F.mse_loss(output, target) + 0.02 * kernel.pow(2).sum()

    return port(loss, module)


def l1_l2() -> Port:
    """Uses the penalty of this project."""
    module = mlp()
    penalty = Penalty(module, {"0.weight": L1L2(0.01, 0.02), "0.bias": L1(0.03)})
    return port(RegularizedLoss(nn.MSELoss(), penalty), module)


# --- initial weights ------------------------------------------------------------------------------


def he_normal() -> Port:
    """Torch's truncated normal with the bounds that Keras has."""
    module = keras_init(nn.Sequential(nn.Linear(40, 60), nn.ReLU(), nn.Linear(60, 5)))
    std = (2 / 40) ** 0.5 / 0.87962566103423978
    nn.init.trunc_normal_(module[0].weight, std=std, a=-2 * std, b=2 * std)
    return port(nn.MSELoss(), module)


globals().update(
    # losses and penalties
    mse=lambda: port(nn.MSELoss()),
    mse_one=lambda: port(F.mse_loss, mlp(1)),  # Torch's own; outputs and targets are both (N, 1).
    softmax=lambda: port(nn.CrossEntropyLoss(), mlp(4)),  # Logits, and the loss that expects them.
    # Log probabilities, and the loss that expects them.
    softmax_log=lambda: port(nn.NLLLoss(), mlp(4, nn.LogSoftmax(dim=1))),
    # Softmax in the model and the loss of this project, which finds the logits as Keras does.
    softmax_keras=lambda: port(
        losses.SparseCategoricalCrossentropy(), mlp(4, Lambda(losses.softmax))
    ),
    # Torch's loss takes probabilities as targets too.
    softmax_one_hot=lambda: port(nn.CrossEntropyLoss(), mlp(4)),
    # The classes are computed from one-hot targets.
    softmax_one_hot_index=lambda: port(
        nn.CrossEntropyLoss(), mlp(4), target=lambda y: torch.from_numpy(y.argmax(axis=1))
    ),
    smoothed=lambda: port(nn.CrossEntropyLoss(label_smoothing=0.1), mlp(4)),
    sigmoid=lambda: port(nn.BCEWithLogitsLoss(), mlp(1)),  # From logits.
    labels=lambda: port(nn.BCEWithLogitsLoss(), mlp(4)),
    huber=lambda: port(nn.HuberLoss(delta=0.7)),
    mae=lambda: port(nn.L1Loss()),
    # Torch's mean over the outputs, summed over samples.
    summed=lambda: port(lambda output, target: ((output - target) ** 2).mean(-1).sum()),
    l2_module=lambda: mlp(),  # A module alone; Keras has a penalty.
    # initial weights
    # Glorot's distribution, from torch's own function.
    wide=lambda: port(
        nn.MSELoss(),
        keras_init(nn.Sequential(nn.Linear(23, 31), nn.ReLU(), nn.Linear(31, 5))),
    ),
)
