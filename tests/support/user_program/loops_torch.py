"""Ports with training loops of their own: right ones, and some with one mistake each."""

import itertools
import math
from functools import partial

import torch
from torch import nn

from torch_impl import Port
from torch_impl.layers import BatchNormalization
from torch_impl.optim import SGD


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(6, 8), nn.Linear(8, 3)
        self.norm, self.drop = BatchNormalization(8), nn.Dropout(0.2)
        initialise(self)

    def forward(self, x):
        return self.last(self.drop(self.norm(self.first(x)).relu()))


def initialise(net):
    for layer in net.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)


class Adam(torch.optim.Optimizer):
    """Keras's equations, with names of its own for what it keeps."""

    def __init__(self, parameters):
        super().__init__(parameters, {"lr": 0.01})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state |= {"n": 0, "first": torch.zeros_like(p), "second": torch.zeros_like(p)}
                state["n"] += 1
                state["first"].lerp_(p.grad, 0.1)
                state["second"].lerp_(p.grad**2, 0.001)
                size = math.sqrt(1 - 0.999 ** state["n"]) / (1 - 0.9 ** state["n"])
                p -= group["lr"] * size * state["first"] / (state["second"].sqrt() + 1e-7)


def normalised(mistake="", at=(1, 4)):
    """At an epoch and a batch of it, both from 0, the mistake is made for the first time."""
    net, criterion = Net(), nn.CrossEntropyLoss()
    optimizer, epochs = Adam(net.parameters()), itertools.count()
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.8 ** (step / 5))

    def train_epoch(batches):
        epoch = next(epochs)
        if mistake != "no_train":
            net.train()
        measured, previous = [], None
        for number, (x, y) in enumerate(batches):
            is_here = epoch >= at[0] and number == at[1]
            if is_here and mistake == "other_batch":
                x, y = previous
            if is_here and mistake == "eval_for_one":
                net.eval()
            previous = x, y
            optimizer.zero_grad()
            output = net(x)
            loss = criterion(output, y)
            loss.backward()
            optimizer.step()
            if is_here and mistake == "two_steps":
                optimizer.step()
            scheduler.step()
            net.train(net.training or mistake == "eval_for_one")
            measured.append(numbers(output, loss, y))
        return mean(measured)

    def evaluate(batches):
        if mistake != "no_eval":
            net.eval()
        with torch.no_grad():
            outputs = [(net(x), y) for x, y in batches]
        return mean([numbers(output, criterion(output, y), y) for output, y in outputs])

    return Port(
        net,
        criterion,
        optimizer,
        metrics=["accuracy"],
        train_epoch=train_epoch,
        evaluate=evaluate,
    )


def numbers(output, loss, y):
    return loss.item(), (output.argmax(1) == y).double().mean().item(), len(y)


def mean(measured):
    count = sum(size for *_, size in measured)
    loss, accuracy = (sum(row[n] * row[2] for row in measured) / count for n in (0, 1))
    return {"loss": loss, "accuracy": accuracy}


def summed(is_counted_anew=False):
    net = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    initialise(net)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.125, momentum=0.5)
    state = {"batches": 0}

    def train_epoch(batches):
        measured = []
        if is_counted_anew:
            state["batches"] = 1
        for x, y in batches:
            state["batches"] += 1
            output = net(x)
            loss = criterion(output, y)
            (loss / 2).backward()
            if state["batches"] % 2 == 0:
                optimizer.step()
                optimizer.zero_grad()
            measured.append(numbers(output, loss, y))
        return mean(measured)

    return Port(net, criterion, optimizer, metrics=["accuracy"], train_epoch=train_epoch)


def averaged(mistake="", decay=0.75, optimizer=Adam):
    net = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    initialise(net)
    criterion, epochs = nn.CrossEntropyLoss(), itertools.count(1)
    optimizer = optimizer(net.parameters())
    averages, best = {}, [math.inf]

    def train_epoch(batches):
        measured = []
        for x, y in batches:
            optimizer.zero_grad()
            output = net(x)
            loss = criterion(output, y)
            loss.backward()
            optimizer.step()
            for name, p in net.named_parameters():
                before = averages.get(name, p.detach())
                averages[name] = decay * before + (1 - decay) * p.detach()
            measured.append(numbers(output, loss, y))
        told, epoch = mean(measured), next(epochs)
        if told["loss"] < best[0] - 0.5:
            best[0] = told["loss"]
        elif mistake != "no_cut":
            optimizer.param_groups[0]["lr"] *= 0.5
        if epoch == (2 if mistake == "too_early" else 3) and mistake != "not_applied":
            net.load_state_dict(averages)
        return told

    return Port(net, criterion, optimizer, metrics=["accuracy"], train_epoch=train_epoch)


MISTAKES = {
    averaged: ("not_applied", "too_early", "no_cut"),
    normalised: ("no_train", "no_eval", "eval_for_one", "other_batch", "two_steps"),
}
globals().update({each: partial(loop, each) for loop, all_ in MISTAKES.items() for each in all_})
MOMENTUM = {
    "cut_with_momentum": partial(SGD, learning_rate=0.125, momentum=0.5),
    "momentum_of_torch": partial(torch.optim.SGD, lr=0.125, momentum=0.5),
}
globals().update(
    {name: partial(averaged, "not_applied", optimizer=sgd) for name, sgd in MOMENTUM.items()}
)
other_average = partial(averaged, decay=0.5)
counted_anew = partial(summed, is_counted_anew=True)
