"""Where all sides of a tensor are of one length, its layout is that of how it came about."""

import cubes_torch
import pytest
from port_files import checked_ports, ports_in

pytestmark = pytest.mark.long

PORTS = ports_in(cubes_torch)
WRONG = {
    "images__rate_wrong": "forward",
    "images__channels_wrong": "forward",
    "images__sides_swapped_wrong": "data",
    "images__slope_wrong": "forward",
    "outputs__targets_wrong": "loss",
    "classes__smoothed_wrong": "loss",
    "tokens__axis_wrong": "forward",
    "steps__batch_first_forgotten_wrong": "forward",
}
RIGHT = [name for name in PORTS if name not in WRONG]


@pytest.fixture(scope="module")
def checked():
    return checked_ports(cubes_torch)


def test_every_wrong_port_is_listed():
    assert sorted(WRONG) == sorted(name for name in PORTS if name.endswith("_wrong"))


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_port_of_cubes_passes(checked, name):
    result = checked[name]
    assert [(found.level, found.item.name) for found in result.divergences] == []
    assert (result.verdict, result.errors) == ("pass", ())


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_port_of_cubes_fails(checked, name):
    result = checked[name]
    assert result.verdict == "fail"
    assert result.divergences[0].level == WRONG[name]
