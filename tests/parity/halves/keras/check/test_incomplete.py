"""What a port cannot be given is told: random numbers, masks that mask nothing."""

import keras
import numpy as np
import odd_nets as nets
import pytest
import tensorflow as tf
from rows import each_row

from keras_impl import Reference
from parity.errors import InputError
from parity.halves.keras.call import Calls
from parity.halves.keras.check.not_compared import incomplete, not_a_number, unknown_targets
from parity.halves.keras.check.run import run_check
from parity.halves.keras.random_layers import kept_samples
from parity.programs.check_spec import CheckSpec
from parity.traces.bundle_facts import check_facts
from parity.traces.trace import TraceWriter

L = keras.layers


def probed(build, **settings):
    writer = TraceWriter()
    run_check(CheckSpec(steps=2, **settings), build, writer)
    shapes = {key: array.shape for key, array in writer.arrays.items()}
    assert check_facts(writer.facts, shapes, 2) == ""
    return writer


def named(writer):
    return [entry["layer"] for entry in writer.facts["incomplete"]]


def test_outputs_with_nan_are_told_by_mode_with_what_to_do():
    arrays = {
        "forward/eval/output/a": np.array([np.nan, 1.0]),
        "forward/eval/output/b": np.array([np.nan, np.nan]),
        "forward/train/output": np.array([np.inf, -np.inf]),  # their sum is NaN, and they are not
        "forward/train/dense/output": np.array([np.nan]),
    }
    ((drawn,), (given,)) = (not_a_number(arrays, has_data=has) for has in (False, True))
    assert drawn["what"] == "the output (eval)"
    assert drawn["why"].startswith("3 of its 4 numbers are NaN in Keras, for inputs that were")
    assert "range=(low, high)" in drawn["do"]
    assert "--data" in given["why"]
    assert "samples" in given["do"]


def test_a_model_that_makes_nan_is_incomplete_and_one_that_cannot_be_computed_is_bad_input():
    """Keras builds both, and `fit` would end with the same error as TensorFlow."""
    nan = probed(nets.chain(lambda: L.Lambda(lambda x: keras.ops.sqrt(-1.0 - x**2))))
    told = [entry["what"] for entry in nan.facts["incomplete"]]
    assert told == ["the output (eval)", "the output (train)"]
    layers = [lambda: L.AveragePooling2D(2), lambda: L.Rescaling(0.1)]
    with pytest.raises(InputError, match=r"cannot be computed: .*uint8.*in AveragePooling2D"):
        probed(nets.chain(*layers, shape=(4, 4, 1), dtype="uint8"))


def both(x):
    shape = keras.ops.shape(x)
    return x + keras.random.normal(shape) * keras.random.uniform(shape)


def sampled():
    model = nets.Sampled()
    model.compile("sgd", "mse")
    return Reference(model, input_shapes=[(3,)])


EACH = nets.chain(
    lambda: L.Reshape((2, 3)),
    lambda: L.TimeDistributed(L.GaussianNoise(0.1), name="each"),
    lambda: L.GaussianNoise(0.0, name="silent"),
    lambda: L.Flatten(),
    lambda: L.Dense(1),
)


@each_row(
    "build, name, drawn",
    [
        (sampled, "sampled", ["normal/sampled"]),
        (nets.chain(lambda: L.Lambda(both, name="both")), "both", ["normal/both", "uniform/both"]),
        (EACH, "each", ["normal/each"] * 2),
    ],
)
def test_what_draws_is_named_with_all_that_it_draws_which_is_the_same_in_both_passes(
    build, name, drawn
):
    writer = probed(build)
    assert named(writer) == [name]
    found = [key for key in writer.arrays if key.startswith(("draw/train/", "draw/step2/"))]
    modes = ("train", "step2")
    assert found == [f"draw/{mode}/{n}/{each}" for mode in modes for n, each in enumerate(drawn)]
    assert "draws random numbers" in writer.facts["incomplete"][0]["why"]
    assert max(writer.facts["noise"].values()) < 1e-9


def test_what_keeps_whole_samples_has_masks_and_its_factor():
    build = nets.chain(lambda: L.Dense(4), lambda: nets.DropPath(0.2), lambda: L.Dense(2))
    writer = probed(build, seed=1)
    ((name, factor),) = writer.facts["replayable"].items()
    assert (factor, named(writer)) == (pytest.approx(1.25, abs=1e-12), [name])
    masks = [writer.arrays[f"mask/{mode}/{name}"] for mode in ("train", "step1", "step2")]
    assert all((mask == mask[:, :1]).all() for mask in masks)
    assert 0 < masks[0].mean() < 1
    given, made = (writer.arrays[f"forward/train/{name}/{end}"] for end in ("input/0", "output"))
    np.testing.assert_allclose(made, np.where(masks[0], given * factor, 0), rtol=1e-6)


