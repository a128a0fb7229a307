"""What our ports need so that they train as Keras trains: optimizers, normalisation, initial weights, clipping."""

import math

import torch
from torch import nn
from torch.nn import functional as F


def _power(beta, t):
    return beta**t


class KerasAdam(torch.optim.Optimizer):
    """Adam and AdamW of Keras: epsilon is added before the correction of the bias."""

    def __init__(
        self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-7, weight_decay=0.0, amsgrad=False
    ):
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
            },
        )

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            group["count"] = group.get("count", 0) + 1
            beta1, beta2 = group["betas"]
            t = group["count"]
            alpha = group["lr"] * math.sqrt(1 - _power(beta2, t)) / (1 - _power(beta1, t))
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["m"], state["v"] = torch.zeros_like(p), torch.zeros_like(p)
                    state["top"] = torch.zeros_like(p)
                if group["weight_decay"]:
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                m, v = state["m"], state["v"]
                m.lerp_(p.grad, 1 - beta1)
                v.lerp_(p.grad.square(), 1 - beta2)
                if group["amsgrad"]:
                    torch.maximum(state["top"], v, out=state["top"])
                    v = state["top"]
                p.addcdiv_(m, v.sqrt().add_(group["eps"]), value=-alpha)


class KerasSGD(torch.optim.Optimizer):
    """SGD of Keras: the rate is part of the velocity, so that a new rate takes effect gradually."""

    def __init__(self, params, lr=0.01, momentum=0.0, nesterov=False):
        super().__init__(params, {"lr": lr, "momentum": momentum, "nesterov": nesterov})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            lr, momentum = group["lr"], group["momentum"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["velocity"] = torch.zeros_like(p)
                velocity = state["velocity"]
                velocity.mul_(momentum).sub_(lr * p.grad)
                if group["nesterov"]:
                    p.add_(momentum * velocity - lr * p.grad)
                else:
                    p.add_(velocity)


class KerasRMSprop(torch.optim.Optimizer):
    """RMSprop of Keras: epsilon is below the root, and the momentum has the rate in it."""

    def __init__(self, params, lr=1e-3, rho=0.9, momentum=0.0, eps=1e-7):
        super().__init__(params, {"lr": lr, "rho": rho, "momentum": momentum, "eps": eps})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["v"], state["momentum"] = torch.zeros_like(p), torch.zeros_like(p)
                v = state["v"]
                v.mul_(group["rho"]).addcmul_(p.grad, p.grad, value=1 - group["rho"])
                change = group["lr"] * p.grad / (v + group["eps"]).sqrt()
                if group["momentum"]:
                    state["momentum"].mul_(group["momentum"]).add_(change)
                    change = state["momentum"]
                p.sub_(change)


class KerasAdagrad(torch.optim.Optimizer):
    """Adagrad of Keras: the sum begins at 0.1, and epsilon is below the root."""

    def __init__(self, params, lr=1e-3, initial=0.1, eps=1e-7):
        super().__init__(params, {"lr": lr, "initial": initial, "eps": eps})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["sum"] = torch.full_like(p, group["initial"])
                state["sum"].addcmul_(p.grad, p.grad)
                p.sub_(group["lr"] * p.grad / (state["sum"] + group["eps"]).sqrt())


class _BatchNorm:
    """Keras's moving variance is the biased one; epsilon is 1e-3, and 0.99 of the old value is kept."""

    def __init__(self, features, eps=1e-3, momentum=0.01):
        super().__init__(features, eps=eps, momentum=momentum)

    def forward(self, x):
        self._check_input_dim(x)
        if not self.training:
            return F.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
            )
        with torch.no_grad():
            axes = [axis for axis in range(x.dim()) if axis != 1]
            self.running_mean.lerp_(x.mean(axes), self.momentum)
            self.running_var.lerp_(x.var(axes, unbiased=False), self.momentum)
        return F.batch_norm(x, None, None, self.weight, self.bias, True, 0.0, self.eps)


class BatchNorm1d(_BatchNorm, nn.BatchNorm1d):
    pass


class BatchNorm2d(_BatchNorm, nn.BatchNorm2d):
    pass


class BatchNorm3d(_BatchNorm, nn.BatchNorm3d):
    pass


def glorot_(net):
    """Keras's default for dense layers and convolutions."""
    for layer in net.modules():
        if isinstance(layer, nn.Linear | nn.modules.conv._ConvNd):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.Embedding):
            nn.init.uniform_(layer.weight, -0.05, 0.05)
    return net


def lstm_(layer):
    """Keras's initial weights of an LSTM or a GRU; the second bias of an LSTM stays at zero."""
    for name, weight in layer.named_parameters():
        if name.startswith("weight_ih"):
            nn.init.xavier_uniform_(weight)
        elif name.startswith("weight_hh"):
            nn.init.orthogonal_(weight)
        else:
            nn.init.zeros_(weight)
            if isinstance(layer, nn.LSTM):
                if name.startswith("bias_hh"):
                    weight.requires_grad_(False)
                else:
                    with torch.no_grad():
                        weight[layer.hidden_size : 2 * layer.hidden_size] = 1.0
    return layer


def clip_by_global_norm_(parameters, norm):
    """Keras's global_clipnorm."""
    grads = [p.grad for p in parameters if p.grad is not None]
    total = torch.sqrt(sum(grad.square().sum() for grad in grads))
    scale = norm * torch.minimum(1 / total, torch.ones_like(total) / norm)
    for grad in grads:
        grad.mul_(scale)


def clip_by_norm_(parameters, norm):
    """Keras's clipnorm: each weight by itself."""
    for p in parameters:
        if p.grad is not None:
            p.grad.mul_(norm / p.grad.norm().clamp(min=norm))
