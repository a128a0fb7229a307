"""Ports of `steps_keras.py`: NAME or NAME__WAY is right, and NAME__WAY_wrong is not."""

import torch
import torch.nn.functional as F
from torch import nn

from torch_impl import Port, layers, optim


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


def plain__summed_wrong():
    return plain(lambda output, y: F.mse_loss(output, y, reduction="sum"))


def clipped(limit="global_clipnorm", before=None, optimizer=optim.Adam):
    net = _initialised(nn.Sequential(nn.Linear(7, 6), nn.Tanh(), nn.Linear(6, 3)))
    optimizer = optimizer(net.parameters(), **({limit: 0.1} if before is None else {}))

    def step(data):
        x, y = data
        optimizer.zero_grad()
        loss = F.mse_loss(net(x), y)
        loss.backward()
        if before is not None:
            before(list(net.parameters()))
        optimizer.step()
        return {"loss": loss}

    return Port(net, train_step=step)


def _clip_together(parameters, limit=0.1):
    norm = torch.stack([p.grad.square().sum() for p in parameters]).sum().sqrt()
    for parameter in parameters:
        parameter.grad.mul_(min(1.0, limit / float(norm)))


class ExactAdam(torch.optim.Optimizer):
    """Keras's Adam with the betas as they are written, not rounded to float32."""

    def __init__(self, parameters):
        super().__init__(parameters, {})

    @torch.no_grad()
    def step(self):
        for parameter in self.param_groups[0]["params"]:
            state = self.state[parameter]
            if not state:
                state |= {
                    "t": 0,
                    "m": torch.zeros_like(parameter),
                    "v": torch.zeros_like(parameter),
                }
            state["t"] += 1
            state["m"].lerp_(parameter.grad, 0.1)
            state["v"].lerp_(parameter.grad.square(), 0.001)
            rate = 1e-3 * (1 - 0.999 ** state["t"]) ** 0.5 / (1 - 0.9 ** state["t"])
            parameter.sub_(rate * state["m"] / (state["v"].sqrt() + 1e-7))


def clipped__before_the_step():
    return clipped(before=_clip_together)


def clipped__exact_betas():
    return clipped(before=_clip_together, optimizer=ExactAdam)


def clipped__each_wrong():
    return clipped("clipnorm")


def clipped__not_wrong():
    return clipped(before=lambda parameters: None)


def plain__kept_wrong():
    port = plain()
    port.optimizer.zero_grad = lambda: None
    return port


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


def gan__judged_twice_wrong():
    return gan(judged=2)


def gan__beta_wrong():
    return gan(beta=0.9)


def gan__labels_wrong():
    return gan(turned=True)


def gan__dropping_wrong():
    return gan(quiet=False)


def gan__noise_of_labels_wrong():
    return gan(scale=0.5)


def gan__twice_the_loss_wrong():
    return gan(times=2)


def gan__not_misled_wrong():
    return gan(label=1.0)


