"""What `fit` is fed from a flow is noted as it is fed: which batches, and where validations end."""

import keras
import numpy as np
import pytest
from keras.src.legacy.preprocessing.image import ImageDataGenerator

from keras_impl.reference import Reference
from parity.halves.keras.program.feed import Feeding, Written, fed_arrays, written_flows
from parity.traces.trace import CheckWriter

X = np.random.default_rng(1).uniform(size=(18, 6, 6, 1)).astype(np.float32)
Y = np.arange(18) % 3


def trained(flow, **fit):
    """The feeding of a training, and the batches that its steps got."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.Input((6, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, run_eagerly=True)
    reference = Reference(model, x=flow, **fit)
    feeding = Feeding(reference, fed_arrays(reference))
    steps = {name: Written(2**30) for name in ("train_step", "test_step")}
    for name, written in steps.items():
        written.watch(model, name)
    with feeding.watched():
        model.fit(**feeding.reference.fit_arguments(), verbose=0)
    return feeding, steps["train_step"].batches, steps["test_step"].batches


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@pytest.mark.parametrize("steps", [None, 2, 3, 5])
def test_the_noted_samples_are_those_of_the_steps(steps):
    flow = ImageDataGenerator(rotation_range=20).flow(X, Y, batch_size=4)
    feeding, batches, _ = trained(flow, epochs=4, steps_per_epoch=steps)
    told = feeding.nests()["train_flow"]
    assert told["sizes"].tolist() == [len(y) for _, y, *_ in batches]
    assert told["y"][told["index"]].tolist() == [int(v) for _, y, *_ in batches for v in y]
    assert told["sums"] == pytest.approx([x.sum(dtype=float) for x, *_ in batches], rel=1e-12)
    writer = CheckWriter()
    feeding.write(writer)
    kept = [int(key.rpartition("/")[2]) for key in writer.arrays if "/images/" in key]
    assert kept == [n for n in (1, 2, 5, 10, 20) if n <= len(batches)]
    for step in kept:
        assert np.array_equal(writer.arrays[f"training/images/{step}"], batches[step - 1][0])


def test_a_validation_is_noted_pass_by_pass():
    flow = ImageDataGenerator(rotation_range=20).flow(X, Y, batch_size=4)
    validation = ImageDataGenerator(rotation_range=90).flow(X[:7], Y[:7], batch_size=4)
    feeding, _, batches = trained(
        flow, epochs=4, validation_data=validation, validation_freq=[1, 2, 4]
    )
    told = feeding.nests()["val_flow"]
    assert feeding.settings()["val_ends"] == [2, 4, 6]
    assert told["sizes"].tolist() == [4, 3] * 3
    assert told["sums"] == pytest.approx([x.sum(dtype=float) for x, *_ in batches], rel=1e-12)


def test_validations_of_other_batches_are_counted():
    def batches():
        while True:
            yield X[:4], Y[:4]

    flow = ImageDataGenerator().flow(X, Y, batch_size=9)
    feeding, _, fed = trained(flow, epochs=2, validation_data=batches(), validation_steps=3)
    assert feeding.settings()["val_ends"] == [3, 6]
    assert len(fed) == 6
    assert list(feeding.flows) == ["train_flow"]


def test_why_a_flow_is_written_down_is_told_for_training_and_validation():
    plain = ImageDataGenerator().flow(X, Y, batch_size=4)
    other = ImageDataGenerator(preprocessing_function=abs).flow(X, Y)
    assert written_flows(Reference(None, x=plain, validation_data=plain)) == {}
    assert written_flows(Reference(None, x=X, y=Y)) == {}
    found = written_flows(Reference(None, x=other, validation_data=plain, validation_steps=2))
    assert found["training"] == "its generator has a preprocessing_function"
    assert "validation_steps=2" in found["validation"]
    names = fed_arrays(Reference(None, x=other, validation_data=plain))
    assert names == {"train_batches": (), "val_flow": ()}
