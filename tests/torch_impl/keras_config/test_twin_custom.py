"""Layers, Lambdas and activations of the user's own in a twin; all that is missing, at once."""

import keras
import numpy as np
import pytest
import torch
from keras import layers as L
from keras import ops
from rows import each_row
from test_twin_layers import assert_twin, computed
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
    inputs, layer = L.Input(IMAGES), Scaled(5, name="first")
    inner = keras.Sequential([L.Input(IMAGES), L.Rescaling(2.0), layer], name="inner")
    model = keras.Model(inputs, [L.Dense(3)(layer(inputs)), layer(L.Rescaling(0.5)(inputs))])
    assert_twin(model, [IMAGES], custom={name: TorchScaled})
    twin = from_keras_config(inner.to_json(), {name: TorchScaled})
    assert isinstance(twin.get_submodule("first"), CustomLayer)


def test_a_module_may_say_in_which_layout_it_stores_its_weights():
    """Its initialiser is that of the config."""
    inputs = L.Input((4, 3))
    own = Kernel(3, keras.initializers.RandomUniform(seed=7), name="own")
    inner = keras.Sequential([L.Input((3,)), Kernel(4), L.Dense(2)])
    model = keras.Model(inputs, L.TimeDistributed(inner)(own(inputs)))
    kernel = from_keras_config(model.to_json(), {"Kernel": Turned}).keras_weights()["own/kernel"]
    np.testing.assert_allclose(kernel, own.kernel.numpy(), rtol=1e-12)
    assert_twin(model, [(4, 3)], custom={"Kernel": Turned})


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
    exact = L.Dense(2, activation="gelu")
    approximate = L.Dense(2, activation=ops.gelu, name="approximate")
    memory = L.LSTM(3, recurrent_activation=ops.gelu, name="memory")
    model = keras.Sequential([L.Input((4, 3)), exact, approximate, memory])
    before = model.to_json()
    with with_plain_configs(model):
        told = model.to_json()
    assert model.to_json() == before
    x = np.linspace(-6, 6, 24).reshape(2, 4, 3)
    approximated = lambda x: F.gelu(x.double(), approximate="tanh")  # noqa: E731
    custom = dict.fromkeys(("approximate/activation", "memory/recurrent_activation"), approximated)
    found = []
    for config, given in ((told, None), (before, custom), (before, None)):
        twin = from_keras_config(config, given)
        twin.load_keras_weights(model.get_weights())
        found.append(np.abs(computed(twin, x) - model(x).numpy()).max())
    assert max(found[:2]) < 1e-6 < 1e-5 < found[2]


@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask")
def test_masks_reach_layers_and_functions_of_ones_own_and_go_on():
    assert_twin(of_masked_steps(), [(5, 3)], masked_values, custom=CUSTOM)
    # A functional config names the masks of its layers, a sequential one does not.
    chain = [L.Input((5, 3)), L.Masking(), Steps(name="steps"), L.GlobalAveragePooling1D()]
    assert_twin(keras.Sequential(chain), [(5, 3)], masked_values, custom=CUSTOM)
    ending = {"Steps": lambda entry: EndingSteps()}
    with pytest.raises(AssertionError):
        assert_twin(keras.Sequential(chain), [(5, 3)], masked_values, custom=ending)


def masked_lambda():
    inputs = L.Input((5, 3))
    x = L.Lambda(lambda x: x * 2, mask=lambda x, mask: x[..., 0] > 0, name="twice")(inputs)
    return keras.Model(inputs, L.GlobalAveragePooling1D()(x))


def test_the_mask_of_a_lambda_is_a_function_of_its_own():
    custom = {"twice": lambda x: x * 2, "twice/mask": lambda x, mask: x[..., 0] > 0}
    assert_twin(masked_lambda(), [(5, 3)], custom=custom)


def of_layers(*layers, shape=(5, 3)):
    return keras.Sequential([L.Input(shape), *layers]).to_json()


CELLS = {
    "alone": lambda: Decaying(4),
    "stacked": lambda: [L.GRUCell(5), Decaying(4), L.LSTMCell(2)],
}


@each_row("cells", CELLS.values(), ids=CELLS)
def test_a_recurrent_cell_of_ones_own_is_the_module_of_its_factory(cells):
    inputs = L.Input((5, 3))
    model = keras.Model(inputs, L.RNN(cells(), return_sequences=True)(inputs))
    assert_twin(model, [(5, 3)], custom={"tests>Decaying": TorchDecaying})


