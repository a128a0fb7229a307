"""Ports of `steps_keras.py`: NAME is right, and NAME__WAY_wrong is not."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from torch_impl import Port, optim


def _initialised(net):
    """Returns a module with Keras's initial weights."""
    for parameter in net.parameters():
        if parameter.ndim > 1:
            nn.init.xavier_uniform_(parameter)
    for module in net.modules():
        if getattr(module, "bias", None) is not None:
            nn.init.zeros_(module.bias)
    return net


class Holder(nn.Module):
    """Holds networks, and has no `forward`."""

    def __init__(self, **networks):
        super().__init__()
        for name, network in networks.items():
            self.add_module(name, network)


class Shaped(nn.Module):
    """Makes an image, (N, C, H, W), of a vector in Keras's order, (N, H * W * C)."""

    def forward(self, x):
        return x.unflatten(1, (3, 4, 2)).movedim(-1, 1)


def plain(loss=F.mse_loss):
    net = _initialised(nn.Sequential(nn.Linear(7, 6), nn.Tanh(), nn.Dropout(0.3), nn.Linear(6, 3)))
    optimizer = optim.Adam(net.parameters(), learning_rate=1e-3)

    def step(data):
        x, y = data
        optimizer.zero_grad()
        output = net(x)
        found = loss(output, y)
        found.backward()
        optimizer.step()
        return {"loss": found, "mae": (y - output).abs().mean()}

    return Port(net, optimizer=optimizer, train_step=step)


plain__summed_wrong = partial(plain, partial(F.mse_loss, reduction="sum"))


def gan(judged=1, beta=0.5, turned=False, quiet=True, scale=0.05, times=1, label=0.0):
    judge = nn.Sequential(
        *(nn.Conv2d(2, 4, 4, 2, 1), nn.LeakyReLU(0.2), nn.Flatten(), nn.Dropout(0.2)),
        *(nn.Linear(4 * 3 * 4, 1), nn.Sigmoid()),
    )
    maker = nn.Sequential(
        *(nn.Linear(5, 24), Shaped(), nn.ConvTranspose2d(2, 3, 4, 2, 1), nn.LeakyReLU(0.2)),
        *(nn.Conv2d(3, 2, 5, padding=2), nn.Tanh()),
    )
    net = _initialised(Holder(discriminator=judge, generator=maker))
    d_optimizer = optim.Adam(judge.parameters(), learning_rate=1e-3)
    g_optimizer = optim.Adam(maker.parameters(), learning_rate=2e-3, beta_1=beta)

    def loss(told, labels):
        told = told.clamp(1e-7, 1 - 1e-7)
        return -(labels * told.log() + (1 - labels) * (1 - told).log()).mean()

    def step(real):
        if quiet:
            judge.eval()
        num = len(real)
        made = maker(torch.randn(num, 5)).detach()
        labels = torch.cat([torch.ones(num, 1), torch.zeros(num, 1)])
        labels = (1 - labels if turned else labels) + scale * torch.rand(labels.shape)
        d_loss = loss(judge(torch.cat([made, real])), labels)
        d_optimizer.zero_grad()
        d_loss.backward()
        for _ in range(judged):
            d_optimizer.step()
        g_loss = loss(judge(maker(torch.randn(num, 5))), torch.full((num, 1), label))
        g_optimizer.zero_grad()
        (times * g_loss).backward()
        g_optimizer.step()
        return {"d_loss": d_loss, "g_loss": g_loss}

    return Port(net, train_step=step)


gan__beta_wrong = partial(gan, beta=0.9)
gan__dropping_wrong = partial(gan, quiet=False)


class Encoder(nn.Module):
    def __init__(self, spread=0.5):
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3, 2)
        self.dense, self.mean, self.log_variance = (
            nn.Linear(36, 7),
            nn.Linear(7, 2),
            nn.Linear(7, 2),
        )
        self.spread = spread

    def forward(self, x):
        x = self.conv(F.pad(x, (0, 1, 0, 1))).relu()
        x = self.dense(x.movedim(1, -1).flatten(1)).relu()
        mean, log_variance = self.mean(x), self.log_variance(x)
        return (
            mean,
            log_variance,
            mean + (self.spread * log_variance).exp() * torch.randn_like(mean),
        )


def autoencoder(factor=1.0, reduced=torch.sum, spread=0.5, reported=1.0):
    decoder = nn.Sequential(
        *(nn.Linear(2, 24), nn.ReLU(), Shaped()),
        *(nn.ConvTranspose2d(2, 3, 3, 2, 0), Cropped(), nn.ReLU()),
        *(nn.ConvTranspose2d(3, 1, 3, padding=1), nn.Sigmoid()),
    )
    encoder = Encoder(spread)
    net = _initialised(Holder(encoder=encoder, decoder=decoder))
    optimizer = optim.Adam(net.parameters(), learning_rate=1e-3)

    def step(x):
        mean, log_variance, z = encoder(x)
        made = decoder(z).clamp(1e-7, 1 - 1e-7)
        wrong = -(x * made.log() + (1 - x) * (1 - made).log())
        reconstruction = wrong.flatten(1).sum(1).mean()
        kl = -0.5 * (1 + log_variance - mean**2 - log_variance.exp())
        kl = reduced(kl, 1).mean()
        loss = reconstruction + factor * kl
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return {"loss": loss, "reconstruction_loss": reconstruction, "kl_loss": reported * kl}

    return Port(net, optimizer=optimizer, train_step=step)


class Cropped(nn.Module):
    def forward(self, x):
        return x[:, :, :-1, :-1]


autoencoder__weighted_wrong = partial(autoencoder, factor=0.5)
