"""Right ports of `gans_keras.py`; the arguments of their factories are the plausible mistakes."""

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.foreign.own_steps.parts import initialised
from torch_impl import Port, optim
from torch_impl.layers import BatchNormalization

SIZE, CLASSES, LATENT = 8, 3, 6


class GanNetworks(nn.Module):
    def __init__(self, variance="keras"):
        super().__init__()
        self.discriminator = nn.Sequential(
            nn.Conv2d(1 + CLASSES, 6, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(6, 8, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.AdaptiveMaxPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 1),
        )
        self.generator = nn.Sequential(
            nn.Linear(LATENT + CLASSES, 2 * 2 * 8),
            nn.LeakyReLU(0.2),
            nn.Unflatten(1, (8, 2, 2)),
            nn.ConvTranspose2d(8, 6, 4, 2, 1, bias=False),
            BatchNormalization(6) if variance == "keras" else nn.BatchNorm2d(6, 1e-3, 0.01),
            nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(6, 4, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(4, 1, 5, padding=2),
            nn.Sigmoid(),
        )


def planes_of(labels):
    return labels[:, :, None, None].expand(-1, -1, SIZE, SIZE)


def cond_gan(
    detach=True,
    sign=1.0,
    g_beta=0.5,
    generator_first=False,
    eval_mode=False,
    eval_in_step=False,
    together=False,
    variance="keras",
):
    net = initialised(GanNetworks(variance))
    d_weights = net.parameters() if together else net.discriminator.parameters()
    d_optimizer = optim.Adam(d_weights, learning_rate=3e-4, beta_1=0.5)
    g_optimizer = optim.Adam(net.generator.parameters(), learning_rate=5e-4, beta_1=g_beta)
    if together:
        g_optimizer = d_optimizer
    loss_fn = nn.BCEWithLogitsLoss()
    if eval_mode:
        net.generator.eval()

    def d_step(real, labels):
        noise = torch.randn(len(real), LATENT)
        fake = net.generator(torch.cat([noise, labels], 1))
        fake = fake.detach() if detach else fake
        planes = planes_of(labels)
        combined = torch.cat([torch.cat([fake, planes], 1), torch.cat([real, planes], 1)])
        is_fake = torch.cat([torch.ones(len(real), 1), torch.zeros(len(real), 1)])
        is_fake = is_fake + sign * 0.05 * torch.rand(len(is_fake), 1)
        d_loss = loss_fn(net.discriminator(combined), is_fake)
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()
        return d_loss

    def g_step(real, labels):
        noise = torch.randn(len(real), LATENT)
        fake = net.generator(torch.cat([noise, labels], 1))
        judged = net.discriminator(torch.cat([fake, planes_of(labels)], 1))
        g_loss = loss_fn(judged, torch.zeros_like(judged))
        if detach:
            g_optimizer.zero_grad()
        g_loss.backward()
        g_optimizer.step()
        return g_loss

    def step(batch):
        if eval_in_step:
            net.generator.eval()
        if not detach:
            g_optimizer.zero_grad()
        if generator_first:
            g_loss = g_step(*batch)
            return {"g_loss": g_loss, "d_loss": d_step(*batch)}
        d_loss = d_step(*batch)
        return {"g_loss": g_step(*batch), "d_loss": d_loss}

    return Port(net, train_step=step)


class GanTrainer:
    """D(fake) and D(real) apart, and weights that do not train are switched off."""

    def __init__(self, generator, discriminator):
        self.netG, self.netD = generator, discriminator
        self.optG = optim.Adam(generator.parameters(), learning_rate=5e-4, beta_1=0.5)
        self.optD = optim.Adam(discriminator.parameters(), learning_rate=3e-4, beta_1=0.5)

    def sample(self, labels):
        return self.netG(torch.cat([torch.randn(labels.size(0), LATENT), labels], dim=1))

    def train_discriminator(self, real, labels):
        with torch.no_grad():
            fake = self.sample(labels)
        noise = 0.05 * torch.rand(2 * len(real), 1)
        noise_fake, noise_real = noise.chunk(2)
        on_fake = self.netD(torch.cat([fake, planes_of(labels)], 1))
        on_real = self.netD(torch.cat([real, planes_of(labels)], 1))
        loss = F.binary_cross_entropy_with_logits(on_fake, 1 + noise_fake)
        loss = (loss + F.binary_cross_entropy_with_logits(on_real, noise_real)) / 2
        self.optD.zero_grad(set_to_none=True)
        loss.backward()
        self.optD.step()
        return loss.item()

    def train_generator(self, labels):
        self.netD.requires_grad_(False)
        loss = F.softplus(self.netD(torch.cat([self.sample(labels), planes_of(labels)], 1))).mean()
        self.optG.zero_grad(set_to_none=True)
        loss.backward()
        self.optG.step()
        self.netD.requires_grad_(True)
        return loss.item()

    def __call__(self, batch):
        real, labels = batch
        d_loss = self.train_discriminator(real, labels)
        return {"d_loss": d_loss, "g_loss": self.train_generator(labels)}


def cond_gan__trainer():
    nets = initialised(GanNetworks())
    return Port(nets, train_step=GanTrainer(nets.generator, nets.discriminator))


def channels_first(images):
    """The images of the other domain come as targets."""
    return torch.from_numpy(images).movedim(-1, 1)


class CycleGenerator(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 6, 3, padding=1, bias=False)
        self.norm1 = nn.InstanceNorm2d(6, eps=1e-3, affine=True)
        self.conv2 = nn.Conv2d(6, 6, 3, padding=1, bias=False)
        self.norm2 = nn.InstanceNorm2d(6, eps=1e-3, affine=True)
        self.out = nn.Conv2d(6, 2, 3, padding=1)

    def forward(self, x):
        x = F.relu(self.norm1(self.conv1(x)))
        return torch.tanh(self.out(x + F.relu(self.norm2(self.conv2(x)))))


def cycle_discriminator():
    return nn.Sequential(
        nn.Conv2d(2, 5, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(5, 7, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(7, 1, 3, padding=1),
    )


class CycleNetworks(nn.Module):
    def __init__(self):
        super().__init__()
        self.gen_g, self.gen_f = CycleGenerator(), CycleGenerator()
        self.disc_x, self.disc_y = cycle_discriminator(), cycle_discriminator()


def cycle(identity=0.5, halved=True, discriminators_first=False, cycle_loss=F.l1_loss, real=1.0):
    net = initialised(CycleNetworks())
    networks = [net.gen_g, net.gen_f, net.disc_x, net.disc_y]
    optimizers = [optim.Adam(n.parameters(), learning_rate=2e-4, beta_1=0.5) for n in networks]

    def judged(out, value):
        return F.mse_loss(out, torch.full_like(out, value))

    def disc_loss(disc, true, fake):
        loss = judged(disc(true), 1.0) + judged(disc(fake.detach()), 0.0)
        return 0.5 * loss if halved else loss

    def update(loss, parts):
        for optimizer in parts:
            optimizer.zero_grad()
        loss.backward()
        return parts

    def step(batch):
        x, y = batch
        fake_y, fake_x = net.gen_g(x), net.gen_f(y)
        x_loss, y_loss = disc_loss(net.disc_x, x, fake_x), disc_loss(net.disc_y, y, fake_y)
        if discriminators_first:
            for optimizer in update(x_loss + y_loss, optimizers[2:]):
                optimizer.step()
        g_loss = judged(net.disc_y(fake_y), real)
        f_loss = judged(net.disc_x(fake_x), real)
        cycled_x, cycled_y = net.gen_f(fake_y), net.gen_g(fake_x)
        weight = 10.0 * identity
        own_g = 10.0 * cycle_loss(cycled_y, y) + weight * F.l1_loss(net.gen_g(y), y)
        own_f = 10.0 * cycle_loss(cycled_x, x) + weight * F.l1_loss(net.gen_f(x), x)
        g_loss, f_loss = g_loss + own_g, f_loss + own_f
        # Each generator learns from its own total alone: the cycles pass through both.
        g_grads = torch.autograd.grad(g_loss, list(net.gen_g.parameters()), retain_graph=True)
        f_grads = torch.autograd.grad(f_loss, list(net.gen_f.parameters()))
        if not discriminators_first:
            for optimizer in update(x_loss + y_loss, optimizers[2:]):
                optimizer.step()
        for network, grads in ((net.gen_g, g_grads), (net.gen_f, f_grads)):
            for weight, grad in zip(network.parameters(), grads):
                weight.grad = grad
        for optimizer in optimizers[:2]:
            optimizer.step()
        return {"G_loss": g_loss, "F_loss": f_loss, "D_X_loss": x_loss, "D_Y_loss": y_loss}

    return Port(net, train_step=step, target=channels_first)


class LitCycle(nn.Module):
    """As a LightningModule with manual optimization."""

    def __init__(self):
        super().__init__()
        self.gen_g, self.gen_f = CycleGenerator(), CycleGenerator()
        self.disc_x, self.disc_y = cycle_discriminator(), cycle_discriminator()

    def configure_optimizers(self):
        return [
            optim.Adam(part.parameters(), learning_rate=2e-4, beta_1=0.5)
            for part in (self.gen_g, self.gen_f, self.disc_x, self.disc_y)
        ]

    def losses(self, x, y):
        fake_y, fake_x = self.gen_g(x), self.gen_f(y)
        cycled_x, cycled_y = self.gen_f(fake_y), self.gen_g(fake_x)
        same_x, same_y = self.gen_f(x), self.gen_g(y)
        on_x, on_fake_x = self.disc_x(x), self.disc_x(fake_x)
        on_y, on_fake_y = self.disc_y(y), self.disc_y(fake_y)
        return {
            "G_loss": ((on_fake_y - 1) ** 2).mean()
            + 10 * (y - cycled_y).abs().mean()
            + 5 * (y - same_y).abs().mean(),
            "F_loss": ((on_fake_x - 1) ** 2).mean()
            + 10 * (x - cycled_x).abs().mean()
            + 5 * (x - same_x).abs().mean(),
            "D_X_loss": (((on_x - 1) ** 2).mean() + (on_fake_x**2).mean()) / 2,
            "D_Y_loss": (((on_y - 1) ** 2).mean() + (on_fake_y**2).mean()) / 2,
        }

    def training_step(self, batch):
        losses = self.losses(*batch)
        parts = (self.gen_g, self.gen_f, self.disc_x, self.disc_y)
        for loss, part in zip(losses.values(), parts):
            loss.backward(retain_graph=True, inputs=list(part.parameters()))
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        return {name: loss.detach() for name, loss in losses.items()}


def cycle__lightning():
    module = initialised(LitCycle())
    module.optimizers = module.configure_optimizers()
    return Port(module, train_step=module.training_step, target=channels_first)
