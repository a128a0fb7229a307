"""A small network with dropout and a penalty, trained by Keras's `fit` and by a Trainer."""

import functools

import keras
import numpy as np
import torch
from torch import nn

from torch_impl import KerasSeeds, Port, from_keras_config
from torch_impl import optim as keras_optim
from torch_impl.losses import SparseCategoricalCrossentropy
from torch_impl.penalty import Penalty, RegularizedLoss
from torch_impl.regularizers import L2
from torch_impl.trainer import Trainer

SEED = 7
CLASSES = 3
BAR = 1e-13  # relative to 1; measured: 4e-15
L = keras.layers


def arrays(number=41, seed=3):
    """Features (N, 6) and labels (N,) that can be learned in part."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(number, 6))
    return x, (x[:, :CLASSES].argmax(1) + draw.integers(0, 2, number)) % CLASSES


def dense_layers(model):
    """The dense layers of a Keras model, with its weights, by name."""
    made = {}
    for layer in model.layers:
        if layer.weights:
            kernel, bias = map(torch.tensor, layer.get_weights())
            made[layer.name] = nn.Linear(*kernel.shape)
            made[layer.name].load_state_dict({"weight": kernel.T, "bias": bias})
    return made


def keras_model(**compiled):
    """The network, seeded and compiled, in float64."""
    keras.config.set_floatx("float64")
    keras.backend.clear_session()
    keras.utils.set_random_seed(SEED)
    model = keras.Sequential(
        [
            L.Input((6,)),
            L.Dense(8, activation="tanh", kernel_regularizer=keras.regularizers.L2(0.01)),
            L.Dropout(0.25),
            L.Dense(CLASSES),
        ]
    )
    settings = {
        "optimizer": keras.optimizers.Adam(0.02),
        "loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        "metrics": ["accuracy"],
        "jit_compile": False,
    }
    model.compile(**{**settings, **compiled})
    return model


@functools.cache
def _kept():
    """A network that stays, and the values that it begins with."""
    model = keras_model()
    model.optimizer.build(model.trainable_variables)
    return model, [v.numpy().copy() for v in (*model.variables, *model.optimizer.variables)]


def keras_model_again():
    """What `keras_model` returns; all who train it share the functions that TensorFlow traces."""
    model, begin = _kept()
    keras.config.set_floatx("float64")
    keras.utils.set_random_seed(SEED)
    # Those of metrics come with the first training, and each epoch resets them.
    metrics = {id(v) for v in model.metrics_variables}
    own = [v for v in model.variables if id(v) not in metrics]
    for variable, value in zip((*own, *model.optimizer.variables), begin, strict=True):
        variable.assign(value)
    return model


def port_of(model, optimizer=keras_optim.Adam, **given):
    """Its port, with the same weights, before either of them is trained."""
    net = from_keras_config(model.get_config()).double()
    net.load_keras_weights({v.path: v.numpy() for v in model.weights})
    for layer in model.layers:
        if hasattr(layer, "seed_generator"):
            twin = net.get_submodule(layer.name).layer
            twin.seed, twin.num_calls = map(int, np.asarray(layer.seed_generator.state))
    dense = next(name for name, value in net.named_parameters() if value.shape == (8, 6))
    penalty = Penalty(net, {dense: L2(0.01)})
    settings = {
        "loss": RegularizedLoss(SparseCategoricalCrossentropy(from_logits=True), penalty),
        "optimizer": optimizer(net.parameters(), learning_rate=0.02),
        "metrics": ["accuracy"],
        "seeds": KerasSeeds(SEED),
    }
    return Port(net, **{**settings, **given})


def weights_of(port):
    """The trained weights, in the order of the parameters."""
    return {name: value.detach().numpy() for name, value in port.module.named_parameters()}


def keras_weights(model):
    """The same of a Keras model."""
    return weights_of(port_of(model))


def worst(ours, theirs):
    """The largest difference of two mappings of arrays or lists; they have the same keys."""
    assert list(ours) == list(theirs)
    assert ours
    pairs = [(np.asarray(ours[key]), np.asarray(theirs[key])) for key in ours]
    assert all(a.shape == b.shape for a, b in pairs)
    return max(float(np.abs(a - b).max()) for a, b in pairs)


def trained(port, *arguments, **settings):
    """Trains a port; returns its history."""
    torch.manual_seed(0)
    return Trainer(port).fit(*arguments, **settings).history
