"""An error is told in units of what rounding explains, and an output may have several forms."""

import numpy as np
import pytest
import torch
from rows import each_row

from parity.halves.torch.port.agreement import allowed_of, error_of, output_error


class Record(dict):
    def __init__(self, facts, **arrays):
        super().__init__({key.replace("__", "/"): value for key, value in arrays.items()})
        self.facts = {"noise": {}, "nodes": [{"name": "softmax"}], **facts}


def softmax(x):
    e = np.exp(x)
    return e / e.sum(-1, keepdims=True)


LINEAR = np.random.default_rng(0).normal(size=(4, 3))
KERAS = {"forward__eval__output": softmax(LINEAR), "forward__eval__softmax__input__0": LINEAR}


@each_row("ours", [softmax(LINEAR), LINEAR, np.log(softmax(LINEAR))])
def test_a_port_may_return_logits_or_their_log(ours):
    keras = Record({"output_activation": "softmax"}, **KERAS)
    assert output_error(keras, torch.from_numpy(ours)) < 1
    assert output_error(keras, torch.from_numpy(ours + 1e-9)) > 1


def test_only_the_output_itself_counts_where_there_is_no_activation():
    keras = Record({"output_activation": None}, **KERAS)
    assert output_error(keras, torch.from_numpy(softmax(LINEAR))) < 1
    assert output_error(keras, torch.from_numpy(LINEAR)) > 1


def test_channels_may_be_first():
    image = np.random.default_rng(0).normal(size=(2, 5, 4, 3))
    keras = Record({}, forward__eval__output=image)
    assert output_error(keras, torch.from_numpy(np.moveaxis(image, -1, 1))) == 0
    assert output_error(keras, torch.from_numpy(image.reshape(2, 3, 4, 5))) == np.inf


def test_an_error_is_relative_and_infinite_where_numbers_or_an_output_are_missing():
    theirs = np.array([1.0, -4.0])
    for ours, error in (([1.0, -3.0], 0.25), ([1.0, np.nan], np.inf), ([1.0], np.inf)):
        assert error_of(np.array(ours), theirs) == error
    assert output_error(Record({}), torch.zeros(1)) == np.inf


@each_row("noise, allowed", [(0.0, 1e-12), (1e-13, 3e-12), (1.0, 1e-6)])
def test_what_is_allowed_is_what_rounding_explains_up_to_a_limit(noise, allowed):
    keras = Record({"noise": {"a": noise}})
    assert allowed_of(keras, "a") == pytest.approx(allowed)
    assert allowed_of(keras, "b") == 1e-12
