"""The result of a check: the traces of both halves in, levels with their causes out.

This file has the heavy imports of a check. `check` imports it while the children compute.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from scipy import stats  # noqa: F401 - the initial weights need it, and it takes 0.5 s

from parity.divergences.causes import name_causes
from parity.ladder.engine import compare_levels
from parity.ladder.incomplete import incomplete_of, not_compared_of
from parity.ladder.items import PASS
from parity.ladder.own_tolerance import judged_within
from parity.ladder.result import Result, verdict_of
from parity.ladder.rounding import dtype_of
from parity.ladder.table import OF_PROBE
from parity.programs.check_spec import CheckSpec, num_steps
from parity.runs.check_options import CheckOptions, source_of
from parity.traces.folder import RunFolder
from parity.traces.trace import Trace

# What the halves are told beside the settings of a check, and where their files are.
UNTOLD = ("against", "brief", "draws", "described", "folder")
RECORDED = ("keras", "data", "seed", "steps", "batch_size")


def compared(spec: CheckSpec, folder: Path, options: CheckOptions) -> tuple[Result, bool]:
    """Compares what both halves left.

    What the user allows arrives here: `options.levels`, `options.tolerance`, `options.accept`.

    Returns:
        The result, and whether a brief probe has found something: the layers that it left out then
        tell where it is, and the result has no causes.

    Raises:
        InputError: the bundle lacks what the comparison needs.
        RunError: a trace is damaged.
    """
    run = RunFolder(folder)
    keras = Trace(run.half("keras").path, source_of(spec, folder))
    port = Trace(run.half("torch").path)
    levels = compare_levels(OF_PROBE, keras, port, names=options.levels)
    levels = tuple(judged_within(level, options.tolerance) for level in levels)
    told = spec.to_dict() | {name: keras.spec[name] for name in RECORDED}
    told["dtype"] = dtype_of(keras.facts)
    told["steps"] = num_steps(told["steps"], keras.facts["num_parameters"])
    result = Result(
        verdict=PASS,
        spec={name: value for name, value in told.items() if name not in UNTOLD},
        levels=levels,
        environment={"keras": keras.environment, "torch": port.environment},
        mode="replayed",
        incomplete=incomplete_of(keras, port),
        not_compared=not_compared_of(keras, port),
        tolerance=dict(options.tolerance),
    )
    is_brief = bool(keras.facts.get("brief"))
    is_open = is_brief and bool(
        result.incomplete or any(not item.agrees for level in levels for item in level.items)
    )
    if not is_open:
        result = name_causes(result, keras, port, options.accept)
        is_open = is_brief and bool(result.settings)  # unless the values of their layers agree
    return replace(result, verdict=verdict_of(result.levels, result.incomplete)), is_open
