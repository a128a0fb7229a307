"""benchmarks/speed/roofline.py: the work of a step, counted by hand."""

import runpy

import pytest
from paths import ROOT

from parity.programs.scenarios import scenario

ROOFLINE = ROOT / "benchmarks" / "speed" / "roofline.py"


@pytest.fixture(scope="module")
def roofline():
    return runpy.run_path(str(ROOFLINE))


def test_the_work_of_a_step_is_that_of_its_convolutions_and_products(roofline):
    """Two operations for each product and sum; images get no gradient."""
    conv1, conv2 = 26 * 26 * 32 * 9 * 2, 11 * 11 * 64 * (9 * 32) * 2
    dense1, dense2 = 1600 * 128 * 2, 128 * 10 * 2
    expected = 2 * conv1 + 3 * (conv2 + dense1 + dense2)
    spec = scenario("capacity").replace(train_size=8, val_size=1, batch_size=8)
    _, flops = roofline["step_of"](spec)
    assert flops == expected == 15_396_864


def test_all_of_the_time_of_a_step_is_in_one_of_the_groups(roofline):
    spec = scenario("dropout").replace(train_size=8, val_size=1, batch_size=8)
    groups = roofline["profiled"](spec)
    assert sum(share for _, share in groups) == pytest.approx(1)
    assert {name for name, _ in groups} >= set(roofline["GROUPS"])
