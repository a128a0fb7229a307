"""The table of scenarios as text."""

import pytest

from parity.programs.run_spec import RunSpec
from parity.programs.scenarios import CAUSES, PROGRAMS, REMEDIES, SCENARIOS, Scenario
from parity.report.text.tables import GROUPS, scenario_lines


def text():
    return ["".join(part for part, _ in line) for line in scenario_lines()]


def rows():
    """What is told of each scenario, in one line each, by name."""
    told, name = {}, None
    for line in text():
        if line.startswith("  ") and line[2] != " ":
            name = line.split()[0]
            told[name] = line.split(maxsplit=1)[1]
        elif line.startswith("  "):
            told[name] += " " + line.strip()
    return told


def test_every_scenario_is_listed_once_and_in_order():
    assert list(rows()) == list(SCENARIOS)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_row_tells_epochs_summary_and_the_expected_verdict(name):
    found = SCENARIOS[name]
    told = " ".join(rows()[name].split())
    assert told.startswith(f"{found.spec.epochs} epoch")
    assert found.summary in told
    if found.expected is None:
        assert "->" not in told
    else:
        assert told.endswith(f". -> {found.expected}")


def test_one_epoch_is_no_epochs(monkeypatch):
    for epochs, told in ((1, "1 epoch: Made."), (2, "2 epochs: Made.")):
        made = {"made": Scenario("Made.", RunSpec(scenario="made", epochs=epochs))}
        monkeypatch.setitem(GROUPS, "heading", made)
        assert text()[-1] == f"  {'made':<25}{told}"


def test_groups_stand_below_their_headings():
    lines = text()
    headings = [line for line in lines if not line.startswith(" ")]
    assert headings == list(GROUPS)
    assert list(GROUPS.values()) == [PROGRAMS, CAUSES, REMEDIES]
    assert {style for line in scenario_lines() for part, style in line if part in GROUPS} == {"dim"}
