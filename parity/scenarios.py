"""The named runs, at the address that programs outside use; they are in `parity.programs`."""

from __future__ import annotations

from parity.programs.scenarios import (
    BEHAVIOUR,
    CAUSES,
    PROGRAMS,
    REMEDIES,
    SCENARIOS,
    Margins,
    Scenario,
    find,
    scenario,
)

__all__ = [
    "BEHAVIOUR",
    "CAUSES",
    "PROGRAMS",
    "REMEDIES",
    "SCENARIOS",
    "Margins",
    "Scenario",
    "find",
    "scenario",
]
