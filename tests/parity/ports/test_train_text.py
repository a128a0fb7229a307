"""train.py of a package: a loss of the program, and what is said of data that it cannot take."""

import ast
import importlib
import sys
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from keras import layers as L
from keras import ops
from rows import each_row

import keras_impl
from benchmarks.ported import packages
from benchmarks.ported.programs import Program
from torch_impl.trainer import Trainer


class Quantiles(keras.losses.Loss):
    """A loss as a class, with numbers of its own."""

    def __init__(self, levels, name="quantile", **options):
        super().__init__(name=name, **options)
        self.levels, self.table = levels, np.ones(3)

    def call(self, y_true, y_pred):
        e = y_true - y_pred
        level = ops.convert_to_tensor(self.levels, dtype=e.dtype)
        return ops.mean(ops.maximum(level * e, (level - 1) * e), axis=-1)


class Holder:
    """Has a loss as a method."""

    def __init__(self, power):
        self.power = power

    def distance(self, y_true, y_pred):
        return ops.mean(ops.abs(y_true - y_pred) ** self.power, axis=-1)


def raised(y_true, y_pred, power=2):
    return ops.mean(ops.abs(y_true - y_pred) ** power, axis=-1)


SCALE = 3


def scaled(error):
    return SCALE * ops.abs(error)


def with_helper(y_true, y_pred):
    return ops.mean(scaled(y_true - y_pred), axis=-1)


def net(loss, outputs=1):
    inputs = L.Input((4,))
    made = [L.Dense(3, name=f"out{number}")(inputs) for number in range(outputs)]
    model = keras.Model(inputs, made if outputs > 1 else made[0])
    model.compile("sgd", loss)
    return model


def of_class():
    return net(Quantiles([0.1, 0.5, 0.9]))


def summed():
    return net(Quantiles([0.1, 0.5, 0.9], reduction="sum"))


def with_classes():
    model = net(Quantiles([0.1, 0.5, 0.9]))
    return keras_impl.Reference(model, class_weight={0: 1.0, 1: 2.0})


def with_samples():
    arrays = {"x": np.ones((8, 4)), "y": np.ones((8, 3)), "sample_weight": np.ones(8)}
    return keras_impl.Reference(net(raised), **arrays)


def of_function():
    return net(raised)


def of_two_classes():
    return net([Quantiles(0.1, name="low"), Quantiles(0.9, name="high")], 2)


def one_of_two():
    return net({"out0": "mse", "out1": Quantiles(0.1)}, 2)


def in_a_list():
    return net([Quantiles([0.1, 0.5, 0.9])])


def of_method():
    return net(Holder(3.0).distance)


def of_partial():
    return net(partial(raised, power=4))


def of_helper():
    return net(with_helper)


class Windows(keras.utils.PyDataset):
    """Makes batches of 6."""

    def __len__(self):
        return 2

    def __getitem__(self, number):
        return np.ones((6, 4)), np.ones((6, 3))


def of_batches():
    return keras_impl.Reference(net("mse"), x=Windows())


class Worst(keras.metrics.Metric):
    """A metric of the program's, with a name that is not that of its class."""

    def __init__(self):
        super().__init__(name="worst")

    def update_state(self, y_true, y_pred, sample_weight=None):
        pass

    def result(self):
        return 0.0


def spread(y_true, y_pred):
    return ops.max(y_pred, axis=-1) - ops.min(y_pred, axis=-1)


def measured():
    model = net(None)
    wide = keras.metrics.MeanMetricWrapper(spread, name="wide")
    model.compile("sgd", "mse", metrics=[Worst(), spread, wide, "mae"])
    return model


def without():
    return net(None)


