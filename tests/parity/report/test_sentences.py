"""The sentences that all reports share."""

import dataclasses

import pytest
from result_samples import (
    explained_run,
    failing_check,
    failing_run,
    incomplete_run,
    passing_check,
    run,
)

from parity.ladder.items import SKIPPED, Level
from parity.programs.program_spec import ProgramSpec
from parity.report.sentences import (
    coverage,
    inherited_text,
    is_check,
    is_scenario,
    sentence,
    special_status,
)
from parity.report.verdict import sentence_of

PROGRAM = ProgramSpec(keras="app:build", torch="port:build").told()


def of_program(result):
    """The same found in a program of a user's."""
    return dataclasses.replace(result, spec=PROGRAM)


def in_float64(result):
    return dataclasses.replace(result, spec=result.spec | {"dtype": "float64"})


@pytest.mark.parametrize(
    ("result", "kinds"),
    [
        (run(), (True, False)),
        (of_program(run()), (False, False)),
        (passing_check(), (False, True)),
    ],
    ids=["scenario", "program", "check"],
)
def test_a_whole_training_is_no_check(result, kinds):
    assert (is_scenario(result), is_check(result)) == kinds


@pytest.mark.parametrize(
    ("result", "told"),
    [
        (run(), "the two runs are the same, within float32 rounding: all 11 levels agree"),
        (in_float64(run()), "the two runs are the same: all 11 levels agree"),
        (failing_run(), "the two runs are different; 9 of 11 levels compared"),
        (explained_run(), "the two runs are different; 11 of 11 levels compared"),
        (
            explained_run(divergences=explained_run().divergences * 2),
            "the two runs are different in 2 places; 11 of 11 levels compared",
        ),
        (incomplete_run(), "not decided: slots could not be compared; 11 of 11 levels agree"),
        (
            run((*run().levels[:-1], Level("behaviour", SKIPPED, "no validation"))),
            "10 of 11 levels agree; not compared: behaviour (no validation)",
        ),
        (of_program(run()), "the port is right: all 11 levels agree"),
        (of_program(explained_run()), "the port differs from Keras; 11 of 11 levels compared"),
        (failing_check(), "the port differs from Keras; 2 of 3 levels compared"),
    ],
)
def test_a_verdict_says_no_more_than_was_compared(result, told):
    assert sentence(result) == told


def test_the_verdict_of_a_run_names_its_cause():
    told = "The two runs are different: padding 'same' with a stride is not symmetric (A5)."
    assert sentence_of(explained_run()) == f"{told} 11 of 11 levels compared."


def test_what_follows_is_counted_level_by_level():
    result = explained_run()
    assert inherited_text(result) == (
        "4 more items differ only because of this: 3 at trajectory and 1 at schedule"
    )
    statuses = {level.id: special_status(result, level) for level in result.levels}
    assert {name for name, told in statuses.items() if told == "follows"} == {
        "trajectory", "schedule",
    }  # fmt: skip
    assert coverage(result) == (11, 11)
