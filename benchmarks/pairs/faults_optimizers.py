"""Ports with one mistake each in their optimizer."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.pairs.torch_net import mlp, stepped
from torch_impl import Port, optim


def _clip(module: nn.Module) -> None:
    nn.utils.clip_grad_norm_(module.parameters(), 0.3)


def head_only() -> Port:
    module = mlp()
    return Port(module, loss=nn.MSELoss(), optimizer=optim.Adam(module[2].parameters()))


def biases_left_out() -> Port:
    module = mlp()
    kernels = [p for p in module.parameters() if p.ndim > 1]
    return Port(module, loss=nn.MSELoss(), optimizer=optim.Adam(kernels))


def frozen() -> Port:
    module = mlp()
    module[0].requires_grad_(False)
    return Port(module, loss=nn.MSELoss(), optimizer=optim.Adam(module.parameters()))


globals().update(
    clip_over_all=lambda: stepped(torch.optim.SGD, lr=0.05, before_step=_clip),
    clip_with_epsilon=lambda: stepped(torch.optim.SGD, lr=0.05, before_step=_clip),
    clip_missing=lambda: stepped(torch.optim.SGD, lr=0.05),
    clip_by_value=lambda: stepped(optim.SGD, 0.05, clipvalue=0.3),
    decay_coupled=lambda: stepped(torch.optim.Adam, lr=0.002, eps=1e-7, weight_decay=0.03),
    decay_coupled_sgd=lambda: stepped(torch.optim.SGD, lr=0.03, momentum=0.9, weight_decay=0.05),
    decay_missing=lambda: stepped(optim.Adam, 0.002),
    decay_other=lambda: stepped(optim.Adam, 0.002, weight_decay=0.003),
    adamw_decay=lambda: stepped(optim.AdamW, 0.002, weight_decay=0.01),
    adam_epsilon=lambda: stepped(optim.Adam, epsilon=1e-8),
    adam_stock=lambda: stepped(torch.optim.Adam),
    adam_stock_epsilon=lambda: stepped(torch.optim.Adam, eps=1e-7),
    adamw_stock=lambda: stepped(torch.optim.AdamW, lr=0.002, eps=1e-7, weight_decay=0.004),
    nadam_stock=lambda: stepped(torch.optim.NAdam, lr=0.001, eps=1e-7),
    rmsprop_stock=lambda: stepped(torch.optim.RMSprop, lr=0.001, alpha=0.9, eps=1e-7),
    rmsprop_rho=lambda: stepped(optim.RMSprop, rho=0.99),
    rate_other=lambda: stepped(torch.optim.SGD, lr=0.01),
    rate_default=lambda: stepped(optim.RMSprop, 0.01),
    adagrad_stock=lambda: stepped(torch.optim.Adagrad, lr=0.01, eps=1e-7),
    adadelta_stock=lambda: stepped(torch.optim.Adadelta, lr=0.5),
    sgd_for_adam=lambda: stepped(torch.optim.SGD, lr=0.001),
    adamax_for_adam=lambda: stepped(optim.Adamax),
    momentum_other=lambda: stepped(optim.SGD, 0.03, momentum=0.8),
    momentum_missing=lambda: stepped(optim.SGD, 0.03),
    nesterov_missing=lambda: stepped(optim.SGD, 0.03, momentum=0.8),
    amsgrad_missing=lambda: stepped(optim.Adam, 0.004, beta_1=0.8, beta_2=0.99, epsilon=1e-5),
    beta_other=lambda: stepped(optim.Adam, 0.004, epsilon=1e-5, amsgrad=True),
    constraint_missing=lambda: stepped(optim.SGD, 0.05),
    not_frozen=lambda: stepped(optim.Adam, 0.002),
)
