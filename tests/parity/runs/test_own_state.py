"""Steps that keep something beside what they train: statistics, averages, clipped gradients."""

import kept_torch
import pytest
from port_files import checked_ports, ports_in

pytestmark = pytest.mark.long

PORTS = ports_in(kept_torch)
WRONG = [name for name in PORTS if name.endswith("_wrong")]
# Name -> the first cause of its only divergence, and a part of what is told of it.
NAMED = {
    "mean_teacher__not_clipped_wrong": ("E8", "a norm of at most 0.05 in Keras, and not in the"),
    "mean_teacher__clipped_together_wrong": ("E1", "in the port all gradients together"),
    "mean_teacher__clipped_at_a_value_wrong": ("E8", "in the port no gradient has a value above"),
    "mean_teacher__average_of_half_wrong": ("S13", "the port keeps 0.5 and adds 0.5"),
    "mean_teacher__average_before_the_step_wrong": ("S13", "as they are before the step"),
    "mean_teacher__no_average_wrong": ("S13", "leaves them as they are"),
    "mean_teacher__average_without_statistics_wrong": ("S13", "moving_variance and adds 0.1"),
    "mean_teacher__unbiased_wrong": ("C3", "48 / 47 times"),
    "mean_teacher__teacher_drops_wrong": ("S1", "only in the port, dropouts are active in teacher"),
    "mean_teacher__variance_wrong": ("S9", "what teacher gets"),
    "together__not_clipped_wrong": ("E8", "together have a norm of at most 0.5 in Keras, and not"),
    "together__larger_norm_wrong": (
        "E8",
        "in the port all gradients together have a norm of at most 1",
    ),
    "centred__share_wrong": ("S7", ""),
}


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
    (found,) = result.divergences
    identity, told = NAMED[name]
    assert found.causes[0]["id"] == identity
    assert told in found.causes[0]["detail"]
