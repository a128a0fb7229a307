"""Right ports of the models of `steps_keras.py`, and the ways in which `WRONG` changes them.

A port MODEL or MODEL__STYLE is right. The arguments of its factory are the plausible mistakes.
"""

import copy
import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.distributions import Normal, kl_divergence

from benchmarks.foreign.own_steps.data import diffusion_images
from benchmarks.foreign.own_steps.gans_torch import (
    cond_gan,
    cond_gan__trainer,
    cycle,
    cycle__lightning,
)
from benchmarks.foreign.own_steps.parts import clip_by_norm, initialised
from benchmarks.foreign.own_steps.table import WRONG
from torch_impl import Port, optim
from torch_impl.layers import BatchNormalization

CLASSES = 3
OPTIONS = {"mse": F.mse_loss, "rand": torch.rand_like}  # functions that a fault takes


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 5, 4, 2, 1), nn.Linear(80, 10)
        self.mean, self.log_var = nn.Linear(10, 3), nn.Linear(10, 3)

    def forward(self, x):
        x = F.relu(self.fc(F.relu(self.conv(x)).flatten(1)))
        return self.mean(x), self.log_var(x)


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.up = nn.Linear(3, 80), nn.ConvTranspose2d(5, 1, 4, 2, 1)

    def forward(self, z):
        return torch.sigmoid(self.up(F.relu(self.fc(z)).view(-1, 5, 4, 4)))


