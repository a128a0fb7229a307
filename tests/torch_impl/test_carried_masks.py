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
    masks_by_argument,
    positional_names,
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
    for _ in range(2):
        assert mask_of(with_mask(x, None)) is None


def test_the_arguments_of_forward_say_which_masks_a_module_takes():
    modules = (LSTM(3, 2), Attending(), nn.Linear(3, 2), Dropout(0.5))
    expected = [{"mask"}, {"query_mask", "value_mask"}, set(), set()]
    assert [mask_arguments(module) for module in modules] == expected
    assert positional_names(LSTM(3, 2)) == ("x", "initial_state", "mask")


POOL = GlobalAveragePooling1D()


OTHER = ~MASK


TOLD = [
    (POOL, {"x": X}, {"x": MASK}, {"mask": MASK}),
    (nn.Linear(3, 2), {"input": X}, {"input": MASK}, {}),
    (POOL, {"x": X}, {"x": None}, {}),
    (POOL, {"x": [X, X]}, {"x": [MASK, None]}, {"mask": [MASK, None]}),
    (Attending(), {"query": X, "value": X}, {"query": None, "value": MASK}, {"value_mask": MASK}),
    # A recurrent layer that gets its state is told no mask, and a mask given by hand stays.
    (LSTM(3, 3), {"x": X, "initial_state": [X]}, {"x": MASK, "initial_state": [None]}, {}),
    (POOL, {"x": X, "mask": OTHER}, {"x": MASK, "mask": None}, {}),
]


@one_test
@pytest.mark.parametrize(("module", "given", "masks", "expected"), TOLD)
def test_a_module_is_told_the_masks_of_its_inputs(module, given, masks, expected):
    assert masks_by_argument(module, given, masks) == expected


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
