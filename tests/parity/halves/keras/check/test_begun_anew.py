"""A factory that returns a trained model: its optimizer begins anew, and that is told."""

from functools import partial

import keras
import numpy as np
import pytest
from rows import each_row
from small_keras import net

from parity.errors import InputError
from parity.halves.keras import versions
from parity.halves.keras.factories import called_anew, left_out, trained_steps

L = keras.layers


pytestmark = pytest.mark.usefixtures("in_float64")


def trained(optimizer, epochs=1):
    model = net(L.Dense(2), optimizer=optimizer(), run_eagerly=True)
    if epochs:
        model.fit(np.ones((8, 3)), np.ones((8, 2)), batch_size=2, epochs=epochs, verbose=0)
    return model


def anew(optimizer, epochs=1):
    return called_anew(lambda: trained(optimizer, epochs), 0).model


@each_row("kind", ["Nadam", "Ftrl"])
def test_the_state_is_that_of_an_optimizer_before_its_first_step(kind):
    optimizer = partial(getattr(keras.optimizers, kind), learning_rate=0.125)
    model, fresh = anew(optimizer), optimizer()
    for each in (model.optimizer, fresh):
        versions.build_optimizer(each, model.trainable_variables)
    ours, theirs = ([v.numpy() for v in each.variables] for each in (model.optimizer, fresh))
    np.testing.assert_equal(ours, theirs)
    (told,) = left_out(model)
    assert (trained_steps(model), told["what"]) == (4, "the state of the optimizer")
    assert "4 steps" in told["why"]


def test_a_schedule_begins_anew_and_a_rate_that_was_changed_in_training_stays():
    def build():
        model = trained(lambda: keras.optimizers.Adam(0.5))
        model.optimizer.learning_rate = 0.25
        return model

    assert float(called_anew(build, 0).model.optimizer.learning_rate) == 0.25
    rate = keras.optimizers.schedules.ExponentialDecay(1.0, 2, 0.5)
    assert float(anew(lambda: keras.optimizers.SGD(rate)).optimizer.learning_rate) == 1.0


def test_the_scale_of_a_loss_is_left_out():
    def optimizer():
        return keras.mixed_precision.LossScaleOptimizer(keras.optimizers.Adam(0.5))

    model, stepped = anew(optimizer, epochs=0), anew(optimizer)
    (told,) = left_out(model)
    assert told["what"] == "the scale of the loss (LossScaleOptimizer)"
    assert type(model.optimizer) is keras.optimizers.Adam
    assert (trained_steps(stepped), len(left_out(stepped))) == (4, 2)


def test_an_optimizer_without_a_configuration_is_refused_in_one_line():
    class Own(keras.optimizers.SGD):
        def __init__(self, needed):
            super().__init__(0.5)

    with pytest.raises(InputError, match=r"has made steps, and Own\.from_config\(get_config\(\)\)"):
        anew(lambda: Own(1))


@each_row("is_compiled", [True, False])
def test_a_factory_that_returns_one_model_again_and_again_is_refused(is_compiled):
    """Such as one that was made at the top of a module: each probe would change it for the next."""
    model = trained(keras.optimizers.SGD, epochs=0)
    if not is_compiled:
        model.optimizer = None
    assert called_anew(lambda: model, 0).model is model
    with pytest.raises(InputError, match=r"returned the same model .* twice; expected a new one"):
        called_anew(lambda: model, 0)
