"""Conditional GAN of small images."""

import torch
from torch import nn
from torch.nn import functional as F

from torch_impl import Port

from ..compat import KerasAdam, glorot_

NUM_CLASSES, IMAGE_SIZE, LATENT_DIM = 4, 8, 6


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1 + NUM_CLASSES, 8, 3, stride=2)
        self.conv2 = nn.Conv2d(8, 12, 3, stride=2)
        self.fc = nn.Linear(12, 1)

    def forward(self, x):
        x = F.leaky_relu(self.conv1(F.pad(x, (0, 1, 0, 1))), 0.2)
        x = F.leaky_relu(self.conv2(F.pad(x, (0, 1, 0, 1))), 0.2)
        return self.fc(x.amax((2, 3)))


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        width = LATENT_DIM + NUM_CLASSES
        self.fc = nn.Linear(width, 4 * width)
        self.up1 = nn.ConvTranspose2d(width, 8, 4, stride=2, padding=1)
        self.up2 = nn.ConvTranspose2d(8, 6, 4, stride=2, padding=1)
        self.last = nn.Conv2d(6, 1, 5, padding=2)

    def forward(self, z):
        x = F.leaky_relu(self.fc(z), 0.2)
        x = x.unflatten(1, (2, 2, -1)).permute(0, 3, 1, 2)
        x = F.leaky_relu(self.up1(x), 0.2)
        x = F.leaky_relu(self.up2(x), 0.2)
        return torch.sigmoid(self.last(x))


class ConditionalGAN(nn.Module):
    def __init__(self):
        super().__init__()
        self.discriminator = Discriminator()
        self.generator = Generator()


def build():
    net = glorot_(ConditionalGAN())
    d_optimizer = KerasAdam(net.discriminator.parameters(), lr=3e-4, betas=(0.5, 0.999))
    g_optimizer = KerasAdam(net.generator.parameters(), lr=2e-4, betas=(0.5, 0.999))

    def step(data):
        real, one_hot = data
        n = len(real)
        planes = one_hot[:, :, None, None].expand(-1, -1, IMAGE_SIZE, IMAGE_SIZE)

        noise = torch.randn(n, LATENT_DIM)
        fake = net.generator(torch.cat([noise, one_hot], 1)).detach()
        combined = torch.cat([torch.cat([fake, planes], 1), torch.cat([real, planes], 1)])
        labels = torch.cat([torch.ones(n, 1), torch.zeros(n, 1)])
        labels = labels + 0.05 * torch.rand(2 * n, 1)
        d_loss = F.binary_cross_entropy_with_logits(net.discriminator(combined), labels)
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()

        noise = torch.randn(n, LATENT_DIM)
        fake = net.generator(torch.cat([noise, one_hot], 1))
        verdict = net.discriminator(torch.cat([fake, planes], 1))
        g_loss = F.binary_cross_entropy_with_logits(verdict, torch.zeros(n, 1))
        g_optimizer.zero_grad()
        g_loss.backward()
        g_optimizer.step()
        return {"g_loss": g_loss, "d_loss": d_loss}

    return Port(net, train_step=step, feed=lambda images: torch.from_numpy(images).movedim(-1, 1))
