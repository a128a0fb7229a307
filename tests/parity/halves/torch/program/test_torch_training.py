"""What a training of a port gets, and how many steps it has, by what Keras's `fit` was given."""

import numpy as np
import pytest
import torch
from rows import each_row
from torch import nn

from parity.halves.torch.program.training import arguments_of, num_steps_of
from torch_impl import Port, Trainer

FIT = {
    "batch_size": 32,
    "epochs": 5,
    "initial_epoch": 0,
    "steps_per_epoch": None,
    "num_samples": 70,
}


@each_row(
    "changes, settings, number",
    [
        ({}, {}, 15),  # three steps, of which the last is smaller
        ({"num_samples": 64}, {}, 10),
        ({"initial_epoch": 2}, {}, 9),
        ({"steps_per_epoch": 2}, {}, 10),
        # What was fed batch by batch is known only when it has been fed.
        ({"num_samples": None, "batch_size": None}, {"epoch_ends": [4, 9]}, 9),
    ],
    ids=["smaller_last_batch", "whole_batches", "later_epoch", "steps_per_epoch", "stream"],
)
def test_the_number_of_steps_is_that_of_all_epochs(changes, settings, number):
    assert num_steps_of({**FIT, **changes}, settings) == number


@pytest.mark.parametrize("number", [2, 3])
def test_a_few_batches_of_a_validation_are_no_x_and_y(number):
    """A list of them would be: what a sweep repeats has no ends of validations."""
    sizes = [4] * (number - 1) + [1]
    batches = [(np.ones((size, 2), "float32"), np.ones((size, 1), "float32")) for size in sizes]
    nests = {"train_batches": batches, "val_batches": batches}
    fit = {**FIT, "epochs": 1, "validation_freq": 1, "batch_size": None}
    fit |= {"validation_steps": None, "validation_batch_size": None}
    module = nn.Linear(2, 1)
    port = Port(module, nn.MSELoss(), torch.optim.SGD(module.parameters(), 0.0))
    arguments = arguments_of(fit, port, nests, {"epoch_ends": [number]})
    history = Trainer(port).fit(**arguments).history
    assert history["val_loss"] == pytest.approx(history["loss"])
