import math

import torch
import torch.nn.functional as F
from torch import nn

from torch_impl import Port


class BatchNorm2d(nn.BatchNorm2d):
    """Keras keeps the biased variance of a batch; torch the unbiased one."""

    def forward(self, x):
        if not self.training:
            return super().forward(x)
        with torch.no_grad():
            self.running_mean.lerp_(x.mean((0, 2, 3)), self.momentum)
            self.running_var.lerp_(x.var((0, 2, 3), unbiased=False), self.momentum)
        return F.batch_norm(x, None, None, self.weight, self.bias, True, 0.0, self.eps)


def he_normal_(w):
    fan_in = w[0].numel()
    std = math.sqrt(2.0 / fan_in) / 0.87962566103423978
    return nn.init.trunc_normal_(w, std=std, a=-2 * std, b=2 * std)


class DoubleConv(nn.Sequential):
    def __init__(self, cin, cout, momentum):
        super().__init__(
            nn.Conv2d(cin, cout, 3, padding=1, bias=False),
            BatchNorm2d(cout, eps=1e-3, momentum=momentum),
            nn.ReLU(inplace=True),
            nn.Conv2d(cout, cout, 3, padding=1, bias=False),
            BatchNorm2d(cout, eps=1e-3, momentum=momentum),
            nn.ReLU(inplace=True),
        )


class Up(nn.Module):
    """ConvTranspose2d with Keras's 'same': the output of full size loses its last row and column."""

    def __init__(self, cin, cout, same=True):
        super().__init__()
        self.same = same
        if same:
            self.conv = nn.ConvTranspose2d(cin, cout, 3, stride=2)
        else:
            self.conv = nn.ConvTranspose2d(cin, cout, 3, stride=2, padding=1, output_padding=1)

    def forward(self, x):
        y = self.conv(x)
        return y[:, :, :-1, :-1] if self.same else y


class UNet(nn.Module):
    def __init__(self, same=True, momentum=0.1):
        super().__init__()
        self.down1 = DoubleConv(1, 4, momentum)
        self.down2 = DoubleConv(4, 6, momentum)
        self.middle = DoubleConv(6, 8, momentum)
        self.drop = nn.Dropout2d(0.2)
        self.up2 = Up(8, 6, same)
        self.dec2 = DoubleConv(12, 6, momentum)
        self.up1 = Up(6, 4, same)
        self.dec1 = DoubleConv(8, 4, momentum)
        self.out = nn.Conv2d(4, 1, 1)
        for m in self.modules():
            if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3):
                he_normal_(m.weight)
            elif isinstance(m, (nn.ConvTranspose2d, nn.Conv2d)):
                nn.init.xavier_uniform_(m.weight)
                nn.init.zeros_(m.bias)

    def forward(self, x):
        x1 = self.down1(x)
        x2 = self.down2(F.max_pool2d(x1, 2))
        x = self.drop(self.middle(F.max_pool2d(x2, 2)))
        x = self.dec2(torch.cat([self.up2(x), x2], dim=1))
        x = self.dec1(torch.cat([self.up1(x), x1], dim=1))
        return torch.sigmoid(self.out(x))


def bce_dice(pred, mask, per_sample=True):
    mask = mask.to(pred.dtype)
    bce = F.binary_cross_entropy(pred, mask)
    dims = (1, 2, 3) if per_sample else (0, 1, 2, 3)
    inter = (pred * mask).sum(dims)
    dice = (2 * inter + 1) / (mask.sum(dims) + pred.sum(dims) + 1)
    return bce + (1 - dice).mean()


class KerasAdam(torch.optim.Adam):
    """torch's Adam with Keras's place for epsilon."""

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                s = self.state[p]
                if not s:
                    s["step"], s["exp_avg"], s["exp_avg_sq"] = (
                        0,
                        torch.zeros_like(p),
                        torch.zeros_like(p),
                    )
                s["step"] += 1
                s["exp_avg"].mul_(b1).add_(p.grad, alpha=1 - b1)
                s["exp_avg_sq"].mul_(b2).addcmul_(p.grad, p.grad, value=1 - b2)
                a = group["lr"] * math.sqrt(1 - b2 ** s["step"]) / (1 - b1 ** s["step"])
                p.addcdiv_(s["exp_avg"], s["exp_avg_sq"].sqrt().add_(group["eps"]), value=-a)


def _port(net, loss=bce_dice):
    return Port(net, loss=loss, optimizer=KerasAdam(net.parameters(), lr=1e-3, eps=1e-7))


def right():
    return _port(UNet())


def wrong_1():
    return _port(UNet(same=False))  # the usual recipe: padding=1, output_padding=1


def wrong_2():
    return _port(UNet(), loss=lambda pred, mask: bce_dice(pred, mask, per_sample=False))


def wrong_3():
    return _port(UNet(momentum=0.9))  # Keras's number taken over as it is
