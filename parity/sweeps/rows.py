"""What a sweep has found in each finished run, and the settings that a run rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from parity.behaviour.rules import Expectation, Judgement, judge, judge_run
from parity.files.ranges import AtLeast0, Half
from parity.programs.program_spec import ProgramSpec
from parity.programs.run_spec import RunSpec

# --- The settings of a spec that change what a half computes: a part of the key of a task ---------


# Settings of a program that change nothing that is computed.
_OF_NO_EFFECT = ("program", "folder", "max_feed")


def deciding(spec: RunSpec | ProgramSpec, half: str) -> dict[str, Any]:
    """Returns the settings of a spec that change what a half computes."""
    is_run = isinstance(spec, RunSpec)
    left_out = {"scenario"} if is_run else {*_OF_NO_EFFECT}
    if half == "keras":
        left_out |= {"mode"} if is_run else {"torch"}
    return {name: value for name, value in spec.to_dict().items() if name not in left_out}


# --------------------------------------------------------------------------------------------------
#
# What a sweep has found: the behaviour of each finished run, and the runs without a result.


@dataclass(frozen=True)
class Row:
    """The behaviour of one finished run of a sweep.

    Attributes:
        scenario: name of the scenario or program.
        seed: seed of the run.
        half: "keras" or "torch".
        judgement: the verdict on its history.
        wall_s: seconds of training.
        key: SHA-256 of all that decides the run: its name in the store.
    """

    scenario: str
    seed: AtLeast0
    half: Half
    judgement: Judgement
    wall_s: float
    key: str = ""


@dataclass
class Sweep:
    """The runs of a sweep.

    Attributes:
        rows: finished runs, in the order of the specs.
        failures: a row for each run without a result: scenario, seed, half, reason.
        num_run: number of tasks that were run now and not before.
    """

    rows: list[Row] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)
    num_run: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether every run has a result."""
        return not self.failures


def judge_record(record: Mapping[str, Any], spec: RunSpec | ProgramSpec) -> tuple[Judgement, float]:
    """Returns the verdict on a finished run, and the seconds of its training.

    Args:
        record: of the run, whose history has numbers for NaN and the infinities.
        spec: of the run.
    """
    history = record["history"]
    if isinstance(spec, RunSpec):
        judgement = judge_run(spec, history, record)
    else:
        known = {name: record[name] for name in ("num_train", "num_val")}
        outputs = tuple(record.get("outputs", ()))  # older records are of models with one
        judgement = judge(history, Expectation(**known, outputs=outputs))
    return judgement, float(record["run"]["wall_s"])
