"""What a Keras model makes small: losses by output, targets of their forms, weights of samples."""

import keras
import numpy as np
import pytest
from rows import each_row

from keras_impl import Reference
from parity.data.samples import ModelInput, Samples
from parity.errors import InputError
from parity.halves.keras import versions
from parity.halves.keras.check.objective import Objective
from parity.programs.check_spec import CheckSpec
from parity.traces.trace import CheckWriter

L, ops = keras.layers, keras.ops
N = 6
X = np.random.default_rng(0).normal(size=(N, 4))


@pytest.fixture(autouse=True)
def _float64():
    versions.use_dtype("float64")
    keras.utils.set_random_seed(2)


def of_model(model, samples=None, **reference):
    """The objective of a model on (N, 4), and what the model returns."""
    output = model(X)
    samples = Samples(CheckSpec(seed=1), []) if samples is None else samples
    return Objective(Reference(model, **reference), samples, output), output


def objective_of(outputs, reference=None, kind=keras.Model, **settings):
    """The same of a compiled model; `outputs` makes its nest."""
    inputs = keras.Input((4,))
    model = kind(inputs, outputs(inputs))
    model.compile("sgd", **settings)
    return of_model(model, **(reference or {}))


def two(inputs):
    return [L.Dense(3, name="b")(inputs), L.Dense(2, name="a")(inputs)]


def mapped(inputs):
    return dict(zip("ba", two(inputs), strict=True))


def nested(inputs):
    b, a = two(inputs)
    return {"z": {"b": b}, "a": a}


def equal(inputs):
    return {name: L.Dense(2, name=name)(inputs) for name in "abc"}


BOTH = {"a": "mse", "b": "mae"}
WEIGHTS = {"a": 0.25, "b": 2.0}


# A mapping of outputs is sorted; one of several may lack a loss.
@each_row(
    "outputs, loss, losses, shapes",
    [
        (two, BOTH, BOTH, {"a": (N, 2), "b": (N, 3)}),
        (two, ["mae", "mse"], BOTH, {"a": (N, 2), "b": (N, 3)}),
        (mapped, BOTH, BOTH, {"a": (N, 2), "b": (N, 3)}),
        (mapped, ["mse", "mae"], BOTH, {"a": (N, 2), "b": (N, 3)}),
        (
            nested,
            {"z": {"b": "mse"}, "a": None},
            {"z/b": "mse", "a": None},
            {"z/b": (N, 3), "a": (N, 2)},
        ),
    ],
)
def test_each_output_has_its_loss_by_its_path_whatever_the_order(outputs, loss, losses, shapes):
    found, output = objective_of(outputs, loss=loss)
    assert found.losses == losses
    batch = found.batch("probe", N)
    assert {name: array.shape for name, array in batch.targets.items()} == shapes
    assert {*found.parts(output, batch)} == {name for name in losses if losses[name]}


def test_the_sum_of_the_parts_with_their_weights_is_what_keras_minimises():
    found, output = objective_of(two, loss=BOTH, loss_weights=WEIGHTS)
    batch = found.batch("probe", N)
    b, a = (np.asarray(part) for part in output)
    squared, absolute = (a - batch.targets["a"]) ** 2, np.abs(b - batch.targets["b"])
    parts = {name: float(part) for name, part in found.parts(output, batch).items()}
    assert parts == pytest.approx({"a": squared.mean(), "b": absolute.mean()}, rel=1e-14)
    total = 0.25 * squared.mean() + 2.0 * absolute.mean()
    np.testing.assert_allclose(found.value(output, batch), total, rtol=1e-14)
    assert found.loss_weights == WEIGHTS


# --- forms of targets ----------------------------------------------------------------------------


def of_labels(y, p):
    return keras.losses.sparse_categorical_crossentropy(y, p, from_logits=True)


def of_one_label(y, p):
    if len(y.shape) != 1:
        raise ValueError(f"one label for each sample, not {y.shape}")
    return p[:, 0, 0] * ops.cast(y, p.dtype)


def steps(inputs):
    return L.Dense(3)(L.Reshape((2, 2))(inputs))


def of_nothing(y, p):
    raise RuntimeError("boxes are missing\nand more")


@each_row(
    "outputs, loss, kind",
    [
        (L.Dense(3), lambda y, p: ops.mean((y - p) ** 2, axis=-1), "values"),
        (L.Dense(3), of_labels, "classes"),
        (steps, of_labels, "classes"),
        (steps, of_one_label, "class"),
        (steps, keras.losses.CTC(), "labels"),
        (L.Dense(3), keras.losses.CategoricalFocalCrossentropy(from_logits=True), "one_hot"),
    ],
)
def test_the_first_form_that_suits_a_loss_is_taken(outputs, loss, kind):
    found, _ = objective_of(outputs, loss=loss)
    assert (found.kinds, found.problem) == ({"": kind}, "")


@each_row(
    "given, loss, told",
    [
        ({}, of_nothing, "RuntimeError: boxes are missing"),
        ({}, lambda y, p: ops.log(ops.mean(p * 0.0, axis=-1)), "the loss is"),
        (
            {"y": np.zeros((10, 7))},
            lambda y, p: y - p,
            "the loss <lambda> cannot be computed for the targets of `fit`",
        ),
    ],
)
def test_a_loss_that_takes_no_form_is_told_in_one_line(given, loss, told):
    found, _ = objective_of(L.Dense(3), given, loss=loss)
    assert told in found.problem
    assert "\n" not in found.problem
    assert not found.kinds


