"""What the speed of a benchmark depends on besides its code: the machine and the versions.

In: a `BenchResult`, whose rows may say what differs in their own process. Out: the facts in it. The
present machine is not asked, and nothing is assumed where the result is silent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from parity.bench.result import BenchResult, Row

# Looked up in the row's `environment`, then in the result's, then in `spec`.
NEEDED = ("processor", "cores", "threads")
HARDWARE = (*NEEDED, "device", "gpu")
FIRST = ("python", "keras", "tensorflow", "torch", "numpy")  # versions that come first


def machine(result: BenchResult, row: Row | None = None) -> dict[str, Any]:
    """Returns what is known of the hardware that a row ran on; None for what is not."""
    places = [result.environment, result.spec]
    if row is not None and row.environment is not None:
        places.insert(0, row.environment)
    return {
        name: next((p[name] for p in places if p.get(name) not in (None, "")), None)
        for name in HARDWARE
    }


def facts(result: BenchResult) -> dict[str, str]:
    """Returns all known facts as text: hardware, Python and packages, of all rows."""
    known: dict[str, dict[str, None]] = {name: {} for name in (*HARDWARE, *FIRST)}

    def add(found: Mapping[Any, Any]) -> None:
        for name, value in found.items():
            if value not in (None, ""):
                known.setdefault(str(name), {})[str(value)] = None

    rows: Sequence[Row | None] = result.rows or (None,)
    for row in rows:
        add(machine(result, row))
    for place in (result.environment, *(row.environment or {} for row in result.rows)):
        add({"python": place.get("python")})
        if isinstance(versions := place.get("versions"), Mapping):
            add(versions)
    return {name: " or ".join(values) for name, values in known.items() if values}