class Vae(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = Encoder(), Decoder()


def vae(weights=(1.0, 4.0), kl_mean=False, clip="norm", half=0.5, mean_bce=False):
    net = initialised(Vae())
    optimizer = optim.Adam(net.parameters(), learning_rate=1e-3)

    def step(x):
        mean, log_var = net.encoder(x)
        z = mean + torch.exp(half * log_var) * torch.randn_like(mean)
        bce = F.binary_cross_entropy(net.decoder(z), x, reduction="none")
        reconstruction = bce.mean() if mean_bce else bce.sum((1, 2, 3)).mean()
        kl = -0.5 * (1 + log_var - mean.square() - log_var.exp())
        kl = kl.mean() if kl_mean else kl.sum(1).mean()
        loss = weights[0] * reconstruction + weights[1] * kl
        optimizer.zero_grad()
        loss.backward()
        if clip == "norm":
            clip_by_norm(list(net.parameters()), 1.0)
        elif clip == "torch":
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        else:
            nn.utils.clip_grad_value_(net.parameters(), 1.0)
        optimizer.step()
        return {"loss": loss, "reconstruction": reconstruction, "kl": kl}

    return Port(net, train_step=step)


def vae__distributions():
    """With torch.distributions."""
    net = initialised(Vae())
    optimizer = optim.Adam(net.parameters(), learning_rate=1e-3)

    def step(x):
        optimizer.zero_grad()
        mean, log_var = net.encoder(x)
        posterior = Normal(mean, torch.exp(log_var / 2))
        decoded = net.decoder(posterior.rsample())
        reconstruction = F.binary_cross_entropy(decoded, x, reduction="sum") / x.shape[0]
        prior = Normal(torch.zeros_like(mean), torch.ones_like(mean))
        kl = kl_divergence(posterior, prior).sum(-1).mean()
        elbo = -(reconstruction + 4.0 * kl)
        (-elbo).backward()
        clip_by_norm(list(net.parameters()), 1.0)
        optimizer.step()
        return {"loss": -elbo, "reconstruction": reconstruction, "kl": kl}

    return Port(net, train_step=step)


class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.inp = nn.Conv2d(3, 6, 1)
        self.norm = BatchNormalization(14, center=False, scale=False)
        self.conv1 = nn.Conv2d(14, 14, 3, padding=1)
        self.conv2 = nn.Conv2d(14, 14, 3, padding=1)
        self.out = nn.Conv2d(14, 3, 1)

    def forward(self, noisy, variances):
        speeds = 2 * math.pi * torch.exp(torch.linspace(0, math.log(100), 4)).view(1, 4, 1, 1)
        angles = speeds * variances
        e = torch.cat([angles.sin(), angles.cos()], 1).expand(-1, -1, 4, 4)
        x = torch.cat([self.inp(noisy), e], 1)
        y = self.conv2(F.silu(self.conv1(self.norm(x))))
        return self.out(x + y)


class Diffusion(nn.Module):
    def __init__(self):
        super().__init__()
        self.network = initialised(Denoiser())
        nn.init.zeros_(self.network.out.weight)
        self.ema_network = copy.deepcopy(self.network).requires_grad_(False)
        images = torch.from_numpy(diffusion_images())
        self.register_buffer("mean", images.mean((0, 1, 2)).view(1, 3, 1, 1))
        self.register_buffer("std", images.std((0, 1, 2), unbiased=False).view(1, 3, 1, 1))

    def noised(self, images, noises, times):
        start, end = math.acos(0.95), math.acos(0.02)
        angles = start + times * (end - start)
        return angles.cos() * images + angles.sin() * noises, angles.sin(), angles.cos()


def diffusion(
    decay=0.99,
    summed=True,
    draw=torch.randn_like,
    power=2,
    epsilon=1e-7,
    weight_decay=1e-4,
    buffers=True,
):
    net = Diffusion()
    optimizer = optim.AdamW(
        net.network.parameters(), 1e-3, weight_decay=weight_decay, epsilon=epsilon
    )

    def step(images):
        images = (images - net.mean) / net.std
        noises = draw(images)
        times = torch.rand(len(images), 1, 1, 1)
        noisy, noise_rates, signal_rates = net.noised(images, noises, times)
        pred_noises = net.network(noisy, noise_rates**power)
        pred_images = (noisy - noise_rates * pred_noises) / signal_rates
        noise_loss = (noises - pred_noises).abs().mean(1)  # Keras sums its gradients over pixels
        image_loss = F.l1_loss(pred_images, images)
        optimizer.zero_grad()
        (noise_loss.sum() if summed else noise_loss.mean()).backward()
        optimizer.step()
        with torch.no_grad():
            for w, e in zip(net.network.parameters(), net.ema_network.parameters()):
                e.copy_(decay * e + (1 - decay) * w)
            if buffers:
                for w, e in zip(net.network.buffers(), net.ema_network.buffers()):
                    if w.is_floating_point():
                        e.copy_(decay * e + (1 - decay) * w)
        return {"n_loss": noise_loss.mean(), "i_loss": image_loss}

    return Port(net, train_step=step)


class DiffusionTrainer:
    """Methods for the parts of the step, and an EMA by `lerp_`."""

    def __init__(self, model):
        self.model, self.ema = model, model.ema_network
        self.optimizer = optim.AdamW(model.network.parameters(), 1e-3, weight_decay=1e-4)

    def forward_process(self, images):
        noise = torch.empty_like(images).normal_()
        t = torch.empty(images.shape[0], 1, 1, 1).uniform_()
        return noise, *self.model.noised(images, noise, t)

    def update_ema(self):
        source, ema = self.model.network.state_dict(), self.ema.state_dict()
        for name, value in ema.items():
            if value.dtype.is_floating_point:
                value.lerp_(source[name], 0.01)

    def train_step(self, images):
        images = images.sub(self.model.mean).div(self.model.std)
        noise, noisy, sigma, alpha = self.forward_process(images)
        predicted = self.model.network(noisy, sigma.square())
        restored = (noisy - sigma * predicted) / alpha
        loss = F.l1_loss(predicted, noise, reduction="sum") / 3
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.update_ema()
        pixels = noise.numel() / 3
        return {"n_loss": loss.item() / pixels, "i_loss": (restored - images).abs().mean().item()}


def diffusion__trainer():
    model = Diffusion()
    return Port(model, train_step=DiffusionTrainer(model).train_step)


def byol_encoder():
    return nn.Sequential(
        nn.Linear(10, 12), nn.GELU(), nn.LayerNorm(12, eps=1e-3), nn.Dropout(0.2), nn.Linear(12, 4)
    )


class ByolNetworks(nn.Module):
    def __init__(self):
        super().__init__()
        self.online = initialised(byol_encoder())
        self.target = copy.deepcopy(self.online).requires_grad_(False)
        self.predictor = initialised(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4)))


def byol(
    tau=0.95,
    noise=0.1,
    ema_first=False,
    target_eval=False,
    eval_in_step=False,
    crossed=True,
    with_predictor=True,
):
    net = ByolNetworks()
    weights = [*net.online.parameters(), *(net.predictor.parameters() if with_predictor else ())]
    optimizer = optim.Adam(weights, learning_rate=2e-3)
    if target_eval:
        net.target.eval()

    def regression(p, z):
        return 2 - 2 * F.cosine_similarity(p, z, dim=-1)

    @torch.no_grad()
    def update_target():
        for w, t in zip(net.online.parameters(), net.target.parameters()):
            t.mul_(tau).add_(w, alpha=1 - tau)

    def step(x):
        if eval_in_step:
            net.target.eval()
        one, two = x + noise * torch.randn_like(x), x + noise * torch.randn_like(x)
        with torch.no_grad():
            z_one, z_two = net.target(one), net.target(two)
        p_one, p_two = net.predictor(net.online(one)), net.predictor(net.online(two))
        if crossed:
            z_one, z_two = z_two, z_one
        loss = (regression(p_one, z_one) + regression(p_two, z_two)).mean()
        if ema_first:
            update_target()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if not ema_first:
            update_target()
        return {"loss": loss}

    return Port(net, train_step=step)


