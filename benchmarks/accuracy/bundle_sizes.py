"""How large bundles are: `python benchmarks/accuracy/bundle_sizes.py`.

Records the article's programs on images of MNIST's size, and a network of 34,000 weights with batch
normalisation on images of 32 by 32, and prints the size of each trace and of its bundle.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from parity.programs.check_spec import CheckSpec
from parity.runs.check_halves import CheckOptions
from parity.runs.record import record_spec
from parity.traces.bundle import unpack
from parity.traces.folder import RunFolder
from parity.traces.trace import Trace

HERE = "benchmarks/accuracy/bundle_sizes.py"
NETWORKS = {
    "underfit": f"{HERE}:underfit",
    "capacity": f"{HERE}:capacity",
    "dropout": f"{HERE}:dropout",
    "examples/migration": "examples/migration/keras_model.py:build",
    "34,000 weights": "tests/support/check_factories.py:keras_images",
}


def _program(name: str) -> Any:
    import keras

    from keras_impl import models

    model = getattr(models, name)((28, 28, 1), 10)
    model.compile(keras.optimizers.Adam(), "sparse_categorical_crossentropy")
    return model


def underfit() -> Any:
    """Returns the net that Example 1 answers."""
    return _program("underfit")


def capacity() -> Any:
    """Returns the net of Examples 1 and 2."""
    return _program("capacity")


def dropout() -> Any:
    """Returns the net of Example 3, of which `augmentation` is a training on other images."""
    return _program("dropout")


def main() -> None:
    """Prints a row for each network."""
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    print(f"{'':20}{'weights':>10}{'trace MB':>10}{'bundle MB':>11}")
    for name, factory in NETWORKS.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a.parity"
            record_spec(CheckSpec(keras=factory, folder=str(ROOT)), path, CheckOptions())
            trace = RunFolder(Path(folder) / "keras")
            unpack(path, trace.path)
            num = Trace(trace.path).facts["num_parameters"]
            sizes = [trace.arrays.stat().st_size / 1e6, path.stat().st_size / 1e6]
            print(f"{name:20}{num:>10,}{sizes[0]:>10.1f}{sizes[1]:>11.2f}", flush=True)


if __name__ == "__main__":
    main()
