"""Layers and functions of the user's own as stubs: what Keras tells, and what is written of it."""

import importlib

import keras
import numpy as np
import pytest
import torch
from keras import layers as L
from keras import ops
from own_packages import written
from rows import each_row
from safetensors.torch import load_file
from seeded_packages import both_of_a_seed

import keras_impl
from parity.errors import InputError
from parity.halves.keras.check import described as described_file
from parity.halves.keras.check.described import described
from parity.ports.own.facts import NOTHING, left_out_of
from parity.programs.check_spec import CheckSpec
from torch_impl.keras_config.problems import NoTwinError
from torch_impl.layouts import all_variables


class Pair(L.Layer):
    """Takes two tensors in a list, and returns two; holds weights of all kinds."""

    def __init__(self, **options):
        super().__init__(**options)
        self.scale = self.add_weight(
            shape=(2,), initializer=lambda shape, dtype=None: ops.ones(shape, dtype) * 3, name="w"
        )
        self.seen = self.add_weight(shape=(2,), initializer="zeros", trainable=False, name="seen")

    def call(self, inputs):
        a, b = inputs
        return a + b, a * b


class Mixer(L.Layer):
    """Holds a model, a list of layers and a layer of the user's."""

    def __init__(self, width, **options):
        super().__init__(**options)
        self.net = keras.Sequential([L.Dense(2 * width, activation="relu"), L.Dense(width)])
        self.parts = [L.Dense(width), L.Dropout(0.5)]

    def call(self, x, scale):
        return self.parts[1](self.parts[0](self.net(x))) * scale


class Recurrent(L.Layer):
    """Has weights of Keras that are below a cell."""

    def __init__(self, **options):
        super().__init__(**options)
        self.table = L.Embedding(5, 4, mask_zero=True)
        self.memory = L.LSTM(3)

    def call(self, x):
        return self.memory(self.table(x))


class Holder(L.Layer):
    """Has a layer in a dictionary."""

    def __init__(self, **options):
        super().__init__(**options)
        self.parts = {"a": L.Dense(3)}

    def call(self, x):
        return self.parts["a"](x)


class Plain(L.Layer):
    """Takes each step by itself."""

    def compute_output_shape(self, shape):
        return shape

    def call(self, x):
        return x


def square(x):
    return x * x


def mixed():
    a, b = L.Input((6, 4), name="left"), L.Input((6, 4), name="right")
    x, y = Pair(name="pair")([a, b])
    x = Mixer(4, name="one")(x, scale=y)
    x = Mixer(4, name="two")(x, scale=y)
    x = Mixer(3, name="three")(L.Dense(3, activation=square)(x), scale=L.Dense(3)(y))
    x = L.Lambda(lambda t, k: t * k, arguments={"k": 2})(x)
    return keras.Model([a, b], L.Dense(2, activation=square)(L.Flatten()(x)))


@pytest.fixture(autouse=True)
def _float64():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    folder = tmp_path_factory.mktemp("own") / "port_of_mixed"
    return (*written(mixed, folder), folder)


def test_layers_of_one_class_share_a_stub_unless_what_they_hold_differs(package):
    _, source, _, _ = package
    assert source.count("class Mixer(nn.Module)") == 1
    assert source.count("class Mixer2(nn.Module)") == 1  # of a model of another size
    assert "self.one = Mixer()" in source
    assert "self.two = Mixer()" in source
    assert "self.three = Mixer2()" in source


def test_a_model_inside_of_a_layer_is_written_whole(package):
    _, source, _, _ = package
    inner = source[source.index("class MixerNet(nn.Module)") : source.index("class Mixer(")]
    assert "self.dense = nn.Linear(4, 8)" in inner
    assert "NotImplementedError" not in inner
    assert "self.net = MixerNet()" in source
    # In a stub tensors have Keras's layout, in which a dropout draws.
    parts = source.partition("self.parts = nn.ModuleList(")[2].partition("]")[0]
    assert parts.split() == ["[nn.Linear(4,", "4),", "layers.Dropout(0.5,", "channels_last=True)"]


def test_a_stub_takes_what_keras_call_takes(package):
    _, source, _, _ = package
    assert "def forward(self, x: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:" in source
    head = source[source.index("class Pair(") :]
    assert "self, inputs: list[torch.Tensor]" in head
    assert "-> tuple[torch.Tensor, torch.Tensor]:" in head
    assert "x, y = self.pair([left, right])" in source
    assert "self.w = nn.Parameter(torch.zeros(2))  # self.scale in Keras" in head
    assert 'self.register_buffer("seen", torch.zeros(2))' in head


