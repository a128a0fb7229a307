"""What Keras's `fit` takes from a flow, and a training on it, from the seed alone."""

import re

import keras
import numpy as np
import pytest
import torch
from covering import one_test
from keras.src.legacy.preprocessing.image import ImageDataGenerator as KerasGenerator
from torch import nn

from torch_impl import KerasSeeds, Port, optim
from torch_impl.augment import FitFlow, ImageDataGenerator
from torch_impl.losses import SparseCategoricalCrossentropy
from torch_impl.trainer import Trainer

SEED, EPOCHS = 11, 3
ARGUMENTS = {"rotation_range": 20, "width_shift_range": 0.2, "horizontal_flip": True}
draw = np.random.default_rng(5)
X = draw.normal(size=(23, 6, 5, 1))
Y = draw.integers(0, 3, 23)


def keras_fit(batch_size, given, shuffle):
    """A training by Keras: the weights at the start, kernels after each epoch, the losses."""
    keras.config.set_floatx("float64")
    keras.backend.clear_session()
    keras.utils.set_random_seed(SEED)
    layers = [keras.layers.Input(X.shape[1:]), keras.layers.Flatten(), keras.layers.Dense(3)]
    model, kernels = keras.Sequential(layers), []
    start = model.get_weights()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss, jit_compile=False)
    flow = KerasGenerator(**ARGUMENTS, dtype="float64").flow(X, Y, batch_size=batch_size, **given)
    noting = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: kernels.append(model.get_weights()[0])
    )
    settings = {"epochs": EPOCHS, "shuffle": shuffle, "callbacks": [noting], "verbose": 0}
    return start, kernels, model.fit(flow, **settings).history["loss"]


def program(start, batch_size, given):
    """The same in torch: a port with Keras's weights and seeds, and its flow."""
    seeds = KerasSeeds(SEED)
    seeds.next_layer_seed()  # of the initialiser of Dense
    # One channel, so the order is Keras's.
    net = nn.Sequential(nn.Flatten(), nn.Linear(30, 3, dtype=torch.float64))
    kernel, bias = map(torch.from_numpy, start)
    net.load_state_dict({"1.weight": kernel.T, "1.bias": bias})
    settings = {"data_format": "channels_last", "dtype": "float64", "random_state": seeds.numpy}
    datagen = ImageDataGenerator(**ARGUMENTS, **settings)
    optimizer = optim.SGD(net.parameters(), learning_rate=0.1)
    feed = lambda x: torch.as_tensor(x).permute(0, 3, 1, 2)  # noqa: E731
    loss = SparseCategoricalCrossentropy(from_logits=True)
    port = Port(net, loss, optimizer, seeds=seeds, feed=feed)
    return port, datagen.flow(torch.from_numpy(X), torch.from_numpy(Y), batch_size, **given)


@one_test
@pytest.mark.parametrize(
    ("batch_size", "given", "shuffle"),
    [
        (5, {}, True),
        (32, {}, True),
        (12, {}, True),
        (5, {}, False),
        (5, {"shuffle": False}, True),
        (5, {"seed": 3}, True),
    ],
    ids=[
        *("a_smaller_last_batch", "one_batch", "two_batches", "batches_in_order"),
        *("samples_in_order", "a_seed_for_every_batch"),
    ],
)
def test_a_trainer_repeats_keras_from_the_seed(batch_size, given, shuffle):
    start, kernels, losses = keras_fit(batch_size, given, shuffle)
    port, flow = program(start, batch_size, given)
    trainer, ours = Trainer(port), []
    for epoch in range(EPOCHS):  # in calls of one epoch, as after checkpoints
        if epoch:
            trainer.load_state_dict(trainer.state_dict())
        history = trainer.fit(flow, epochs=epoch + 1, shuffle=shuffle).history
        ours.append(port.module[1].weight.detach().numpy().T.copy())
    assert np.abs(np.array(ours) - kernels).max() < 1e-12
    assert history["loss"] == pytest.approx(losses, abs=1e-12)


def test_a_flow_that_draws_from_other_numbers_is_an_error():
    flow = ImageDataGenerator(rotation_range=5, random_state=np.random.RandomState(0)).flow(X, Y)
    with pytest.raises(ValueError, match=re.escape("ImageDataGenerator(random_state=seeds.numpy)")):
        FitFlow(flow, KerasSeeds(0))
