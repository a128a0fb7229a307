"""Images that a network returns have channels first; loss and metrics get them as Keras's do."""

import importlib
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import torch
from golden_programs import LABELS, images_out, model_of
from keras import layers as L

from benchmarks.ported.packages import package_of
from torch_impl.trainer import Trainer

pytestmark = pytest.mark.long

BAR = 1e-12
RNG = np.random.default_rng(8)
N, SIZE = 22, (6, 5)
IMAGES, FRAMES = RNG.normal(size=(N, *SIZE, 3)), RNG.normal(size=(N, 8, 3))
PIXELS, OF_IMAGES = RNG.integers(0, 4, (N, *SIZE)), RNG.integers(0, 3, N)
OPTIMIZER = "adam"


def signal():
    return model_of((8, 3), L.Conv1D(2, 3, padding="same"), OPTIMIZER, "mse", metrics=["mae"])


def in_order():
    def body(x):
        made = images_out(x)
        return [made["maps"][0], made["label"]]

    return model_of((*SIZE, 3), body, OPTIMIZER, [LABELS] * 2, metrics=[["accuracy"]] * 2)


def nested():
    """A list in a dictionary, whose parts have paths as names: "maps/0"."""
    return model_of((*SIZE, 3), images_out, OPTIMIZER, {"maps": [LABELS, "mse"], "label": LABELS})


# Program -> its inputs, its targets, and these as train.py reads them.
MAPS = {"maps": [PIXELS, IMAGES], "label": OF_IMAGES}
DATA = {
    signal: (FRAMES, FRAMES[..., :2], FRAMES[..., :2]),
    in_order: (IMAGES, [PIXELS, OF_IMAGES], {"pixels": PIXELS, "label": OF_IMAGES}),
    nested: (IMAGES, MAPS, {"maps/0": PIXELS, "maps/1": IMAGES, "label": OF_IMAGES}),
}


@pytest.mark.parametrize("build", DATA, ids=lambda build: build.__name__)
def test_trainings_from_the_seed_and_in_plain_torch_repeat_keras(build, tmp_path, monkeypatch):
    """The plain one has the losses of the other, from its weights, in the order of the samples."""
    monkeypatch.syspath_prepend(tmp_path)
    trains = []
    for kind in ("full", "plain"):
        out = tmp_path / f"{kind}_{build.__name__}"
        out.mkdir()
        package_of(SimpleNamespace(name=kind, factory=build), out, plain=kind == "plain")
        trains.append(importlib.import_module(f"{out.name}.train"))
    keras.backend.clear_session()
    torch.set_default_dtype(torch.float64)
    x, y, targets = DATA[build]
    full, plain = trains
    fit = {"epochs": 2, "batch_size": 8}
    keras.utils.set_random_seed(42)
    theirs = build().fit(x, y, **fit, verbose=0).history
    torch.manual_seed(42)
    ours = Trainer(full.build()).fit(x, targets, **fit).history
    # Keras names a part of a list by the name of its layer.
    assert build is nested or list(ours) == list(theirs)
    np.testing.assert_allclose(list(ours.values()), list(theirs.values()), rtol=BAR)

    port, training = full.build(), plain.build()
    full.load_weights(port.module)
    plain.load_weights(training.model)
    expected = Trainer(port).fit(x, targets, **fit, shuffle=False).history
    tensors = torch.utils._pytree.tree_map(torch.as_tensor, targets)
    found = plain.fit(training, (plain.feed(x), tensors, None), **fit, shuffle=False)
    assert sorted(found) == sorted(expected)
    for column, values in expected.items():
        np.testing.assert_allclose(found[column], values, rtol=BAR)
