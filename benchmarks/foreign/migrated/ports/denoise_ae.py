import torch
import torch.nn.functional as F
from torch import nn

from torch_impl import Port


class Noise(nn.Module):
    def __init__(self, std):
        super().__init__()
        self.std = std

    def forward(self, x):
        return x + self.std * torch.randn_like(x) if self.training else x


class Encoder(nn.Module):
    def __init__(self, end_padding=True):
        super().__init__()
        self.noise = Noise(0.1)
        self.conv1 = nn.Conv2d(1, 6, 3, stride=2, padding=1)  # 15 -> 8: 'same' on both sides
        self.conv2 = nn.Conv2d(6, 8, 3, stride=2, padding=0 if end_padding else 1)
        self.end_padding = end_padding
        self.prelu = nn.PReLU(8)
        self.fc = nn.Linear(128, 7)

    def forward(self, x):
        x = F.leaky_relu(self.conv1(self.noise(x)), 0.2)
        if self.end_padding:  # 8 -> 4: Keras pads at the end only
            x = F.pad(x, (0, 1, 0, 1))
        x = self.prelu(self.conv2(x))
        self.code = torch.sigmoid(self.fc(x.flatten(1)))
        return self.code


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(7, 128)
        self.up1 = nn.ConvTranspose2d(8, 6, 3, stride=2)
        self.up2 = nn.ConvTranspose2d(6, 4, 2, stride=2)
        self.out = nn.Conv2d(4, 1, 3, padding=1)

    def forward(self, z):
        x = F.relu(self.fc(z)).unflatten(1, (8, 4, 4))
        x = F.relu(self.up1(x)[:, :, :8, :8])
        x = F.relu(self.up2(x))[:, :, :15, :15]
        return self.out(x)


class AutoEncoder(nn.Module):
    def __init__(self, end_padding=True):
        super().__init__()
        self.encoder = Encoder(end_padding)
        self.decoder = Decoder()
        for m in self.modules():
            if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
                nn.init.xavier_uniform_(m.weight)
                nn.init.zeros_(m.bias)

    def forward(self, x):
        return self.decoder(self.encoder(x))


class KerasAdagrad(torch.optim.Optimizer):
    def __init__(self, params, lr=0.02, initial=0.1, eps=1e-7):
        super().__init__(params, dict(lr=lr, initial=initial, eps=eps))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                s = self.state[p]
                if "sum" not in s:
                    s["sum"] = torch.full_like(p, group["initial"])
                s["sum"].addcmul_(p.grad, p.grad)
                p.sub_(group["lr"] * p.grad / (s["sum"] + group["eps"]).sqrt())


def sparsity(net):
    return 1e-3 * net.encoder.code.abs().sum() / len(net.encoder.code)  # Keras divides by the batch


def _port(net, optimizer=None, added_loss=sparsity):
    return Port(
        net,
        loss=nn.L1Loss(),
        optimizer=optimizer or KerasAdagrad(net.parameters()),
        added_loss=added_loss,
    )


def right():
    return _port(AutoEncoder())


def wrong_1():
    return _port(AutoEncoder(end_padding=False))


def wrong_2():
    return _port(AutoEncoder(), added_loss=lambda net: 1e-3 * net.encoder.code.abs().sum())


def wrong_3():
    net = AutoEncoder()
    return _port(net, torch.optim.Adagrad(net.parameters(), lr=0.02))  # sums begin with 0
