"""Every public class of keras.layers: its twin, and `parity check` of the pair.

    python benchmarks/accuracy/public_layers.py
    python benchmarks/accuracy/public_layers.py Conv2D LSTM
    python benchmarks/accuracy/public_layers.py --only twin

Classes are found by introspection, each once. `benchmarks/public_layers` has their settings. For
each setting, a small model around the layer and its twin are compared in float64: outputs and
gradients in both modes, weights after steps. Then the pair goes through all levels of a check. A
class without a twin is refused, in the words of the last column. The exit code is 1 if something
differs. All of it takes about half an hour on 2 cores.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import keras

from benchmarks.public_layers.models import checkable
from benchmarks.public_layers.setting import Setting
from benchmarks.public_layers.table import SETTINGS, of_layer, public_classes
from benchmarks.public_layers.twins import BAR, FLOAT32_BAR, differences
from parity.ladder.result import Result
from parity.programs.check_spec import CheckSpec
from parity.runs.check import check_all
from parity.runs.check_options import CheckOptions
from torch_impl.keras_config import NoTwinError

PACKAGE = "benchmarks.public_layers"
_IN_ONE_CHILD = 60  # settings; a child imports its framework once


def twin_problem(setting: Setting) -> str:
    """Returns how the twin differs, or why there is none; "" if it is the layer."""
    try:
        found = differences(setting)
    except NoTwinError as error:
        return " ".join(str(error).split())
    bar = FLOAT32_BAR if setting.is_rounded else BAR
    worst = max(found, key=lambda name: found[name])
    return "" if found[worst] <= bar else f"{worst} differs by {found[worst]:.1e}"


def checked(settings: Sequence[Setting], steps: int = 2) -> Iterator[tuple[Setting, str]]:
    """Yields each setting with what `parity check` says of it, "" for a pass.

    Args:
        settings: those that have a twin.
        steps: of the training in a check.
    """
    for start in range(0, len(settings), _IN_ONE_CHILD):
        part = settings[start : start + _IN_ONE_CHILD]
        with tempfile.TemporaryDirectory(prefix="parity-layers-") as folder:
            os.environ["PARITY_CONFIGS"] = folder
            for setting in part:
                keras.utils.clear_session()
                Path(folder, f"{setting.name}.json").write_text(checkable(setting).to_json())
            specs = [
                CheckSpec(
                    keras=f"{PACKAGE}.keras_side:{setting.name}",
                    torch=f"{PACKAGE}.torch_side:{setting.name}",
                    steps=steps,
                    batch_size=3,
                    folder=str(ROOT),
                )
                for setting in part
            ]
            for setting, result in zip(part, check_all(specs, CheckOptions()), strict=True):
                yield setting, verdict(result)


def verdict(result: Result) -> str:
    """Returns the verdict of a check with its reason; "" for a pass."""
    if result.verdict == "pass":
        return ""
    told = [f"{item['what']}: {item['why']}" for item in result.incomplete]
    told += [f"{found.level}: {found.item.name}" for found in result.divergences]
    return " ".join(f"{result.verdict}: {'; '.join([*told, *result.errors][:2])}".split())


def show(name: str, twins: dict[str, str], checks: dict[str, str]) -> None:
    """Prints a row: the class, its settings, how many have a twin and pass, the first words."""
    settings = [setting.name for setting in of_layer(name)]
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
    checks = {} if arguments.only == "twin" else {s.name: v for s, v in checked(with_twin)}
    print(f"{'class':44}{'rows':>5}{'twin':>6}{'check':>6}")
    for name in names:
        show(name, twins, checks)
    whole = [
        sum(
            1
            for name in names
            if of_layer(name) and not any(each.get(s.name, "-") for s in of_layer(name))
        )
        for each in (twins, checks)
    ]
    print(
        f"{len(names)} classes, {len(settings)} settings, {time.monotonic() - began:.0f} s: ",
        end="",
    )
    print(
        f"{whole[0]} classes have a twin in every setting, {whole[1]} pass the check in every one"
    )
    return int(any(twins.values()) or any(checks.values()))


if __name__ == "__main__":
    sys.exit(main())
