import math

import torch
import torch.nn.functional as F
from torch import nn

from torch_impl import Port


class BiasedBatchNorm2d(nn.BatchNorm2d):
    """Keeps the variance of the batch as it is, as Keras does."""

    def forward(self, x):
        if not self.training:
            return super().forward(x)
        with torch.no_grad():
            self.running_mean.lerp_(x.mean((0, 2, 3)), self.momentum)
            self.running_var.lerp_(x.var((0, 2, 3), unbiased=False), self.momentum)
        return F.batch_norm(x, None, None, self.weight, self.bias, True, 0.0, self.eps)


def backbone():
    return nn.Sequential(
        nn.ZeroPad2d((0, 1, 0, 1)),
        nn.Conv2d(3, 6, 3, stride=2, bias=False),
        BiasedBatchNorm2d(6, eps=1e-3, momentum=0.01),
        nn.ReLU6(),
        nn.Conv2d(6, 8, 3, padding=1, groups=2, bias=False),
        BiasedBatchNorm2d(8, eps=1e-3, momentum=0.01),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),  # 8 -> 4, and 'same' pads the end
    )


class Classifier(nn.Module):
    def __init__(self, frozen_statistics=True, frozen_weights=True, scale=127.5):
        super().__init__()
        self.frozen_statistics = frozen_statistics
        self.scale = scale
        self.backbone = backbone()
        self.adapter = nn.Conv2d(8, 8, 1)
        self.bn = BiasedBatchNorm2d(8, eps=1e-3, momentum=0.2)
        self.drop = nn.Dropout(0.3)
        self.fc = nn.Linear(8, 1)
        for m in self.modules():
            if isinstance(m, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(m.weight)
                if m.bias is not None:
                    nn.init.zeros_(m.bias)
        if frozen_weights:
            self.backbone.requires_grad_(False)

    def train(self, mode=True):
        super().train(mode)
        if self.frozen_statistics:
            self.backbone.eval()
        return self

    def forward(self, x):
        x = self.backbone(x / self.scale - 1)
        x = F.silu(self.bn(self.adapter(x)))
        return self.fc(self.drop(x.mean((2, 3))))


def focal(logits, target):
    target = target.to(logits.dtype).view_as(logits)
    p = torch.sigmoid(logits)
    p_t = target * p + (1 - target) * (1 - p)
    return (
        (1 - p_t) ** 2 * F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    ).mean()


class KerasAdam(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-2, betas=(0.9, 0.999), eps=1e-7):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                s = self.state[p]
                if not s:
                    s["t"], s["m"], s["v"] = 0, torch.zeros_like(p), torch.zeros_like(p)
                s["t"] += 1
                s["m"].lerp_(p.grad, 1 - b1)
                s["v"].lerp_(p.grad.square(), 1 - b2)
                # the same as Keras's, written in torch's order
                c1, c2 = 1 - b1 ** s["t"], 1 - b2 ** s["t"]
                p.sub_(
                    group["lr"]
                    * (s["m"] / c1)
                    / ((s["v"] / c2).sqrt() + group["eps"] / math.sqrt(c2))
                )


def _port(net, loss=focal):
    params = [p for p in net.parameters() if p.requires_grad]
    return Port(net, loss=loss, optimizer=KerasAdam(params))


def right():
    return _port(Classifier())


def wrong_1():
    return _port(Classifier(frozen_statistics=False))  # requires_grad_(False) alone


def wrong_2():
    return _port(Classifier(frozen_weights=False))


def wrong_3():
    def detached(logits, target):  # the focusing factor is taken as a constant weight
        target = target.to(logits.dtype).view_as(logits)
        ce = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
        return ((1 - torch.exp(-ce.detach())) ** 2 * ce).mean()

    return _port(Classifier(), loss=detached)
