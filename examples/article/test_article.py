"""The article's programs and their ports by hand are the same trainings, in their first epoch.

`parity run example_1 example_2 example_3` trains all epochs.
"""

from pathlib import Path

import pytest

from parity.programs.tool_table import read_tool_table
from parity.runs.run import run_all
from parity.runs.steps import RunOptions

pytestmark = pytest.mark.long

HERE = Path(__file__).parent
PROGRAMS = ("example_1", "example_2", "example_3")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The results of one epoch of each program."""
    table = read_tool_table(HERE)
    specs = [table.programs[name].spec(name, HERE, epochs=1) for name in PROGRAMS]
    found = run_all(specs, RunOptions(tmp_path_factory.mktemp("article") / "out"))
    return dict(zip(PROGRAMS, found, strict=True))


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_port_by_hand_trains_as_the_script_does(name, results):
    result = results[name]
    assert result.errors == ()
    assert [level.id for level in result.levels if level.status != "pass"] == []
    assert result.verdict == "pass"
    ours, theirs = result.history["torch"], result.history["keras"]
    for key, column in theirs.items():
        assert ours[key] == pytest.approx(column, abs=1e-12), key
    assert result.not_compared == ()


def test_the_augmentation_of_the_port_gives_keras_images(results):
    (data,) = (level for level in results["example_2"].levels if level.id == "data")
    images = [item for item in data.items if item.name == "augmented images"]
    assert [item.step for item in images] == [1, 2, 5, 10, 20, 50]
    assert max(item.worst for item in images) <= 1e-12
