"""Programs that augment images: the written train.py trains the same run, or says what not."""

import runpy
import sys
from functools import partial
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from keras import layers as L
from keras.src.legacy.preprocessing.image import ImageDataGenerator
from rows import each_row

from benchmarks.ported.packages import package_of
from keras_impl import Reference
from torch_impl.trainer import Trainer

BAR = 1e-12  # of an epoch's numbers, relative: two epochs in float64 differ in their last bits
SEED = 42
RNG = np.random.default_rng(0)
X, Y, WEIGHT = RNG.random((26, 6, 8, 3)), np.arange(26) % 3, RNG.random(26)
X_VAL, Y_VAL = RNG.random((9, 6, 8, 3)), np.arange(9) % 3
DATA = {"x": X, "y": Y}
VALIDATED = {**DATA, "x_val": X_VAL, "y_val": Y_VAL}


def reference(**fit):
    """What `fit` gets, for a model that is drawn now."""
    model = keras.Sequential([keras.Input((6, 8, 3)), L.Flatten(), L.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss)
    return Reference(model, epochs=2, **fit)


def article():
    ranges = dict.fromkeys(("width_shift_range", "height_shift_range", "shear_range"), 0.1)
    generator = ImageDataGenerator(
        rotation_range=10, zoom_range=0.1, horizontal_flip=True, **ranges
    )
    return reference(x=generator.flow(X, Y, batch_size=8)), DATA


def fitted():
    """Statistics of the training in both generators, of which one augments the validation."""
    zoom = {"fill_mode": "reflect", "zoom_range": [0.7, 1]}
    generator = ImageDataGenerator(featurewise_center=True, **zoom)
    generator.fit(X)
    scales = dict.fromkeys(("featurewise_center", "featurewise_std_normalization"), True)
    other = ImageDataGenerator(rescale=0.5, vertical_flip=True, **scales)
    other.fit(X)
    validation = other.flow(X_VAL, Y_VAL, batch_size=4)
    given = {"validation_data": validation, "class_weight": {0: 1.0, 1: 2.0, 2: 0.5}}
    return reference(x=generator.flow(X, Y, batch_size=8), **given), VALIDATED


def numbers_of_others():
    """Statistics of other images, choices of a shift, a seed, no order, weights, and a subset."""
    generator = ImageDataGenerator(
        featurewise_center=True, width_shift_range=[-1, 1], validation_split=0.2
    )
    generator.fit(X_VAL)
    given = {"shuffle": False, "seed": 3, "batch_size": 8, "sample_weight": WEIGHT}
    train = generator.flow(X, Y, subset="training", **given)
    validation = generator.flow(X, Y, subset="validation", batch_size=4)
    first = slice(0, 5)
    # Keras cuts images and labels for a subset, but not their weights.
    data = {"x": X[5:], "y": Y[5:], "weight": WEIGHT[:21], "x_val": X[first], "y_val": Y[first]}
    return reference(x=train, validation_data=validation, steps_per_epoch=len(train)), data


def layers_of_batches():
    augment = keras.Sequential([L.RandomFlip("horizontal"), L.RandomTranslation(0.2, 0.1)])
    rescale = L.Rescaling(0.5)
    slices = tf.data.Dataset.from_tensor_slices
    train = slices((X, Y)).batch(8).map(lambda x, y: (augment(x, training=True), y)).prefetch(2)
    validation = slices((X_VAL, Y_VAL)).batch(4).map(lambda x, y: (rescale(x), y))
    return reference(x=train, validation_data=validation, shuffle=False), VALIDATED


def layers_of_samples():
    flip, contrast = L.RandomFlip("vertical", seed=5), L.RandomBrightness(0.2, value_range=(0, 1))
    dataset = tf.data.Dataset.from_tensor_slices((X, Y)).map(lambda x, y: (contrast(flip(x)), y))
    return reference(x=dataset.batch(8, drop_remainder=True), shuffle=False), DATA


PROGRAMS = [article, fitted, numbers_of_others, layers_of_batches, layers_of_samples]


def written(program, folder, *, plain=False):
    """Writes the package of a program; returns what is told of it."""
    folder.mkdir()
    built = SimpleNamespace(name=folder.name, factory=lambda: program()[0])
    return package_of(built, folder, plain=plain)


def of_keras(program):
    keras.utils.set_random_seed(SEED)
    built, _ = program()
    names = ("x", "validation_data", "class_weight", "epochs", "steps_per_epoch", "shuffle")
    return built.model.fit(**{name: getattr(built, name) for name in names}, verbose=0).history


def of_port(program, folder, monkeypatch):
    """The history of train.py, run as a user runs it."""
    kept, own = [], Trainer.fit

    def fit(self, *arguments, **keywords):
        kept.append(own(self, *arguments, **keywords).history)
        return self.history

    keras.utils.set_random_seed(SEED)
    np.savez(folder.parent / "data.npz", **program()[1])
    command = [str(folder.parent / "data.npz"), "--seed", str(SEED), "--dtype", "float64"]
    before = torch.get_default_dtype()
    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "fit", fit)
        patched.setattr(sys, "argv", ["train", *command])
        patched.syspath_prepend(str(folder.parent))
        try:
            runpy.run_module(f"{folder.name}.train", run_name="__main__")
        finally:
            torch.set_default_dtype(before)
            for name in [name for name in sys.modules if name.startswith(folder.name)]:
                del sys.modules[name]
    return kept[0]


