"""Ports with one mistake each in their optimizer."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from benchmarks.pairs.torch_net import mlp, stepped
from torch_impl import Port, optim


def _clipped(kind: Any, clip: Any, **keywords: Any) -> Port:
    module = mlp()
    optimizer = kind(module.parameters(), **keywords)
    return Port(
        module,
        loss=nn.MSELoss(),
        optimizer=optimizer,
        before_step=lambda module: clip(module.parameters()),
    )


def clip_over_all() -> Port:
    """clip_grad_norm_ for clipnorm."""
    return _clipped(torch.optim.SGD, lambda p: nn.utils.clip_grad_norm_(p, 0.3), lr=0.05)


def clip_with_epsilon() -> Port:
    """clip_grad_norm_ for global_clipnorm: 1e-6 is added to the norm."""
    return _clipped(torch.optim.SGD, lambda p: nn.utils.clip_grad_norm_(p, 0.3), lr=0.05)


def clip_missing() -> Port:
    """No clipping."""
    return stepped(torch.optim.SGD, lr=0.05)


def clip_by_value() -> Port:
    """Clipvalue for clipnorm."""
    return stepped(optim.SGD, 0.05, clipvalue=0.3)


def decay_coupled() -> Port:
    """Torch's Adam adds it to the gradient."""
    return stepped(torch.optim.Adam, lr=0.002, eps=1e-7, weight_decay=0.03)


def decay_coupled_sgd() -> Port:
    """Torch's SGD too."""
    return stepped(torch.optim.SGD, lr=0.03, momentum=0.9, weight_decay=0.05)


def decay_missing() -> Port:
    """No decay."""
    return stepped(optim.Adam, 0.002)


def decay_other() -> Port:
    """0.003 for 0.03."""
    return stepped(optim.Adam, 0.002, weight_decay=0.003)


def adamw_decay() -> Port:
    """Torch's default of 0.01."""
    return stepped(optim.AdamW, 0.002, weight_decay=0.01)


def adam_epsilon() -> Port:
    """1e-8 in Keras's place."""
    return stepped(optim.Adam, epsilon=1e-8)


def adam_stock() -> Port:
    """Torch's as it comes."""
    return stepped(torch.optim.Adam)


def adam_stock_epsilon() -> Port:
    """Torch's with Keras's epsilon."""
    return stepped(torch.optim.Adam, eps=1e-7)


def adamw_stock() -> Port:
    """Torch's with Keras's constants."""
    return stepped(torch.optim.AdamW, lr=0.002, eps=1e-7, weight_decay=0.004)


def nadam_stock() -> Port:
    """Torch's with Keras's epsilon."""
    return stepped(torch.optim.NAdam, lr=0.001, eps=1e-7)


def rmsprop_stock() -> Port:
    """Torch's with Keras's constants."""
    return stepped(torch.optim.RMSprop, lr=0.001, alpha=0.9, eps=1e-7)


def rmsprop_rho() -> Port:
    """Torch's 0.99 for Keras's 0.9."""
    return stepped(optim.RMSprop, rho=0.99)


def momentum_stock() -> Port:
    """Torch's SGD keeps gradients, not steps."""
    return stepped(torch.optim.SGD, lr=0.03, momentum=0.9)


def rate_other() -> Port:
    """0.01 for 0.03."""
    return stepped(torch.optim.SGD, lr=0.01)


def rate_default() -> Port:
    """Torch's default for RMSprop, 0.01."""
    return stepped(optim.RMSprop, 0.01)


def adagrad_stock() -> Port:
    """Torch's starts at 0."""
    return stepped(torch.optim.Adagrad, lr=0.01, eps=1e-7)


def adadelta_stock() -> Port:
    """Torch's constants."""
    return stepped(torch.optim.Adadelta, lr=0.5)


def sgd_for_adam() -> Port:
    """Another optimizer."""
    return stepped(torch.optim.SGD, lr=0.001)


def adamax_for_adam() -> Port:
    """A relative."""
    return stepped(optim.Adamax)


def momentum_other() -> Port:
    """0.8 for 0.9."""
    return stepped(optim.SGD, 0.03, momentum=0.8)


def momentum_missing() -> Port:
    """None."""
    return stepped(optim.SGD, 0.03)


def nesterov_missing() -> Port:
    """The plain one."""
    return stepped(optim.SGD, 0.03, momentum=0.8)


def amsgrad_missing() -> Port:
    """The plain one."""
    return stepped(optim.Adam, 0.004, beta_1=0.8, beta_2=0.99, epsilon=1e-5)


def beta_other() -> Port:
    """The defaults for 0.8 and 0.99."""
    return stepped(optim.Adam, 0.004, epsilon=1e-5, amsgrad=True)


def head_only() -> Port:
    """Only the last layer is given to the optimizer."""
    module = mlp()
    return Port(module, loss=nn.MSELoss(), optimizer=optim.Adam(module[2].parameters()))


def biases_left_out() -> Port:
    """Biases are not given to the optimizer."""
    module = mlp()
    kernels = [p for p in module.parameters() if p.ndim > 1]
    return Port(module, loss=nn.MSELoss(), optimizer=optim.Adam(kernels))


def not_frozen() -> Port:
    """Keras does not train the first layer."""
    return stepped(optim.Adam, 0.002)


def frozen() -> Port:
    """Keras trains the first layer."""
    module = mlp()
    module[0].requires_grad_(False)
    return Port(module, loss=nn.MSELoss(), optimizer=optim.Adam(module.parameters()))
