"""Layers of many kinds: right ports pass, with the numbers that Keras drew; wrong ones do not."""

import kinds_torch
import pytest
from port_files import checked_ports, ports_in

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("warm_halves")]

PORTS = ports_in(kinds_torch)
WRONG = [name for name in PORTS if name.endswith("_wrong")]
RIGHT = [name for name in PORTS if name not in WRONG]
# Name -> the cause of the first divergence.
NAMED = {
    "celu__alpha_wrong": "A13",
    "alpha_dropout__rate_wrong": "C6",
    "gaussian_dropout__rate_wrong": "C6",
    "gaussian_noise__deviation_wrong": "C6",
    "gaussian_noise__missing_wrong": "A17",
    "own_loss__weight_wrong": "D13",
    "code__slope_wrong": "A13",
    "code__exchanged_wrong": "A22",
    "joined_branches__dilation_wrong": "A18",
    "padded_images__above_wrong": "A18",
    "padded_images__too_much_wrong": "A18",
}


@pytest.fixture(scope="module")
def checked():
    return checked_ports(kinds_torch)


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_port_of_a_layer_passes(checked, name):
    result = checked[name]
    assert [(found.level, found.item.name) for found in result.divergences] == []
    assert (result.verdict, result.incomplete, result.errors) == ("pass", (), ())


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_port_of_a_layer_fails(checked, name):
    result = checked[name]
    assert (result.verdict, result.errors) == ("fail", ())
    ids = [cause["id"] for cause in result.divergences[0].causes]
    assert NAMED.get(name) in (None, *ids)
