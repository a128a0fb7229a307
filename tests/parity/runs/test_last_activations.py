"""A model ends with an activation that its name does not tell: its loss is compared even so."""

import lasts_torch
import pytest
from port_files import checked_ports, ports_in

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("warm_halves")]

PORTS = ports_in(lasts_torch)
RIGHT = [name for name in PORTS if "__" not in name]
CONFIDENT = "loss of confident outputs"


@pytest.fixture(scope="module")
def checked():
    return checked_ports(lasts_torch)


def losses_of(result):
    (level,) = (each for each in result.levels if each.id == "loss")
    return {item.name: item.agrees for item in level.items}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_port_passes_and_its_loss_is_compared_for_confident_outputs(checked, name):
    result = checked[name]
    assert (result.verdict, result.divergences, result.errors) == ("pass", (), ())
    assert losses_of(result)[CONFIDENT]


@pytest.mark.parametrize("name", [name for name in PORTS if name.endswith("__loss")])
def test_another_loss_is_seen_there(checked, name):
    result = checked[name]
    assert result.verdict == "fail"
    assert losses_of(result)[CONFIDENT] is False


def test_the_exact_gelu_in_the_place_of_keras_ops_is_a_fault(checked):
    assert checked["gelu__exact"].verdict == "fail"
