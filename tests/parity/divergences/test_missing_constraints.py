"""A constraint that the port lacks is told with the line that it needs."""

import numpy as np
import one_layer
import pytest

from parity.divergences import recognised
from parity.ladder.compare import compare_close
from parity.ladder.items import FAIL, Level

KERNEL = np.array([[3.0, -0.6], [4.0, 0.8]])  # columns of the norms 5 and 1
E = 1e-7
CASES = {
    "MaxNorm": ({"max_value": 2.0, "axis": 0}, KERNEL * [2 / (5 + E), 1 / (1 + E)], "MaxNorm()"),
    "MaxNorm of 4": (
        {"max_value": 4.0, "axis": 0},
        KERNEL * [4 / (5 + E), 1 / (1 + E)],
        "MaxNorm(max_value=4.0)",
    ),
    "UnitNorm": ({"axis": 0}, KERNEL / [5 + E, 1 + E], "UnitNorm()"),
    "NonNeg": ({}, [[3.0, 0.0], [4.0, 0.8]], "NonNeg()"),
    "MinMaxNorm": (
        {"min_value": 2.0, "max_value": 3.0, "rate": 0.5, "axis": 0},
        KERNEL * [4 / (5 + E), 1.5 / (1 + E)],
        "MinMaxNorm(min_value=2.0, max_value=3.0, rate=0.5)",
    ),
}


def evidence(constraint, theirs, ours=KERNEL, weight="here.kernel"):
    """Evidence of a weight that differs after a step."""
    name = f"{weight.rpartition('.')[2]}_constraint"
    config = {} if constraint is None else {name: constraint}
    keras, port = one_layer.facts(
        [one_layer.node("here", "dense", [-1], config, [weight])],
        [one_layer.call("net.0", "dense", [-1])],
    )
    keras |= {"weights": {weight: {"shape": [2, 2], "trainable": True}}}
    keras["optimizer"] = {"class": "Other", "config": {}}
    port["optimizer"] = {"class": "torch.optim.sgd.SGD", "groups": [{}]}
    key = f"optimizer/1/weights/{weight}"
    item = compare_close(weight, np.array(theirs), ours, allowed=1e-12, unit="rel")
    item = type(item)(**{**vars(item), "step": 1})
    traces = one_layer.Arrays(keras, {key: np.array(theirs)}), one_layer.Arrays(port, {key: ours})
    return one_layer.Evidence(*traces, Level("optimizer", FAIL, "", (item,)), (item,))


def match(found):
    return next((m for entry, m in recognised(found) if entry.id == "F16"), None)


@pytest.mark.parametrize(("config", "theirs", "code"), CASES.values(), ids=CASES)
def test_the_line_is_that_of_keras_constraint(config, theirs, code):
    name = code.partition("(")[0]
    found = match(evidence({"class_name": name, "config": config}, theirs))
    assert found.detail == f"{name} of the port's weights gives Keras's"
    made = f"{{'net.0.kernel': torch_impl.constraints.{code}}}"
    assert found.fix == f"torch_impl.constraints.constrain(module, optimizer, {made})"


def test_a_constraint_of_the_users_own_has_no_line():
    found = match(evidence({"class_name": "Own", "config": {}}, KERNEL + 1))
    assert (found.detail, found.fix) == ("Own of here.kernel in Keras", "")


def test_without_a_constraint_nothing_is_told():
    assert match(evidence(None, KERNEL + 1)) is None