def test_a_function_is_one_stub_for_all_layers_that_have_it(package):
    told, source, _, _ = package
    assert source.count("def square(x: torch.Tensor)") == 1
    assert source.count("square(self.") == 2
    assert "function_of_lambda(self.three(x, scale=y), k=2)" in source
    assert any(
        "(for layer 'dense" in sentence and "square" in sentence for sentence in told["open"]
    )
    assert all(sentence.startswith("model.py, line ") for sentence in told["open"])


def test_weights_come_to_their_places(package):
    _, _, model, folder = package
    state = load_file(folder / "weights.safetensors")
    layer = model.get_layer("two")
    kernel = np.asarray(layer.net.layers[-1].kernel, np.float32)
    np.testing.assert_array_equal(state["two.net.dense2.weight"].numpy(), kernel.T)
    kernel = np.asarray(layer.parts[0].kernel, np.float32)
    np.testing.assert_array_equal(state["two.parts.0.weight"].numpy(), kernel.T)
    assert torch.equal(state["pair.w"], torch.full((2,), 3.0))


def test_train_begins_with_keras_weights_of_the_seed(package, monkeypatch):
    """Draws of layers of the user's are in Keras's order, among those of the others."""
    folder = package[3]
    module, model = both_of_a_seed(folder, mixed, monkeypatch)
    for name in ("one", "two", "three"):
        layer, stub = model.get_layer(name), module.get_submodule(name)
        kernels = [each.kernel for each in (*layer.net.layers, layer.parts[0])]
        weights = (stub.net.dense, stub.net.dense2, stub.parts[0])
        for kernel, part in zip(kernels, weights, strict=True):
            np.testing.assert_allclose(part.weight.detach().numpy(), np.asarray(kernel).T, 1e-15)
    last = np.asarray(model.layers[-1].kernel)
    np.testing.assert_allclose(_last(module).weight.detach().numpy(), last.T, 1e-15)
    assert stub.parts[1].seed == int(layer.parts[1].seed_generator.state.numpy()[0])
    assert torch.equal(module.pair.w, torch.full((2,), 3.0, dtype=torch.float64))


def _last(module):
    return [each for each in module.modules() if isinstance(each, torch.nn.Linear)][-1]


def test_recurrent_layers_inside_of_a_layer_begin_as_keras_do(tmp_path, monkeypatch):
    def build():
        x = L.Input((6,), dtype="int32")
        return keras.Model(x, L.Dense(2)(Recurrent(name="own")(x)))

    _, source, _ = written(build, tmp_path / "port_of_recurrent")
    assert "# self.table(x.long()); its mask is x != 0" in source
    module, model = both_of_a_seed(tmp_path / "port_of_recurrent", build, monkeypatch)
    layer = model.get_layer("own")
    ours = {v.name: v.to_keras(v.tensors).detach().numpy() for v in all_variables(module.own)}
    theirs = {"memory/lstm_cell/" + name: getattr(layer.memory.cell, name) for name in _CELL}
    theirs["table/embeddings"] = layer.table.embeddings
    assert theirs.keys() == ours.keys()
    for name, weight in theirs.items():
        np.testing.assert_allclose(ours[name], np.asarray(weight), 0, 1e-15)


class Augmented(keras.Model):
    """Changes images in a model of its own, as most programs do."""

    def __init__(self):
        super().__init__()
        self.augment = keras.Sequential([L.RandomFlip(), L.RandomRotation(0.1)])
        self.conv = L.Conv2D(2, 3)
        self.tail = keras.Sequential([L.Flatten(), L.Dropout(0.5), L.Dense(2)])

    def call(self, x, training=None):
        return self.tail(self.conv(self.augment(x, training=training)), training=training)


def test_layers_in_models_that_are_attributes_have_keras_seeds(tmp_path, monkeypatch):
    def build():
        return keras_impl.Reference(Augmented(), inputs=keras_impl.Input((8, 8, 3)))

    told, _, _ = written(build, tmp_path / "port_of_augmented", is_stubbed=False)
    assert not any("seed" in sentence for sentence in told["left_out"])
    module, built = both_of_a_seed(tmp_path / "port_of_augmented", build, monkeypatch)
    model = built.model
    flip, rotation = model.augment.layers
    for ours, theirs in (
        (module.augment.random_flip, flip.generator),
        (module.augment.random_rotation, rotation.generator),
        (module.tail.dropout, model.tail.layers[1].seed_generator),
    ):
        assert ours.seed == int(np.asarray(theirs.state)[0])


