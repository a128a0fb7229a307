"""How many steps a training of a port has, by what Keras's `fit` was given."""

from rows import each_row

from parity.halves.torch.program.training import num_steps_of

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
