"""Faults of series_torch: each function is the right port with one fault."""

import sys
from dataclasses import replace
from pathlib import Path

from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent))
from after_epochs import AfterEpochs
from series_torch import build

from torch_impl.schedule import EarlyStopping


class StopsWithReferences:
    """Early stopping by hand, with the rule of Keras, which keeps state_dict() without copies."""

    def __init__(self, net, min_delta, patience):
        self.net, self.min_delta, self.patience = net, min_delta, patience
        self.best, self.wait, self.weights = None, 0, None

    def step(self, value):
        self.wait += 1
        if self.best is None or value + self.min_delta < self.best:
            self.best, self.wait = value, 0
            self.weights = self.net.state_dict()
        return self.wait >= self.patience

    def restore(self):
        self.net.load_state_dict(self.weights)


def no_min_delta():
    """EarlyStopping has min_delta 0, not 0.005; from the first smaller gain on."""
    port = build()
    stopping = EarlyStopping(port.module, min_delta=0.0, patience=4, restore_best_weights=True)
    return replace(port, early_stopping=stopping)


def patience_five():
    """EarlyStopping has patience 5 instead of 4; from the epoch on in which Keras stops."""
    port = build()
    stopping = EarlyStopping(port.module, min_delta=0.005, patience=5, restore_best_weights=True)
    return replace(port, early_stopping=stopping)


def best_weights_are_references():
    """The best weights are kept without a copy; final weights."""
    port = build()
    return replace(port, early_stopping=StopsWithReferences(port.module, 0.005, 4))


def mae_summed():
    """Mae adds up the errors of the two outputs instead of their mean; from epoch 1 on."""

    def mae(output, target):
        return (output - target).abs().sum(-1)

    return replace(build(), metrics=[mae, "mse"])


def accumulators_forgotten_at_epoch_6():
    """Both accumulators of Adadelta start from zero again at epoch 6 (step 101)."""
    port = build()
    return replace(port, scheduler=AfterEpochs(5, port.optimizer.state.clear))


def gradients_clipped_from_step_120():
    """Entries of gradients are clipped to [-0.01, 0.01] from step 120 on."""
    port = build()
    count = 0

    def clip(net):
        nonlocal count
        count += 1
        if count >= 120:
            nn.utils.clip_grad_value_(net.parameters(), 0.01)

    return replace(port, before_step=clip)


def rate_halved_from_epoch_8():
    """The learning rate is 0.5 instead of 1 from epoch 8 on (step 141)."""
    port = build()

    def halve():
        for group in port.optimizer.param_groups:
            group["lr"] *= 0.5

    return replace(port, scheduler=AfterEpochs(7, halve))
