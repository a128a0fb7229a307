"""The command that repeats a run or a check."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from parity.errors import InputError
from parity.programs.run_spec import RunSpec
from parity.programs.scenarios import SCENARIOS

# Settings that `parity run` has an option for.
OPTIONS = (
    "epochs",
    "batch_size",
    "train_size",
    "val_size",
    "data",
    "split",
    "dtype",
    "device",
    "threads",
)
CHECK_OPTIONS = {
    "dtype": "float64",
    "seed": 0,
    "steps": 6,
    "batch_size": 4,
    "threads": 1,
    "device": "cpu",
}


def command_of(spec: Mapping[str, Any]) -> str:
    """Returns the command for the same run, or a Python program if no command can express it.

    Args:
        spec: spec in a result, of a run or of a check.
    """
    if "program" in spec and "scenario" not in spec:
        return _program_command(spec)
    if "scenario" not in spec:
        return _check_command(spec)
    try:
        given = RunSpec.from_dict(spec)
    except InputError:  # of another version, or damaged
        return ""
    known = SCENARIOS.get(given.scenario)
    if known is not None:
        changes = {
            name: getattr(given, name)
            for name in OPTIONS
            if getattr(given, name) != getattr(known.spec, name)
        }
        is_sayable = all(value is not None for value in changes.values())
        if is_sayable and known.spec.replace(seed=given.seed, **changes) == given:
            options = [f"--seed {given.seed}"]
            options += [f"{_option(name)} {shlex.quote(str(v))}" for name, v in changes.items()]
            return " ".join(["parity run", given.scenario, *options])
    settings = {k: v for k, v in given.to_dict().items() if v != RunSpec().to_dict()[k]}
    return (
        "from parity import RunSpec, run\n\n"
        f"spec = RunSpec.from_dict({settings!r})\n"
        'run(spec, out="parity-runs")'
    )


def _check_command(spec: Mapping[str, Any]) -> str:
    parts = ["parity check"]
    parts += [
        f"{_option(name)} {shlex.quote(str(spec[name]))}"
        for name in ("keras", "torch", "data")
        if spec.get(name) is not None
    ]
    if spec.get("arguments"):
        parts.append(_arguments(spec))
    parts += [
        f"{_option(name)} {shlex.quote(str(spec[name]))}"
        for name, default in CHECK_OPTIONS.items()
        if spec.get(name) not in (None, default)
    ]
    return " ".join(parts)


def _program_command(spec: Mapping[str, Any]) -> str:
    """Returns the command for a program: by its halves, which need no table."""
    names = ("keras", "torch", "data", "epochs", "batch_size", "train_size", "val_size")
    parts = ["parity run"]
    parts += [
        f"{_option(name)} {shlex.quote(str(spec[name]))}"
        for name in names
        if spec.get(name) is not None
    ]
    if spec.get("arguments"):
        parts.append(_arguments(spec))
    if spec.get("sets_seed"):
        parts.append(f"--seed {spec.get('seed')}")
    defaults = {"dtype": "float64", "device": "cpu", "threads": 1}
    parts += [
        f"{_option(name)} {shlex.quote(str(spec[name]))}"
        for name, default in defaults.items()
        if spec.get(name) not in (None, default)
    ]
    return " ".join(parts)


def _arguments(spec: Mapping[str, Any]) -> str:
    """Returns the option with the command line of a training script."""
    return f"--arguments {shlex.quote(shlex.join(map(str, spec['arguments'])))}"


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
