"""Which runs of a sweep are trained together, in one process and at a time: an ensemble.

The torch half trains runs that differ in seed only as one stack (`torch_impl.fit_many`). That is
faster where the network is small, and slower where it is not: "auto" knows which (docs/scaling.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from parity.errors import InputError
from parity.programs.run_spec import RunSpec

AUTO = "auto"
LARGEST = 64
HALVES = ("torch",)  # that can train several runs at a time

# Runs at a time under "auto", by model. Those that are not here are trained one by one: their
# operations are so large that starting them costs nothing.
SIZES = {"underfit": 8, "linear": 8}

T = TypeVar("T")


def parse_ensemble(text: str) -> int | str:
    """Returns what `--ensemble` says: a number of runs, or "auto".

    Raises:
        InputError: it says neither.
    """
    if text == AUTO:
        return AUTO
    try:
        return checked(int(text))
    except ValueError:
        raise InputError(_expected(text)) from None


def checked(ensemble: int | str) -> int | str:
    """Returns a number of runs from 1 to 64, or "auto", as it is.

    Raises:
        InputError: it is something else.
    """
    is_number = isinstance(ensemble, int) and not isinstance(ensemble, bool)
    if ensemble != AUTO and not (is_number and 1 <= ensemble <= LARGEST):  # type: ignore[operator]
        raise InputError(_expected(ensemble))
    return ensemble


def _expected(value: object) -> str:
    return f"--ensemble {value}: expected 1 to {LARGEST} runs, or {AUTO}; 1 trains them one by one"


def size_of(spec: RunSpec, ensemble: int | str) -> int:
    """Returns how many runs that differ from a spec in their seed are trained at a time."""
    return SIZES.get(spec.model, 1) if ensemble == AUTO else int(ensemble)


def grouped(
    items: Sequence[T], spec_of: Callable[[T], RunSpec], ensemble: int | str
) -> list[list[T]]:
    """Groups what is trained together: runs that differ in seed only, in groups of about one size.

    Args:
        items: tasks, or whatever has a spec.
        spec_of: gives the spec of one.
        ensemble: runs at a time, or "auto".

    Returns:
        All items, in the order in which the first of each kind stands.
    """
    if ensemble == 1:
        return [[item] for item in items]
    kinds: dict[RunSpec, list[T]] = {}
    for number, item in enumerate(items):
        spec = spec_of(item)
        # What is trained alone is of a kind of its own, and keeps its place in the order.
        is_alone = size_of(spec, ensemble) == 1
        kinds.setdefault(spec.replace(seed=number if is_alone else 0), []).append(item)
    groups: list[list[T]] = []
    for kind, members in kinds.items():
        count = -(-len(members) // size_of(kind, ensemble))
        groups += (members[number::count] for number in range(count))
    return groups
