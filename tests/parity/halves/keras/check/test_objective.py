"""What a Keras model makes small: losses by output, targets of their forms, weights of samples."""

import keras
import numpy as np
import pytest
from rows import each_row

from keras_impl import Reference
from parity.data.model_inputs import ModelInput
from parity.data.samples import Samples
from parity.errors import InputError
from parity.halves.keras import versions
from parity.halves.keras.check.objective import Objective
from parity.programs.check_spec import CheckSpec
from parity.traces.trace import CheckWriter

L, ops = keras.layers, keras.ops
N = 6


def objective_of(outputs, reference=None, **settings):
    """The objective of a model on (N, 4), and what the model returns; `outputs` makes its nest."""
    versions.use_dtype("float64")
    keras.utils.set_random_seed(2)
    inputs = keras.Input((4,))
    model = keras.Model(inputs, outputs(inputs))
    model.compile("sgd", **settings)
    output = model(np.random.default_rng(0).normal(size=(N, 4)))
    samples = Samples(CheckSpec(seed=1), [])
    return Objective(Reference(model, **(reference or {})), samples, output), output


def two(inputs):
    return [L.Dense(3, name="b")(inputs), L.Dense(2, name="a")(inputs)]


def mapped(inputs):
    return dict(zip("ba", two(inputs), strict=True))


def nested(inputs):
    b, a = two(inputs)
    return {"z": {"b": b}, "a": a}


@each_row("outputs", [two, mapped])
@each_row("loss", [{"a": "mse", "b": "mae"}, None])
def test_each_output_has_its_loss_whatever_the_order(outputs, loss):
    in_order = ["mae", "mse"] if outputs is two else ["mse", "mae"]  # a mapping is sorted
    found, _ = objective_of(outputs, loss=loss or in_order)
    assert found.losses == {"a": "mse", "b": "mae"}
    assert {name: array.shape for name, array in found.batch("probe", N).targets.items()} == {
        "a": (N, 2),
        "b": (N, 3),
    }


def test_the_sum_of_the_parts_with_their_weights_is_what_keras_minimises():
    weights = {"a": 0.25, "b": 2.0}
    found, output = objective_of(two, loss={"a": "mse", "b": "mae"}, loss_weights=weights)
    batch = found.batch("probe", N)
    b, a = (np.asarray(part) for part in output)
    parts = found.parts(output, batch)
    np.testing.assert_allclose(parts["a"], ((a - batch.targets["a"]) ** 2).mean(), rtol=1e-14)
    np.testing.assert_allclose(parts["b"], np.abs(b - batch.targets["b"]).mean(), rtol=1e-14)
    total = 0.25 * float(parts["a"]) + 2.0 * float(parts["b"])
    np.testing.assert_allclose(found.value(output, batch), total, rtol=1e-14)
    assert found.loss_weights == weights


def test_nested_outputs_have_paths_and_one_may_lack_a_loss():
    found, output = objective_of(nested, loss={"z": {"b": "mse"}, "a": None})
    assert found.losses == {"z/b": "mse", "a": None}
    batch = found.batch("probe", N)
    assert set(batch.targets) == {"z/b", "a"}
    assert list(found.parts(output, batch)) == ["z/b"]


def test_two_outputs_of_one_shape_have_different_targets():
    def alike(inputs):
        return [L.Dense(2, name="a")(inputs), L.Dense(2, name="b")(inputs)]

    targets = objective_of(alike, loss="mse")[0].batch("probe", N).targets
    assert not np.array_equal(targets["a"], targets["b"])


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


def infinite(y, p):
    return ops.log(ops.mean(p * 0.0, axis=-1))


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
    "loss, told", [(of_nothing, "RuntimeError: boxes are missing"), (infinite, "the loss is")]
)
def test_a_loss_that_takes_no_form_is_told_in_one_line(loss, told):
    found, _ = objective_of(L.Dense(3), loss=loss)
    assert told in found.problem
    assert "\n" not in found.problem
    assert not found.kinds


def test_targets_of_fit_are_taken_where_the_loss_is_the_users_own():
    y = np.arange(40.0).reshape(10, 4)

    def squares(y, p):
        return ops.mean((y[:, 1:] - p) ** 2, axis=-1)

    found, _ = objective_of(L.Dense(3), {"x": np.zeros((10, 4)), "y": y}, loss=squares)
    assert found.kinds == {"": "data"}
    batch = found.batch("probe", N).targets[""]
    start = int(batch[0, 0]) // 4
    np.testing.assert_array_equal(batch, y[(start + np.arange(N)) % 10])


def test_targets_of_fit_that_do_not_suit_the_loss_are_told():
    found, _ = objective_of(L.Dense(3), {"y": np.zeros((10, 7))}, loss=lambda y, p: y - p)
    assert found.problem.startswith("the loss <lambda> cannot be computed for the targets of `fit`")


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


