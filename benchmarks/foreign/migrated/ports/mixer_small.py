import torch
import torch.nn.functional as F
from torch import nn

from torch_impl import Port


def mlp(n, rate):
    return nn.Sequential(nn.Linear(n, n), nn.SiLU(), nn.Linear(n, n), nn.Dropout(rate))


class Mixer(nn.Module):
    def __init__(self, patches, dim, rate, own_norms=False):
        super().__init__()
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6) if own_norms else self.norm
        self.tokens = mlp(patches, rate)
        self.channels = mlp(dim, rate)

    def forward(self, x):
        x = x + self.tokens(self.norm(x).transpose(1, 2)).transpose(1, 2)
        return x + self.channels(self.norm2(x))


class MixerNet(nn.Module):
    def __init__(self, dim=8, own_norms=False, channels_first_patches=False):
        super().__init__()
        self.channels_first_patches = channels_first_patches
        self.embed = nn.Linear(32, dim)
        self.mixers = nn.Sequential(*[Mixer(9, dim, 0.2, own_norms) for _ in range(2)])
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(dim, 4)
        for m in self.modules():
            if isinstance(m, nn.Linear):
                nn.init.xavier_uniform_(m.weight)
                nn.init.zeros_(m.bias)

    def patchify(self, x, p=4):  # (N, C, H, W) -> (N, patches, p * p * C)
        n, c, h, w = x.shape
        x = x.reshape(n, c, h // p, p, w // p, p)
        order = (0, 2, 4, 1, 3, 5) if self.channels_first_patches else (0, 2, 4, 3, 5, 1)
        return x.permute(*order).reshape(n, -1, p * p * c)

    def forward(self, x):
        x = self.mixers(self.embed(self.patchify(x)))
        return torch.softmax(self.head(self.drop(x.mean(1))), dim=1)


def kl_divergence(reduction):
    def loss(prob, target):
        target = target.to(prob.dtype).clamp(1e-7, 1)
        return F.kl_div(prob.clamp(1e-7, 1).log(), target, reduction=reduction)

    return loss


class KerasAdamax(torch.optim.Optimizer):
    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-7, weight_decay=1e-2):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            (b1, b2), lr = group["betas"], group["lr"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                s = self.state[p]
                if not s:
                    s["t"], s["m"], s["u"] = 0, torch.zeros_like(p), torch.zeros_like(p)
                s["t"] += 1
                p.mul_(1 - lr * group["weight_decay"])  # decoupled
                s["m"].lerp_(p.grad, 1 - b1)
                s["u"] = torch.maximum(b2 * s["u"], p.grad.abs())
                p.sub_(lr * s["m"] / ((1 - b1 ** s["t"]) * (s["u"] + group["eps"])))


def _port(net, reduction="batchmean", optimizer=None):
    return Port(
        net, loss=kl_divergence(reduction), optimizer=optimizer or KerasAdamax(net.parameters())
    )


def right():
    return _port(MixerNet())


def wrong_1():
    return _port(MixerNet(own_norms=True))


def wrong_2():
    return _port(MixerNet(), reduction="mean")


def wrong_3():
    net = MixerNet()
    return _port(
        net, optimizer=torch.optim.Adamax(net.parameters(), lr=2e-3, eps=1e-7, weight_decay=1e-2)
    )
