"""What the rules of a port decide with a history that they are given."""

from types import SimpleNamespace

import numpy as np
import torch
from rows import each_row
from torch import nn

from parity.halves.torch.program.run import write_rules
from parity.traces.trace import TraceWriter
from torch_impl import Port, optim, schedule

# The second epoch is the best one: the rate is cut behind the third and behind each that follows,
# and the training ends behind the fifth.
HISTORY = {"val_loss": [3.0, 1.0, 2.0, 2.0, 2.0, 2.0]}
FIT = {"initial_epoch": 0, "epochs": 6, "validation_freq": 1}


class ReadsAllGradients(torch.optim.Optimizer):
    """An optimizer of the user's own, which decays the weights, too."""

    def __init__(self, parameters):
        super().__init__(parameters, {"lr": 0.5})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for weight in group["params"]:
                weight -= group["lr"] * (weight.grad + 0.1 * weight)


def keras_sgd(parameters):
    return optim.SGD(parameters, 0.5, momentum=0.9, weight_decay=0.1, global_clipnorm=1.0)


def stock_adam(parameters):
    return torch.optim.Adam(parameters, lr=0.5, weight_decay=0.1)


def decided(make):
    net = nn.Linear(2, 1)
    optimizer = make(net.parameters())
    built = Port(
        net,
        loss=nn.MSELoss(),
        optimizer=optimizer,
        scheduler=schedule.ReduceLROnPlateau(optimizer, factor=0.5, patience=1),
        early_stopping=schedule.EarlyStopping(net, patience=3, restore_best_weights=True),
    )
    variable = SimpleNamespace(tensors=[net.weight], is_computed=False)
    carried = [SimpleNamespace(name="dense.kernel", variable=variable)]
    under_test = SimpleNamespace(keras=SimpleNamespace(facts={"fit": FIT}), carried=carried)
    writer = TraceWriter()
    write_rules(under_test, built, "keras", HISTORY, [2, 4, 6, 8, 10, 12], writer)
    return writer.arrays


@each_row("make", [ReadsAllGradients, keras_sgd, stock_adam])
def test_rates_and_ends_are_those_of_the_rules_whatever_a_step_does(make):
    found = decided(make)
    np.testing.assert_array_equal(found["rules/keras/rates"], [0.5] * 6 + [0.25] * 2 + [0.125] * 2)
    assert found["rules/keras/epochs"] == 5
    assert found["rules/keras/ends/dense.kernel"] == 2