def wasserstein(steps=3, weight=10.0, root=True, mode=True, parameters="critic"):
    critic = nn.Sequential(
        *(nn.ZeroPad2d((1, 2, 1, 2)), nn.Conv2d(2, 3, 5, 2), nn.LeakyReLU(0.2), nn.Flatten()),
        nn.Linear(3 * 3 * 4, 1),
    )
    maker = nn.Sequential(
        *(nn.Linear(5, 24, bias=False), layers.BatchNormalization(24)),
        *(nn.LeakyReLU(0.2), Shaped(), nn.Upsample(scale_factor=2), nn.Conv2d(2, 2, 3, padding=1)),
    )
    net = _initialised(Holder(critic=critic, generator=maker))
    moved = critic if parameters == "critic" else net
    c_optimizer = optim.Adam(moved.parameters(), learning_rate=2e-4, beta_1=0.5, beta_2=0.9)
    g_optimizer = optim.Adam(maker.parameters(), learning_rate=2e-4, beta_1=0.5, beta_2=0.9)

    def penalty(real, made):
        share = torch.rand(len(real), 1, 1, 1)
        between = (real + share * (made - real)).detach().requires_grad_()
        (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        squares = slope.flatten(1).square().sum(1)
        return ((squares.sqrt() if root else squares) - 1).square().mean()

    def step(real):
        net.train(mode)
        for _ in range(steps):
            made = maker(torch.randn(len(real), 5))
            if parameters == "critic":
                made = made.detach()
            c_loss = critic(made).mean() - critic(real).mean() + weight * penalty(real, made)
            c_optimizer.zero_grad()
            c_loss.backward()
            c_optimizer.step()
        g_loss = -critic(maker(torch.randn(len(real), 5))).mean()
        g_optimizer.zero_grad()
        g_loss.backward()
        g_optimizer.step()
        return {"c_loss": c_loss, "g_loss": g_loss}

    return Port(net, train_step=step)


def wasserstein__five_steps_wrong():
    return wasserstein(steps=5)


def wasserstein__penalty_wrong():
    return wasserstein(weight=1.0)


def wasserstein__no_root_wrong():
    return wasserstein(root=False)


def wasserstein__eval_mode_wrong():
    return wasserstein(mode=False)


def wasserstein__all_moved_wrong():
    return wasserstein(parameters="all")


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


def autoencoder__weighted_wrong():
    return autoencoder(factor=0.5)


def autoencoder__mean_wrong():
    return autoencoder(reduced=torch.mean)


def autoencoder__variance_wrong():
    return autoencoder(spread=1.0)


def autoencoder__told_twice_wrong():
    return autoencoder(reported=2.0)


def distiller(temperature=4, share=0.1, squared=True, teaching=False):
    def net(width):
        return nn.Sequential(
            *(
                nn.Conv2d(2, width, 3, 2),
                layers.BatchNormalization(width),
                nn.LeakyReLU(0.2),
                nn.Flatten(),
            ),
            *(nn.Dropout(0.3), nn.Linear(12 * width, 4)),
        )

    both = _initialised(Holder(student=net(2), teacher=net(5)))
    optimizer = optim.Adam(both.student.parameters(), learning_rate=1e-3)

    def step(data):
        x, y = data
        both.student.train()
        both.teacher.train(teaching)
        with torch.no_grad():
            taught = F.softmax(both.teacher(x) / temperature, 1)
        told = both.student(x)
        hard = F.cross_entropy(told, y)
        soft = F.kl_div(F.log_softmax(told / temperature, 1), taught, reduction="batchmean")
        factor = temperature**2 if squared else 1
        loss = share * hard + (1 - share) * soft * factor
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return {"student_loss": hard, "distillation_loss": soft}

    return Port(both, optimizer=optimizer, train_step=step, target=torch.from_numpy)


def distiller__not_squared_wrong():
    return distiller(squared=False)


def distiller__temperature_wrong():
    return distiller(temperature=2)


def distiller__shares_wrong():
    return distiller(share=0.9)


def distiller__teacher_trains_wrong():
    return distiller(teaching=True)


def siamese(stopped=True, axis=1, momentum=0.6, halved=True):
    encoder = nn.Sequential(
        *(
            nn.Conv2d(3, 5, 3),
            nn.ReLU(),
            layers.BatchNormalization(5),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        ),
        nn.Linear(5, 6),
    )
    predictor = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 6))
    net = _initialised(Holder(encoder=encoder, predictor=predictor))
    optimizer = optim.SGD(net.parameters(), learning_rate=0.05, momentum=momentum)

    def likeness(p, z):
        return -F.cosine_similarity(p, z.detach() if stopped else z, dim=axis).mean()

    def step(data):
        encoder.eval()  # Keras's step does not say that it trains
        some, others = map(encoder, data)
        loss = likeness(predictor(some), others) + likeness(predictor(others), some)
        loss = loss / 2 if halved else loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return {"loss": loss}

    return Port(net, train_step=step, target=lambda y: torch.from_numpy(y).movedim(-1, 1))


def siamese__not_stopped_wrong():
    return siamese(stopped=False)


def siamese__axis_wrong():
    return siamese(axis=0)


def siamese__momentum_wrong():
    return siamese(momentum=0.9)


def siamese__summed_wrong():
    return siamese(halved=False)
