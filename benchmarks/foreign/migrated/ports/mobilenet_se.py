import torch
import torch.nn.functional as F
from torch import nn

from torch_impl import Port


class BatchNorm(nn.BatchNorm2d):
    def __init__(self, c, momentum=0.03):
        super().__init__(c, eps=1e-3, momentum=momentum)

    def forward(self, x):
        if not self.training:
            return super().forward(x)
        with torch.no_grad():  # Keras: biased variance in the moving average
            self.running_mean.lerp_(x.mean((0, 2, 3)), self.momentum)
            self.running_var.lerp_(x.var((0, 2, 3), unbiased=False), self.momentum)
        return F.batch_norm(x, None, None, self.weight, self.bias, True, 0.0, self.eps)


def conv_bn(cin, cout, k, act=None, stride=1, padding=0):
    mods = [nn.Conv2d(cin, cout, k, stride, padding, bias=False), BatchNorm(cout)]
    return nn.Sequential(*mods, act) if act else nn.Sequential(*mods)


class SqueezeExcite(nn.Module):
    def __init__(self, c, ratio=4, gate=F.hardsigmoid):
        super().__init__()
        self.fc1 = nn.Conv2d(c, c // ratio, 1)
        self.fc2 = nn.Conv2d(c // ratio, c, 1)
        self.gate = gate

    def forward(self, x):
        s = F.adaptive_avg_pool2d(x, 1)
        return x * self.gate(self.fc2(F.relu(self.fc1(s))))


class InvertedResidual(nn.Module):
    def __init__(self, cin, expand, cout, stride, act, gate):
        super().__init__()
        self.stride = stride
        self.use_res = stride == 1 and cin == cout
        self.expand = conv_bn(cin, expand, 1, act())
        self.dw = nn.Conv2d(
            expand, expand, 3, stride, padding=1 if stride == 1 else 0, groups=expand
        )
        self.bn = BatchNorm(expand)
        self.act = act()
        self.se = SqueezeExcite(expand, gate=gate)
        self.project = conv_bn(expand, cout, 1)

    def forward(self, x):
        y = self.expand(x)
        if self.stride == 2:
            y = F.pad(y, (0, 1, 0, 1))
        y = self.project(self.se(self.act(self.bn(self.dw(y)))))
        return x + y if self.use_res else y


class MobileNet(nn.Module):
    def __init__(self, gate=F.hardsigmoid):
        super().__init__()
        self.stem = conv_bn(3, 4, 3, nn.Hardswish(), stride=2)
        self.block0 = InvertedResidual(4, 8, 4, 1, nn.ReLU6, gate)
        self.block1 = InvertedResidual(4, 8, 6, 2, nn.Hardswish, gate)
        self.sep_dw = nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False)
        self.sep_pw = nn.Conv2d(6, 8, 1)
        self.drop = nn.Dropout(0.25)
        self.fc = nn.Linear(8, 6)
        for m in self.modules():
            if isinstance(m, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(m.weight)
                if m.bias is not None:
                    nn.init.zeros_(m.bias)

    def forward(self, x):
        x = self.stem(F.pad(x, (0, 1, 0, 1)))  # 16 -> 8: 'same' pads the end
        x = self.block1(self.block0(x))
        x = F.relu6(self.sep_pw(self.sep_dw(x)))
        x = self.drop(x.amax((2, 3)))
        return F.softmax(self.fc(x), dim=1)


class KerasSGD(torch.optim.Optimizer):
    """The learning rate is inside the velocity, so a change of the rate acts on new gradients alone."""

    def __init__(self, params, boundaries=(2, 4), rates=(0.05, 0.02, 0.005), momentum=0.9):
        super().__init__(params, dict(lr=rates[0], momentum=momentum))
        self.boundaries, self.rates, self.t = boundaries, rates, 0

    @torch.no_grad()
    def step(self, closure=None):
        lr = self.rates[sum(self.t > b for b in self.boundaries)]
        self.t += 1
        for group in self.param_groups:
            group["lr"] = lr
            for p in group["params"]:
                if p.grad is None:
                    continue
                v = self.state[p].setdefault("v", torch.zeros_like(p))
                v.mul_(group["momentum"]).sub_(p.grad, alpha=lr)
                p.add_(v)


def penalty(factor=1e-3):
    def added(net):
        regular = [net.stem[0], net.fc]
        for b in (net.block0, net.block1):
            regular += [b.expand[0], b.project[0]]
        return factor * sum(m.weight.square().sum() for m in regular)

    return added


def cross_entropy(prob, target):
    return -(target.to(prob.dtype) * torch.log(prob)).sum(1).mean()


def _port(net, factor=1e-3, boundaries=(2, 4)):
    return Port(
        net,
        loss=cross_entropy,
        optimizer=KerasSGD(net.parameters(), boundaries),
        added_loss=penalty(factor),
        metrics=["categorical_accuracy"],
    )


def right():
    return _port(MobileNet())


def wrong_1():
    return _port(MobileNet(gate=torch.sigmoid))


def wrong_2():
    return _port(MobileNet(), factor=0.5e-3)  # weight_decay convention: half of the square


def wrong_3():
    return _port(MobileNet(), boundaries=(1, 3))  # the cut comes one step too early