class Warmup(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that rises, and then is what another schedule says."""

    def __init__(self, peak, steps):
        self.peak, self.steps = peak, steps
        self.after = keras.optimizers.schedules.ExponentialDecay(peak, 10, 0.5)

    def __call__(self, step):
        rise = self.peak * (ops.cast(step, "float32") + 1.0) / self.steps
        return ops.minimum(rise, self.after(step))


def scheduled(rate):
    model = net(None)
    model.compile(keras.optimizers.Adam(rate, beta_2=0.98), "mse")
    return model


def sequence(cell, optimizer):
    inputs = L.Input((4, 3))
    model = keras.Model(inputs, L.Dense(1)(cell(inputs)))
    model.compile(optimizer, "mse")
    return model


def of_gru_clipped():
    return sequence(L.Bidirectional(L.GRU(2)), keras.optimizers.Adam(clipnorm=0.1))


def of_gru_lamb():
    return sequence(L.GRU(2), keras.optimizers.Lamb())


def of_gru_cut():
    return sequence(L.GRU(2), keras.optimizers.Adam(global_clipnorm=0.1))


def of_gru_one_bias():
    return sequence(L.GRU(2, reset_after=False), keras.optimizers.Adam(clipnorm=0.1))


def of_lstm_clipped():
    return sequence(L.LSTM(2), keras.optimizers.Adam(clipnorm=0.1))


def of_own_schedule():
    return scheduled(Warmup(0.25, 4))


def of_keras_schedule():
    return scheduled(keras.optimizers.schedules.ExponentialDecay(0.25, 10, 0.5))


def written(name, folder, *, plain=False):
    """What is told of a package, its folder and its train.py."""
    out = folder / f"train_of_{name}"
    out.mkdir()
    told = packages.package_of(Program(name, f"{__file__}:{name}"), out, plain=plain)
    return told, out, (out / "train.py").read_text(encoding="utf-8")


@each_row(
    "name, is_joined",
    [
        ("of_gru_clipped", True),
        ("of_gru_lamb", True),
        ("of_gru_cut", False),
        ("of_gru_one_bias", False),
        ("of_lstm_clipped", False),
    ],
)
def test_both_biases_of_a_gru_have_one_norm_where_an_optimizer_takes_norms(
    name, is_joined, tmp_path
):
    _, _, text = written(name, tmp_path)
    assert ("    optimizer.join_norms(joined_parameters(model))" in text) == is_joined
    assert ("from torch_impl.layouts import joined_parameters" in text) == is_joined


def test_a_plain_package_clips_both_biases_as_one(tmp_path):
    told, _, text = written("of_gru_clipped", tmp_path, plain=True)
    assert told["left_out"] == []
    assert "clip=rules.clip_joined_norm(0.1, biases)" in text
    _, _, text = written("of_lstm_clipped", tmp_path, plain=True)
    assert "clip=rules.clip_norm(0.1)" in text


CASES = {
    "of_class": ("quantile", ["self.levels = [0.1, 0.5, 0.9]"], "class Quantiles"),
    "summed": ("quantile", ["self.levels = [0.1, 0.5, 0.9]"], "class Quantiles"),
    "in_a_list": ("quantile", ["self.levels = [0.1, 0.5, 0.9]"], "class Quantiles"),
    "of_method": ("distance", ["self.power = 3.0"], "def distance"),
    "of_partial": ("partial", ["power = 4"], "def raised"),
}


@each_row("name", CASES)
def test_a_loss_of_any_form_is_a_stub_with_its_code_and_its_numbers(name, tmp_path):
    told, _, source = written(name, tmp_path)
    loss, values, code = CASES[name]
    assert told["left_out"] == []
    assert f"def {loss}(y_pred: torch.Tensor, y_true: torch.Tensor) -> torch.Tensor:" in source
    assert f"loss={loss}, " in source
    assert all(f"    # {value}\n" in source for value in values)
    assert f"#   {code}" in source
    assert ("the sum over all samples" in source) == (name == "summed")
    assert [f"{loss}, the loss, is to be written" in each for each in told["open"]] == [True]


def test_the_stub_of_a_loss_shows_what_the_loss_calls_too(tmp_path):
    _, _, source = written("of_helper", tmp_path)
    code = source[source.index("def with_helper(y_pred") : source.index("raise NotImpl")]
    parts = [
        "#   def with_helper(y_true",
        "# SCALE = 3",
        "#   def scaled(error):",
        "#       return S",
    ]
    places = [code.index(f"    {part}") for part in parts]
    assert places == sorted(places)
    assert [code.count(part) for part in parts] == [1, 1, 1, 1]


def test_each_of_several_outputs_has_its_stub(tmp_path):
    told, _, source = written("of_two_classes", tmp_path)
    assert 'loss={"out0": low, "out1": high}' in " ".join(source.split())
    assert source.count("# self.levels = ") == len(told["open"]) == 2
    _, _, source = written("one_of_two", tmp_path)
    assert '"out0": losses.MeanSquaredError(), "out1": quantile' in " ".join(source.split())


@each_row("plain", [False, True])
def test_a_schedule_of_the_users_own_is_a_stub_and_gives_the_rates_of_keras_once_written(
    plain, tmp_path, monkeypatch
):
    """In float32, as Keras computes it; plain torch has Python's numbers."""
    told, folder, source = written("of_own_schedule", tmp_path, plain=plain)
    base = "" if plain else "(schedule.LearningRateSchedule)"
    assert f"\nclass Warmup{base}:\n" in source
    assert "        self.peak = 0.25\n        self.steps = 4\n" in source
    assert "        # self.after is an object of ExponentialDecay in Keras\n" in source
    assert "#           rise = self.peak * (ops.cast(step" in source
    assert "learning_rate=Warmup(), beta_2=0.98" in source
    assert told["left_out"] == []
    assert ["Warmup, the schedule, is to be written" in each for each in told["open"]] == [True]
    head, _, rest = source.partition("        raise NotImplementedError(")
    rate = "        return self.peak * min((step + 1) / self.steps, 0.5 ** (step / 10))\n"
    (folder / "train.py").write_text(
        head + rate + rest.partition("        )\n")[2], encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, folder.name, raising=False)
    monkeypatch.delitem(sys.modules, f"{folder.name}.train", raising=False)
    build = importlib.import_module(f"{folder.name}.train").build
    made, theirs = build().optimizer.schedule, Warmup(0.25, 4)
    for step in (0, 2, 3, 4, 30):
        assert made(step) == pytest.approx(float(theirs(step)), rel=1e-6)


@each_row("plain", [False, True])
def test_a_schedule_of_keras_leaves_no_stub(plain, tmp_path):
    told, _, source = written("of_keras_schedule", tmp_path, plain=plain)
    assert (told["open"], told["left_out"]) == ([], [])
    assert "TO WRITE" not in source
    assert "ExponentialDecay(" in source


def end_of(folder, monkeypatch, *, build=None, **arrays):
    """How `python -m PACKAGE.train` ends on a file with these arrays: its message."""
    draw = np.random.default_rng(0)
    np.savez(folder / "data.npz", x=draw.normal(size=(8, 4)), y=np.ones((8, 3)), **arrays)
    monkeypatch.syspath_prepend(folder.parent)
    train = importlib.import_module(f"{folder.name}.train")
    if build is not None:
        monkeypatch.setattr(train, "build", build(train.build))
    monkeypatch.setattr("sys.argv", ["train", str(folder / "data.npz"), "--epochs", "1"])
    with pytest.raises(SystemExit) as raised:
        train.main()
    return str(raised.value)


@each_row("plain", [False, True])
def test_a_training_without_a_loss_ends_with_a_sentence(plain, tmp_path, monkeypatch):
    _, folder, _ = written("without", tmp_path, plain=plain)
    assert end_of(folder, monkeypatch) == (
        "the loss was not ported, see README.md: give build() one"
    )


@each_row("plain", [False, True])
def test_batches_of_the_program_give_their_size_and_are_told(plain, tmp_path):
    told, folder, source = written("of_batches", tmp_path, plain=plain)
    assert "training_parser(epochs=1, batch_size=6, validation_split=0.0)" in source
    assert [each.partition(":")[0] for each in told["left_out"]] == [
        "the batches of Windows, a PyDataset, that `fit` gets"
    ]
    assert "Windows" in (folder / "README.md").read_text(encoding="utf-8")


def test_a_metric_of_the_program_is_told_by_its_name_and_its_class(tmp_path):
    """One of Keras's is none of them."""
    told, _, source = written("measured", tmp_path)
    assert told["left_out"] == [
        "the metric 'worst' of your class Worst: it is none of Keras's",
        "the metric 'spread': it is none of Keras's",
        "the metric 'wide' of your function spread: it is none of Keras's",
    ]
    assert "metrics=[metrics.MeanAbsoluteError(" in source or 'metrics=["mae"]' in source


def of_a_column(loss):
    inputs = L.Input((4,))
    model = keras.Model(inputs, L.Dense(1)(inputs))
    model.compile("sgd", loss)
    return keras_impl.Reference(model, x=np.ones((8, 4)), y=np.arange(8.0))


def column_of_function():
    return of_a_column(raised)


def column_of_class():
    return of_a_column(Quantiles([0.1]))


@each_row("name", ["column_of_function", "column_of_class", "of_function"])
def test_a_function_gets_targets_of_the_rank_of_an_output_of_one_column(name, tmp_path):
    """As Keras gives them: a line for a line, (N,) against (N, 1) would make (N, N)."""
    _, _, source = written(name, tmp_path)
    assert ("y_true = y_true[:, None]" in source) == (name == "column_of_function")
    assert f"# y_pred is (N, {3 if name == 'of_function' else 1}).\n" in source


@each_row("name", ["with_classes", "with_samples"])
def test_the_stub_of_a_loss_takes_weights_where_the_program_has_them(name, tmp_path):
    _, _, source = written(name, tmp_path)
    assert "sample_weight: torch.Tensor | None = None" in source
    text = " ".join(source.replace("#", "").split())
    assert "a value for each sample, times its weight if it has one, and the mean of all" in text


@each_row("ending", ["", "_val"])
def test_weights_that_a_loss_does_not_take_end_the_training_with_a_sentence(
    ending, tmp_path, monkeypatch
):
    _, folder, source = written("of_function", tmp_path)
    assert "def raised(y_pred: torch.Tensor, y_true: torch.Tensor) -> torch.Tensor:" in source
    weights = {"x_val": np.ones((8, 4)), "y_val": np.ones((8, 3)), f"weight{ending}": np.ones(8)}
    assert end_of(folder, monkeypatch, **weights) == (
        "the file has weights, and the loss takes none: give raised the "
        "argument sample_weight, (N,)"
    )


class L2(keras.regularizers.Regularizer):
    """A penalty of rows, with the name of one of Keras's."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        return self.factor * ops.sum(ops.max(x, axis=0))


def of_own_regularizer():
    x = L.Input((4,))
    y = L.Dense(3, activation="tanh", name="first", kernel_regularizer=L2(0.5))(x)
    y = L.Dense(2, name="last", activity_regularizer=L2(0.25), bias_regularizer="l2")(y)
    model = keras.Model(x, y)
    model.compile("sgd", "mse")
    return model


def test_a_regulariser_of_ones_own_is_a_stub_of_weights_and_outputs(tmp_path, monkeypatch):
    told, out, source = written("of_own_regularizer", tmp_path)
    assert told["left_out"] == []
    assert ["L2, the regulariser, is to be written" in each for each in told["open"]] == [True]
    assert "#           return self.factor * ops.sum(ops.max(x, axis=0))" in source
    text = " ".join(source.replace("#", "").split())
    assert "x is the kernel of 'first' or the output of 'last'." in text
    assert '"first.weight": L2(factor=0.5)' in text
    assert '"last.bias": regularizers.L2(l2=0.01)' in text or "regularizers.L2()" in text

    monkeypatch.syspath_prepend(tmp_path)
    train = importlib.import_module(f"{out.name}.train")
    monkeypatch.setattr(train.L2, "__call__", lambda self, x: self.factor * x.amax(0).sum())
    port = train.build()
    train.load_weights(port.module)
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    output = port.module(torch.as_tensor(x))
    keras.backend.clear_session()
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    model = of_own_regularizer()
    state = {name: value.numpy() for name, value in port.module.state_dict().items()}
    model.set_weights([a.T if a.ndim > 1 else a for a in state.values()])
    model(x, training=True)
    expected = sum(map(float, model.losses))
    penalties = sum(float(term.detach()) for term in port.loss.penalty.terms())
    np.testing.assert_allclose(penalties, expected, rtol=1e-6)
    assert len(output) == 5


class Clip(keras.constraints.Constraint):
    """The constraint of a critic: all weights lie in a small box."""

    def __init__(self, limit):
        self.limit = limit

    def __call__(self, w):
        return ops.clip(w, -self.limit, self.limit)


def halved(w):
    return w * ops.convert_to_tensor([[0.5], [1.0], [1.0], [1.0]], dtype=w.dtype)


def of_own_constraint():
    x = L.Input((4,))
    y = L.Dense(3, name="first", kernel_constraint=halved, bias_constraint=Clip(0.01))(x)
    y = L.Dense(2, name="last", kernel_constraint=Clip(0.05), bias_constraint="non_neg")(y)
    model = keras.Model(x, y)
    model.compile(keras.optimizers.SGD(0.5), "mse")
    return model


def test_a_constraint_of_ones_own_is_a_stub_that_replaces_weights_in_keras_layout(
    tmp_path, monkeypatch
):
    told, out, source = written("of_own_constraint", tmp_path)
    assert told["left_out"] == []
    assert sorted(each.partition(": ")[2].partition(" is to be")[0] for each in told["open"]) == [
        *("Clip, the constraint,", "halved, the constraint,")
    ]
    text = " ".join(source.replace("#", "").split())
    assert "class Clip(constraints.Constraint):" in source
    assert "in Keras's layout, after a step: the bias of 'first' or the kernel of 'last'." in text
    assert '"last.kernel": Clip(limit=0.05)' in text
    assert '"last.bias": constraints.NonNeg()' in text

    monkeypatch.syspath_prepend(tmp_path)
    train = importlib.import_module(f"{out.name}.train")
    draw = np.random.default_rng(0)
    data = [draw.normal(size=(6, size)).astype("float32") for size in (4, 2)]
    keras.backend.clear_session()
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    model = of_own_constraint()

    def trained():
        port = train.build()
        for name, tensor in port.module.state_dict().items():
            kernel, bias = model.get_layer(name.partition(".")[0]).get_weights()
            tensor.copy_(torch.as_tensor(kernel.T if name.endswith("weight") else bias))
        Trainer(port).fit(*data, batch_size=6, epochs=2)
        return {name: each.numpy() for name, each in port.module.state_dict().items()}

    with pytest.raises(NotImplementedError, match="the constraint, is to be written"):
        trained()
    rows = torch.tensor([[0.5], [1.0], [1.0], [1.0]])
    monkeypatch.setattr(train.Clip, "__call__", lambda self, w: w.clip(-self.limit, self.limit))
    monkeypatch.setattr(train.halved, "__call__", lambda self, w: w * rows)
    found = trained()
    model.fit(*data, batch_size=6, epochs=2, verbose=0)
    for layer in ("first", "last"):
        kernel, bias = model.get_layer(layer).get_weights()
        np.testing.assert_allclose(found[f"{layer}.weight"].T, kernel, atol=1e-6)
        np.testing.assert_allclose(found[f"{layer}.bias"], bias, atol=1e-6)


class Doubling(keras.Model):
    """Trains on x alone, by code of its own."""

    def train_step(self, data):
        with tf.GradientTape() as tape:
            loss = ops.mean((self(data, training=True) - 2 * data) ** 2)
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply(gradients, self.trainable_weights)
        return {"loss": loss}


ONLY_X = np.random.default_rng(1).normal(size=(20, 3))


def of_own_step():
    inputs = L.Input((3,))
    model = Doubling(inputs, L.Dense(3)(L.Dropout(0.2)(inputs)))
    model.compile(keras.optimizers.Adam(0.1))
    return keras_impl.Reference(model, x=ONLY_X, epochs=2, batch_size=5)


def test_a_step_of_ones_own_is_a_stub_and_train_py_trains_by_it(tmp_path, monkeypatch, capsys):
    """Written line by line, it repeats the run of Keras; its file has no targets."""
    told, out, source = written("of_own_step", tmp_path)
    assert told["left_out"] == []
    assert ["train_step is to be written" in each for each in told["open"]] == [True]
    readme = (out / "README.md").read_text(encoding="utf-8")
    for text in (readme, ast.get_docstring(ast.parse(source))):
        words = " ".join(text.split())
        assert (
            "The file has x, in Keras's layout. It has no targets: the program gives fit" in words
        )
        assert "The program makes its steps by Doubling.train_step in " in words
        assert "compile" in words.partition("The program makes its steps")[2]
    begin, _, rest = source.partition("    raise NotImplementedError(")
    lines = (
        "    loss = (model(data) - 2 * data).square().mean()\n"
        "    optimizer.zero_grad()\n    loss.backward()\n    optimizer.step()\n"
        '    return {"loss": loss}\n\n\n'
    )
    _, _, end = rest.partition("\n\n\n")
    (out / "train.py").write_text(begin + lines + end, encoding="utf-8")
    np.savez(tmp_path / "data.npz", x=ONLY_X)
    arguments = [str(tmp_path / "data.npz"), "--dtype", "float64", "--out", str(tmp_path / "w.pt")]
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "argv", ["train", *arguments])
    try:
        importlib.import_module(f"{out.name}.train").main()
    finally:
        torch.set_default_dtype(torch.float32)
    assert capsys.readouterr().out.startswith("loss ")
    found = torch.load(tmp_path / "w.pt", weights_only=True)
    keras.backend.clear_session()
    keras.config.set_floatx("float64")
    keras.utils.set_random_seed(42)
    reference = of_own_step()
    begins = np.asarray(reference.model.weights[0]).copy()
    reference.model.fit(**reference.fit_arguments(), verbose=0)
    kernel, bias = map(np.asarray, reference.model.weights[:2])
    np.testing.assert_allclose(found["dense.weight"].numpy().T, kernel, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found["dense.bias"].numpy(), bias, rtol=0, atol=1e-12)
    assert np.abs(kernel - begins).min() > 0.1


def test_a_plain_package_tells_a_step_of_ones_own_and_where_it_is_a_stub(tmp_path):
    told, _, source = written("of_own_step", tmp_path, plain=True)
    (sentence,) = told["left_out"]
    assert sentence.startswith("train_step of the model: code of your own")
    assert sentence.endswith("without --plain, it is left as a stub")
    assert "The program makes its steps by Doubling.train_step in" in " ".join(source.split())
