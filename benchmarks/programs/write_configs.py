"""Writes configs.json for `twins`: `python benchmarks/programs/write_configs.py`.

The file is kept since the PyTorch half runs without Keras.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path[:0] = [str(FOLDER.parents[1]), str(FOLDER)]

import keras

PROGRAMS = ("residual", "text", "series", "autoencoder", "two_inputs", "finetune")


def main() -> None:
    """Writes the file."""
    configs = {}
    for name in PROGRAMS:
        keras.utils.clear_session()  # Keras numbers layer names through the whole process
        reference = importlib.import_module(f"{name}_keras").build()
        configs[name] = json.loads(reference.model.to_json())
    text = json.dumps(configs, indent=1, sort_keys=True) + "\n"
    (FOLDER / "configs.json").write_text(text)


if __name__ == "__main__":
    main()
