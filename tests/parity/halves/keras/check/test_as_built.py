"""What a port may compute by itself has the program's values in a check; other constants do not."""

import kept_keras
import keras
import numpy as np
from rows import each_row
from small_keras import net

from keras_impl.reference import Reference
from parity.data.samples import Samples
from parity.halves.keras.check.inputs import inputs_of
from parity.halves.keras.check.parts import kept_as_built, plan_of
from parity.halves.keras.check.passes import most_exercised
from parity.halves.keras.check.weights import build, get_weights
from parity.halves.keras.factories import called_anew
from parity.programs.check_spec import CheckSpec

SPEC = CheckSpec()


def planned(factory):
    """A model as the probes call it, and the factory of it."""
    plan = plan_of(called_anew(factory, SPEC.seed), SPEC)
    factory = factory if plan is None else plan.factory(factory)
    return called_anew(factory, SPEC.seed), factory


def drawn(factory):
    """The weights with which a check begins, and those of the factory."""
    reference, factory = planned(factory)
    samples = Samples(SPEC, inputs_of(reference, SPEC.batch_size).each)
    build(reference, samples)
    return most_exercised(SPEC, factory, reference, samples).weights, get_weights(reference.model)


def normalised():
    layer = keras.layers.Normalization(name="norm")
    layer.adapt(np.array([[1.0], [2.0], [4.0]]))
    return Reference(net(layer, keras.layers.Dense(2, name="dense"), shape=(1,)))


def test_statistics_of_data_stay_to_the_last_bit():
    weights, built = drawn(normalised)
    for name, value in (("norm.mean", 7 / 3), ("norm.variance", np.var([1, 2, 4]))):
        assert weights[name] == built[name] == value
    assert weights["dense.bias"].any()


@each_row(
    "factory, kept",
    [
        (kept_keras.mean_teacher, ["normalization.mean", "normalization.variance"]),
        (kept_keras.centred, ["centred.center"]),
    ],
)
def test_of_a_step_of_its_own_what_no_network_holds_stays(factory, kept):
    assert kept_as_built(planned(factory)[0]) == kept
