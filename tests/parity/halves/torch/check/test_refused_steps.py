"""A step that torch's BatchNorm refuses counts if the program makes one."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from parity.halves.torch.check.refused_steps import left_out_if_refused
from parity.traces.trace import TraceWriter


class Keras(dict):
    """What is read of the trace: facts, and the inputs of the steps."""

    def below(self, prefix):
        return [key.removeprefix(f"{prefix}/") for key in self if key.startswith(f"{prefix}/")]


def port_of(number=1, key="input/step5/0", **facts):
    keras = Keras({key: np.ones((number, 3))})
    keras.facts = facts
    return SimpleNamespace(keras=keras)


def step_of(number):
    nn.BatchNorm1d(3)(torch.ones(number, 3))


def test_a_program_without_such_a_step_is_not_harmed_and_told():
    writer = TraceWriter()
    with left_out_if_refused(port_of(batch_of_one=False), 5, writer):
        step_of(1)
    (told,) = writer.facts["not_compared"]
    assert told["what"] == "step 5 of the training, with one sample"
    assert "BatchNorm refuses a batch of one sample" in told["why"]


def test_a_program_that_makes_such_a_step_cannot_be_trained_by_the_port():
    with (
        pytest.raises(ValueError, match="more than 1 value per channel"),
        left_out_if_refused(port_of(batch_of_one=True), 5, TraceWriter()),
    ):
        step_of(1)


def test_a_step_that_is_taken_is_not_mentioned():
    writer = TraceWriter()
    with left_out_if_refused(port_of(), 1, writer):
        step_of(2)
    assert "not_compared" not in writer.facts


def test_a_step_of_a_model_with_its_own_is_left_out_likewise():
    writer = TraceWriter()
    with left_out_if_refused(port_of(key="input/data/5/x/0"), 5, writer):
        step_of(1)
    assert len(writer.facts["not_compared"]) == 1


def test_a_port_that_makes_one_of_several_samples_is_not_excused():
    with (
        pytest.raises(ValueError, match="more than 1 value per channel"),
        left_out_if_refused(port_of(number=4), 5, TraceWriter()),
    ):
        step_of(1)


def test_another_error_is_never_hidden():
    with (
        pytest.raises(ValueError, match="could not be broadcast"),
        left_out_if_refused(port_of(), 1, TraceWriter()),
    ):
        np.ones(2) + np.ones(3)
