"""The table of scenarios as text."""

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


def about(found):
    """Epochs, summary and the expected verdict."""
    count = "1 epoch" if found.spec.epochs == 1 else f"{found.spec.epochs} epochs"
    ending = "" if found.expected is None else f" -> {found.expected}"
    return f"{count}: {found.summary}{ending}"


def test_every_scenario_is_told_once_and_in_order():
    found = [(name, " ".join(told.split())) for name, told in rows().items()]
    assert found == [(name, about(scenario)) for name, scenario in SCENARIOS.items()]


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