def byol_frozen():
    """The teacher is put into eval mode once, where it is made."""
    return byol(target_eval=True)


def byol_frozen__in_step():
    """The teacher is put into eval mode in each step."""
    return byol(eval_in_step=True)


def byol__functional():
    """With normalised vectors and losses as functions; gradients by autograd.grad."""
    net = ByolNetworks()
    weights = [*net.online.parameters(), *net.predictor.parameters()]
    optimizer = optim.Adam(weights, learning_rate=2e-3)

    def distance(a, b):
        return (F.normalize(a, dim=-1) - F.normalize(b, dim=-1)).square().sum(-1).mean()

    def step(x):
        views = [x + 0.1 * torch.randn(x.shape) for _ in range(2)]
        targets = [net.target(view).detach() for view in views]
        online = [net.predictor(net.online(view)) for view in views]
        loss = distance(online[0], targets[1]) + distance(online[1], targets[0])
        for weight, grad in zip(weights, torch.autograd.grad(loss, weights)):
            weight.grad = grad
        optimizer.step()
        ema = list(net.target.parameters())
        torch._foreach_lerp_(ema, list(net.online.parameters()), 0.05)
        return {"loss": loss.detach()}

    return Port(net, train_step=step)


def fgsm_network():
    return nn.Sequential(
        nn.Conv2d(1, 5, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(45, CLASSES),
    )


def fgsm(
    smoothing=0.1, epsilon=0.05, zero_grad=True, clip="each", attack_train=False, hard_weight=0.3
):
    net = initialised(fgsm_network())
    optimizer = optim.SGD(net.parameters(), learning_rate=0.05, momentum=0.9, nesterov=True)
    loss_fn = nn.CrossEntropyLoss(label_smoothing=smoothing)

    def step(batch):
        x, y = batch
        y = y.long()
        net.train(attack_train)
        x = x.clone().requires_grad_()
        optimizer.zero_grad()
        loss_fn(net(x), y).backward()
        attacked = (x + epsilon * x.grad.sign()).clamp(0, 1).detach()
        net.train()
        if zero_grad:
            optimizer.zero_grad()
        clean, hard = loss_fn(net(x.detach()), y), loss_fn(net(attacked), y)
        loss = (1 - hard_weight) * clean + hard_weight * hard
        loss.backward()
        if clip == "each":
            for weight in net.parameters():
                clip_by_norm([weight], 0.2)
        else:
            clip_by_norm(list(net.parameters()), 0.2)
        optimizer.step()
        return {"loss": loss, "clean": clean, "hard": hard}

    return Port(net, train_step=step)


def fgsm__functional():
    """The attack by torch.func, and smoothed targets by hand."""
    net = initialised(fgsm_network())
    optimizer = optim.SGD(net.parameters(), learning_rate=0.05, momentum=0.9, nesterov=True)

    def loss_of(x, targets):
        return -(targets * net(x).log_softmax(1)).sum(1).mean()

    def step(batch):
        x, y = batch
        targets = F.one_hot(y.long(), CLASSES) * 0.9 + 0.1 / CLASSES
        net.eval()
        direction = torch.func.grad(loss_of)(x, targets).sign()
        net.train()
        clean = loss_of(x, targets)
        hard = loss_of(torch.clip(x + 0.05 * direction, 0, 1), targets)
        loss = 0.7 * clean + 0.3 * hard
        grads = torch.autograd.grad(loss, list(net.parameters()))
        for weight, grad in zip(net.parameters(), grads):
            weight.grad = grad * (0.2 / grad.norm()).clamp(max=1.0)
        optimizer.step()
        return {"loss": loss, "clean": clean, "hard": hard}

    return Port(net, train_step=step)


def accumulate(every=2, divide=True, zero_grad=True):
    net = initialised(nn.Sequential(nn.Linear(7, 9), nn.Tanh(), nn.Linear(9, 2)))
    optimizer = optim.Adam(net.parameters(), learning_rate=1e-2)
    n_step = 0

    def step(batch):
        nonlocal n_step
        x, y = batch
        loss = F.huber_loss(net(x), y, delta=0.5)
        (loss / 2 if divide else loss).backward()
        n_step += 1
        if n_step % every == 0:
            optimizer.step()
            if zero_grad:
                optimizer.zero_grad()
        return {"loss": loss}

    return Port(net, train_step=step)


def __getattr__(name):
    """The factory of a wrong port: `parity check` finds it as it does any other."""
    if name not in WRONG:
        raise AttributeError(name)
    wrong = WRONG[name]
    arguments = {
        key: OPTIONS.get(value, value) if isinstance(value, str) else value
        for key, value in wrong.arguments.items()
    }
    return lambda: globals()[wrong.model](**arguments)