INPUT = {"class_name": "InputLayer", "config": {"name": "in", "dtype": "float32"}}


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
@each_row(
    "make, custom, message",
    [
        (
            lambda: of_layers(Scaled(5, name="first")),
            {"first": lambda entry: 3},
            r"'first' .*factory returned int: expected a torch.nn",
        ),
        (
            lambda: of_layers(Scaled(5, name="first")),
            None,
            r"^layer 'first' of class 'Scaled': expected one of.*custom={'tests>Scaled': factory}",
        ),
        (
            lambda: masked_lambda().to_json(),
            {"twice": lambda x: x * 2},
            r"its mask is Python code .*'twice/mask': function",
        ),
        *(
            (
                lambda cells=cells: of_layers(L.RNN(cells())),
                custom,
                message,
            )
            for cells in CELLS.values()
            for custom, message in (
                (None, r"cell of class 'Decaying': expected .* custom="),
                ({"Decaying": lambda _: 3}, r"its cell returned int: expected a torch\.nn\.Module"),
            )
        ),
        (
            lambda: {"layers": [INPUT, {"class_name": "Lambda", "config": {"function": {}}}]},
            None,
            "a layer of class 'Lambda' has no name in the config",
        ),
    ],
)
def test_what_is_missing_or_no_module_is_told(make, custom, message):
    with pytest.raises(NoTwinError, match=message):
        from_keras_config(make(), custom)


def test_an_error_of_a_function_of_ones_own_stays_as_it_is():
    layer = {"class_name": "Lambda", "config": {"name": "own", "function": {}}}
    twin = from_keras_config({"layers": [INPUT, layer]}, custom={"own": {}.__getitem__})
    with pytest.raises(KeyError):
        twin(torch.zeros(1))


class Own(L.Layer):
    """A layer of some units."""

    def __init__(self, units, **options):
        super().__init__(**options)
        self.units = units

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable(package="tests")
class Scaled(Own):
    """Has weights of its own, a layer inside, and a state that train mode moves."""

    def build(self, shape):
        self.projection = L.Dense(self.units, name="projection")
        self.projection.build(shape)
        self.scale = self.add_weight(shape=(1, self.units), name="scale")
        self.count = self.add_weight(shape=(), name="count", trainable=False)

    def call(self, x, training=False):
        self.count.assign(self.count + float(training))
        return self.projection(x) * self.scale


class TorchScaled(nn.Module):
    def __init__(self, entry):
        super().__init__()
        units = entry.config["units"]
        self.scale = nn.Parameter(torch.zeros(1, units))
        self.register_buffer("count", torch.zeros(()))
        self.projection = nn.Linear(entry.shape[-1], units)

    def forward(self, x):
        self.count += self.training
        return self.projection(x) * self.scale


class Turned(nn.Module):
    """Stores the transposed kernel, and says so."""

    def __init__(self, entry):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(entry.config["units"], entry.shape[-1]))

    def keras_variables(self):
        yield Variable("kernel", self, ("weight",), lambda ts: ts[0].T, lambda array: (array.T,))

    def forward(self, x):
        return F.linear(x, self.weight)


class Kernel(Own):
    def __init__(self, units, kernel_initializer="he_normal", **options):
        super().__init__(units, **options)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, shape):
        size = (shape[-1], self.units)
        self.kernel = self.add_weight(size, self.kernel_initializer, name="kernel")

    def call(self, x):
        return x @ self.kernel

    def compute_output_shape(self, shape):
        return (*shape[:-1], self.units)

    def get_config(self):
        initializer = keras.initializers.serialize(self.kernel_initializer)
        return {**super().get_config(), "kernel_initializer": initializer}


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


class EndingSteps(TorchSteps):
    supports_masking = False


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
class Decaying(Own):
    """A cell: its state decays, and the input is added to it."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], self.units), name="kernel")

    def call(self, x, states, training=False):
        state = ops.tanh(states[0] * 0.5 + x @ self.kernel)
        return state, [state]

    @property
    def state_size(self):
        return self.units

    output_size = state_size


class TorchDecaying(nn.Module):
    def __init__(self, entry):
        super().__init__()
        self.state_size = entry.config["units"]
        self.kernel = nn.Parameter(torch.zeros(entry.shape[-1], self.state_size))

    def forward(self, x, states):
        state = torch.tanh(states[0] * 0.5 + x @ self.kernel)
        return state, (state,)
