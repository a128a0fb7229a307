"""Every public class of keras.layers: its twin, and `parity check` of the pair.

    python benchmarks/accuracy/public_layers.py
    python benchmarks/accuracy/public_layers.py Conv2D LSTM
    python benchmarks/accuracy/public_layers.py --only twin

Classes are found by introspection, each once. `benchmarks/public_layers` has their settings. For
each setting, a small model around the layer and its twin are compared in float64: outputs and
gradients in both modes, weights after steps. Then pairs of such models go through all levels of a
check. A class without a twin is refused, in the words that stand there. The exit code is 1 if
something differs.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.public_layers.checks import Branches, checked, name_of, verdict
from benchmarks.public_layers.setting import Setting
from benchmarks.public_layers.table import SETTINGS, of_layer, public_classes
from benchmarks.public_layers.twins import BAR, FLOAT32_BAR, differences
from torch_impl.keras_config import NoTwinError
from torch_impl.keras_config.builders import REFUSED

_BRANCHES = 5  # settings in one model
_IN_ONE_CHILD = 50  # models; a child imports its framework once


def twin_problem(setting: Setting) -> str:
    """Returns how the twin differs, or why there is none; "" if it is the layer."""
    try:
        found = differences(setting)
    except NoTwinError as error:
        return " ".join(str(error).split())
    except Exception as error:  # the other rows are to be printed, too
        return f"{type(error).__name__}: {' '.join(str(error).split())}"
    bar = FLOAT32_BAR if setting.is_rounded else BAR
    worst = max(found, key=lambda name: found[name])
    return "" if found[worst] <= bar else f"{worst} differs by {found[worst]:.1e}"


def checks_of(settings: Sequence[Setting]) -> dict[str, str]:
    """Returns what `parity check` says of each setting that has a twin, "" for a pass.

    Some settings are branches of one model. If it does not pass, each of them is checked alone.
    """
    groups = [settings[n : n + _BRANCHES] for n in range(0, len(settings), _BRANCHES)]
    told = dict(_verdicts(groups))
    alone = [[setting] for group in groups if told[name_of(group)] for setting in group]
    told |= dict(_verdicts(alone))
    passed = {s.name: "" for group in groups if not told[name_of(group)] for s in group}
    return {**passed, **{setting.name: told[setting.name] for (setting,) in alone}}


def _verdicts(models: Sequence[Branches]) -> Iterator[tuple[str, str]]:
    """Yields the name of each model with its verdict, "" for a pass."""
    for start in range(0, len(models), _IN_ONE_CHILD):
        part = models[start : start + _IN_ONE_CHILD]
        yield from zip(map(name_of, part), map(verdict, checked(part)), strict=True)


def show(name: str, twins: dict[str, str], checks: dict[str, str]) -> None:
    """Prints a row: the class, its settings, how many have a twin and pass, the first words."""
    settings = [setting.name for setting in of_layer(name)]
    if not settings:
        print(f"{name:44}{'refused: ' + REFUSED[name]}")
        return
    good = [sum(not each.get(name, "-") for name in settings) for each in (twins, checks)]
    told = [f"{n}: {each[n]}" for n in settings for each in (twins, checks) if each.get(n)]
    print(f"{name:44}{len(settings):5}{good[0]:6}{good[1]:6}  {'; '.join(told)[:300]}", flush=True)


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", help="classes of keras.layers; default: all")
    parser.add_argument("--only", choices=("twin", "check"), help="one of the two comparisons")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # Keras warns of masks that end at a Flatten
    names = arguments.names or list(public_classes())
    settings = [s for s in SETTINGS.values() if s.layer in names]
    began = time.monotonic()
    twins = {} if arguments.only == "check" else {s.name: twin_problem(s) for s in settings}
    with_twin = [s for s in settings if not twins.get(s.name)]
    checks = {} if arguments.only == "twin" else checks_of(with_twin)
    print(f"{'class':44}{'rows':>5}{'twin':>6}{'check':>6}")
    for name in names:
        show(name, twins, checks)
    known = [name for name in names if name not in REFUSED]
    whole = [
        sum(not any(each.get(s.name, "-") for s in of_layer(name)) for name in known)
        for each in (twins, checks)
    ]
    print(f"{len(names)} classes, {len(settings)} settings, {time.monotonic() - began:.0f} s")
    print(f"in every setting: {whole[0]} classes have a twin, {whole[1]} pass the check")
    return int(any(twins.values()) or any(checks.values()))


if __name__ == "__main__":
    sys.exit(main())