def test_weights_of_an_array_are_alike_for_all_outputs():
    found, _ = objective_of(mapped, {"sample_weight": np.ones(9)}, loss="mse")
    weights = found.batch("probe", N).weights
    np.testing.assert_array_equal(weights["a"], weights["b"])


def test_class_weights_follow_from_the_labels():
    settings = {"class_weight": {0: 0.5, 1: 3.0}}
    found, _ = objective_of(L.Dense(3), settings, loss="sparse_categorical_crossentropy")
    batch = found.batch("probe", N)
    expected = [{0: 0.5, 1: 3.0}.get(int(label), 1.0) for label in batch.targets[""]]
    np.testing.assert_array_equal(batch.weights[""], expected)


@each_row(
    "outputs, settings, told",
    [
        (two, {"class_weight": {0: 1.0}}, "class_weight with several outputs: expected"),
        (
            L.Dense(3),
            {"class_weight": {0: 1.0}, "sample_weight": np.ones(9)},
            "has class_weight and sample_weight: expected one of them",
        ),
    ],
)
def test_weights_that_fit_refuses_are_refused(outputs, settings, told):
    found, _ = objective_of(outputs, settings, loss="mse")
    with pytest.raises(InputError, match=told):
        found.batch("probe", N)


class Own(keras.Model):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return ops.mean(ops.square(y_pred - 1))


class Adding(L.Layer):
    def call(self, x):
        self.add_loss(ops.mean(x))
        return x


def objective_without_loss(model):
    versions.use_dtype("float64")
    output = model(np.random.default_rng(0).normal(size=(N, 4)))
    return Objective(Reference(model), Samples(CheckSpec(seed=1), []), output), output


def test_a_model_that_computes_its_loss_needs_none_of_compile():
    versions.use_dtype("float64")
    given = keras.Input((4,))
    model = Own(given, L.Dense(3)(given))
    model.compile("sgd")
    found, output = objective_without_loss(model)
    assert (found.is_own, found.problem, found.kinds) == (True, "", {"": "values"})
    expected = np.mean((np.asarray(output) - 1) ** 2)
    np.testing.assert_allclose(found.value(output, found.batch("probe", N)), expected)


def test_what_layers_add_is_a_loss_by_itself_in_a_compiled_model_alone():
    versions.use_dtype("float64")
    for is_compiled in (True, False):
        model = keras.Sequential([keras.Input((4,)), L.Dense(3), Adding()])
        if is_compiled:
            model.compile("sgd")
        found, output = objective_without_loss(model)
        assert found.is_own == is_compiled
        assert (found.losses[""] is not None) == is_compiled
    model.compile("sgd")
    value = objective_without_loss(model)[0].value(output, found.batch("probe", N))
    np.testing.assert_allclose(value, np.asarray(output).mean())


def test_one_weight_of_each_sample_for_three_outputs_is_written_once():
    def three(inputs):
        return {name: L.Dense(2, name=name)(inputs) for name in "abc"}

    weights = np.arange(1.0, N + 1)
    objective, _ = objective_of(three, {"sample_weight": weights}, loss="mse")
    writer = CheckWriter()
    objective.put(objective.batch("probe", N), "probe", writer)
    assert [key for key in writer.arrays if key.startswith("weight/")] == ["weight/probe"]


def test_metrics_in_the_place_of_the_weights_of_losses_are_refused_with_what_to_write():
    with pytest.raises(InputError, match=r"loss_weights=.*its third argument.*metrics=\[...\]"):
        objective_of(L.Dense(1), loss="mse", loss_weights=["mae"])


def of_file(folder, **arrays):
    """The objective of two outputs whose samples are those of a file."""
    versions.use_dtype("float64")
    inputs = keras.Input((4,))
    model = keras.Model(inputs, two(inputs))
    model.compile("sgd", {"a": "mse", "b": "mae"})
    np.savez(folder / "data.npz", x=np.ones((8, 4)), **arrays)
    spec = CheckSpec(data="data.npz", folder=str(folder))
    samples = Samples(spec, [ModelInput("x", (4,))])
    return Objective(Reference(model), samples, model(np.ones((N, 4))))


def test_each_output_gets_its_targets_of_a_file(tmp_path):
    y = {"y_a": np.arange(16.0).reshape(8, 2), "y_b": np.arange(24.0).reshape(8, 3)}
    targets = of_file(tmp_path, **y).batch("probe", N).targets
    for name, array in targets.items():
        assert all((row == y[f"y_{name}"]).all(-1).any() for row in array)


def test_a_file_that_lacks_the_targets_of_an_output_is_refused(tmp_path):
    with pytest.raises(InputError, match="the file has no y_b, the targets of that output, which"):
        of_file(tmp_path, y_a=np.ones((8, 2)))
    with pytest.raises(InputError, match="the file has no y_"):
        of_file(tmp_path, y=np.ones((8, 2)))
