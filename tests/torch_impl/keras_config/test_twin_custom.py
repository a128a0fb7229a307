"""Layers, Lambdas and activations of the user's own in a twin; all that is missing, at once."""

import keras
import numpy as np
import pytest
import torch
from keras import layers as L
from keras import ops
from rows import each_row
from test_twin_layers import assert_twin
from torch import nn
from torch.nn import functional as F

from parity.halves.keras.check.symbolic import with_plain_configs
from torch_impl.keras_config import NoTwinError, from_keras_config
from torch_impl.keras_config.custom import CustomLayer
from torch_impl.layouts import Variable

IMAGES = (6, 4, 3)


pytestmark = pytest.mark.usefixtures("float64")


@each_row("name", ["tests>Scaled", "Scaled", "first"])
def test_a_layer_of_ones_own_is_the_module_of_its_factory(name):
    """Also inside of an inner model."""
    inputs = L.Input(IMAGES)
    layer = Scaled(5, name="first")
    inner = keras.Sequential([L.Input(IMAGES), L.Rescaling(2.0), layer], name="inner")
    model = keras.Model(inputs, [L.Dense(3)(layer(inputs)), layer(L.Rescaling(0.5)(inputs))])
    assert_twin(model, [IMAGES], custom={name: scaled_by})
    twin = from_keras_config(inner.to_json(), {name: scaled_by})
    assert isinstance(twin.get_submodule("first"), CustomLayer)
    with pytest.raises(NoTwinError, match=r"'first' .*factory returned int: expected a torch.nn"):
        from_keras_config(model.to_json(), {name: lambda entry: 3})
    with pytest.raises(
        NoTwinError, match=r"^layer 'first' of class 'Scaled': expected one of"
    ) as error:
        from_keras_config(model.to_json())
    assert "custom={'tests>Scaled': factory}" in str(error.value)


def test_a_module_may_say_in_which_layout_it_stores_its_weights():
    """Its initialiser is that of the config."""
    inputs = L.Input((4, 3))
    own = Kernel(3, keras.initializers.RandomUniform(seed=7), name="own")
    inner = keras.Sequential([L.Input((3,)), Kernel(4), L.Dense(2)])
    model = keras.Model(inputs, L.TimeDistributed(inner)(own(inputs)))
    twin = from_keras_config(model.to_json(), {"Kernel": turned})
    kernel = twin.keras_weights()["own/kernel"]
    np.testing.assert_allclose(kernel, own.kernel.numpy(), rtol=1e-12)
    assert_twin(model, [(4, 3)], custom={"Kernel": turned})


def product_of_two():
    inputs = [L.Input((3,)), L.Input((3,))]
    product = L.Lambda(lambda pair: pair[0] * pair[1], name="product", output_shape=(3,))
    return keras.Model(inputs, product(inputs))


def scaled():
    inputs = L.Input((3,))
    x = L.Lambda(tripled, arguments={"factor": 0.5}, name="scaled")(inputs)
    return keras.Model(inputs, L.Dense(2, activation=tripled, name="head")(x))


def torch_tripled(x, factor=1.0):
    return torch.tanh(x) * 3 * factor


FUNCTIONS = [
    (product_of_two, {"product": lambda pair: pair[0] * pair[1]}),
    (scaled, {"tripled": torch_tripled}),
    (scaled, {"tests>tripled": torch_tripled}),
    (scaled, {"scaled": torch_tripled, "head/activation": torch_tripled}),
    (scaled, {"Lambda": torch_tripled, "tripled": torch_tripled}),
]


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
@each_row("make, custom", FUNCTIONS)
def test_a_lambda_or_an_activation_of_ones_own_is_the_function_that_is_given_for_it(make, custom):
    model = make()
    assert_twin(model, [(3,)] * len(model.inputs), custom=custom)


