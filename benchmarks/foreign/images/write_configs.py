"""Writes the configs of twins: `python benchmarks/foreign/images/write_configs.py`."""

import importlib
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "originals"), str(HERE.parents[2])]


def main():
    """One file for each network whose port is a twin: `configs/NAME.json`."""
    import keras

    from benchmarks.foreign.images.table import NETWORKS

    (HERE / "configs").mkdir(exist_ok=True)
    for network in NETWORKS:
        if network.port == "twin":
            keras.backend.clear_session()
            model = importlib.import_module(network.name).build()
            model = getattr(model, "model", model)
            config = json.loads(model.to_json())
            path = HERE / "configs" / f"{network.name}.json"
            path.write_text(json.dumps(config["config"], indent=1) + "\n")


if __name__ == "__main__":
    main()
