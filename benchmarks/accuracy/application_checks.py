"""`parity check` of keras.applications against their torch twins, and against torchvision's ResNet.

    python benchmarks/accuracy/application_checks.py
    python benchmarks/accuracy/application_checks.py MobileNetV2

Each network takes one to four minutes on 2 cores. Initial weights are not compared: a twin gets
those of Keras.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from parity.ladder.levels import LEVEL_IDS
from parity.ladder.result import Result
from parity.programs.check_spec import CheckSpec
from parity.runs.check import check_all
from parity.runs.check_options import CheckOptions
from parity.runs.record import record_spec

NETWORKS = ("VGG16", "ResNet50", "MobileNetV2", "EfficientNetB0", "DenseNet121")
KERAS, TORCH = "benchmarks.pairs.keras_applications", "benchmarks.pairs.torch_applications"


def show(name: str, result: Result, wall_s: float) -> None:
    """Prints the verdict, and the worst item of every level, or the differences."""
    print(f"{name}: {result.verdict}, {wall_s:.0f} s")
    for level in result.levels:
        if level.worst is not None:
            worst = level.worst
            print(f"  {level.id:<11}{worst.worst:9.1e}  {worst.allowed:9.1e}  {worst.name}")
    for cause in result.causes[:1]:
        print(f"  {cause['id']}  {cause['title']}: {cause['detail']}")
    for row in result.settings:
        print(f"  {row['id']}  {row['name']}: {row['keras']}, {row['torch']}; {len(row['layers'])}")


def main() -> None:
    """Checks the named networks, or all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help=f"any of {', '.join(NETWORKS)}; default: all")
    names = parser.parse_args().names or list(NETWORKS)
    levels = [level for level in LEVEL_IDS if level != "init"]
    with tempfile.TemporaryDirectory(prefix="parity-applications-") as folder:
        os.environ["PARITY_CONFIGS"] = folder
        writer = ROOT / "benchmarks" / "pairs" / "keras_applications.py"
        environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
        subprocess.run([sys.executable, writer, folder], check=True, env=environment)
        for name in names:
            bundle = Path(folder) / f"{name}.parity"
            began = time.monotonic()
            spec = CheckSpec(keras=f"{KERAS}:{name}", steps=2, batch_size=3, folder=str(ROOT))
            record_spec(spec, bundle, CheckOptions())
            ports = [name, *(["torchvision_resnet50"] if name == "ResNet50" else [])]
            for port in ports:
                checked = CheckSpec(torch=f"{TORCH}:{port}", against=str(bundle), folder=str(ROOT))
                (result,) = check_all([checked], CheckOptions(levels=levels))
                show(port, result, time.monotonic() - began)
            bundle.unlink()


if __name__ == "__main__":
    main()
