"""ScenarioSpec: a built-in scenario as a program, whose factories are called with its settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from parity.programs.program_spec import ProgramSpec
from parity.programs.run_spec import RunSpec


@dataclass(frozen=True)
class ScenarioSpec(ProgramSpec):
    """One training of a built-in scenario, in both halves.

    Attributes:
        run: its settings, from which all others follow; see `of_run`.
    """

    run: RunSpec = field(default_factory=RunSpec)

    @property
    def given(self) -> tuple[Any, ...]:
        """What the factories are called with."""
        return (self.run,)

    @property
    def probe_dtype(self) -> str:
        """Single batches show more in float64, in which both halves compute as well."""
        return "float64"

    @property
    def evaluates(self) -> bool:
        """The training samples are evaluated, since the verdict on the fit is of interest."""
        return True

    def told(self) -> dict[str, Any]:
        """Returns the settings as results have them."""
        return self.run.to_dict()


def of_run(run: RunSpec) -> ScenarioSpec:
    """Returns a built-in scenario as a program.

    Args:
        run: settings of the run.
    """
    return ScenarioSpec(
        program=run.scenario,
        keras="parity.halves.keras.scenarios:program",
        torch="parity.halves.torch.scenarios:program",
        seed=run.seed,
        sets_seed=True,
        dtype=run.dtype,
        device=run.device,
        threads=run.threads,
        run=run,
    )


def program_spec_from(values: Mapping[str, Any]) -> ProgramSpec:
    """Returns the spec that `to_dict` of a program or of a scenario has written.

    Raises:
        InputError: a key is unknown or a value is out of range.
    """
    is_scenario = isinstance(values, Mapping) and "run" in values
    kind = ScenarioSpec if is_scenario else ProgramSpec
    return kind.from_dict(values)
