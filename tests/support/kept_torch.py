"""Ports of `kept_keras.py`: NAME or NAME__WAY is right, and NAME__WAY_wrong is not."""

import copy

import numpy as np
import torch
import torch.nn.functional as F
from steps_torch import Holder, _initialised
from torch import nn

from torch_impl import Port, layers, optim


def _network(norm):
    return nn.Sequential(
        *(nn.Conv2d(1, 3, 3), norm(), nn.ReLU(), nn.Flatten()),
        *(nn.Dropout(0.3), nn.Linear(36, 2)),
    )


class Rows(nn.Module):
    """Flattens an image in Keras's order."""

    def forward(self, x):
        return x.movedim(1, -1).flatten(1)


def _clipped_by_norm(parameters, limit):
    norm = torch.linalg.vector_norm(torch.stack([p.grad.norm() for p in parameters]))
    for parameter in parameters:
        parameter.grad.mul_(limit / norm.clamp(min=limit))


def mean_teacher(
    by="each",
    limit=0.05,
    kept=0.9,
    when="after",
    statistics=True,
    norm=lambda: layers.BatchNormalization(3),
    drops=False,
    deviation=np.std,
):
    images = 3 + 2 * np.random.default_rng(0).random((24, 5, 6, 1))
    mean, spread = images.mean(), deviation(images)  # numbers that no module holds
    student = _initialised(_network(norm))
    teacher = copy.deepcopy(student).requires_grad_(False)
    for slow, fast in zip(teacher, _initialised(_network(norm)), strict=True):
        slow.load_state_dict(fast.state_dict())
    net = Holder(student=student, teacher=teacher)
    optimizer = optim.SGD(student.parameters(), learning_rate=0.1)

    def clip():
        weights = list(student.parameters())
        if by == "each":
            for weight in weights:
                _clipped_by_norm([weight], limit)
        elif by == "together":
            _clipped_by_norm(weights, limit)
        elif by == "values":
            nn.utils.clip_grad_value_(weights, limit)

    @torch.no_grad()
    def follow():
        pairs = [*zip(teacher.parameters(), student.parameters(), strict=True)]
        if statistics:
            pairs += zip(teacher.buffers(), student.buffers(), strict=True)
        for slow, fast in pairs:
            if slow.is_floating_point():
                slow.mul_(kept).add_(fast, alpha=1 - kept)

    def step(data):
        x, y = data
        teacher.train(drops)
        x = (x - mean) / spread
        with torch.no_grad():
            taught = teacher(x)
        told = student(x)
        gap = F.mse_loss(told, taught)
        loss = F.mse_loss(told, y) + 0.5 * gap
        optimizer.zero_grad()
        loss.backward()
        clip()
        if when == "before":
            follow()
        optimizer.step()
        if when == "after":
            follow()
        return {"loss": loss, "gap": gap}

    return Port(net, train_step=step)


def mean_teacher__not_clipped_wrong():
    return mean_teacher(by="nothing")


def mean_teacher__clipped_together_wrong():
    return mean_teacher(by="together")


def mean_teacher__clipped_at_a_value_wrong():
    return mean_teacher(by="values", limit=0.02)


def mean_teacher__average_of_half_wrong():
    return mean_teacher(kept=0.5)


def mean_teacher__average_before_the_step_wrong():
    return mean_teacher(when="before")


def mean_teacher__no_average_wrong():
    return mean_teacher(when="never")


def mean_teacher__average_without_statistics_wrong():
    return mean_teacher(statistics=False)


def mean_teacher__unbiased_wrong():
    return mean_teacher(norm=lambda: nn.BatchNorm2d(3, eps=1e-3, momentum=0.01))


def mean_teacher__teacher_drops_wrong():
    return mean_teacher(drops=True)


def mean_teacher__variance_wrong():
    return mean_teacher(deviation=np.var)


def together():
    return mean_teacher(by="together", limit=0.5)


def together__not_clipped_wrong():
    return mean_teacher(by="nothing")


def together__larger_norm_wrong():
    return mean_teacher(by="together", limit=1.0)


def centred(place="buffer", share=0.2):
    net = Holder(encoder=_initialised(nn.Sequential(nn.Linear(4, 3))))
    if place == "buffer":
        net.register_buffer("center", torch.zeros(3))
    held = {"center": torch.zeros(3)}
    optimizer = optim.SGD(net.parameters(), learning_rate=0.1)

    def step(x):
        center = net.center if place == "buffer" else held["center"]
        made = net.encoder(x)
        loss = (made - center - 1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            moved = (1 - share) * center + share * made.mean(0)
            if place == "buffer":
                center.copy_(moved)
            held["center"] = moved
        return {"loss": loss}

    return Port(net, train_step=step)


def centred__elsewhere():
    return centred(place="closure")


def centred__share_wrong():
    return centred(place="closure", share=0.3)
