"""All networks of keras.applications and their torch twins: one step by hand, and `parity check`.

    python benchmarks/accuracy/application_checks.py
    python benchmarks/accuracy/application_checks.py MobileNetV2 VGG16 --parts check
    python benchmarks/accuracy/application_checks.py --parts step --out build/applications

The constructors are found in the modules of keras.applications. For each network, in processes of
its own, one after the other, small images and random weights in float64:

1. `torch_impl.from_keras_config` makes its twin;
2. the output in eval mode, and one training step of both: the output in train mode with dropout,
   the gradients, the new weights with the moved statistics; greatest differences relative to the
   greatest entry (benchmarks/applications/torch_step.py). They are at most 1e-12, or (marked by ~)
   ten times what Keras's own value changes if every pixel moves by its last bit;
3. `parity check` of the network against its twin, all levels; and against wrong and other ports, if
   the network has some: a twin with one fault (benchmarks/applications/torch_side.py), and the
   network of torchvision, set right and as it is (torchvision_side.py).

A row has these differences, CPU seconds and the memory of the largest process of 2 and of 3, the
verdict, and the first divergence if there is one. `--parts step` leaves 3 out, `--parts check`
leaves 2 out; what an earlier call with the same `--out` has found of the other part is shown. A
network whose check needs more memory than `--memory` is not checked, and its row says so. The exit
code is 1 if a right port does not pass, or a wrong one does.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.applications.ports import OTHERS, TWIN, PortCase
from parity.errors import InputError, RunError
from parity.halves.job import ChildOptions
from parity.ladder.result import Result
from parity.programs.check_spec import CheckSpec
from parity.runs.check import check_all
from parity.runs.check_halves import CheckOptions
from parity.runs.record import record_spec

BAR, PARTS = 1e-12, ("step", "check")
UNKNOWN = {"difference": float("nan"), "allowed": 0.0}
COMPARED = ("eval", "train", "gradient", "weights")
# The torch half of VGG16, with 39.9 million weights, needs 2.1 GiB, and the Keras half 1.9: in
# float64, weights, gradients and both moments of Adam, beside frameworks and layers.
GB_OF_A_CHECK, BYTES_OF_A_WEIGHT = 1.0, 40
MEMORY = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
KERAS = "benchmarks.applications.keras_side:build"
Row = dict[str, Any]


def _child(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"benchmarks.applications.{module}", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def found(name: str, part: str, steps: int | None, memory: float, folder: Path) -> Row:
    """Returns what a part finds of one network; its processes are the children of this one.

    Args:
        name: of a constructor.
        part: one of `PARTS`.
        steps: of the trajectory of the check.
        memory: that a process of the check may use, in GB.
        folder: for the config, what Keras computes, and the traces and logs of the check.
    """
    row: Row = {}
    if part == "step":
        done = _child("keras_step", name, str(folder), "step")
        if not done.returncode:
            done = _child("torch_step", str(folder))
        lines = map(json.loads, done.stdout.splitlines())
        row["compared"] = {line["what"]: line for line in lines}
        shutil.rmtree(folder / "step", ignore_errors=True)
    elif not (folder / "config.json").exists():
        done = _child("keras_step", name, str(folder))
    else:
        done = subprocess.CompletedProcess([], 0)
    if done.returncode:
        row["error"] = done.stderr.strip().rpartition("\n")[2]
    elif part == "check" and (need := _memory_of_check(folder)) > memory:
        row["error"] = f"not checked: it needs about {need:.0f} GB; --memory is {memory:.0f}"
    elif part == "check":
        for case in [TWIN, *OTHERS.get(name, [])]:  # what an earlier call has left
            shutil.rmtree(folder / case.name, ignore_errors=True)
        shutil.rmtree(folder / "keras", ignore_errors=True)
        os.environ |= {"PARITY_NETWORK": name, "PARITY_CONFIG": str(folder / "config.json")}
        row["ports"] = list(_checked([TWIN, *OTHERS.get(name, [])], steps, folder))
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return row | {"cpu_s": used.ru_utime + used.ru_stime, "peak_gb": used.ru_maxrss / 2**20}


def _memory_of_check(folder: Path) -> float:
    """Returns how much memory a half of a check needs about, in GB, by the size of the network."""
    size = json.loads((folder / "size.json").read_text("utf-8"))
    return GB_OF_A_CHECK + size["parameters"] * BYTES_OF_A_WEIGHT / 2**30


def _checked(cases: list[PortCase], steps: int | None, folder: Path) -> Iterator[Row]:
    """Yields the verdict on each port of a network, and whether it is as expected.

    One process runs at a time, so that one network is in memory. Keras is run once for several
    ports, and each of them has a process of its own.
    """
    keras = CheckSpec(keras=KERAS, steps=steps, folder=str(ROOT))
    children = ChildOptions(workers=1)
    bundle = folder / "keras.parity"
    try:
        if len(cases) > 1:
            record_spec(keras, bundle, CheckOptions(out=folder / "keras", children=children))
            keras = keras.replace(keras=None, steps=None, against=str(bundle))
    except (InputError, RunError) as error:  # one row, and on with the next network
        yield {"port": TWIN.name, "told": f"error: {error}", "as_expected": False}
        return
    for case in cases:
        options = CheckOptions(out=folder / case.name, children=children)
        try:
            (result,) = check_all([keras.replace(torch=case.factory)], options)
        except (InputError, RunError) as error:
            yield {"port": case.name, "told": f"error: {error}", "as_expected": False}
            continue
        told, layer = _told(result)
        if case.cause:
            named = any(cause["id"] == case.cause for cause in result.causes[:1])
            as_expected = result.verdict == "fail" and named and case.layer in layer
        else:
            as_expected = result.verdict == "pass"
        yield {"port": case.name, "told": told, "as_expected": as_expected}
    bundle.unlink(missing_ok=True)


def _told(result: Result) -> tuple[str, str]:
    """Returns the verdict with the first divergence, and the layer of that."""
    told = [result.verdict, *result.errors[:1]]
    told += [f"{entry['what']}: {entry['why']}" for entry in result.incomplete[:1]]
    if result.first is None:
        return " ".join(told), ""
    first = result.first
    told += [f"{cause['id']} {cause['title']}" for cause in first.causes[:1]]
    told += [f"({first.level}, {first.item.name}; {len(result.divergences)} divergences)"]
    return " ".join(told), first.item.name


def shown(row: Row) -> str:
    """Returns what was found of a network as text: a line for each port."""
    size = row.get("size", {"parameters": 0, "shape": ""})
    shape = "x".join(map(str, size["shape"]))
    step, check = row.get("step", {}), row.get("check", {})
    cells = [step.get("compared", {}).get(what, UNKNOWN) for what in COMPARED]
    differences = "".join(
        f"{cell['difference']:>9.1e}{'~' if cell['difference'] > BAR else ' '}" for cell in cells
    )
    used = "".join(
        f"{part['cpu_s']:>5.0f} s {part['peak_gb']:>4.1f} GB" if part else f"{'':>15}"
        for part in (step, check)
    )
    error = step.get("error") or check.get("error")
    twin, *others = check.get("ports", [{"port": TWIN.name, "told": error or "not checked"}])
    weights = f"{size['parameters'] / 1e6:>7.1f} M {shape:<8}"
    lines = [f"{row['network']:<18}{weights}{differences}{used}  {twin['told']}"]
    return "\n".join([*lines, *(f"  {port['port']}: {port['told']}" for port in others)])


def passes(row: Row, parts: Sequence[str]) -> bool:
    """Whether everything that some parts have found of a network is as expected."""
    if any("error" in row[part] for part in parts):
        return False
    compared = row["step"]["compared"] if "step" in parts else {}
    agree = all(one["difference"] <= one["allowed"] for one in compared.values())
    is_whole = "step" not in parts or compared.keys() == set(COMPARED)
    ports = row["check"]["ports"] if "check" in parts else []
    return agree and is_whole and all(port["as_expected"] for port in ports)


def rows(
    names: Sequence[str], parts: Sequence[str], options: Sequence[str], out: Path | None
) -> Iterator[Row]:
    """Yields what was found of each network; each part is measured in a process of its own."""
    for name in names:
        with tempfile.TemporaryDirectory(prefix="parity-applications-") as temporary:
            folder = Path(temporary) if out is None else out.absolute() / name
            folder.mkdir(parents=True, exist_ok=True)
            for part in parts:
                command = [sys.executable, __file__, name, "--parts", part, "--row", str(folder)]
                done = subprocess.run(
                    [*command, *options], stdout=subprocess.PIPE, text=True, check=False
                )
                if done.returncode:
                    unknown = {"cpu_s": float("nan"), "peak_gb": float("nan")}
                    error = {"error": f"ended with exit code {done.returncode}"}
                    done.stdout = json.dumps(error | unknown)
                (folder / f"{part}.json").write_text(done.stdout, encoding="utf-8")
            row: Row = {"network": name}
            for key in ("size", *PARTS):
                if (path := folder / f"{key}.json").exists():
                    row[key] = json.loads(path.read_text("utf-8"))
        yield row


def main() -> int:
    """Prints a row for each network, and how many are as expected."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="constructors of keras.applications; default: all")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="default: both")
    parser.add_argument("--steps", type=int, help="of the trajectory; default: of parity check")
    parser.add_argument("--memory", type=float, default=MEMORY, help="GB of a half of a check")
    parser.add_argument("--out", type=Path, help="keeps the configs, traces, logs and rows here")
    parser.add_argument("--row", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.row is not None:
        name, part = given.names[0], given.parts[0]
        print(json.dumps(found(name, part, given.steps, given.memory, given.row)))
        return 0
    known = _child("networks").stdout.split()
    if unknown := sorted(set(given.names) - set(known)):
        parser.error(f"{unknown}: expected some of {', '.join(known)}")
    print(f"{'network':<18}{'weights':>9} {'images':<8}" + "".join(f"{n:>9} " for n in COMPARED))
    options = ["--memory", str(given.memory)]
    options += [] if given.steps is None else ["--steps", str(given.steps)]
    passed = []
    for row in rows(given.names or known, given.parts, options, given.out):
        print(shown(row), flush=True)
        passed.append(passes(row, given.parts))
    print(f"{sum(passed)} of {len(passed)} are as expected: {' and '.join(given.parts)}")
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
