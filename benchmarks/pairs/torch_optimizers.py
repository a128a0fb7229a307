"""Right ports of the models of `keras_optimizers`."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.pairs.torch_net import mlp, stepped
from torch_impl import Port, optim
from torch_impl.constraints import MaxNorm, constrain


def _clip_each(module: nn.Module) -> None:
    for parameter in module.parameters():
        assert parameter.grad is not None
        norm = parameter.grad.norm()
        if norm > 0.3:
            parameter.grad.mul_(0.3 / norm)


def frozen() -> Port:
    """The parameters of the first layer have requires_grad=False."""
    module = mlp()
    module[0].requires_grad_(False)
    return Port(module, loss=nn.MSELoss(), optimizer=optim.Adam(module.parameters(), 0.002))


def frozen_left_out() -> Port:
    """The parameters of the first layer are not given to the optimizer."""
    module = mlp()
    module[0].requires_grad_(False)
    trained = [p for p in module.parameters() if p.requires_grad]
    return Port(module, loss=nn.MSELoss(), optimizer=optim.Adam(trained, 0.002))


def constrained() -> Port:
    """Brings the norms of the first kernel into their range after each step."""
    made = stepped(optim.SGD, 0.05)
    constrain(made.module, made.optimizer, {"0.kernel": MaxNorm(0.7)})
    return made


globals().update(
    # Torch's own, which is the same without momentum.
    sgd=lambda: stepped(torch.optim.SGD, lr=0.03),
    sgd_keras=lambda: stepped(optim.SGD, 0.03),
    momentum=lambda: stepped(optim.SGD, 0.03, momentum=0.9),
    nesterov=lambda: stepped(optim.SGD, 0.03, momentum=0.8, nesterov=True),
    # Torch's own, which is the same while the rate is constant.
    momentum_torch=lambda: stepped(torch.optim.SGD, lr=0.03, momentum=0.9),
    nesterov_torch=lambda: stepped(torch.optim.SGD, lr=0.03, momentum=0.8, nesterov=True),
    adam=lambda: stepped(optim.Adam),
    amsgrad=lambda: stepped(optim.Adam, 0.004, beta_1=0.8, beta_2=0.99, epsilon=1e-5, amsgrad=True),
    adamw=lambda: stepped(optim.AdamW, 0.002),
    adam_decay=lambda: stepped(optim.Adam, 0.002, weight_decay=0.03),
    sgd_decay=lambda: stepped(optim.SGD, 0.03, momentum=0.9, weight_decay=0.05),
    rmsprop=lambda: stepped(optim.RMSprop),
    rmsprop_centered=lambda: stepped(optim.RMSprop, 0.002, rho=0.8, momentum=0.5, centered=True),
    adagrad=lambda: stepped(optim.Adagrad, 0.01),
    adadelta=lambda: stepped(optim.Adadelta, 0.5),
    adamax=lambda: stepped(optim.Adamax),
    nadam=lambda: stepped(optim.Nadam),
    lion=lambda: stepped(optim.Lion, 0.001),
    constrained=constrained,
    # Clips one parameter after the other.
    clipnorm_by_hand=lambda: stepped(torch.optim.SGD, lr=0.05, before_step=_clip_each),
    clipnorm=lambda: stepped(optim.SGD, 0.05, clipnorm=0.3),
    global_clipnorm=lambda: stepped(optim.SGD, 0.05, global_clipnorm=0.3),
    # Calls torch's function before the step.
    clipvalue_by_hand=lambda: stepped(
        optim.Adam,
        0.002,
        before_step=lambda m: nn.utils.clip_grad_value_(m.parameters(), 0.1),
    ),
    clipvalue=lambda: stepped(optim.Adam, 0.002, clipvalue=0.1),
)
