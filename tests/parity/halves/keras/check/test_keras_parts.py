"""The networks that a model with a step of its own holds, and how they are called side by side."""

import keras
import pytest
import steps_keras
import tensorflow as tf

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
    assert list(plan.parts) == ["discriminator", "generator"]
    assert plan.optimizers == ("d_optimizer", "g_optimizer")
    reference = plan.factory(steps_keras.gan)()
    model = reference.model
    made = model({"discriminator": tf.ones((3, 6, 8, 2)), "generator": tf.ones((4, 5))})
    assert [tuple(made[name].shape) for name in plan.parts] == [(3, 1), (4, 6, 8, 2)]
    # `compile` got no optimizer, so Keras made one that no step uses.
    assert getattr(model, "optimizer", None) is None


def test_a_random_output_of_a_network_is_left_out():
    plan = planned(steps_keras.autoencoder)
    assert (plan.parts["encoder"].kept, plan.parts["encoder"].num_outputs) == ((0, 1), 3)
    assert plan.parts["decoder"].kept is None
    assert plan.optimizers == ("optimizer",)


def test_a_model_whose_call_reaches_all_weights_is_called_itself():
    assert planned(steps_keras.plain).parts is None


def test_a_teacher_that_no_call_reaches_makes_parts():
    assert list(planned(steps_keras.distiller).parts) == ["student", "teacher"]


def test_a_model_without_a_step_of_its_own_has_no_plan():
    def build():
        model = keras.Sequential([keras.Input((3,)), L.Dense(1)])
        model.compile("sgd", "mse")
        return model

    assert planned(build) is None


def test_networks_have_the_names_of_their_attributes():
    class Holder(keras.Model):
        def __init__(self):
            super().__init__()
            self.first, self.others = L.Dense(1), [L.Dense(2), L.Dense(3)]

    assert list(parts_in(Holder())) == ["first", "others_0", "others_1"]


class Two(keras.Model):
    def __init__(self):
        super().__init__()
        self.net = keras.Sequential([keras.Input((3,)), L.Dense(1)])

    def train_step(self, data):
        x, _ = data
        return {"loss": self.net(x)}


def two(**settings):
    def build():
        model = Two()
        model.compile("sgd")
        return Reference(model, **settings)

    return build


def test_a_step_that_raises_is_told_with_what_it_got():
    with pytest.raises(InputError, match=r"train_step of Two raises .*x alone.*y=\.\.\."):
        planned(two(inputs=Input((3,))))


def test_a_step_whose_inputs_are_not_known_is_refused():
    with pytest.raises(InputError, match="does not know the shape of its input"):
        planned(two())
