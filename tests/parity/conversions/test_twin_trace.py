"""A module may lack the softmax or sigmoid at the end of an output, however Keras writes it."""

import keras
from conversions import converted
from keras import layers as L
from keras import ops
from rows import each_row
from torch import nn

STEPS = (4, 5)  # of a sequence
SIGMOIDS = {
    "setting": ((5,), lambda x: L.Dense(1, activation="sigmoid")(x)),
    "layer": ((5,), lambda x: L.Activation("sigmoid")(L.Dense(1)(x))),
    "operation": ((5,), lambda x: ops.sigmoid(L.Dense(1)(x))),
    "function": ((5,), lambda x: keras.activations.sigmoid(L.Dense(1)(x))),
    "steps": (STEPS, lambda x: L.TimeDistributed(L.Dense(1, activation="sigmoid"))(x)),
    "softmax of steps": (STEPS, lambda x: L.TimeDistributed(L.Dense(3, activation="softmax"))(x)),
    "softmax operation": ((5,), lambda x: ops.softmax(L.Dense(3)(x))),
}


def saved(path, shape, outputs):
    keras.utils.set_random_seed(4)
    given = keras.Input(shape)
    keras.Model(given, outputs(given)).save(path)
    return path


class Ends(nn.Module):
    """A linear layer for each output, and what follows it."""

    def __init__(self, *ends, sizes=(1, 1, 1)):
        super().__init__()
        self.linear = nn.ModuleList(nn.Linear(5, size) for size in sizes[: len(ends)])
        self.ends = nn.ModuleList(ends)

    def forward(self, x):
        found = [end(linear(x)) for linear, end in zip(self.linear, self.ends, strict=True)]
        return found[0] if len(found) == 1 else tuple(found)


@each_row("case", SIGMOIDS)
def test_the_last_activation_of_the_only_output_may_be_missing_or_there(case, tmp_path):
    shape, outputs = SIGMOIDS[case]
    path = saved(tmp_path / "model.keras", shape, outputs)
    is_softmax = "softmax" in case
    size = 3 if is_softmax else 1
    last = nn.Softmax(-1) if is_softmax else nn.Sigmoid()
    for number, end in enumerate((nn.Identity(), last)):
        done = converted(path, lambda e=end: Ends(e, sizes=[size]), tmp_path / str(number))
        assert done.problems == []
        assert done.num_filled == 2


@each_row("case", SIGMOIDS)
def test_another_last_activation_of_the_only_output_is_refused(case, tmp_path):
    shape, outputs = SIGMOIDS[case]
    path = saved(tmp_path / "model.keras", shape, outputs)
    size = 3 if "softmax" in case else 1
    done = converted(path, lambda: Ends(nn.Tanh(), sizes=[size]), tmp_path / "a")
    assert not done.is_written
    assert "differs by" in done.problems[0]


@each_row("seed", range(6))
def test_the_sigmoid_of_steps_is_found_whatever_its_last_bit_is(seed, tmp_path):
    """Of all steps at once, a processor may round otherwise than of one step."""
    keras.utils.set_random_seed(seed)
    given = keras.Input((7, 5))
    last = L.TimeDistributed(L.Dense(1, activation="sigmoid"), name=f"steps_{seed}")
    keras.Model(given, last(given)).save(tmp_path / "model.keras")
    done = converted(tmp_path / "model.keras", lambda: Ends(nn.Identity()), tmp_path / "a")
    assert done.problems == []


def three(x):
    """Outputs of one shape: two end with a sigmoid, and the one between them does not."""
    return [
        L.Dense(1, activation="sigmoid", name="first")(x),
        L.Dense(1, name="middle")(x),
        ops.sigmoid(L.Dense(1, name="last")(x)),
    ]


RIGHT = {
    "all there": (nn.Sigmoid(), nn.Identity(), nn.Sigmoid()),
    "first missing": (nn.Identity(), nn.Identity(), nn.Sigmoid()),
    "last missing": (nn.Sigmoid(), nn.Identity(), nn.Identity()),
    "both missing": (nn.Identity(), nn.Identity(), nn.Identity()),
}


@each_row("case", RIGHT)
def test_each_of_several_outputs_of_one_shape_may_lack_its_own(case, tmp_path):
    path = saved(tmp_path / "model.keras", (5,), three)
    done = converted(path, lambda: Ends(*RIGHT[case]), tmp_path / "a")
    assert done.problems == []
    assert done.num_filled == 6


def test_a_sigmoid_that_keras_does_not_have_is_refused(tmp_path):
    path = saved(tmp_path / "model.keras", (5,), three)
    ends = nn.Sigmoid(), nn.Sigmoid(), nn.Sigmoid()
    done = converted(path, lambda: Ends(*ends), tmp_path / "a")
    assert not done.is_written
    assert "differs by" in done.problems[0]