_CELL = ("kernel", "recurrent_kernel", "bias")


class Gate(L.Layer):
    """Calls a layer only where the width of what it gets is not its own."""

    def __init__(self, units, **options):
        super().__init__(**options)
        self.units = units
        self.dense, self.project = L.Dense(units), L.Dense(units)
        self.unused = L.Dense(3)

    def build(self, shape):
        self.dense.build(shape)
        if shape[-1] != self.units:
            self.project.build(shape)

    def call(self, x):
        return self.dense(x) + (x if x.shape[-1] == self.units else self.project(x))


class Network(keras.Model):
    """A class of its own for a whole network, with a functional model inside of it."""

    def __init__(self):
        super().__init__()
        images = L.Input((6, 6, 3))
        x = L.Conv2D(4, 3)(images)
        x = L.Concatenate()([x, L.Conv2D(4, 3)(images)])
        self.net = keras.Model(images, x)
        self.pool = L.GlobalAveragePooling2D()
        self.gates = [Gate(5), Gate(5)]
        self.drop = L.Dropout(0.5)
        self.head = L.Dense(2, activation="softmax")

    def call(self, x, training=None):
        x = self.pool(self.net(x))
        for gate in self.gates:
            x = gate(x)
        return self.head(self.drop(x, training=training))


@pytest.fixture(scope="module")
def subclassed(tmp_path_factory):
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    folder = tmp_path_factory.mktemp("own") / "port_of_subclassed"

    def build():
        return keras_impl.Reference(Network(), input_shapes=[(6, 6, 3)])

    return (*written(build, folder), folder)


def test_a_subclassed_model_is_a_stub_with_all_its_layers(subclassed):
    told, source, _, _ = subclassed
    assert source.startswith('"""The network \'network\' of Keras')
    stub = source[source.index("class Network(nn.Module)") : source.index("class Network2(")]
    assert "self.net = NetworkNet()" in stub
    assert "# pool of Keras is x.mean((1, 2))" in stub
    gates = " ".join(stub.partition("self.gates = nn.ModuleList(")[2].partition("]")[0].split())
    assert gates.removesuffix(",") == (
        "[ Gate(has_project=True, in_features=8), Gate(has_project=False, in_features=5)"
    )
    assert "self.drop = layers.Dropout(0.5)\n" in stub
    assert "# network takes (N, 6, 6, 3), returns (N, 2)" in stub
    assert "return self.network(x.movedim(1, -1))  # (N, 2)" in source
    assert [each.partition(" is ")[0].rpartition(" ")[2] for each in told["open"]] == [
        "Gate.forward",
        "Network.forward",
    ]


def test_its_softmax_tells_the_loss_its_logits(subclassed):
    """As the last layer of a graph does; that of a layer inside of a graph does not."""
    assert "self.head = nn.Linear(5, 2)  # activations.softmax(self.head(x))" in subclassed[1]


def test_the_weights_of_a_subclassed_model_come_to_their_places(subclassed):
    _, _, model, folder = subclassed
    state = load_file(folder / "weights.safetensors")
    network = model
    for number in (1, 2):
        theirs = np.asarray(network.net.layers[number].kernel, np.float32).transpose(3, 2, 0, 1)
        name = "conv2d" if number == 1 else "conv2d2"
        np.testing.assert_array_equal(state[f"network.net.{name}.weight"].numpy(), theirs)
    project = np.asarray(network.gates[0].project.kernel, np.float32)
    np.testing.assert_array_equal(state["network.gates.0.project.weight"].numpy(), project.T)
    assert not any("gates.1.project" in name or "unused" in name for name in state)


def test_a_layer_that_some_instances_do_not_call_is_there_where_it_is_called(tmp_path):
    """An argument of the stub says where."""

    def build():
        x = inputs = L.Input((8,))
        return keras.Model(inputs, Gate(5, name="second")(Gate(5, name="first")(x)))

    _, source, _ = written(build, tmp_path / "port_of_gates")
    assert "self.project = nn.Linear(8, 5) if has_project else None" in source
    assert "self.first = Gate(has_project=True, in_features=8)" in source
    assert "self.second = Gate(has_project=False, in_features=5)" in source
    assert "# unused of Keras is a Dense that no call uses" in source
    state = load_file(tmp_path / "port_of_gates" / "weights.safetensors")
    assert {name.rpartition(".")[0] for name in state} == {
        "first.dense",
        "first.project",
        "second.dense",
    }


