"""The history in a result: what `fit` tells, and in a scenario the rate of every epoch."""

import numpy as np
import pytest
from traces import Parts

from parity.programs.program_spec import ProgramSpec
from parity.programs.scenario_spec import of_run
from parity.programs.scenarios import scenario
from parity.runs.pair import history_of

SCENARIO = of_run(scenario("dropout"))
PROGRAM = ProgramSpec(keras="app:build", torch="port:build")


def training(folder, **columns):
    """Two epochs of two steps, each with a rate of its own."""
    arrays = {"training/rates": np.array([0.5, 0.25, 0.125, 0.0625])}
    return Parts(arrays, {"epoch_ends": [2, 4]}, {"loss": [2.0, 1.0], **columns}).write(folder)


def test_the_rate_of_an_epoch_is_that_of_its_last_step(tmp_path):
    assert history_of(training(tmp_path), SCENARIO) == {
        "loss": [2.0, 1.0],
        "learning_rate": [0.25, 0.0625],
    }


@pytest.mark.parametrize(
    ("spec", "columns"),
    [(SCENARIO, {"learning_rate": [3.0, 4.0]}), (PROGRAM, {}), (PROGRAM, {"lr": [1.0, 1.0]})],
    ids=["fit tells the rates", "a program", "a program with a column of its own"],
)
def test_any_other_history_stays_as_fit_tells_it(spec, columns, tmp_path):
    assert history_of(training(tmp_path, **columns), spec) == {"loss": [2.0, 1.0], **columns}
