"""What a port is told of a `train_step` of the user's own."""

from pathlib import Path

import keras
import numpy as np
from keras import layers as L

from keras_impl import Reference
from parity.halves.keras.check.described import described
from parity.halves.keras.check.quoted_code import own_step
from parity.programs.check_spec import CheckSpec

HERE = Path(__file__).parent


class Halved(keras.Sequential):
    """Trains on half of the loss."""

    def __init__(self, share):
        super().__init__([L.Input((3,)), L.Dense(3)])
        self.share, self._hidden = share, 1

    def train_step(self, data):
        return {"loss": self.share}


def reference(kind=Halved, **arrays):
    model = kind(0.5) if kind is Halved else kind([L.Input((3,)), L.Dense(3)])
    model.compile("sgd", "mse")
    return Reference(model, **arrays)


def test_its_code_and_the_numbers_of_the_model_are_told():
    found = own_step(reference(), HERE)
    assert (found["class"], found["values"]) == ("Halved", {"self.share": "0.5"})
    assert found["source"]["file"] == "test_step_code.py"
    assert found["source"]["text"].splitlines()[0] == "def train_step(self, data):"


def test_a_step_of_keras_is_not_told():
    assert own_step(reference(keras.Sequential), HERE) is None


def test_it_is_told_with_whether_fit_gets_targets():
    x = np.ones((8, 3))

    def fit_of(**arrays):
        return described(lambda: reference(**arrays), CheckSpec(folder=str(HERE)))[1]["fit"]

    found = fit_of(x=x)
    assert (found["step"]["class"], found["has_targets"]) == ("Halved", False)
    assert fit_of(x=x, y=x)["has_targets"]
    assert fit_of()["has_targets"]  # of the file of data, as nothing else is known
