"""An optimizer of Keras and one of torch over the same gradients, for the tests of optimizers."""

import inspect

import keras
import numpy as np
import torch
from traced import as_one_call

from torch_impl import optim
from torch_impl.optim.base import DEFAULTS

SHAPES = ((3, 2, 5), (7, 1), ())
NUM_STEPS = 200
SHORT = 40  # for what shows soon
RATES = (0.01, 0.0003)  # in the first half of a run and in the second
NUM_EAGER = 5  # steps of Keras before it makes them as one call: to trace takes as long as these

# Greatest difference of weights in parts of the greatest weight, and of slots in parts of their
# greatest entry, in units of the dtype's epsilon. Measured over nine optimizers, 18 settings, two
# dtypes and five kinds of clipping and decay, 200 steps each: 1.3 of the weights, 5.2 of the slots.
# What differs are sums over a gradient, torch's roots and its fused products.
WEIGHT_UNITS, SLOT_UNITS = 4, 16


def make_gradients(dtype, num_steps=NUM_STEPS, seed=0):
    """Signed gradients of 1e-9 to 1e+1, each entry at its own scale, with zeros and a dead unit."""
    generator = np.random.default_rng(seed)
    scales = [10 ** generator.uniform(-9, 1, shape) for shape in SHAPES]
    steps = []
    for step in range(num_steps):
        gradients = []
        for shape, scale in zip(SHAPES, scales, strict=True):
            if step % 7 == 3:  # one step at another scale
                scale = 10 ** generator.uniform(-9, 1, shape)
            gradient = scale * generator.normal(size=shape)
            gradient = np.where(generator.random(shape) < 0.1, 0, gradient)
            if gradient.shape == (7, 1):
                gradient[2] = 0
            gradients.append(np.asarray(gradient, dtype))
        steps.append(gradients)
    return steps


def make_weights(dtype, seed=1):
    generator = np.random.default_rng(seed)
    return [np.asarray(generator.normal(size=shape), dtype) for shape in SHAPES]


class KerasRun:
    """An optimizer of Keras on plain variables."""

    def __init__(self, name, weights, learning_rate=RATES[0], excluded=(), **settings):
        keras.config.set_floatx(weights[0].dtype.name)
        # No name may begin with another one: see `slots`.
        self.variables = [
            keras.Variable(weight, dtype=weight.dtype.name, name="abcdef"[number])
            for number, weight in enumerate(weights)
        ]
        self.optimizer = getattr(keras.optimizers, name)(learning_rate, **settings)
        if excluded:
            self.optimizer.exclude_from_weight_decay([self.variables[i] for i in excluded])
        self.optimizer.build(self.variables)
        self._num_steps, self._traced = 0, as_one_call(self.optimizer.apply)

    def step(self, gradients):
        self._num_steps += 1
        apply = self.optimizer.apply if self._num_steps <= NUM_EAGER else self._traced
        apply([keras.ops.convert_to_tensor(g) for g in gradients])

    def set_rate(self, rate):
        self.optimizer.learning_rate = rate

    def weights(self):
        return [variable.numpy() for variable in self.variables]

    def slots(self):
        """Per variable what the optimizer keeps, by the names that it gives it."""
        return [
            {
                slot.name.removeprefix(f"{variable.path}_"): slot.numpy()
                for slot in self.optimizer.variables
                if slot.name.startswith(f"{variable.path}_")
            }
            for variable in self.variables
        ]


class TorchRun:
    """An optimizer of torch on plain parameters; `kind` is one of ours, by name, or a class."""

    def __init__(self, kind, weights, excluded=(), **settings):
        self.parameters = [torch.nn.Parameter(torch.tensor(weight)) for weight in weights]
        kind = getattr(optim, kind) if isinstance(kind, str) else kind
        self.optimizer = kind(self.parameters, **settings)
        if excluded:
            self.optimizer.exclude_from_weight_decay([self.parameters[i] for i in excluded])

    def step(self, gradients):
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = None if gradient is None else torch.tensor(gradient)
        self.optimizer.step()

    def set_rate(self, rate):
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def weights(self):
        return [parameter.detach().numpy().copy() for parameter in self.parameters]

    def slots(self):
        return [
            {name: slot.numpy().copy() for name, slot in self.optimizer.slots(parameter).items()}
            for parameter in self.parameters
        ]


def run_steps(run, gradients, changes_rate=False):
    for step, gradient in enumerate(gradients):
        if changes_rate and step == len(gradients) // 2:
            run.set_rate(RATES[1])
        run.step(gradient)
    return run


def both_runs(name, dtype, num_steps=NUM_STEPS, changes_rate=True, **settings):
    """Keras's run and ours with the same settings."""
    gradients = make_gradients(dtype, num_steps)
    settings = {"learning_rate": RATES[0]} | settings
    return [
        run_steps(kind(name, make_weights(dtype), **settings), gradients, changes_rate)
        for kind in (KerasRun, TorchRun)
    ]


def greatest_difference(ours, theirs):
    """Of two runs' weights, in parts of the greatest weight."""
    scale = max(np.max(np.abs(weight)) for weight in theirs.weights())
    return (
        max(
            np.max(np.abs(a.astype(np.float64) - b))
            for a, b in zip(ours.weights(), theirs.weights(), strict=True)
        )
        / scale
    )


def slot_difference(ours, theirs):
    """The greatest difference of slots, in parts of the greatest entry of the slot anywhere."""
    worst = 0.0
    for name in theirs.slots()[0]:
        pairs = [(a[name], b[name]) for a, b in zip(ours.slots(), theirs.slots(), strict=True)]
        scale = max(np.max(np.abs(b)) for _, b in pairs)
        if scale > 0:
            worst = max(worst, *(np.max(np.abs(a - b)) / scale for a, b in pairs))
    return worst


def assert_close(ours, theirs):
    """Weights and slots up to roundings, and that both sides have the same slots."""
    unit = np.finfo(theirs.weights()[0].dtype).eps
    assert [set(slots) for slots in ours.slots()] == [set(slots) for slots in theirs.slots()]
    assert greatest_difference(ours, theirs) <= WEIGHT_UNITS * unit
    assert slot_difference(ours, theirs) <= SLOT_UNITS * unit


def assert_same_bits(ours, theirs):
    """Weights and slots, and that both sides have the same slots."""
    for a, b in zip(ours.weights(), theirs.weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert_same_slots(ours, theirs)


def assert_same_slots(ours, theirs, names=None):
    for mine, other in zip(ours.slots(), theirs.slots(), strict=True):
        assert set(mine) == set(other)
        for name in names or other:
            np.testing.assert_array_equal(mine[name], other[name], err_msg=name)


def assert_defaults_are_those_of_keras(name):
    """Of all arguments but what is common, and `fused`, which changes no result."""
    theirs = inspect.signature(getattr(keras.optimizers, name)).parameters
    ours = inspect.signature(getattr(optim, name)).parameters
    own = [key for key in theirs if key not in {*DEFAULTS, "name", "kwargs"}]
    assert sorted(own) == sorted(key for key in ours if key not in {"params", "common", "fused"})
    for key in own:
        default = ours[key].default
        assert (default or None if key == "weight_decay" else default) == theirs[key].default, key
    for key, value in DEFAULTS.items():
        assert value == theirs[key].default, key
