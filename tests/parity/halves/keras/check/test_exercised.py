"""A probe is drawn until all of it has an effect; what has none all the same is told."""

import gated_nets as nets
import keras
import numpy as np
import pytest
import tensorflow as tf
from both_halves import levels, recorded
from odd_nets import chain
from rows import each_row
from small_keras import graph

from parity.data import probe_inputs
from parity.data.samples import Samples
from parity.halves.keras import versions
from parity.halves.keras.check.inputs import inputs_of
from parity.halves.keras.check.noise import ChangeWriter, noise_of
from parity.halves.keras.check.not_compared import Exercise, not_compared, useless_masks
from parity.halves.keras.check.passes import most_exercised
from parity.halves.keras.check.weights import build
from parity.halves.keras.factories import call_factory
from parity.programs.check_spec import CheckSpec
from parity.traces.trace import TraceWriter

L = keras.layers


def probed(factory, **settings):
    """What `run_check` writes, without initial weights and training."""
    spec = CheckSpec(steps=1, **settings)
    versions.use_dtype("float64")
    reference = call_factory(factory, spec.seed)
    samples = Samples(spec, inputs_of(reference, 4).each)
    build(reference, samples)
    first = most_exercised(spec, factory, reference, samples)
    writer = first.writer
    moved = ChangeWriter(first=writer.arrays)
    first.start.perturbed(spec, factory, moved)
    writer.facts["noise"] = noise_of([moved])
    writer.facts["not_compared"] = not_compared(first.exercise, writer)
    return writer


def told(writer):
    return {entry["what"]: entry["why"] for entry in writer.facts["not_compared"]}


# --- a gate --------------------------------------------------------------------------------------


@pytest.mark.long
# The draw of seed 0 shows all of it; in those of 3 and 6 a part is without effect, and is revived.
@pytest.mark.parametrize("seed", [0, 3, 6])
def test_a_gate_that_is_cut_off_is_caught_whatever_the_seed(seed, tmp_path):
    keras_trace = recorded(nets.keras_gated, tmp_path / "keras", seed=seed, steps=1)
    assert keras_trace.facts["not_compared"] == []
    assert keras_trace["forward/train/down.activation/output"].any()
    found = [
        levels(keras_trace, getattr(nets, port), tmp_path / port)["gradient"]
        for port in ("torch_gated", "torch_squeeze_detached", "torch_gate_detached")
    ]
    assert [level.status for level in found] == ["pass", "fail", "fail"]
    assert next(item for item in found[1].items if item.name == "conv.kernel").worst > 1e-4


@each_row(
    "activation, bias",
    [("relu", True), ("hard_sigmoid", True), ("relu6", True), ("hard_sigmoid", False)],
)
def test_a_layer_that_is_dead_by_its_kernel_is_revived(activation, bias):
    """Its kernel is the same in every draw, and only the bias, or the kernel, can help it."""

    def kernel(shape, dtype=None):
        values = np.where(np.arange(np.prod(shape)) % 2, -50.0, -60.0)
        return tf.constant(values.reshape(shape), dtype)

    writer = probed(
        chain(
            lambda: L.Dense(3, activation="sigmoid", name="first"),  # its outputs are positive
            lambda: L.Dense(
                2, activation=activation, kernel_initializer=kernel, use_bias=bias, name="dead"
            ),
            lambda: L.Dense(1, name="out"),
        )
    )
    # Without a bias, numbers of one sign stay so.
    left = {} if bias else {"numbers below -3 in dead.activation": "no probe has any"}
    assert told(writer) == left
    given = writer.arrays["forward/train/dead.activation/input/0"]
    assert np.abs(given).min(axis=0).max() < 3  # every unit has a sample in the linear part
    assert all(writer.arrays[f"gradient/{name}.kernel"].any() for name in ("first", "dead"))


# --- masks ---------------------------------------------------------------------------------------


@each_row("seed, own", [(0, None), (1, None), (2, 5), (2, 6), (2, 7), (2, 8)])
def test_a_small_mask_drops_something_and_keeps_something(seed, own):
    """Of 4 values, all are kept once in 8 draws. A layer may have a seed of its own."""
    writer = probed(
        chain(
            lambda: L.Dense(1, name="first"),
            lambda: L.Dropout(0.4, name="drop", seed=own),
            lambda: L.Dense(1, name="out"),
        ),
        seed=seed,
    )
    assert 0 < writer.arrays["mask/train/drop"].mean() < 1
    assert told(writer) == {}
    # The perturbed pass has the same mask: otherwise all would be noise.
    assert writer.facts["noise"]["forward/train/output"] < 1e-12


