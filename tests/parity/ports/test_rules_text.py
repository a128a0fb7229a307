"""The weights that an optimizer leaves out of weight decay, as source."""

import pytest
from rows import each_row
from torch import nn

from parity.ports.fit_text import RuleTexts, undecayed_text
from torch_impl import optim
from torch_impl.keras_config.planned import Planned
from torch_impl.layouts import variables


@pytest.fixture
def net():
    return nn.ModuleDict({"a": nn.Linear(2, 3), "norm": nn.LayerNorm(3), "b": nn.Linear(3, 1)})


def of(net, *names):
    """The variables of these layers and weights, by Keras's names of weights."""
    return [
        variable
        for layer, module in net.items()
        for variable in variables(module)
        if f"{layer}.{variable.name}" in names
    ]


def parameters(text, model):
    """What the source lists."""
    names = {"model": model}
    exec(f"found = {text}", names)  # noqa: S102
    return names["found"]


def meant(text, model):
    found = parameters(text, model)
    return [name for name, p in model.named_parameters() if any(p is each for each in found)]


@each_row(
    "names, text",
    [
        (["a.bias", "norm.gamma", "norm.beta", "b.bias"], "weight.ndim < 2"),
        (["a.bias", "b.bias"], '("a.bias", "b.bias")'),
        (["b.kernel"], 'model.get_parameter("b.weight")'),
    ],
)
def test_a_list_names_the_weights_or_says_what_they_have_in_common(net, names, text):
    found = undecayed_text(net, of(net, *names))
    assert text in found
    in_torch = {"kernel": "weight", "gamma": "weight", "beta": "bias", "bias": "bias"}
    expected = [f"{n.partition('.')[0]}.{in_torch[n.partition('.')[2]]}" for n in names]
    assert meant(found, net) == sorted(expected, key=[n for n, _ in net.named_parameters()].index)


@each_row(
    "joins, optimizer, expected",
    [
        (True, Planned(optim.Adam, clipnorm=0.1), True),
        (True, Planned(optim.Lamb), True),
        (True, Planned(optim.Adam, global_clipnorm=0.1), False),
        (False, Planned(optim.Adam, clipnorm=0.1), False),
    ],
)
def test_variables_are_joined_where_an_optimizer_takes_their_norms(joins, optimizer, expected):
    """Both biases of a GRU are one variable in Keras."""
    assert RuleTexts(joins=joins).joins_norms(optimizer) is expected
