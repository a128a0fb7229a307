import math

import torch
import torch.nn.functional as F
from torch import nn

from torch_impl import Port


def pixel_shuffle_tf(x, r=2):
    """depth_to_space of TensorFlow: channels are (r, r, C), and not (C, r, r) as in nn.PixelShuffle."""
    n, c, h, w = x.shape
    x = x.reshape(n, r, r, c // r**2, h, w).permute(0, 3, 4, 1, 5, 2)
    return x.reshape(n, c // r**2, h * r, w * r)


class ESPCN(nn.Module):
    def __init__(self, channels=3, torch_order=False, align_corners=False):
        super().__init__()
        self.torch_order, self.align_corners = torch_order, align_corners
        self.features = nn.Sequential(
            nn.Conv2d(channels, 8, 5, padding=2),
            nn.Tanh(),
            nn.Conv2d(8, 8, 3, padding=2, dilation=2),
            nn.Tanh(),
            nn.Conv2d(8, 6, 3, padding=1),
            nn.Tanh(),
            nn.Conv2d(6, channels * 4, 3, padding=1),
        )
        for m in self.features:
            if isinstance(m, nn.Conv2d):
                # Keras's matrix is (height * width * in, out), torch's (out, in * height * width)
                nn.init.orthogonal_(m.weight)
                nn.init.zeros_(m.bias)

    def forward(self, low):
        x = self.features(low)
        x = F.pixel_shuffle(x, 2) if self.torch_order else pixel_shuffle_tf(x)
        return x + F.interpolate(
            low, scale_factor=2, mode="bilinear", align_corners=self.align_corners
        )


class PolyAdam(torch.optim.Optimizer):
    def __init__(
        self, params, power=2.0, lr=5e-3, end=1e-4, decay_steps=6, betas=(0.9, 0.999), eps=1e-7
    ):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps))
        self.first, self.end, self.decay_steps, self.power, self.t = lr, end, decay_steps, power, 0

    @torch.no_grad()
    def step(self, closure=None):
        left = 1 - min(self.t, self.decay_steps) / self.decay_steps
        lr = (self.first - self.end) * left**self.power + self.end
        self.t += 1
        for group in self.param_groups:
            group["lr"] = lr
            b1, b2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                s = self.state[p]
                if not s:
                    s["m"], s["v"] = torch.zeros_like(p), torch.zeros_like(p)
                s["m"].mul_(b1).add_(p.grad, alpha=1 - b1)
                s["v"].mul_(b2).addcmul_(p.grad, p.grad, value=1 - b2)
                p.sub_(
                    lr
                    * math.sqrt(1 - b2**self.t)
                    / (1 - b1**self.t)
                    * s["m"]
                    / (s["v"].sqrt() + group["eps"])
                )


class Charbonnier(nn.Module):
    def __init__(self, eps=1e-3):
        super().__init__()
        self.eps = eps

    def forward(self, pred, target):
        return torch.sqrt((pred - target.to(pred.dtype)) ** 2 + self.eps**2).mean()


def _port(net, power=2.0):
    return Port(net, loss=Charbonnier(), optimizer=PolyAdam(net.parameters(), power))


def right():
    return _port(ESPCN())


def wrong_1():
    return _port(ESPCN(torch_order=True))


def wrong_2():
    return _port(ESPCN(align_corners=True))


def wrong_3():
    return _port(ESPCN(), power=1.0)
