"""Masks are carried by tensors, told to the modules that take them, and keep states."""

import pytest
import torch
from covering import one_test
from torch import nn

from torch_impl.layers import LSTM, Dropout, GlobalAveragePooling1D
from torch_impl.masks import (
    mask_arguments,
    mask_of,
    masked_steps,
    positional_names,
    told_masks,
    with_mask,
)

MASK = torch.tensor([[True, False]])
X = torch.ones(1, 2, 3)


class Attending(nn.Module):
    def forward(self, query, value, query_mask=None, value_mask=None):
        return query


def test_a_tensor_carries_its_mask_until_the_next_operation():
    x = with_mask(torch.ones(1, 2), MASK)
    assert mask_of(x) is MASK
    assert mask_of(x + 1) is None
    assert mask_of(with_mask(x, None)) is None
    assert mask_of(with_mask(x, None)) is None


def test_the_arguments_of_forward_say_which_masks_a_module_takes():
    assert mask_arguments(LSTM(3, 2)) == {"mask"}
    assert mask_arguments(Attending()) == {"query_mask", "value_mask"}
    assert mask_arguments(nn.Linear(3, 2)) == set()
    assert mask_arguments(Dropout(0.5)) == set()
    assert positional_names(LSTM(3, 2)) == ("x", "initial_state", "mask")


def test_a_module_of_one_input_is_told_its_mask():
    assert told_masks(GlobalAveragePooling1D(), {"x": X}, {"x": MASK}) == {"mask": MASK}
    assert told_masks(nn.Linear(3, 2), {"input": X}, {"input": MASK}) == {}
    assert told_masks(GlobalAveragePooling1D(), {"x": X}, {"x": None}) == {}
    listed = told_masks(GlobalAveragePooling1D(), {"x": [X, X]}, {"x": [MASK, None]})
    assert listed == {"mask": [MASK, None]}


def test_a_module_of_several_inputs_is_told_a_mask_for_each():
    masks = {"query": None, "value": MASK}
    assert told_masks(Attending(), {"query": X, "value": X}, masks) == {"value_mask": MASK}


def test_a_recurrent_layer_that_gets_its_state_is_told_no_mask():
    given = {"x": X, "initial_state": [X[:, 0]]}
    assert told_masks(LSTM(3, 3), given, {"x": MASK, "initial_state": [None]}) == {}


def test_a_mask_given_by_hand_is_not_replaced():
    other = ~MASK
    given = {"x": X, "mask": other}
    assert told_masks(GlobalAveragePooling1D(), given, {"x": MASK, "mask": None}) == {}


def counting(x, states):
    """The first state adds up the inputs, the second counts steps."""
    return states[0] + x, states[1] + 1


STEPS = torch.tensor([[1.0, 10, 100, 1000], [1, 10, 100, 1000]])[..., None]
COUNTS = torch.tensor([[True, True, False, False], [False, True, False, True]])


@one_test
@pytest.mark.parametrize(
    ("zero_output", "expected"),
    [(False, [[6, 16, 16, 16], [0, 15, 15, 1015]]), (True, [[6, 16, 0, 0], [0, 15, 0, 1015]])],
    ids=["repeated", "zero"],
)
def test_masked_steps_keep_the_states_and_repeat_the_output(zero_output, expected):
    start = (torch.full((2, 1), 5.0), torch.zeros(2, 1))
    outputs, states = masked_steps(counting, STEPS, start, COUNTS, zero_output)
    assert outputs[..., 0].tolist() == expected
    assert [state[:, 0].tolist() for state in states] == [[16, 1015], [2, 2]]


def test_a_mask_of_other_steps_is_refused():
    start = (torch.zeros(2, 1), torch.zeros(2, 1))
    with pytest.raises(ValueError, match=r"mask has shape \(2, 3\): expected \(2, 4\)"):
        masked_steps(counting, STEPS, start, COUNTS[:, :3])