def test_masks_are_useless_if_they_are_all_alike():
    masks = {"some": [True, False], "all": [True, True], "none": [False, False]}
    found = useless_masks({name: np.array(mask) for name, mask in masks.items()})
    assert found == {"all": "nothing", "none": "everything"}


# --- what is told --------------------------------------------------------------------------------


@pytest.mark.long
def test_a_gradient_that_is_zero_in_every_draw_is_told_with_what_is_dead():
    writer = probed(
        chain(
            lambda: L.Dense(3, name="first"),
            lambda: L.Lambda(lambda x: -keras.ops.square(x) - 1),  # no bias helps
            lambda: L.Activation("relu", name="dead"),
            lambda: L.Dense(1, name="out"),
        )
    )
    weights = [f"gradient of {name}" for name in ("first.kernel", "first.bias", "out.kernel")]
    assert told(writer) == {
        "gradient through dead": "none passes in any probe",
        "numbers above 0 in dead": "no probe has any",
        **dict.fromkeys(weights, "it is zero in every probe, since nothing passes dead"),
    }
    assert writer.facts["not_compared"][2]["arrays"] == ["gradient/first.kernel"]


def test_a_weight_that_the_loss_does_not_know_is_told_and_draws_nothing_again():
    built = []

    def run(x):
        built.append("with a cut")
        cut = L.Lambda(lambda x: tf.stop_gradient(x))(L.Dense(2, name="cut")(x))
        return L.Add(name="sum")([L.Dense(2, name="out")(x), cut])

    why = "the loss does not depend on it"
    found = told(probed(lambda: graph(run, (4,))))
    assert found == {"gradient of cut.kernel": why, "gradient of cut.bias": why}
    probed(chain(lambda: built.append("plain") or L.Dense(2, name="out")))
    assert built.count("with a cut") == built.count("plain")


def test_a_bias_before_a_normalisation_is_only_rounding():
    writer = probed(
        chain(
            lambda: L.Conv2D(3, 3, name="conv"),
            lambda: L.BatchNormalization(name="norm"),
            lambda: L.Activation("tanh"),
            lambda: L.Flatten(),
            lambda: L.Dense(2, name="out"),
            shape=(6, 5, 2),
        )
    )
    found = told(writer)
    assert found["gradient of conv.bias"] == "its gradient is only rounding"
    assert not [what for what in found if what.endswith(("norm.beta", "conv.kernel"))]


def test_what_rounding_changes_too_much_is_told():
    """By hand: 30 times a noise of 1e-7 is more than 1e-6."""
    writer = TraceWriter()
    writer.facts["weights"] = {n: {"trainable": n != "mean"} for n in ("a", "b", "mean")}
    for key in ("gradient/a", "state/mean", "trajectory/1/a", "trajectory/2/a", "trajectory/1/b"):
        writer.put(key, np.ones(2))
    writer.put("gradient/b", np.full(2, 1e-5))  # small: MOST allows for the largest of a kind
    writer.facts["noise"] = {"gradient/b": 1e-7, "gradient/a": 1e-9, "trajectory/2/a": 1e-8}
    (entry,) = not_compared(Exercise(), writer)
    assert (entry["what"], entry["arrays"]) == ("gradient of b", ["gradient/b"])
    assert entry["why"] == "rounding may change it by 3.0e-06 of its size"


class Root(L.Layer):
    """Takes the root of its weight, which begins as a constant, and is drawn around zero."""

    def build(self, shape):
        self.size = self.add_weight(shape=(), initializer="ones", name="size")

    def call(self, x):
        return x * keras.ops.sqrt(self.size)


@pytest.mark.long
def test_a_draw_that_makes_nan_is_never_taken_for_one_that_shows_more():
    """NaN has every effect that is looked for. Here, a part stays dead in each draw of numbers."""
    seeds = [probe_inputs.redrawn(3, number) for number in range(8)]
    drawn = [probe_inputs.filled(seed, {"root.size": np.ones(1)})["root.size"] for seed in seeds]
    assert min(drawn) < 0 < drawn[0]  # that of the seed itself
    dead = [lambda: L.Lambda(lambda x: -keras.ops.square(x) - 1), lambda: L.ReLU(name="dead")]
    writer = probed(chain(lambda: Root(name="root"), *dead, lambda: L.Dense(1)), seed=3)
    assert not np.isnan(writer.arrays["forward/eval/output"]).any()
    assert "dead" in str(told(writer))
