"""Programs whose code does what a layer often does: right ports pass, and wrong ones fail."""

import coded_torch
import pytest
from port_files import checked_ports, ports_in

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("warm_halves")]

PORTS = ports_in(coded_torch)
WRONG = [name for name in PORTS if name.endswith("_wrong")]
RIGHT = [name for name in PORTS if name not in WRONG]


@pytest.fixture(scope="module")
def checked():
    return checked_ports(coded_torch)


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_port_of_such_a_program_passes(checked, name):
    result = checked[name]
    assert [(found.level, found.item.name) for found in result.divergences] == []
    assert (result.verdict, result.incomplete, result.errors) == ("pass", (), ())


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_port_of_such_a_program_fails(checked, name):
    assert (checked[name].verdict, checked[name].errors) == ("fail", ())
