"""The nineteen networks of `benchmarks/networks_c` are complete."""

import ast

import pytest
from paths import ROOT

from benchmarks.accuracy.networks_c import PLACES
from benchmarks.networks_c.table import FAULTS, NETWORKS
from parity.divergences.registry import REGISTRY

FOLDER = ROOT / "benchmarks" / "networks_c"


def functions(path):
    return {node.name for node in ast.parse(path.read_text("utf-8")).body if hasattr(node, "name")}


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_has_a_program_and_a_right_port(network):
    assert "build" in functions(FOLDER / "originals" / f"{network}.py")
    assert "right" in functions(FOLDER / "ports" / f"{network}.py")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.network}.{fault.port}")
def test_a_fault_has_a_port_and_a_level(fault):
    assert fault.port in functions(FOLDER / "ports" / f"{fault.network}.py")
    assert fault.level in {"init", "forward", "loss", "gradient", "optimizer", "schedule"}


def test_every_port_is_in_the_table():
    files = [path.stem for path in (FOLDER / "ports").glob("*.py")]
    assert sorted(files) == sorted(NETWORKS)


def test_the_causes_that_tell_a_place_alone_are_in_the_registry():
    assert set(REGISTRY) >= PLACES
