"""Numbers of steps by the port's own code become what Keras's `fit` shows of an epoch."""

import numpy as np
import pytest
from rows import each_row

from parity.halves.torch.program.training import OwnMeasures
from parity.ladder.custom_steps import counts_key


class Trained:
    """The training of Keras, of which one number is a mean."""

    def __init__(self, **counts):
        self._arrays = {counts_key(name): np.array(array) for name, array in counts.items()}

    def __getitem__(self, key):
        return self._arrays[key]

    def below(self, prefix):
        return [key.removeprefix(f"{prefix}/") for key in self._arrays]


def shown(measures, *steps):
    measures.reset()
    found = []
    for value in steps:
        measures.update({"loss": value, "other": value}, None, None, {})
        found.append(dict(measures))
    return found


@each_row(
    "counts, means",
    [
        ([1, 2, 3, 1, 2], [[1.0, 1.5, 3.0], [10.0, 15.0]]),
        # The last batch has two samples, and the others four.
        ([4, 8, 10, 4, 6], [[1.0, 1.5, 2.4], [10.0, 40 / 3]]),
    ],
    ids=["of batches", "of samples"],
)
def test_a_mean_has_keras_weights_and_begins_anew_in_each_epoch(counts, means):
    measures = OwnMeasures(Trained(loss=counts))
    for steps, expected in zip(([1.0, 2.0, 6.0], [10.0, 20.0]), means, strict=True):
        made = shown(measures, *steps)
        assert [each["loss"] for each in made] == pytest.approx(expected, rel=1e-15)
        assert [each["other"] for each in made] == steps


def test_what_keras_keeps_as_no_mean_is_that_of_the_last_step():
    measures = OwnMeasures(Trained())
    assert shown(measures, 1.0, 5.0)[-1] == {"loss": 5.0, "other": 5.0}
    assert (len(measures), list(measures)) == (2, ["loss", "other"])
    measures.reset()
    assert not dict(measures)
