"""What `parity check` of large networks against their twins costs, on Linux.

    python benchmarks/speed/check_costs.py
    python benchmarks/speed/check_costs.py DenseNet121

Prints for each network: processor time of all processes, with imports and the report; seconds on
the clock, which other work on the machine makes longer; the greatest memory of each half, and of
all processes at one time; and the size of all files that are left.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.accuracy.large_faults import write_configs

NETWORKS = ("ResNet50", "DenseNet121", "EfficientNetB0")


def measured(name: str, out: Path) -> dict[str, float | str]:
    """Checks a network, and returns what that cost."""
    command = [
        *(sys.executable, "-m", "parity", "check", "--out", str(out)),
        *("--keras", f"benchmarks.large.keras_models:{name}"),
        *("--torch", f"benchmarks.large.torch_models:{name}"),
    ]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE
    )
    peaks: dict[str, float] = {"keras": 0.0, "torch": 0.0}
    at_once = 0.0
    while process.poll() is None:
        found = _memory(process.pid)
        at_once = max(at_once, sum(now for _, now, _ in found))
        for command_line, _, peak in found:
            for half in peaks:
                if f"parity.worker {half}" in command_line:
                    peaks[half] = max(peaks[half], peak)
        time.sleep(0.1)
    assert process.stdout is not None
    lines = process.stdout.read().splitlines()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return {
        "verdict": next((line.strip() for line in lines if "The port" in line), f"{lines[-1:]}"),
        "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "wall": time.monotonic() - began,
        **peaks,
        "at_once": at_once,
        "size": size / 1e6,
    }


def _memory(parent: int) -> list[tuple[str, float, float]]:
    """Returns (command line, memory, greatest memory) of a process and all below it, in GiB."""
    found = []
    for process in _below(parent):
        folder = Path("/proc", str(process))
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            status = (folder / "status").read_text(encoding="utf-8")
        except OSError:  # it has ended
            continue
        lines = [line.split() for line in status.splitlines()]
        values = {words[0]: float(words[1]) / 2**20 for words in lines if words[-1] == "kB"}
        found.append((command, values.get("VmRSS:", 0.0), values.get("VmHWM:", 0.0)))
    return found


def _below(process: int) -> list[int]:
    found = [process]
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            children = task.read_text(encoding="utf-8").split()
        except OSError:
            continue
        for child in children:
            found += _below(int(child))
    return found


def main() -> None:
    """Prints a line for each network."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help=f"any of {', '.join(NETWORKS)}; default: all")
    names = parser.parse_args().names or list(NETWORKS)
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"{'':<16}{'cpu s':>7}{'wall s':>8}{'keras':>8}{'torch':>8}{'at once':>9}{'MB':>6}")
    with tempfile.TemporaryDirectory(prefix="parity-costs-") as folder:
        write_configs(Path(folder), names)
        for name in names:
            found = measured(name, Path(folder) / name)
            print(
                "{name:<16}{cpu:>7.0f}{wall:>8.0f}{keras:>8.2f}{torch:>8.2f}{at_once:>9.2f}"
                "{size:>6.0f}  {verdict}".format(name=name, **found)
            )


if __name__ == "__main__":
    main()
