"""Images that a network returns have channels first; loss and metrics get them as Keras's do."""

import dataclasses
import importlib

import keras
import numpy as np
import pytest
import torch
from keras import layers as L
from rows import each_row

import keras_impl
from benchmarks.ported.packages import package_of
from benchmarks.ported.programs import Program
from torch_impl.trainer import Trainer

pytestmark = pytest.mark.long

BAR = 1e-12
RNG = np.random.default_rng(8)
N, SIZE = 22, (6, 5)
IMAGES, FRAMES = RNG.normal(size=(N, *SIZE, 3)), RNG.normal(size=(N, 8, 3))
PIXELS, LABELS = RNG.integers(0, 4, (N, *SIZE)), RNG.integers(0, 3, N)
SIGNALS = RNG.normal(size=(N, 8, 2))


def conv(filters, **options):
    return L.Conv2D(filters, 3, padding="same", **options)


def compiled(inputs, outputs, *given, **metrics):
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(0.01), *given, **metrics)
    return keras_impl.Reference(model, epochs=2, batch_size=8)


def pixels():
    images = L.Input((*SIZE, 3))
    x = conv(4, activation="softmax")(conv(5, activation="relu")(images))
    return compiled(images, x, "sparse_categorical_crossentropy", metrics=["accuracy"])


def signal():
    frames = L.Input((8, 3))
    x = L.Conv1D(2, 3, padding="same")(L.Conv1D(4, 3, padding="same", activation="tanh")(frames))
    return compiled(frames, x, "mse", metrics=["mae"])


def ends(images):
    x = conv(5, activation="relu")(images)
    label = L.Dense(3, activation="softmax", name="label")(L.GlobalAveragePooling2D()(x))
    return conv(4, activation="softmax", name="pixels")(x), label


LOSS = "sparse_categorical_crossentropy"


def in_order():
    images = L.Input((*SIZE, 3))
    return compiled(images, list(ends(images)), [LOSS, LOSS], metrics=[["accuracy"], ["accuracy"]])


def by_name():
    images = L.Input((*SIZE, 3))
    both = dict(zip(("pixels", "label"), ends(images), strict=True))
    of_both = {name: ["accuracy"] for name in both}
    return compiled(images, both, dict.fromkeys(both, LOSS), metrics=of_both)


def nested():
    """A list in a dictionary, whose parts have paths as names: "maps/0"."""
    images = L.Input((*SIZE, 3))
    pixels, label = ends(images)
    both = {"maps": [pixels, conv(3, name="same")(pixels)], "label": label}
    return compiled(images, both, {"maps": [LOSS, "mse"], "label": LOSS})


def labelled():
    """No image: the function of outputs is not written."""
    images = L.Input((*SIZE, 3))
    return compiled(images, ends(images)[1], LOSS)


OF_PIXELS = (IMAGES, PIXELS)
DATA = {
    "pixels": OF_PIXELS,
    "signal": (FRAMES, SIGNALS),
    "in_order": (IMAGES, [PIXELS, LABELS]),
    "by_name": (IMAGES, {"pixels": PIXELS, "label": LABELS}),
    "nested": (IMAGES, {"maps": [PIXELS, IMAGES], "label": LABELS}),
}
RETURNED = {
    "pixels": "(N, 4, 6, 5)",
    "signal": "(N, 2, 8)",
    "in_order": "(N, 4, 6, 5), (N, 3)",
    "by_name": '{"pixels": (N, 4, 6, 5), "label": (N, 3)}',
    "nested": '{"maps": ((N, 4, 6, 5), (N, 3, 6, 5)), "label": (N, 3)}',
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """All packages, and the plain ones."""
    made = tmp_path_factory.mktemp("outputs")
    for name in (*DATA, "labelled"):
        for plain in (False, True):
            out = made / f"{'plain' if plain else 'full'}_{name}"
            out.mkdir()
            package_of(Program(name, f"{__file__}:{name}"), out, plain=plain)
    return made


@pytest.fixture(autouse=True)
def _float64(folder, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    keras.backend.clear_session()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    torch.set_default_dtype(torch.float64)


def text_of(folder, name, file):
    return (folder / name / file).read_text(encoding="utf-8")


@each_row("name", DATA)
def test_a_network_returns_images_with_channels_first(folder, name):
    told = f"returns {RETURNED[name]}."
    assert told in text_of(folder, f"full_{name}", "model.py").replace("\n    ", " ")


def test_one_output_needs_no_function_and_several_have_one(folder):
    for kind, home in (("full", "losses"), ("plain", "rules")):
        assert f"output={home}.channels_last" in text_of(folder, f"{kind}_pixels", "train.py")
        several = text_of(folder, f"{kind}_in_order", "train.py")
        assert f"return ({home}.channels_last(outputs[0]), outputs[1])" in several
        assert "output=in_keras_layout" in several
        assert "output=" not in text_of(folder, f"{kind}_labelled", "train.py")


@each_row("name", DATA)
def test_a_training_from_the_seed_repeats_keras(name):
    x, y = DATA[name]
    keras.utils.set_random_seed(42)
    theirs = globals()[name]().model.fit(x, y, epochs=2, batch_size=8, verbose=0).history
    torch.manual_seed(42)
    port = importlib.import_module(f"full_{name}.train").build()
    ours = Trainer(port).fit(x, flat(y), epochs=2, batch_size=8).history
    # Keras names a part of a list by the name of its layer.
    pairs = list(zip(ours.values(), theirs.values(), strict=True))
    assert name == "nested" or list(ours) == list(theirs)
    for mine, column in pairs:
        np.testing.assert_allclose(mine, column, rtol=BAR)


def flat(y):
    """Targets by the names of outputs, as train.py reads them."""
    if isinstance(y, dict) and "maps" in y:
        return {"maps/0": y["maps"][0], "maps/1": y["maps"][1], "label": y["label"]}
    return y if not isinstance(y, list) else {"pixels": y[0], "label": y[1]}


@each_row("name", DATA)
def test_a_plain_training_has_the_losses_of_the_other_one(name):
    """From the same weights, in the order of the samples."""
    x, y = DATA[name]
    full = importlib.import_module(f"full_{name}.train")
    plain = importlib.import_module(f"plain_{name}.train")
    port, training = full.build(), plain.build()
    full.load_weights(port.module)
    plain.load_weights(training.model)
    y = flat(y)
    expected = Trainer(port).fit(x, y, epochs=2, batch_size=8, shuffle=False).history
    tensors = (
        {key: torch.as_tensor(each) for key, each in y.items()}
        if isinstance(y, dict)
        else torch.as_tensor(y)
    )
    data = (plain.feed(x), tensors, None)
    found = plain.fit(training, data, epochs=2, batch_size=8, shuffle=False)
    assert sorted(found) == sorted(expected)
    for column, values in expected.items():
        np.testing.assert_allclose(found[column], values, rtol=BAR)


def test_without_the_turn_the_loss_takes_another_axis_for_the_classes():
    """The seeded fault: here the shapes tell; tests/parity/runs/test_habits.py has a square."""
    x, y = DATA["pixels"]
    port = dataclasses.replace(importlib.import_module("full_pixels.train").build(), output=None)
    with pytest.raises(ValueError, match="one label for each row of classes"):
        Trainer(port).fit(x, y, epochs=1, batch_size=8)
