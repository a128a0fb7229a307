"""The thirty networks of `benchmarks/networks_b` are complete, and their mistakes have names."""

import ast

import pytest
from paths import ROOT

from benchmarks.networks_b.table import MORE, NETWORKS
from parity.divergences.registry import REGISTRY

FOLDER = ROOT / "benchmarks" / "networks_b"


def functions(path):
    return {node.name for node in ast.parse(path.read_text("utf-8")).body if hasattr(node, "name")}


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_a_network_has_a_program_a_right_port_and_a_faulty_one(network):
    assert "build" in functions(FOLDER / "originals" / f"{network.name}.py")
    assert {"right", "wrong"} <= functions(FOLDER / "ports" / f"{network.name}.py")
    is_twin = (FOLDER / "ports" / "configs" / f"{network.name}.json").exists()
    assert (network.port == "twin") == is_twin


@pytest.mark.parametrize("fault", MORE, ids=lambda fault: f"{fault.network}.{fault.port}")
def test_a_further_fault_has_a_port_and_known_causes(fault):
    assert fault.port in functions(FOLDER / "ports" / f"{fault.network}.py")
    assert fault.network in {network.name for network in NETWORKS}
    assert set(fault.causes) <= set(REGISTRY)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_the_causes_that_are_expected_are_in_the_registry(network):
    assert set(network.causes) <= set(REGISTRY)
