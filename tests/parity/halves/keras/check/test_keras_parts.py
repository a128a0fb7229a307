"""The networks that a model with a step of its own holds, and how they are called side by side."""

import keras
import pytest
import steps_keras
import tensorflow as tf
from own_classes import own_class
from rows import each_row
from small_keras import net

from keras_impl import Input, Reference
from parity.errors import InputError
from parity.halves.keras.check.parts import parts_in, plan_of
from parity.halves.keras.factories import called_anew
from parity.programs.check_spec import CheckSpec

L = keras.layers


def planned(factory):
    spec = CheckSpec()
    return plan_of(called_anew(factory, spec.seed), spec)


def test_a_gan_is_called_network_by_network():
    plan = planned(steps_keras.gan)
    assert plan.optimizers == ("d_optimizer", "g_optimizer")
    model = plan.factory(steps_keras.gan)().model
    made = model({"discriminator": tf.ones((3, 6, 8, 2)), "generator": tf.ones((4, 5))})
    shapes = [(name, tuple(made[name].shape)) for name in plan.parts]
    assert shapes == [("discriminator", (3, 1)), ("generator", (4, 6, 8, 2))]
    # `compile` got no optimizer, so Keras made one that no step uses.
    assert getattr(model, "optimizer", None) is None


def test_a_random_output_of_a_network_is_left_out():
    plan = planned(steps_keras.autoencoder)
    told = {name: (part.kept, part.num_outputs) for name, part in plan.parts.items()}
    assert (told["encoder"], told["decoder"][0]) == (((0, 1), 3), None)
    assert plan.optimizers == ("optimizer",)


def test_a_model_has_parts_where_it_has_a_step_of_its_own_and_its_call_leaves_weights_out():
    assert list(planned(steps_keras.distiller).parts) == ["student", "teacher"]
    assert planned(steps_keras.plain).parts is None
    assert planned(lambda: net(L.Dense(1))) is None


def test_networks_have_the_names_of_their_attributes():
    held = {"first": lambda: L.Dense(1), "others": lambda: [L.Dense(2), L.Dense(3)]}
    holder = own_class(lambda self, x: x, keras.Model, **held)
    assert list(parts_in(holder())) == ["first", "others_0", "others_1"]


def step(self, data):
    x, _ = data
    return {"loss": self.net(x)}


Two = own_class(lambda self, x: x, keras.Model, name="Two", net=lambda: net(L.Dense(1)))
Two.train_step = step


@each_row(
    "settings, told",
    [
        ({"inputs": Input((3,))}, r"train_step of Two raises .*x alone.*y=\.\.\."),
        ({}, "does not know the shape of its input"),
    ],
)
def test_a_step_that_raises_or_gets_what_is_not_known_is_refused(settings, told):
    def build():
        model = Two()
        model.compile("sgd")
        return Reference(model, **settings)

    with pytest.raises(InputError, match=told):
        planned(build)
