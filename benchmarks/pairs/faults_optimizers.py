"""Ports with one mistake each in their optimizer."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from benchmarks.pairs.factories import factories
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


def head_only() -> Port:
    """Only the last layer is given to the optimizer."""
    module = mlp()
    return Port(module, loss=nn.MSELoss(), optimizer=optim.Adam(module[2].parameters()))


def biases_left_out() -> Port:
    """Biases are not given to the optimizer."""
    module = mlp()
    kernels = [p for p in module.parameters() if p.ndim > 1]
    return Port(module, loss=nn.MSELoss(), optimizer=optim.Adam(kernels))


def frozen() -> Port:
    """Keras trains the first layer."""
    module = mlp()
    module[0].requires_grad_(False)
    return Port(module, loss=nn.MSELoss(), optimizer=optim.Adam(module.parameters()))


globals().update(
    factories(
        clip_over_all=(
            "clip_grad_norm_ for clipnorm.",
            lambda: _clipped(torch.optim.SGD, lambda p: nn.utils.clip_grad_norm_(p, 0.3), lr=0.05),
        ),
        clip_with_epsilon=(
            "clip_grad_norm_ for global_clipnorm: 1e-6 is added to the norm.",
            lambda: _clipped(torch.optim.SGD, lambda p: nn.utils.clip_grad_norm_(p, 0.3), lr=0.05),
        ),
        clip_missing=("No clipping.", lambda: stepped(torch.optim.SGD, lr=0.05)),
        clip_by_value=("Clipvalue for clipnorm.", lambda: stepped(optim.SGD, 0.05, clipvalue=0.3)),
        decay_coupled=(
            "Torch's Adam adds it to the gradient.",
            lambda: stepped(torch.optim.Adam, lr=0.002, eps=1e-7, weight_decay=0.03),
        ),
        decay_coupled_sgd=(
            "Torch's SGD too.",
            lambda: stepped(torch.optim.SGD, lr=0.03, momentum=0.9, weight_decay=0.05),
        ),
        decay_missing=("No decay.", lambda: stepped(optim.Adam, 0.002)),
        decay_other=("0.003 for 0.03.", lambda: stepped(optim.Adam, 0.002, weight_decay=0.003)),
        adamw_decay=(
            "Torch's default of 0.01.",
            lambda: stepped(optim.AdamW, 0.002, weight_decay=0.01),
        ),
        adam_epsilon=("1e-8 in Keras's place.", lambda: stepped(optim.Adam, epsilon=1e-8)),
        adam_stock=("Torch's as it comes.", lambda: stepped(torch.optim.Adam)),
        adam_stock_epsilon=(
            "Torch's with Keras's epsilon.",
            lambda: stepped(torch.optim.Adam, eps=1e-7),
        ),
        adamw_stock=(
            "Torch's with Keras's constants.",
            lambda: stepped(torch.optim.AdamW, lr=0.002, eps=1e-7, weight_decay=0.004),
        ),
        nadam_stock=(
            "Torch's with Keras's epsilon.",
            lambda: stepped(torch.optim.NAdam, lr=0.001, eps=1e-7),
        ),
        rmsprop_stock=(
            "Torch's with Keras's constants.",
            lambda: stepped(torch.optim.RMSprop, lr=0.001, alpha=0.9, eps=1e-7),
        ),
        rmsprop_rho=("Torch's 0.99 for Keras's 0.9.", lambda: stepped(optim.RMSprop, rho=0.99)),
        momentum_stock=(
            "Torch's SGD keeps gradients, not steps.",
            lambda: stepped(torch.optim.SGD, lr=0.03, momentum=0.9),
        ),
        rate_other=("0.01 for 0.03.", lambda: stepped(torch.optim.SGD, lr=0.01)),
        rate_default=("Torch's default for RMSprop, 0.01.", lambda: stepped(optim.RMSprop, 0.01)),
        adagrad_stock=(
            "Torch's starts at 0.",
            lambda: stepped(torch.optim.Adagrad, lr=0.01, eps=1e-7),
        ),
        adadelta_stock=("Torch's constants.", lambda: stepped(torch.optim.Adadelta, lr=0.5)),
        sgd_for_adam=("Another optimizer.", lambda: stepped(torch.optim.SGD, lr=0.001)),
        adamax_for_adam=("A relative.", lambda: stepped(optim.Adamax)),
        momentum_other=("0.8 for 0.9.", lambda: stepped(optim.SGD, 0.03, momentum=0.8)),
        momentum_missing=("None.", lambda: stepped(optim.SGD, 0.03)),
        nesterov_missing=("The plain one.", lambda: stepped(optim.SGD, 0.03, momentum=0.8)),
        amsgrad_missing=(
            "The plain one.",
            lambda: stepped(optim.Adam, 0.004, beta_1=0.8, beta_2=0.99, epsilon=1e-5),
        ),
        beta_other=(
            "The defaults for 0.8 and 0.99.",
            lambda: stepped(optim.Adam, 0.004, epsilon=1e-5, amsgrad=True),
        ),
        not_frozen=("Keras does not train the first layer.", lambda: stepped(optim.Adam, 0.002)),
    )
)
