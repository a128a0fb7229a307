"""In which order tensors have Keras's axes: by what was done to them, and by their values."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import each_row
from small_nets import Net
from torch import nn

from parity.halves.torch.calls import recorded_calls
from parity.halves.torch.port.portable import (
    as_keras,
    nearest,
    steps_first,
    traced,
    traced_channels_first,
)


def calls_of(net, x):
    with torch.no_grad(), recorded_calls(net, lambda number, x, rate: x) as calls:
        net(x)
    return calls


FIRST = st.sampled_from(["relu", "conv", "drop", "norm", "abs", "add", "pool", "turn"])
LAST = st.sampled_from(["relu", "drop", "linear", "abs", "add", "layer_norm", "turn"])


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(3, 5))
def test_the_axes_of_cubes_are_followed_through_any_layers(data, rank):
    """What was done is known here step by step; the calls alone must tell the same."""
    side, is_first, expected = 3, True, []
    num = rank - 2
    convs = nn.ModuleList(
        [(nn.Conv1d, nn.Conv2d, nn.Conv3d)[num - 1](side, side, 1) for _ in range(6)]
    )
    norm = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[num - 1](side).eval()
    pool = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)[num - 1](1)
    chosen = []
    for _ in range(data.draw(st.integers(1, 8))):
        word = data.draw(FIRST if is_first else LAST)
        chosen.append((word, is_first))
        is_first = is_first != (word == "turn")
        if word != "abs":
            expected.append(is_first)

    def run(net, x):
        for number, (word, is_first) in enumerate(chosen):
            if word == "turn":
                x = x.movedim(1, -1).contiguous() if is_first else x.movedim(-1, 1)
            elif word == "add":
                x = x + x
            elif word == "conv":
                x = net.convs[number % 6](x)
            else:
                x = {
                    "relu": torch.relu,
                    "abs": torch.abs,
                    "drop": net.drop,
                    "norm": net.norm,
                    "pool": net.pool,
                    "linear": net.linear,
                    "layer_norm": net.layer_norm,
                }[word](x)
        return x

    net = Net(
        run,
        convs=convs,
        norm=norm,
        pool=pool,
        drop=nn.Dropout(0.5),
        linear=nn.Linear(side, side),
        layer_norm=nn.LayerNorm(side),
    )
    calls = calls_of(net, torch.randn(*[side] * rank))
    orders = [traced_channels_first(rank) if first else as_keras(rank) for first in expected]
    assert list(traced(calls, [traced_channels_first(rank)]).made) == orders


def test_around_a_recurrent_module_the_steps_may_be_first():
    def run(net, x):
        return net.drop(net.gru(net.drop(x))[0])

    for batch_first, order in ((True, as_keras(3)), (False, None)):
        net = Net(run, gru=nn.GRU(3, 3, batch_first=batch_first), drop=nn.Dropout(0.5))
        found = traced(calls_of(net, torch.randn(3, 3, 3)), [None])
        assert found.made == (order, as_keras(3), order)


def test_a_permutation_that_is_keras_s_too_is_not_followed():
    def run(net, x):
        return net.drop(x.transpose(1, 2))

    calls = calls_of(Net(run, drop=nn.Dropout(0.5)), torch.randn(3, 3, 3))
    assert traced(calls, [as_keras(3)]).made == (traced_channels_first(3), traced_channels_first(3))
    assert traced(calls, [as_keras(3)], paired=[0]).made == (None, None)
    assert traced(calls, [as_keras(3)], [{"kind": "unknown:Transpose"}]).made == (None, None)


@each_row("order", [as_keras, traced_channels_first, steps_first])
def test_values_tell_the_order_within_rounding(order):
    theirs = np.random.default_rng(0).normal(size=(3, 3, 3, 3))
    ours = torch.from_numpy(theirs).permute(*np.argsort(order(4)).tolist())
    assert nearest(ours, theirs) == order(4)
    assert nearest(ours.float(), theirs) == order(4)
    assert nearest(ours + 1, theirs) is None  # a wrong port's values tell nothing
    assert nearest(ours * torch.nan, theirs) is None
    assert nearest(torch.ones(3, 3, 3), np.ones((3, 3, 3))) is None  # as alike in all orders
