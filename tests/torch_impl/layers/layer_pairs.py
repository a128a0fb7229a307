"""A Keras layer and a torch module beside each other in float64: outputs, gradients, steps."""

import keras
import numpy as np
import tensorflow as tf
import torch

from torch_impl.weights import assign, read

BAR = 1e-12  # relative to the greatest entry: some thousand roundings of float64
RATE = 0.05  # of a plain step


def signed(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def to_torch(array):
    """(N, ..., C) to (N, C, ...)."""
    return torch.tensor(array).movedim(-1, 1)


def to_keras(tensor):
    return tensor.detach().movedim(1, -1).numpy() if tensor.ndim > 1 else tensor.detach().numpy()


def as_they_are(array):
    return torch.tensor(array)


def own_names(layer):
    """Keras's variables by their path below the layer; seeds are no weights."""
    prefix = f"{layer.name}/"
    return {
        weight.path.partition(prefix)[2] or weight.name: weight
        for weight in layer.weights
        if "seed_generator" not in weight.path
    }


def fill(layer, seed=5):
    """Random weights: signed, and variances of 1e-3 to 1e-2."""
    generator = np.random.default_rng(seed)
    for name, weight in own_names(layer).items():
        values = generator.normal(size=weight.shape)
        weight.assign(np.abs(values) * 3e-3 + 1e-3 if "variance" in name else values)


def difference(ours, theirs):
    """The greatest difference, relative to the greatest entry; shapes must agree."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype == np.float64
    if not theirs.size:
        return 0.0
    return np.max(np.abs(ours - theirs)) / max(np.max(np.abs(theirs)), 1e-300)


class Pair:
    """One layer in both frameworks, with the same random weights.

    `turn` and `turn_back` lead from Keras's layout of a tensor to that of the module and back.
    """

    def __init__(self, theirs, ours, shape, turn=to_torch, turn_back=to_keras, seed=5):
        self.theirs, self.ours = theirs, ours.double()
        self.turn, self.turn_back = turn, turn_back
        self.shapes = shape if isinstance(shape, list) else [shape]
        self.is_list = isinstance(shape, list)
        if not theirs.built:
            built = [(None, *s) for s in self.shapes]
            theirs.build(built if self.is_list else built[0])
        fill(theirs, seed)
        arrays = {name: weight.numpy() for name, weight in own_names(theirs).items()}
        assert assign(self.ours, arrays) == set(arrays)

    def weights(self):
        """(ours, Keras's) by name."""
        ours = read(self.ours)
        theirs = {name: weight.numpy() for name, weight in own_names(self.theirs).items()}
        assert ours.keys() == theirs.keys()
        return {name: (ours[name], theirs[name]) for name in theirs}

    def inputs(self, batch, seed=0, scale=1.0, offset=0.0):
        return [
            signed((batch, *shape), seed + 7 * number) * scale + offset
            for number, shape in enumerate(self.shapes)
        ]

    def run(self, arrays, training, step=False):
        """Both forwards and backwards; returns {what: (ours, theirs)}."""
        tensors = [self.turn(array).requires_grad_() for array in arrays]
        self.ours.train(training).zero_grad()
        ours = self.ours(tensors if self.is_list else tensors[0])
        constants = [tf.constant(array) for array in arrays]
        with tf.GradientTape() as tape:
            for constant in constants:
                tape.watch(constant)
            given = constants if self.is_list else constants[0]
            options = {"training": training} if takes_training(self.theirs) else {}
            ours_flat, theirs_flat = flat(ours), flat(self.theirs(given, **options))
            assert len(ours_flat) == len(theirs_flat)
            upstream = [signed(t.shape, 90 + n) for n, t in enumerate(theirs_flat)]
            total = sum(tf.reduce_sum(t * u) for t, u in zip(theirs_flat, upstream, strict=True))
        trainable = {
            name: weight for name, weight in own_names(self.theirs).items() if weight.trainable
        }
        gradients = tape.gradient(
            total, [constants, [weight.value for weight in trainable.values()]]
        )
        sum(
            (o * self.turn(u) if o.ndim > 1 else o * torch.tensor(u)).sum()
            for o, u in zip(ours_flat, upstream, strict=True)
        ).backward()
        found = {
            f"output {n}": (self.turn_back(o), t.numpy())
            for n, (o, t) in enumerate(zip(ours_flat, theirs_flat, strict=True))
        }
        for n, (tensor, gradient) in enumerate(zip(tensors, gradients[0], strict=True)):
            found[f"input gradient {n}"] = (self.turn_back(tensor.grad), gradient.numpy())
        own = read(self.ours, gradient=True)
        assert own.keys() == trainable.keys()
        for name, gradient in zip(trainable, gradients[1], strict=True):
            dense = tf.convert_to_tensor(gradient)
            found[f"gradient of {name}"] = (own[name], dense.numpy())
            if step:
                trainable[name].assign(trainable[name].numpy() - RATE * dense.numpy())
        if step:
            with torch.no_grad():
                for parameter in self.ours.parameters():
                    parameter.sub_(RATE * parameter.grad)
        return found


def takes_training(layer):
    return "training" in layer._call_signature.parameters


def flat(value):
    return list(value) if isinstance(value, list | tuple) else [value]


def differences(pair, scale=1.0, offset=0.0, num_steps=1):
    """Everything that is compared, by name: the greatest difference of each."""
    found = {}
    for batch, training in ((1, True), (3, False), (3, True)):
        arrays = pair.inputs(batch, seed=batch, scale=scale, offset=offset)
        for name, both in pair.run(arrays, training).items():
            found[f"{name}, batch {batch}, {training=}"] = difference(*both)
    for step in range(num_steps):
        pair.run(pair.inputs(3, seed=10 + step, scale=scale, offset=offset), True, step=True)
    for name, both in pair.weights().items():
        found[f"{name} after {num_steps} steps"] = difference(*both)
    arrays = pair.inputs(3, seed=20, scale=scale, offset=offset)
    for name, both in pair.run(arrays, False).items():
        found[f"{name} after {num_steps} steps"] = difference(*both)
    return found


def assert_same(pair, bar=BAR, **options):
    """Outputs in both modes, gradients, a step and what the layer gives then."""
    worst = {name: value for name, value in differences(pair, **options).items() if value > bar}
    assert not worst, worst


def keras_layer(name, *arguments, **options):
    """A Keras layer in float64."""
    return getattr(keras.layers, name)(*arguments, dtype="float64", **options)