def assert_same(theirs, ours):
    assert theirs.keys() == ours.keys()
    for name, values in theirs.items():
        np.testing.assert_allclose(ours[name], values, BAR, BAR, err_msg=name)


@pytest.mark.long
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_train_py_repeats_the_training_of_an_augmented_program(program, tmp_path, monkeypatch):
    folder = tmp_path / f"port_of_{program.__name__}"
    told = written(program, folder)
    assert (told["left_out"], told["open"], told["differs"]) == ([], [], [])
    assert_same(of_keras(program), of_port(program, folder, monkeypatch))


def flow(folder=None, options=None, **settings):
    def program():
        generator = ImageDataGenerator(**settings)
        return reference(x=generator.flow(X, Y, batch_size=8, **(options or {}))), DATA

    return program


def dataset(change):
    def program():
        return reference(x=change(tf.data.Dataset.from_tensor_slices((X, Y)))), DATA

    return program


class Own(ImageDataGenerator):
    """A generator of the user's own."""


def channels_first():
    flow_of_images = ImageDataGenerator(data_format="channels_first").flow(np.moveaxis(X, -1, 1), Y)
    flow_of_images.x = X  # a network of this test takes no others
    return reference(x=flow_of_images), DATA


def mapped(layer, **options):
    return lambda x, y: (layer(x, **options), y)


def batched(make, **options):
    """Batches to which a function is applied; its layers are made with the program."""
    return dataset(lambda given: given.batch(8).map(make(), **options))


flipping = partial(L.RandomFlip, "horizontal")
# Program -> what is named of it: "left_out", "differs" or "open".
NAMED = {
    "spline": (flow(interpolation_order=2), "left_out", "interpolation_order=2 of the ImageData"),
    "channels_first": (
        channels_first,
        "left_out",
        'data_format="channels_first" of the ImageDataGenerator of `fit`',
    ),
    "own_class": (
        lambda: (reference(x=Own(horizontal_flip=True).flow(X, Y)), DATA),
        "left_out",
        'class="Own" of the ImageDataGenerator',
    ),
    "function": (
        flow(preprocessing_function=lambda image: image * 2),
        "open",
        "preprocessing_function is to be written: as Keras computes it in ",
    ),
    "saved": (flow(options={"save_prefix": "a"}), "left_out", 'save_prefix="a" of the ImageData'),
    "drawn_before": (
        lambda: (np.random.permutation(5), article())[1],
        "differs",
        "the program draws by NumPy before `fit`",
    ),
    "code": (
        batched(lambda: lambda x, y: (tf.image.flip_up_down(x), y)),
        "open",
        "augmentation is to be written: what Dataset.map applies in ",
    ),
    "eval_mode": (
        batched(lambda: mapped(flipping(), training=False)),
        "open",
        "what Dataset.map applies",
    ),
    "labels": (
        batched(lambda: (lambda layer: lambda x, y: (layer(x), y + 0))(flipping())),
        "open",
        "what Dataset.map applies",
    ),
    "kept": (
        dataset(lambda given: given.batch(8).map(mapped(flipping())).cache()),
        "left_out",
        "cache of the dataset of `fit`, behind a map: Keras keeps the images of the first epoch",
    ),
    "repeated": (
        dataset(lambda given: given.batch(8).map(mapped(flipping())).repeat(3)),
        "left_out",
        "repeat(3) of the dataset of `fit`",
    ),
    "in_threads": (
        batched(lambda: mapped(flipping()), num_parallel_calls=2),
        "differs",
        "num_parallel_calls maps in an order that is not fixed",
    ),
    "shuffled": (
        dataset(lambda given: given.shuffle(26).batch(8).map(mapped(flipping()))),
        "differs",
        "the order of samples",
    ),
}


@each_row("name", NAMED)
def test_what_is_not_written_is_named(name, tmp_path):
    program, kind, sentence = NAMED[name]
    told = written(program, tmp_path / "port_of_named")
    assert any(sentence in each for each in told[kind]), told


# Program -> what is written of it in plain torch, and what is named.
PLAIN = {
    "article": (article, "shear=0.1", ""),
    "wrap": (flow(fill_mode="wrap", rotation_range=5), "rotation=5", 'fill_mode="wrap" of'),
    "brightness": (flow(brightness_range=[0.5, 1.5]), "", "brightness_range=(0.5, 1.5) of"),
    "whitening": (flow(samplewise_center=True, cval=0.5), "own_mean=True", ""),
    "flips": (
        batched(lambda: mapped(flipping())),
        "augment=rules.Augmentation(horizontal_flip=True)",
        "",
    ),
    "turns": (
        batched(lambda: mapped(L.RandomZoom(0.1))),
        "",
        "RandomZoom in this order: it has no plain form",
    ),
}


@each_row("name", PLAIN)
def test_a_plain_train_py_augments_by_the_same_law_or_says_what_not(name, tmp_path):
    program, text, sentence = PLAIN[name]
    told = written(program, tmp_path / "port_in_plain", plain=True)
    assert text in (tmp_path / "port_in_plain" / "train.py").read_text(encoding="utf-8")
    named = [each for each in told["left_out"] if "the batches of" not in each]
    assert [sentence in each for each in named] == [True] * bool(sentence)
