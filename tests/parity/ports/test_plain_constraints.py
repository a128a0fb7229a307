"""Constraints in plain torch: what they make of weights is what Keras's make of its own."""

import keras
import numpy as np
import torch
from rows import each_row
from torch import nn

from parity.ports.plain_rules import constraint_lines
from torch_impl import layers
from torch_impl.plain import weights as rules
from torch_impl.weights import variable_of

BAR = 1e-12


TORCH_IN_FLOAT64 = True


def modules():
    return nn.ModuleDict(
        {
            "dense": nn.Linear(4, 3),
            "conv": nn.Conv2d(2, 3, (3, 2)),
            "depth": layers.DepthwiseConv2D(3, 2, depth_multiplier=2),
            "unit": nn.Linear(4, 1),
            "grey": nn.Conv2d(1, 3, (3, 2)),
            "gru": nn.GRU(3, 2, batch_first=True),
        }
    )


CASES = {
    "max_norm": ("dense.kernel", "MaxNorm(0.5)"),
    "max_norm_of_rows": ("dense.kernel", "MaxNorm(max_value=0.5, axis=1)"),
    "max_norm_of_a_window": ("conv.kernel", "MaxNorm(0.3, axis=[0, 1, 2])"),
    "max_norm_of_one_unit": ("unit.kernel", "MaxNorm(0.1)"),
    "max_norm_of_a_grey_image": ("grey.kernel", "MaxNorm(0.3, axis=[0, 1, 2])"),
    "unit_norm_of_rows_of_a_window": ("grey.kernel", "UnitNorm()"),
    "unit_norm": ("conv.kernel", "UnitNorm(axis=(0, 1, 2))"),
    "unit_norm_of_the_last_axis": ("conv.kernel", "UnitNorm(axis=-1)"),
    "unit_norm_of_all_gates": ("gru.gru_cell/kernel", "UnitNorm()"),
    "range": ("dense.kernel", "MinMaxNorm(0.4, 0.5, rate=0.3)"),
    "non_negative": ("dense.kernel", "NonNeg()"),
    "both_biases": ("gru.gru_cell/bias", "NonNeg()"),
    "of_a_bias": ("dense.bias", "UnitNorm()"),
}


def of_keras(text, weight):
    """What Keras makes of a weight."""
    constraint = eval(text, {**vars(keras.constraints)})  # noqa: S307 - of the table above
    return np.asarray(constraint(weight))


@each_row("case", CASES)
def test_a_weight_becomes_what_keras_makes_of_it(case):
    name, text = CASES[case]
    torch.manual_seed(0)
    model, left_out = modules(), []
    variable = variable_of(model, name)
    before = variable.to_keras(variable.tensors).detach().numpy().copy()
    lines = constraint_lines({name: f"constraints.{text}"}, model, model, left_out)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    exec("\n".join(lines).strip(), {"rules": rules, "model": model, "optimizer": optimizer})  # noqa: S102
    optimizer.step()
    after = variable.to_keras(variable.tensors).detach().numpy()
    assert left_out == []
    assert np.abs(after - of_keras(text, before)).max() <= BAR
    assert np.abs(after - before).max() > 1e-3  # the constraint has an effect


def test_what_has_no_plain_form_is_told_and_a_frozen_weight_is_left():
    model, left_out = modules(), []
    model.dense.weight.requires_grad_(False)
    given = {
        "depth.kernel": "constraints.MaxNorm(axis=[0, 1, 2])",
        "dense.kernel": "constraints.NonNeg()",
        "dense.bias": "Own(2.0)",
    }
    assert constraint_lines(given, model, model, left_out) == []
    assert left_out == [
        "constraints.MaxNorm(axis=[0, 1, 2]) of 'depth.kernel': it has no plain form",
        "Own(2.0) of 'dense.bias': it has no plain form",
    ]
