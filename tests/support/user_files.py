"""What the pages take for granted: a user's two models, histories, images, and a run."""

import json
import shutil

import numpy as np
import pytest
from documented import ROOT
from paths import SUPPORT
from traces import whole_parts


def write(folder):
    """Writes all of them into an empty folder."""
    networks = (SUPPORT / "check_factories.py").read_text(encoding="utf-8")
    package = folder / "mypackage"
    package.mkdir()
    (package / "keras_model.py").write_text(f"{networks}\n\nbuild = keras_net\n")
    (package / "torch_model.py").write_text(f"{networks}\n\nbuild = torch_net\n")
    columns = {
        "loss": [1.0, 0.4, 0.2, 0.15],
        "accuracy": [0.6, 0.9, 0.95, 0.96],
        "val_loss": [0.6, 0.35, 0.25, 0.2],
        "val_accuracy": [0.8, 0.9, 0.93, 0.94],
    }
    (folder / "history.json").write_text(json.dumps(columns))
    # The tutorial's own, which it writes by Python, and the histories that it is about.
    stagnant = {
        "loss": [2.30, 2.29, 2.29, 2.28],
        "accuracy": [0.11, 0.12, 0.12, 0.13],
        "val_loss": [2.30, 2.30, 2.29, 2.29],
        "val_accuracy": [0.10, 0.11, 0.11, 0.12],
    }
    (folder / "stagnant.json").write_text(json.dumps(stagnant))
    shutil.copytree(ROOT / "docs" / "histories", folder / "docs" / "histories")
    rows = [",".join(map(str, row)) for row in zip(*columns.values(), strict=True)]
    (folder / "training.csv").write_text("\n".join([",".join(columns), *rows]))
    printed = [
        f"Epoch {number + 1}/{len(rows)}\n9/9 - 1s - "
        + " - ".join(f"{name}: {column[number]}" for name, column in columns.items())
        for number in range(len(rows))
    ]
    cell = {"cell_type": "code", "outputs": [{"text": "\n".join(printed)}]}
    (folder / "train.ipynb").write_text(json.dumps({"cells": [cell]}))
    events(folder / "logs" / "run1", columns)
    draw = np.random.default_rng(6)
    y = np.arange(300) % 5
    pattern = draw.integers(0, 256, (5, 12, 20, 3))
    x = (pattern[y] // 2 + draw.integers(0, 128, (300, 12, 20, 3))).astype(np.uint8)
    parts = {"x_train": x[:240], "y_train": y[:240], "x_test": x[240:], "y_test": y[240:]}
    np.savez(folder / "images.npz", **parts)
    for half in ("keras", "torch"):
        whole_parts().write(folder / "long" / "dropout-seed42" / half / "training")


def events(folder, columns):
    """What the callback TensorBoard writes."""
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    from event_files import write_columns

    for part, prefix in (("train", ""), ("validation", "val_")):
        named = {f"epoch_{name}": columns[prefix + name] for name in ("loss", "accuracy")}
        write_columns(folder / part, named)