class Hidden(L.Layer):
    """Has attributes that a module has, too."""

    def __init__(self, **options):
        super().__init__(**options)
        self.modules = [L.Dense(3), L.Dense(3)]
        self.half = L.Dense(3)
        self.train = self.add_weight(shape=(3,), initializer="ones", name="train")

    def call(self, x):
        return self.half(self.modules[1](self.modules[0](x))) * self.train


def test_attributes_that_a_module_has_itself_get_another_name(tmp_path):
    def build():
        inputs = L.Input((3,))
        return keras.Model(inputs, Hidden(name="own")(inputs))

    _, source, model = written(build, tmp_path / "port_of_hidden")
    assert "self.modules_ = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)])" in source
    assert "self.half_ = nn.Linear(3, 3)" in source
    assert "self.train_ = nn.Parameter(torch.ones(3))" in source
    state = load_file(tmp_path / "port_of_hidden" / "weights.safetensors")
    kernel = np.asarray(model.get_layer("own").modules[1].kernel, np.float32)
    np.testing.assert_array_equal(state["own.modules_.1.weight"].numpy(), kernel.T)


class Mix(L.Layer):
    """Takes a dict and a list, and returns a dict."""

    def call(self, inputs, others=None):
        a = inputs["a"] * 2.0 + inputs["b"]["c"]
        return {"sum": a + others[0], "last": a}


def test_a_stub_takes_a_dict_with_keras_keys(tmp_path, monkeypatch):
    def build():
        a, b, c = (L.Input((3,), name=name) for name in "abc")
        x = Mix(name="mix")({"b": {"c": c}, "a": a}, others=[b])
        return keras.Model([a, b, c], L.Dense(2)(x["last"] + x["sum"]))

    _, source, model = written(build, tmp_path / "port_of_mix")
    assert "inputs: dict[str, dict[str, torch.Tensor] | torch.Tensor]" in source
    assert "others: list[torch.Tensor] | None = None" in source
    assert '{"b": {"c": c}, "a": a}, others=[b])' in source
    text = " ".join(source.replace("#", "").split())
    assert 'takes inputs={"b": {"c": (N, 3)}, "a": (N, 3)}, others=[(N, 3)]' in text
    assert 'in a tuple: of Keras\'s {"sum": (N, 3), "last": (N, 3)} by sorted keys' in text

    def forward(self, inputs, others):
        a = inputs["a"] * 2 + inputs["b"]["c"]
        return a, a + others[0]

    monkeypatch.syspath_prepend(tmp_path)
    file = importlib.import_module("port_of_mix.model")
    monkeypatch.setattr(file.Mix, "forward", forward)
    network = file.Net()
    network.load_state_dict(load_file(tmp_path / "port_of_mix" / "weights.safetensors"))
    draw = np.random.default_rng(0)
    x = [draw.normal(size=(4, 3)).astype("float32") for _ in range(3)]
    expected = np.asarray(model(x))
    np.testing.assert_allclose(network(*map(torch.as_tensor, x)).detach(), expected, 1e-5, 1e-6)


def scaled(rate):
    class Scaled(L.Layer):
        """Uses a name of the function around it."""

        def __init__(self, low=float("-inf"), **options):
            super().__init__(**options)
            self.low = low

        def call(self, x):
            return ops.maximum(x * rate, self.low)

        def get_config(self):
            return {**super().get_config(), "low": self.low}

    return Scaled(name="scaled")


def test_values_of_names_in_quoted_code_are_shown(tmp_path):
    power = 3

    def raised(x):
        return x**power

    def build():
        inputs = L.Input((3,))
        x = L.Activation(raised)(scaled(0.25)(inputs))
        return keras.Model(inputs, L.Dense(2)(x))

    _, source, _ = written(build, tmp_path / "port_of_scaled")
    layer, _, rest = source.partition("class Scaled(")[2].partition("class ")
    assert "        # rate = 0.25\n" in layer
    assert 'self.low = "-inf"' in layer
    assert "    # power = 3\n" in source
    assert "power" not in layer
    assert "rate = " not in rest