def test_a_gelu_of_keras_ops_is_told_apart_by_the_module_in_the_config_or_by_the_user():
    """As `parity port` records it; Keras alone writes "gelu", which means the exact one."""
    keras.utils.set_random_seed(0)
    exact, memory = L.Dense(2, activation="gelu"), L.LSTM(3, recurrent_activation=ops.gelu)
    approximate = L.Dense(2, activation=ops.gelu, name="approximate")
    model = keras.Sequential([L.Input((4, 3)), exact, approximate, memory])
    before = model.to_json()
    with with_plain_configs(model):
        told = model.to_json()
    assert model.to_json() == before
    x = np.linspace(-6, 6, 24).reshape(2, 4, 3)
    theirs = model(x).numpy()
    approximated = lambda x: F.gelu(x.double(), approximate="tanh")  # noqa: E731
    custom = dict.fromkeys(("approximate/activation", f"{memory.name}/recurrent_activation"))
    custom = dict.fromkeys(custom, approximated)
    found = []
    for config, given in ((told, None), (before, custom), (before, None)):
        twin = from_keras_config(config, given)
        twin.load_keras_weights(model.get_weights())
        found.append(np.abs(twin(torch.tensor(x)).detach().numpy() - theirs).max())
    assert max(found[:2]) < 1e-6 < 1e-5 < found[2]


@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask")
def test_masks_reach_layers_and_functions_of_ones_own_and_go_on():
    assert_twin(of_masked_steps(), [(5, 3)], masked_values, custom=CUSTOM)
    # A functional config names the masks of its layers, a sequential one does not.
    chain = [L.Input((5, 3)), L.Masking(), Steps(name="steps"), L.GlobalAveragePooling1D()]
    assert_twin(keras.Sequential(chain), [(5, 3)], masked_values, custom=CUSTOM)

    def ending(entry):
        module = TorchSteps()
        module.supports_masking = False
        return module

    with pytest.raises(AssertionError):
        assert_twin(keras.Sequential(chain), [(5, 3)], masked_values, custom={"Steps": ending})


def test_the_mask_of_a_lambda_is_a_function_of_its_own():
    inputs = L.Input((5, 3))
    x = L.Lambda(lambda x: x * 2, mask=lambda x, mask: x[..., 0] > 0, name="twice")(inputs)
    model = keras.Model(inputs, L.GlobalAveragePooling1D()(x))
    custom = {"twice": lambda x: x * 2}
    with pytest.raises(NoTwinError, match=r"its mask is Python code .*'twice/mask': function"):
        from_keras_config(model.to_json(), custom)
    custom["twice/mask"] = lambda x, mask: x[..., 0] > 0
    assert_twin(model, [(5, 3)], custom=custom)


@each_row(
    "cells",
    [lambda: Decaying(4), lambda: [L.GRUCell(5), Decaying(4), L.LSTMCell(2)]],
    ids=["alone", "stacked"],
)
def test_a_recurrent_cell_of_ones_own_is_the_module_of_its_factory(cells):
    inputs = L.Input((5, 3))
    model = keras.Model(inputs, L.RNN(cells(), return_sequences=True)(inputs))
    assert_twin(model, [(5, 3)], custom={"tests>Decaying": decaying})
    with pytest.raises(NoTwinError, match=r"cell of class 'Decaying': expected .* custom="):
        from_keras_config(model.to_json())
    with pytest.raises(NoTwinError, match=r"its cell returned int: expected a torch\.nn\.Module"):
        from_keras_config(model.to_json(), {"Decaying": lambda entry: 3})


def test_an_error_of_a_function_of_ones_own_stays_as_it_is_and_a_layer_needs_a_name():
    def broken(x):
        raise KeyError("mine")

    inputs = {"class_name": "InputLayer", "config": {"name": "in", "dtype": "float32"}}
    layer = {"class_name": "Lambda", "config": {"name": "own", "function": {}}}
    twin = from_keras_config({"layers": [inputs, layer]}, custom={"own": broken})
    with pytest.raises(KeyError, match="mine"):
        twin(torch.zeros(1))
    del layer["config"]["name"]
    with pytest.raises(NoTwinError, match="a layer of class 'Lambda' has no name in the config"):
        from_keras_config({"layers": [inputs, layer]})


@keras.saving.register_keras_serializable(package="tests")
class Scaled(L.Layer):
    """Has weights of its own, a layer inside, and a state that train mode moves."""

    def __init__(self, units, **options):
        super().__init__(**options)
        self.units = units
        self.projection = L.Dense(units, name="projection")

    def build(self, shape):
        self.projection.build(shape)
        self.scale = self.add_weight(shape=(1, self.units), name="scale")
        self.count = self.add_weight(shape=(), name="count", trainable=False)

    def call(self, x, training=False):
        if training:
            self.count.assign(self.count + 1.0)
        return self.projection(x) * self.scale

    def get_config(self):
        return {**super().get_config(), "units": self.units}


