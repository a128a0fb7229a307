"""Its port by hand, and ports with one fault that only a whole training shows."""

import dataclasses
from functools import partial

import torch
from torch import nn

from torch_impl import Port, layers, optim, schedule
from torch_impl.losses import SparseCategoricalCrossentropy
from torch_impl.seeds import KerasSeeds

CLASS_WEIGHT = {0: 0.7, 1: 2.1}


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


def build(patience=2, restores=True, net=None, **changes):
    net = Net() if net is None else net
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


class OtherShuffle(KerasSeeds):
    def fit_order(self, n):
        return super().fit_order(n).flip(0)


def seeded(kind=KerasSeeds, in_order=True):
    """Draws weights, masks and order from the seed of the run."""
    seeds = kind(torch.initial_seed())
    net = Net()
    net.dropout = layers.Dropout(0.25)
    parts = [net.hidden, net.dropout, net.out]
    for layer in parts if in_order else reversed(parts):
        layers.initialise(layer, seeds)
    return build(net=net, seeds=seeds)


other_order_of_layers = partial(seeded, in_order=False)
other_shuffle = partial(seeded, OtherShuffle)


def own_masks():
    """Dropout of torch draws masks that Keras does not draw."""
    port = seeded()
    port.module.dropout = nn.Dropout(0.25)
    return port


BARE = {"class_weight": None, "scheduler": None, "early_stopping": None}
plain = partial(build, **BARE)  # for the compiled model alone


def stairs():
    rate = schedule.ExponentialDecay(0.05, 41, 0.5, staircase=True)
    return _in_stairs(lambda optimizer: schedule.as_lambda_lr(optimizer, rate))


def divided_stairs():
    """The formula of Keras's schedule, which `fit` rounds otherwise."""
    return _in_stairs(
        lambda optimizer: torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: 0.5 ** (step // 41)
        )
    )


def _in_stairs(scheduler):
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    steps = {"scheduler": scheduler(optimizer), "scheduler_interval": "step"}
    return build(net=net, optimizer=optimizer, metrics=None, **{**BARE, **steps})


def weighted_validation():
    port = build()
    weights = torch.tensor([0.7, 2.1, 1.0])

    def loss(output, target):
        return port.loss(output, target, sample_weight=weights[target].to(output))

    return dataclasses.replace(port, loss=loss, validation_loss=loss, class_weight=None)


not_restored = partial(build, restores=False)
late_cut = partial(build, patience=3)


def other_metric():
    def accuracy(output, target):
        return (output.topk(2, dim=1).indices == target[:, None]).any(1)

    return build(metrics=[accuracy])


def stock_momentum():
    """For the stream: SGD of torch, which keeps gradients where Keras keeps steps."""
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    return build(net=net, optimizer=optimizer, **BARE)


class OwnAdam(optim.Adam):
    """What it keeps nobody knows: between two steps, each slot is a row of numbers."""

    def step(self, closure=None):
        for parameter, state in self.state.items():
            state |= {key: value.reshape(parameter.shape) for key, value in state.items()}
        loss = super().step(closure)
        for state in self.state.values():
            state |= {key: value.reshape(1, -1) for key, value in state.items()}
        return loss


def own_optimizer():
    net = Net()
    optimizer = OwnAdam(net.parameters(), learning_rate=0.05)
    plateau = schedule.ReduceLROnPlateau(optimizer, factor=0.3, patience=2)
    return build(net=net, optimizer=optimizer, scheduler=plateau)


def only_float32():
    """Its loss multiplies by a matrix in float32, which has the shape of no weight."""
    port = build()
    weights = torch.tensor([0.7, 2.1, 1.0])
    same = torch.eye(3, dtype=torch.float32)

    def weighted(output, target):
        penalty = 0.01 * (port.module.hidden.weight**2).sum()
        losses = nn.functional.cross_entropy(output @ same, target, reduction="none")
        return (losses * weights[target]).sum() / len(target) + penalty

    return dataclasses.replace(port, loss=weighted, validation_loss=port.loss, class_weight=None)


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


class Recounts(Freezes):
    """Makes the optimizer count its steps anew in the fourth epoch."""

    def __init__(self, optimizer):
        self.optimizer = optimizer

    def on_epoch_begin(self, epoch):
        if epoch == 3:
            self.optimizer.param_groups[0]["step"] = 0


def counted_anew():
    port = build()
    return dataclasses.replace(port, scheduler=(port.scheduler, Recounts(port.optimizer)))


def own_loop(drops=False, means_of_batches=False):
    """The loop of a training script."""
    port = build()
    weights = torch.tensor([0.7, 2.1, 1.0])

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
        port.module.train()
        batches = list(batches)
        return numbers(batches[:-1] if drops else batches, trains=True)

    @torch.no_grad()
    def evaluate(batches):
        port.module.eval()
        return numbers(batches, trains=False)

    return dataclasses.replace(port, train_epoch=train_epoch, evaluate=evaluate)


dropped_batch = partial(own_loop, drops=True)
batch_means = partial(own_loop, means_of_batches=True)


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