def weighted(factor):
    def loss(y_true, y_pred):
        return factor * ops.mean(ops.square(y_true - y_pred))

    return loss


@each_row("factors", [(0.3, 2.0), (0.3,)])
def test_two_losses_of_one_name_are_refused_and_one_for_both_outputs_is_not(factors, tmp_path):
    def build():
        inputs = L.Input((3,))
        model = keras.Model(inputs, [L.Dense(1)(inputs), L.Dense(1)(inputs)])
        made = [weighted(factor) for factor in factors]
        model.compile("sgd", [made[0], made[-1]])
        return model

    if len(factors) == 1:
        written(build, tmp_path / "port")
        return
    with pytest.raises(NoTwinError, match="two losses of your own have the name 'loss'"):
        written(build, tmp_path / "port")


def test_what_is_not_compiled_is_told(package):
    assert package[0]["left_out"] == ["the loss and the optimizer: the model is not compiled"]


def test_all_that_cannot_be_written_is_told_at_once(tmp_path):
    def build():
        x = inputs = L.Input((6, 4))
        x = L.TimeDistributed(Plain(name="steps"), name="each")(x)
        x = Holder(name="holder")(x)
        return keras.Model(inputs, L.Dense(2)(x))

    with pytest.raises(NoTwinError) as raised:
        written(build, tmp_path / "port")
    assert raised.value.problems == [
        "layer 'each' (TimeDistributed): it applies 'steps' of your class Plain, and parity port "
        "leaves no stub inside of a layer of Keras; write its module yourself, and give it to "
        "torch_impl.from_keras_config(custom={'steps': ...}), see docs/twin.md",
        "layer 'holder' of class 'Holder': it holds layers in a dictionary, 'parts'",
    ]


class Cell(L.Layer):
    """A recurrent cell that holds a layer."""

    def __init__(self, units, **options):
        super().__init__(**options)
        self.state_size = units
        self.dense = L.Dense(units)

    def call(self, x, states):
        h = ops.tanh(self.dense(ops.concatenate([x, states[0]], -1)))
        return h, [h]


class Around(L.Layer):
    """Holds a recurrent layer, and does what no port writes."""

    def __init__(self, **options):
        super().__init__(**options)
        self.memory = L.RNN(Cell(3, name="own_cell"))

    def call(self, x):
        return self.memory(x) * np.asarray(self.memory.cell.dense.units, "float64")


@pytest.mark.filterwarnings("ignore:`build\\(\\)` was called on layer:UserWarning")
@each_row(
    "make, told",
    [
        (lambda: L.RNN(Cell(3, name="own_cell"), name="it"), "layer 'it' (RNN): "),
        (lambda: L.RNN([L.GRUCell(3), Cell(3, name="own_cell")], name="it"), "layer 'it' (RNN): "),
        (
            lambda: Around(name="it"),
            "layer 'it' of class 'Around': its 'memory': a RNN that cannot be ported: ",
        ),
    ],
    ids=["cell", "stack", "inside"],
)
def test_a_cell_of_the_users_is_refused_by_name_with_what_to_do(make, told, tmp_path):
    def build():
        inputs = L.Input((5, 4))
        return keras.Model(inputs, L.Dense(2)(make()(inputs)))

    with pytest.raises(NoTwinError) as raised:
        written(build, tmp_path / "port")
    (problem,) = raised.value.problems
    assert problem.startswith(f"{told}it applies 'own_cell' of your class Cell, and")
    assert "custom={'own_cell': ...}" in problem


def test_what_a_layer_does_beside_its_call_is_told():
    def weight(name, **changes):
        told = {"what": "weight", "name": name, "attribute": name, "initializer": {}}
        return {**told, "regularizer": False, "constraint": False, **changes}

    facts = {"holds": [weight("a", initializer=None), weight("b", regularizer=True), weight("c")]}
    own = {**NOTHING, "layers": {"mine": facts}}
    assert left_out_of(own, ["mine", "dense"]) == [
        "what layer 'mine' adds to the loss, by add_loss",
        "the initial values of mine.a: code of the program makes them",
        "the regularizer of mine.b",
    ]


def test_a_model_of_keras_2_is_refused_with_what_to_do(monkeypatch):
    monkeypatch.setattr(described_file, "IS_KERAS_2", True)
    with pytest.raises(InputError, match=r"write model\.save\('model\.h5'\) here, and port"):
        described(mixed, CheckSpec(keras="a:b"))
