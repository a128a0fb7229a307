"""A step that torch's BatchNorm refuses counts if the program makes one."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from rows import each_row
from torch import nn

from parity.halves.torch.check.optimizer import left_out_if_refused
from parity.traces.trace import TraceWriter


class Keras(dict):
    """What is read of the trace: facts, and the inputs of the steps."""

    def below(self, prefix):
        return [key.removeprefix(f"{prefix}/") for key in self if key.startswith(f"{prefix}/")]


def port_of(number=1, key="input/step5/0", **facts):
    keras = Keras({key: np.ones((number, 3))})
    keras.facts = facts
    return SimpleNamespace(keras=keras)


@each_row(
    "port, step, batch, told",
    [
        (port_of(batch_of_one=False), 5, 1, 1),
        (port_of(key="input/data/5/x/0"), 5, 1, 1),  # of a model with a step of its own
        (port_of(), 1, 2, 0),
        # The program makes such a step, or the port makes one of several samples.
        (port_of(batch_of_one=True), 5, 1, None),
        (port_of(number=4), 5, 1, None),
    ],
)
def test_a_step_that_torch_refuses_is_told_where_the_program_makes_none(port, step, batch, told):
    writer = TraceWriter()
    refused = pytest.raises(ValueError, match="more than 1 value per channel")
    with nullcontext() if told is not None else refused, left_out_if_refused(port, step, writer):
        nn.BatchNorm1d(3)(torch.ones(batch, 3))
    found = writer.facts.get("not_compared", [])
    assert [each["what"] for each in found] == ["step 5 of the training, with one sample"] * bool(
        told
    )
    assert all("BatchNorm refuses a batch of one sample" in each["why"] for each in found)


def test_another_error_is_never_hidden():
    with (
        pytest.raises(ValueError, match="could not be broadcast"),
        left_out_if_refused(port_of(), 1, TraceWriter()),
    ):
        np.ones(2) + np.ones(3)
