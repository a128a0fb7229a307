"""Their ports, right ones and wrong ones."""

from functools import partial

import torch
from torch import nn

from torch_impl import Port, losses, metrics
from torch_impl.optim import SGD


class Net(nn.Module):
    def __init__(self, order="abc", keys="abc"):
        super().__init__()
        self.order, self.keys = order, keys
        sizes = {"h": (5, 7), "deep": (7, 6), "a": (6, 4), "b": (7, 4), "c": (7, 1)}
        for name, size in sizes.items():
            layer = nn.Linear(*size)
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
            self.add_module(name, layer)
        self.drop = nn.Dropout(0.3)

    def forward(self, x):
        h = self.drop(torch.tanh(self.h(x)))
        parts = {"a": self.a(torch.tanh(self.deep(h))), "b": self.b(h), "c": self.c(h)}
        return {key: parts[name] for key, name in zip(self.keys, self.order, strict=True)}


class InOrder(Net):
    def forward(self, x):
        parts = super().forward(x)
        return parts["c"], parts["a"], parts["b"]


def own_losses():
    return {
        "a": nn.CrossEntropyLoss(),
        "b": nn.MSELoss(),
        "c": losses.BinaryCrossentropy(from_logits=True),
    }


def built(module=None, **changes):
    module = Net() if module is None else module
    given = {"loss": own_losses(), "loss_weights": {"a": 0.5, "b": 1.5, "c": 1.0}, **changes}
    return Port(module, optimizer=SGD(module.parameters(), 0.1), **given)


def measures(threshold):
    accuracy = metrics.BinaryAccuracy("accuracy", threshold=threshold)
    return {"a": ["accuracy"], "c": [accuracy]}


def in_order():
    return built(InOrder(), output_names=("c", "a", "b"), metrics=measures(0.0))


right = partial(built)
weights_swapped = partial(built, loss_weights={"a": 1.5, "b": 0.5, "c": 1.0})


def loss_left_out():
    return built(loss={**own_losses(), "c": None}, loss_weights={"a": 0.5, "b": 1.5})


def loss_of_another_kind():
    return built(loss={**own_losses(), "b": nn.L1Loss()})


def outputs_swapped():
    return built(Net("bac"))


def metric_of_another_threshold():
    return built(metrics=measures(0.5))


def stepping():
    module = nn.Linear(5, 4)
    nn.init.xavier_uniform_(module.weight)
    nn.init.zeros_(module.bias)

    def loss(output, target):
        return ((target - output) ** 2).mean() + 0.1 * output.abs().mean()

    return Port(module, loss, SGD(module.parameters(), 0.1))


def stepping_as_compiled():
    port = stepping()
    return Port(port.module, nn.MSELoss(), port.optimizer)
