"""Writes the configs of the networks whose ports are twins: `python write_configs.py`."""

import importlib.util
import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
HERE = Path(__file__).parent
TWINS = (
    "ddim_unet",
    "dqn_atari",
    "fnet_encoder",
    "lstm_seq2seq",
    "pixelcnn",
    "quasi_svm",
    "timeseries_transformer",
    "vae",
    "wide_deep_cross",
)


def config_of(name):
    """Returns the config of a network, as Keras writes it."""
    import keras

    keras.backend.clear_session()
    spec = importlib.util.spec_from_file_location(name, HERE / "originals" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = module.build()
    return json.loads(getattr(model, "model", model).to_json())["config"]


if __name__ == "__main__":
    (HERE / "ports" / "configs").mkdir(exist_ok=True)
    for twin in TWINS:
        text = json.dumps(config_of(twin), indent=1) + "\n"
        (HERE / "ports" / "configs" / f"{twin}.json").write_text(text, "utf-8")
