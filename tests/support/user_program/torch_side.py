"""Its port by hand, and ports with one fault that only a whole training shows."""

import dataclasses

import torch
from torch import nn

from torch_impl import Port, optim, schedule
from torch_impl.losses import SparseCategoricalCrossentropy

CLASS_WEIGHT = {0: 0.5, 1: 2.0}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(6, 8)
        self.dropout = nn.Dropout(0.25)
        self.out = nn.Linear(8, 3)
        for layer in (self.hidden, self.out):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        return self.out(self.dropout(torch.tanh(self.hidden(x))))


def build(patience=2, restores=True, **changes):
    net = Net()
    criterion = SparseCategoricalCrossentropy(from_logits=True)

    def loss(output, target, sample_weight=None):
        penalty = 0.01 * (net.hidden.weight**2).sum()
        return criterion(output, target, sample_weight) + penalty

    optimizer = optim.Adam(net.parameters(), learning_rate=0.05)
    stopping = schedule.EarlyStopping(net, patience=5, restore_best_weights=restores)
    return Port(
        net,
        **{
            "loss": loss,
            "optimizer": optimizer,
            "class_weight": CLASS_WEIGHT,
            "metrics": ["accuracy"],
            "scheduler": schedule.ReduceLROnPlateau(optimizer, factor=0.3, patience=patience),
            "early_stopping": stopping,
            **changes,
        },
    )


def plain():
    """For the compiled model alone."""
    return build(class_weight=None, scheduler=None, early_stopping=None)


def weighted_validation():
    port = build()
    weights = torch.tensor([0.5, 2.0, 1.0])

    def loss(output, target):
        return port.loss(output, target, sample_weight=weights[target].to(output))

    return dataclasses.replace(port, loss=loss, validation_loss=loss, class_weight=None)


def not_restored():
    return build(restores=False)


def late_cut():
    return build(patience=3)


def other_metric():
    def accuracy(output, target):
        return (output.topk(2, dim=1).indices == target[:, None]).any(1)

    return build(metrics=[accuracy])


class Freezes:
    """Stops to train the last layer from the fourth epoch on."""

    def __init__(self, module):
        self.module = module

    def on_epoch_begin(self, epoch):
        self.module.out.weight.requires_grad_(epoch < 3)

    def step(self):
        pass


def frozen_midway():
    port = build()
    return dataclasses.replace(port, scheduler=(port.scheduler, Freezes(port.module)))


def own_loop(drops=False, means_of_batches=False):
    """The loop of a training script."""
    port = build()
    weights = torch.tensor([0.5, 2.0, 1.0])

    def numbers(batches, *, trains):
        total = count = hits = num = 0
        for x, y, *_ in batches:
            output = port.module(x)
            weight = weights[y].to(output) if trains else None
            loss = port.loss(output, y, sample_weight=weight)
            if trains:
                port.optimizer.zero_grad()
                loss.backward()
                port.optimizer.step()
            n = 1 if means_of_batches else len(y)
            total, count = total + loss.item() * n, count + n
            hits, num = hits + int((output.argmax(1) == y).sum()), num + len(y)
        return {"loss": total / count, "accuracy": hits / num}

    def train_epoch(batches):
        batches = list(batches)
        return numbers(batches[:-1] if drops else batches, trains=True)

    @torch.no_grad()
    def evaluate(batches):
        return numbers(batches, trains=False)

    return dataclasses.replace(port, train_epoch=train_epoch, evaluate=evaluate)


def dropped_batch():
    return own_loop(drops=True)


def batch_means():
    return own_loop(means_of_batches=True)


def stock_adam():
    """With torch's own Adam, whose epsilon is elsewhere."""
    port = build()
    optimizer = torch.optim.Adam(port.module.parameters(), lr=0.05)
    scheduler = schedule.ReduceLROnPlateau(optimizer, factor=0.3, patience=2)
    return dataclasses.replace(port, optimizer=optimizer, scheduler=scheduler)


def no_activation():
    """Without the activation of the hidden layer."""

    class Linear(Net):
        def forward(self, x):
            return self.out(self.dropout(self.hidden(x)))

    port = build()
    port.module.__class__ = Linear
    return port


def raising():
    raise ValueError("no such model here")
