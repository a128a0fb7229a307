"""Rules by hand that stop a training, or cut its rate, are asked about many sequences of losses."""

import copy
import math

import keras
import pytest
import torch
from both_halves import levels, recorded
from rows import each_row
from torch import nn

from keras_impl import Reference
from torch_impl import Port
from torch_impl.schedule import EarlyStopping

L = keras.layers


def model(callback):
    def make():
        keras.utils.set_random_seed(1)
        made = keras.Sequential([keras.Input((5,)), L.Dense(2)])
        made.compile(keras.optimizers.SGD(0.1), "mse")
        return Reference(made, callbacks=[callback()])

    return make


class Stopper:
    """Keras's rule, written by hand."""

    def __init__(self, net, patience, start, restores=True):
        self.net, self.patience, self.start, self.restores = net, patience, start, restores
        self.best, self.wait, self.epoch = math.inf, 0, -1

    def step(self, value):
        self.epoch += 1
        if self.epoch < self.start:
            return False
        self.wait += 1
        if value < self.best:
            self.best, self.wait = value, 0
            self.kept = copy.deepcopy(self.net.state_dict())
        return self.wait >= self.patience

    def restore(self):
        if self.restores:
            self.net.load_state_dict(self.kept)


def port(stopper=None, scheduler=None):
    def make():
        net = nn.Linear(5, 2)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        return Port(
            net,
            loss=nn.MSELoss(),
            optimizer=optimizer,
            early_stopping=stopper and stopper(net),
            scheduler=scheduler and scheduler(optimizer),
        )

    return make


@pytest.fixture(scope="module")
def stopping(tmp_path_factory):
    rule = {"patience": 3, "start_from_epoch": 4, "restore_best_weights": True}
    folder = tmp_path_factory.mktemp("stopping") / "keras"
    return recorded(model(lambda: keras.callbacks.EarlyStopping(**rule)), folder, steps=1)


def failed(trace, made, folder):
    level = levels(trace, made, folder)["schedule"]
    return {item.name.partition(" (")[0] for item in level.items if item.status != "pass"}


RIGHT = {
    "by hand": lambda net: Stopper(net, 3, 4),
    "of torch_impl": lambda net: EarlyStopping(net, 0.0, 3, True, 4),
}
WRONG = {
    "start forgotten": (lambda net: Stopper(net, 3, 0), "epoch at which training stops"),
    "one epoch late": (lambda net: Stopper(net, 4, 4), "epoch at which training stops"),
    "last weights": (lambda net: Stopper(net, 3, 4, False), "epoch whose weights are kept"),
}


@each_row("name", RIGHT)
def test_a_right_rule_stops_where_keras_does_and_keeps_the_same_weights(name, stopping, tmp_path):
    assert failed(stopping, port(RIGHT[name]), tmp_path / "port") == set()


@each_row("name", WRONG)
def test_a_wrong_rule_is_seen(name, stopping, tmp_path):
    stopper, item = WRONG[name]
    assert item in failed(stopping, port(stopper), tmp_path / "port")