X = np.arange(1.0, 13).reshape(4, 3)
ROWS = np.array([[1.0], [0], [1], [0]])


@each_row(
    "made, rows, factor",
    [
        (X * ROWS * 2, [True, False, True, False], 2),
        (X * 0, [False] * 4, 0),
        (X, [True] * 4, 1),
        (X * [[1, 0, 1]], None, 0),
        (X * ROWS * [[1.0], [1], [2], [1]], None, 0),
        (X + 1, None, 0),
        (-X, None, 0),
        (X[:, :2], None, 0),
    ],
    ids=["rows", "nothing", "all", "columns", "two_factors", "sum", "sign", "shape"],
)
def test_samples_are_kept_times_one_factor_or_it_is_something_else(made, rows, factor):
    mask, found = kept_samples(tf.constant(X), tf.constant(made))
    kept = None if mask is None else np.asarray(mask).tolist()
    expected = None if rows is None else [[is_kept] * 3 for is_kept in rows]
    assert (found, kept) == (pytest.approx(factor), expected)


WORDS = {"shape": (7,), "dtype": "int32"}


def embedding():
    return L.Embedding(20, 4, mask_zero=True, name="words")


@each_row(
    "layers, is_at_end",
    [
        ([embedding, lambda: L.LSTM(3, name="lstm"), lambda: L.Dense(2)], True),
        ([embedding, lambda: L.GlobalAveragePooling1D(name="mean")], False),
        ([embedding, lambda: L.Dense(2, activation="softmax", name="out")], False),
        ([embedding, lambda: L.Flatten(), lambda: L.Dense(2)], False),
    ],
    ids=["lstm", "mean", "loss", "nobody"],
)
@pytest.mark.filterwarnings("ignore:Layer 'flatten'")
def test_a_mask_with_masked_steps_leaves_nothing_open(layers, is_at_end):
    writer = probed(nets.chain(*layers, **WORDS))
    is_word = writer.arrays["input/probe/0"] != 0
    assert (named(writer), is_word.sum(1)[:2].tolist()) == ([], [7, 1])
    # A recurrent layer gets padding at the end alone: that of cuDNN takes no other.
    assert (np.diff(is_word.astype(int), axis=1) <= 0).all() == is_at_end


def test_a_mask_that_masks_no_step_is_left_open_by_name():
    calls = Calls((), None, 1)
    calls.used_masks |= {"lstm": "LSTM", "mean": "GlobalAveragePooling1D"}
    calls.masked.add("mean")
    (told,) = incomplete([calls])
    assert told["what"] == "the mask of sequences in lstm (LSTM)"
    assert told["why"].startswith("no step of the probe is masked there")
    assert "--data" in told["do"]


@each_row(
    "layer, apply",
    [
        (lambda: L.GaussianNoise(0.3, name="noisy"), lambda x, drawn: x + 0.3 * drawn),
        (
            lambda: L.GaussianDropout(0.2, name="noisy"),
            lambda x, drawn: x * (1 + np.sqrt(0.2 / 0.8) * drawn),
        ),
        (lambda: L.AlphaDropout(0.25, name="noisy"), None),
    ],
    ids=["gaussian_noise", "gaussian_dropout", "alpha_dropout"],
)
def test_what_a_layer_of_noise_drew_explains_its_output(layer, apply):
    writer = probed(nets.chain(lambda: L.Dense(50), layer, lambda: L.Dense(1)))
    drawn = writer.arrays["mask/train/noisy"]
    x, y = (writer.arrays[f"forward/train/noisy/{end}"] for end in ("input/0", "output"))
    if apply is not None:
        np.testing.assert_allclose(y, apply(x, drawn), rtol=0, atol=1e-13 * np.abs(y).max())
        assert abs(drawn.std() - 1) < 0.2
        return
    # All that is dropped becomes one number.
    assert (drawn.dtype, len(np.unique(np.round(y[~drawn], 12)))) == (np.bool_, 1)
    assert np.corrcoef(x[drawn], y[drawn])[0, 1] > 1 - 1e-12
    assert 0.1 < 1 - drawn.mean() < 0.45


def test_a_loss_that_refuses_what_fit_gets_is_told_from_targets_that_are_not_known():
    drawn = unknown_targets("Keras raises for those that were drawn (ValueError: x)")
    given = unknown_targets("Keras raises for those that `fit` gets (...)", has_given=True)
    assert drawn["why"].startswith("no targets are known: ")
    assert "Reference(model, y=...)" in drawn["do"]
    assert given["why"].startswith("the loss has no value: Keras raises for those that `fit` gets")
    assert "model.evaluate(" in given["do"]
