"""Writes configs.json for `torch_configs`: `python benchmarks/pairs/write_configs.py`.

The file is kept since the PyTorch half runs without Keras.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import keras

from benchmarks.pairs import keras_branches, keras_layers

FACTORIES = {
    "residual": keras_branches.residual,
    "flatten": keras_layers.flatten,
    "batch_norm": keras_layers.batch_norm,
    "embedding_conv": keras_branches.embedding_conv,
}


def main() -> None:
    """Writes the file."""
    configs = {}
    for name, factory in FACTORIES.items():
        keras.utils.clear_session()  # Keras numbers layer names through the whole process
        configs[name] = json.loads(factory().to_json())
    text = json.dumps(configs, indent=1, sort_keys=True) + "\n"
    (ROOT / "benchmarks" / "pairs" / "configs.json").write_text(text)


if __name__ == "__main__":
    main()