def test_targets_of_fit_are_taken_where_the_loss_is_the_users_own():
    y = np.arange(40.0).reshape(10, 4)
    squares = lambda y, p: ops.mean((y[:, 1:] - p) ** 2, axis=-1)  # noqa: E731
    found, _ = objective_of(L.Dense(3), {"x": np.zeros((10, 4)), "y": y}, loss=squares)
    assert found.kinds == {"": "data"}
    batch = found.batch("probe", N).targets[""]
    start = int(batch[0, 0]) // 4
    np.testing.assert_array_equal(batch, y[(start + np.arange(N)) % 10])


# --- weights of samples --------------------------------------------------------------------------


def test_weights_have_the_form_of_those_that_fit_gets():
    given = {"a": np.ones(9), "b": None}
    found, output = objective_of(mapped, {"sample_weight": given}, loss="mse")
    batch = found.batch("probe", N)
    assert batch.weights["b"] is None
    assert batch.weights["a"].shape == (N,)
    assert ((batch.weights["a"] >= 0.25) & (batch.weights["a"] < 2)).all()
    each = ((np.asarray(output["a"]) - batch.targets["a"]) ** 2).mean(1)
    expected = (batch.weights["a"] * each).mean()
    np.testing.assert_allclose(found.parts(output, batch)["a"], expected, rtol=1e-14)


def test_outputs_of_one_shape_have_other_targets_and_the_weights_of_an_array_once():
    found, _ = objective_of(equal, {"sample_weight": np.ones(9)}, loss="mse")
    batch, writer = found.batch("probe", N), CheckWriter()
    assert not np.array_equal(batch.targets["a"], batch.targets["b"])
    np.testing.assert_array_equal(batch.weights["a"], batch.weights["b"])
    found.put(batch, "probe", writer)
    assert [key for key in writer.arrays if key.startswith("weight/")] == ["weight/probe"]


def test_class_weights_follow_from_the_labels():
    settings = {"class_weight": {0: 0.5, 1: 3.0}}
    found, _ = objective_of(L.Dense(3), settings, loss="sparse_categorical_crossentropy")
    batch = found.batch("probe", N)
    expected = [{0: 0.5, 1: 3.0}.get(int(label), 1.0) for label in batch.targets[""]]
    np.testing.assert_array_equal(batch.weights[""], expected)


@each_row(
    "outputs, given, compiled, told",
    [
        (two, {"class_weight": {0: 1.0}}, {}, "class_weight with several outputs: expected"),
        (
            L.Dense(3),
            {"class_weight": {0: 1.0}, "sample_weight": np.ones(9)},
            {},
            "has class_weight and sample_weight: expected one of them",
        ),
        # Metrics in the place of the weights of losses.
        (
            L.Dense(1),
            {},
            {"loss_weights": ["mae"]},
            r"loss_weights=.*its third argument.*metrics=\[...\]",
        ),
    ],
)
def test_weights_that_fit_refuses_are_refused(outputs, given, compiled, told):
    with pytest.raises(InputError, match=told):
        objective_of(outputs, given, loss="mse", **compiled)[0].batch("probe", N)


class Own(keras.Model):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return ops.mean(ops.square(y_pred - 1))


class Adding(L.Layer):
    def call(self, x):
        self.add_loss(ops.mean(x))
        return x


def adding(inputs):
    return Adding()(L.Dense(3)(inputs))


@each_row(
    "outputs, kind, value",
    [
        (L.Dense(3), Own, lambda output: np.mean((output - 1) ** 2)),
        (adding, keras.Model, np.mean),
    ],
)
def test_a_model_that_computes_its_loss_needs_none_of_compile(outputs, kind, value):
    found, output = objective_of(outputs, kind=kind)
    assert (found.is_custom, found.problem) == (True, "")
    array = np.asarray(output)
    rounding = array.size * np.finfo(array.dtype).eps  # of a mean, whatever the order of its sum
    np.testing.assert_allclose(found.value(output, found.batch("probe", N)), value(array), rounding)


def test_what_layers_add_is_no_loss_of_a_model_that_is_not_compiled():
    inputs = keras.Input((4,))
    found, _ = of_model(keras.Model(inputs, adding(inputs)))
    assert (found.is_custom, found.losses[""]) == (False, None)


def test_each_output_gets_its_targets_of_a_file(tmp_path):
    def targets(**arrays):
        np.savez(tmp_path / "data.npz", x=np.ones((8, 4)), **arrays)
        spec = CheckSpec(data="data.npz", folder=str(tmp_path))
        inputs = keras.Input((4,))
        model = keras.Model(inputs, two(inputs))
        model.compile("sgd", {"a": "mse", "b": "mae"})
        return of_model(model, Samples(spec, [ModelInput("x", (4,))]))[0].batch("probe", N).targets

    y = {"y_a": np.arange(16.0).reshape(8, 2), "y_b": np.arange(24.0).reshape(8, 3)}
    for name, array in targets(**y).items():
        assert all((row == y[f"y_{name}"]).all(-1).any() for row in array)
    with pytest.raises(InputError, match="the file has no y_b, the targets of that output, which"):
        targets(y_a=np.ones((8, 2)))
    with pytest.raises(InputError, match="the file has no y_"):
        targets(y=np.ones((8, 2)))
