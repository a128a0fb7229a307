"""Steps that keep something beside what they train: statistics, averages, clipped gradients."""

import kept_torch
import pytest
from port_files import checked_ports, ports_in

pytestmark = pytest.mark.long

PORTS = ports_in(kept_torch)
WRONG = [name for name in PORTS if name.endswith("_wrong")]


@pytest.fixture(scope="module")
def checked():
    return checked_ports(kept_torch)


@pytest.mark.parametrize("name", ["mean_teacher", "together", "centred"])
def test_a_right_step_passes(checked, name):
    result = checked[name]
    assert [(found.level, found.item.name) for found in result.divergences] == []
    assert (result.verdict, result.incomplete, result.errors) == ("pass", (), ())


def test_what_the_port_has_as_plain_numbers_is_told_and_its_values_decide(checked):
    told = {each["what"] for each in checked["mean_teacher"].not_compared}
    assert "the layer normalizer by itself" in told
    assert checked["mean_teacher__variance_wrong"].verdict == "fail"


def test_what_a_step_changes_outside_of_the_module_leaves_the_check_open(checked):
    result = checked["centred__elsewhere"]
    assert (result.verdict, result.divergences) == ("incomplete", ())
    assert [each["what"] for each in result.incomplete] == ["centred.center"]


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_step_fails(checked, name):
    result = checked[name]
    assert (result.verdict, result.errors) == ("fail", ())
