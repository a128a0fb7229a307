"""Steps by code of the user's own: right ports pass, wrong ones fail and are named."""

import pytest
import steps_torch
from paths import ROOT
from port_files import checked_ports, ports_in

from parity.programs.check_spec import CheckSpec
from parity.runs.check import check_all
from parity.runs.check_options import CheckOptions

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("warm_halves")]

PORTS = ports_in(steps_torch)
WRONG = [name for name in PORTS if name.endswith("_wrong")]
RIGHT = [name for name in PORTS if name not in WRONG]


# Name -> the first cause of one of its divergences.
NAMED = {
    "plain__summed_wrong": "S4",
    "plain__kept_wrong": "S5",
    "clipped__each_wrong": "E8",
    "clipped__not_wrong": "E8",
    "gan__judged_twice_wrong": "S2",
    "gan__beta_wrong": "F14",
    "gan__labels_wrong": "S10",
    "gan__dropping_wrong": "S1",
    "gan__noise_of_labels_wrong": "S10",
    "gan__twice_the_loss_wrong": "S4",
    "gan__not_misled_wrong": "S10",
    "wasserstein__five_steps_wrong": "S2",
    "wasserstein__penalty_wrong": "S10",
    "wasserstein__no_root_wrong": "S10",
    "wasserstein__eval_mode_wrong": "S1",
    "wasserstein__all_moved_wrong": "S3",
    "autoencoder__weighted_wrong": "S10",
    "autoencoder__mean_wrong": "S6",
    "autoencoder__variance_wrong": "S12",
    "autoencoder__told_twice_wrong": "S6",
    "distiller__not_squared_wrong": "S11",
    "distiller__temperature_wrong": "S10",
    "distiller__shares_wrong": "S11",
    "distiller__teacher_trains_wrong": "S1",
    "siamese__not_stopped_wrong": "S11",
    "siamese__axis_wrong": "S10",
    "siamese__momentum_wrong": "F14",
    "siamese__summed_wrong": "S4",
}


@pytest.fixture(scope="module")
def checked():
    return checked_ports(steps_torch)


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_step_passes(checked, name):
    result = checked[name]
    assert [(found.level, found.item.name) for found in result.divergences] == []
    assert (result.verdict, result.incomplete, result.errors) == ("pass", (), ())


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_step_fails(checked, name):
    result = checked[name]
    assert (result.verdict, result.errors) == ("fail", ())
    causes = {found.causes[0]["id"] for found in result.divergences}
    assert NAMED[name] in causes


def test_a_step_that_is_to_be_written_leaves_the_network_compared(tmp_path):
    """A stub of `parity port`: the check is not decided, and says what is to be done."""
    (tmp_path / "unfinished.py").write_text(
        "import dataclasses, steps_torch\n\n"
        "def step(data):\n    raise NotImplementedError('the step is to be written')\n\n"
        "def build():\n    return dataclasses.replace(steps_torch.plain(), train_step=step)\n",
        encoding="utf-8",
    )
    spec = CheckSpec(
        keras="steps_keras.py:plain",
        torch=str(tmp_path / "unfinished.py:build"),
        folder=str(ROOT / "tests" / "support"),
    )
    (result,) = check_all([spec], CheckOptions())
    assert (result.verdict, result.errors) == ("incomplete", ())
    (told,) = result.incomplete
    assert told["why"] == "the port is not finished: the step is to be written (unfinished.py:4)"
    assert {each.id: each.status for each in result.levels}["forward"] == "pass"