class TorchScaled(nn.Module):
    def __init__(self, units, channels):
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(1, units))
        self.register_buffer("count", torch.zeros(()))
        self.projection = nn.Linear(channels, units)

    def forward(self, x):
        self.count += self.training
        return self.projection(x) * self.scale


def scaled_by(entry):
    return TorchScaled(entry.config["units"], entry.shape[-1])


class Turned(nn.Module):
    """Stores the transposed kernel, and says so."""

    def __init__(self, width, units):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(units, width))

    def keras_variables(self):
        yield Variable("kernel", self, ("weight",), lambda ts: ts[0].T, lambda array: (array.T,))

    def forward(self, x):
        return F.linear(x, self.weight)


class Kernel(L.Layer):
    def __init__(self, units, kernel_initializer="he_normal", **options):
        super().__init__(**options)
        self.units = units
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, shape):
        self.kernel = self.add_weight(
            shape=(shape[-1], self.units), initializer=self.kernel_initializer, name="kernel"
        )

    def call(self, x):
        return x @ self.kernel

    def compute_output_shape(self, shape):
        return (*shape[:-1], self.units)

    def get_config(self):
        initializer = keras.initializers.serialize(self.kernel_initializer)
        own = {"units": self.units, "kernel_initializer": initializer}
        return {**super().get_config(), **own}


def turned(entry):
    return Turned(entry.shape[-1], entry.config["units"])


@keras.saving.register_keras_serializable(package="tests")
def tripled(x, factor=1.0):
    return ops.tanh(x) * 3 * factor


@keras.saving.register_keras_serializable(package="tests")
class Steps(L.Layer):
    """A mean of the steps that count, beside every step."""

    def __init__(self, **options):
        super().__init__(**options)
        self.supports_masking = True

    def call(self, x, mask=None):
        counts = ops.ones_like(x[..., :1]) if mask is None else ops.cast(mask, x.dtype)[..., None]
        return x - ops.sum(x * counts, 1, keepdims=True) / ops.sum(counts, 1, keepdims=True)

    def get_config(self):
        return super().get_config()


class TorchSteps(nn.Module):
    supports_masking = True

    def forward(self, x, mask=None):
        counts = torch.ones_like(x[..., :1]) if mask is None else mask.to(x.dtype)[..., None]
        return x - (x * counts).sum(1, keepdim=True) / counts.sum(1, keepdim=True)


def masked_values(shape, seed):
    x = np.random.default_rng(seed).normal(size=shape)
    x[:, 2:4] = 0
    return x


def of_masked_steps():
    inputs = L.Input((5, 3))
    show = lambda x, mask=None: x * ops.cast(mask, x.dtype)[..., None]  # noqa: E731
    shown = L.Lambda(show, output_shape=(5, 3), name="shown")
    x = Steps(name="steps")(L.Masking()(inputs))
    return keras.Model(inputs, [shown(x), L.GlobalAveragePooling1D()(x)])


CUSTOM = {
    "Steps": lambda entry: TorchSteps(),
    "shown": lambda x, mask: x * mask.to(x.dtype)[..., None],
}


@keras.saving.register_keras_serializable(package="tests")
class Decaying(L.Layer):
    """A cell: its state decays, and the input is added to it."""

    def __init__(self, units, **options):
        super().__init__(**options)
        self.units = self.state_size = self.output_size = units

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], self.units), name="kernel")

    def call(self, x, states, training=False):
        state = ops.tanh(states[0] * 0.5 + x @ self.kernel)
        return state, [state]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


class TorchDecaying(nn.Module):
    def __init__(self, size, units):
        super().__init__()
        self.state_size = units
        self.kernel = nn.Parameter(torch.zeros(size, units))

    def forward(self, x, states):
        state = torch.tanh(states[0] * 0.5 + x @ self.kernel)
        return state, (state,)


def decaying(entry):
    return TorchDecaying(entry.shape[-1], entry.config["units"])
