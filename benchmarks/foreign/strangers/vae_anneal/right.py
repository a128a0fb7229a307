"""Convolutional VAE; the weight of the KL term grows from step to step."""

import torch
from torch import nn
from torch.nn import functional as F

from torch_impl import Port, optim

from ..compat import clip_by_global_norm_, glorot_

LATENT_DIM = 3


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 3, stride=2)
        self.conv2 = nn.Conv2d(6, 8, 3, stride=2)
        self.fc = nn.Linear(2 * 2 * 8, 12)
        self.z_mean = nn.Linear(12, LATENT_DIM)
        self.z_log_var = nn.Linear(12, LATENT_DIM)

    def forward(self, x):
        x = F.relu(self.conv1(F.pad(x, (0, 1, 0, 1))))
        x = F.relu(self.conv2(F.pad(x, (0, 1, 0, 1))))
        x = F.relu(self.fc(x.permute(0, 2, 3, 1).flatten(1)))
        mean, log_var = self.z_mean(x), self.z_log_var(x)
        return mean, log_var, mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(LATENT_DIM, 2 * 2 * 8)
        self.up1 = nn.ConvTranspose2d(8, 8, 3, stride=2)
        self.up2 = nn.ConvTranspose2d(8, 6, 3, stride=2)
        self.last = nn.ConvTranspose2d(6, 1, 3, padding=1)

    def logits(self, z):
        x = F.relu(self.fc(z)).view(-1, 2, 2, 8).permute(0, 3, 1, 2)
        x = F.relu(self.up1(x)[..., :-1, :-1])  # 'same' crops the end
        x = F.relu(self.up2(x)[..., :-1, :-1])
        return self.last(x)

    def forward(self, z):
        return torch.sigmoid(self.logits(z))


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = Encoder()
        self.decoder = Decoder()
        self.register_buffer("kl_weight", torch.zeros(()))


def build():
    vae = glorot_(VAE())
    optimizer = optim.Adam(vae.parameters(), learning_rate=2e-3)

    def step(x):
        vae.kl_weight.add_(0.1).clamp_(max=1.0)
        mean, log_var, z = vae.encoder(x)
        logits = vae.decoder.logits(z)
        reconstruction = F.binary_cross_entropy_with_logits(logits, x, reduction="none")
        reconstruction = reconstruction.sum((1, 2, 3)).mean()
        kl = -0.5 * (1 + log_var - mean.square() - log_var.exp()).sum(1).mean()
        loss = reconstruction + vae.kl_weight * kl
        optimizer.zero_grad()
        loss.backward()
        clip_by_global_norm_(vae.parameters(), 5.0)
        optimizer.step()
        return {"loss": loss, "reconstruction_loss": reconstruction, "kl_loss": kl}

    return Port(vae, train_step=step, feed=lambda images: torch.from_numpy(images).movedim(-1, 1))
