"""How a port is written decides nothing: its optimizer, its loss, its targets and its dropouts."""

import habits_torch
import pytest
from port_files import checked_ports, ports_in

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("warm_halves")]

PORTS = ports_in(habits_torch)
WRONG = {
    "enlarged__squared_wrong": "loss",
    "enlarged__corners_wrong": "forward",
    "mask__of_the_batch_wrong": "loss",
    "pixels__not_turned_wrong": "loss",
    "pixels__sides_wrong": "loss",
    "pixels__without_logits_wrong": "loss",
    "labelled__sides_wrong": "loss",
    "labelled__metric_wrong": "metrics",
    "attention__behind_wrong": "forward",
    "features__steps_wrong": "forward",
    "scheduled__early_wrong": "schedule",
    "scheduled__power_wrong": "schedule",
    "clipped__late_wrong": "schedule",
    "clipped__limit_wrong": "optimizer",
    "averaged__not_at_all_wrong": "optimizer",
    "averaged__slowly_wrong": "optimizer",
    "unaveraged__but_here_wrong": "optimizer",
    "shrinking__forgotten_wrong": "loss",
}
OPEN = "shrinking__without_a_loss_open"
RIGHT = [name for name in PORTS if name not in (*WRONG, OPEN)]


@pytest.fixture(scope="module")
def checked():
    return checked_ports(habits_torch)


def test_every_wrong_port_is_listed():
    assert sorted(WRONG) == sorted(name for name in PORTS if name.endswith("_wrong"))


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_port_passes(checked, name):
    result = checked[name]
    assert [(found.level, found.item.name) for found in result.divergences] == []
    assert (result.verdict, result.errors) == ("pass", ())


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_port_fails_at_its_level(checked, name):
    result = checked[name]
    assert result.verdict == "fail"
    assert WRONG[name] in [found.level for found in result.divergences]


def test_what_is_gone_with_the_fixes_is_proven_to_follow_from_what_they_mend(checked):
    for name in ("enlarged__corners_wrong", "clipped__limit_wrong", "scheduled__power_wrong"):
        result = checked[name]
        assert result.inherited
        assert result.proven == result.inherited


def test_without_a_fix_nothing_is_proven_to_follow(checked):
    result = checked["enlarged__squared_wrong"]
    assert {level for level, _ in result.inherited} == {"loss", "gradient", "trajectory"}
    assert result.proven == ()


def test_a_loss_of_the_models_own_that_nothing_compares_leaves_a_check_open(checked):
    result = checked[OPEN]
    assert (result.verdict, result.divergences) == ("incomplete", ())
    assert [each["what"] for each in result.incomplete] == ["the model's own compute_loss"]


def test_an_average_that_a_port_lacks_is_named_with_what_gives_it(checked):
    (cause,) = checked["averaged__not_at_all_wrong"].causes[:1]
    assert cause["id"] == "F14"
    assert cause["detail"].startswith("Keras ends with an average of the weights (use_ema=True, ")
    assert "use_ema=True, ema_momentum=0.9" in cause["fix"]
    assert cause["tried"]
