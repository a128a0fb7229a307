"""Rates of a formula are Keras's to the bit, in float32 and where Keras computes in float64."""

import keras
import numpy as np
import pytest
import torch
from covering import one_test
from schedule_rates import keras_rate, keras_rates, our_rates

from torch_impl import schedule
from torch_impl.optim import SGD

STEPS = (*range(70), *range(70, 200, 6), 199, 200)
CASES = {
    "exponential": ("ExponentialDecay", {"decay_steps": 7, "decay_rate": 0.96}),
    "exponential_stairs": (
        "ExponentialDecay",
        {"decay_steps": 7, "decay_rate": 0.5, "staircase": True},
    ),
    "exponential_growth": ("ExponentialDecay", {"decay_steps": 33, "decay_rate": 1.7}),
    "inverse_time": ("InverseTimeDecay", {"decay_steps": 7, "decay_rate": 0.3}),
    "inverse_time_stairs": (
        "InverseTimeDecay",
        {"decay_steps": 11, "decay_rate": 0.3, "staircase": True},
    ),
    "line": ("PolynomialDecay", {"decay_steps": 100}),
    "square": ("PolynomialDecay", {"decay_steps": 77, "end_learning_rate": 0.003, "power": 2.0}),
    "root": ("PolynomialDecay", {"decay_steps": 199, "end_learning_rate": 0.0, "power": 0.5}),
    "cycle": ("PolynomialDecay", {"decay_steps": 30, "power": 1.3, "cycle": True}),
}


@one_test
@pytest.mark.parametrize("compiled", [False, True], ids=["called", "in_fit"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "arguments"), CASES.values(), ids=CASES)
def test_rates_are_those_of_keras_to_the_bit(name, arguments, dtype, compiled):
    arguments = {"initial_learning_rate": 0.123, "compiled": compiled, **arguments}
    assert our_rates(name, STEPS, dtype, **arguments) == keras_rates(
        name, STEPS, dtype, **arguments
    )


@one_test
@pytest.mark.parametrize("decay_steps", [41, 47, 49, 55])
def test_a_stair_of_fit_is_a_step_late_where_the_reciprocal_is_rounded_down(decay_steps):
    """The rates with which `fit` trains, from a weight whose gradient is always 1."""
    arguments = {"decay_steps": decay_steps, "decay_rate": 0.5, "staircase": True}
    late = decay_steps + (decay_steps != 49)  # 49 * (1 / 49) is 1 in float32
    assert trained_rates(keras.optimizers.schedules.ExponentialDecay(1.0, **arguments)) == (
        [1.0] * late + [0.5] * (60 - late)
    )
    optimizer = SGD([weight := torch.zeros(1, requires_grad=True)], decay_of(1.0, **arguments))
    weight.grad = torch.ones(1)
    rates = []
    for _ in range(60):
        optimizer.step()
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates == [1.0] * late + [0.5] * (60 - late)
    called = [decay_of(1.0, **arguments)(step) for step in range(60)]
    assert called == [1.0] * decay_steps + [0.5] * (60 - decay_steps)


decay_of = schedule.ExponentialDecay


def trained_rates(rate):
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")]
    )
    model.compile(optimizer=keras.optimizers.SGD(rate), loss=lambda _, y: keras.ops.mean(y))
    weights = [0.0]
    watching = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: weights.append(float(model.weights[0][0, 0]))
    )
    ones = np.ones((60, 1), "float32")
    model.fit(ones, ones, batch_size=1, shuffle=False, verbose=0, callbacks=[watching])
    return list(-np.diff(weights))


TABLE = {"boundaries": [3, 10, 11, 150], "values": [0.1, 0.05, 0.7, 1e-4, 0.3]}


def test_a_table_gives_the_rates_of_keras_to_the_bit():
    ours = our_rates("PiecewiseConstantDecay", STEPS, "float32", **TABLE)
    assert ours == keras_rates("PiecewiseConstantDecay", STEPS, "float32", **TABLE)
    assert [ours[step] for step in (3, 4, 10, 11, 12)] == [
        float(np.float32(rate)) for rate in (0.1, 0.05, 0.05, 0.7, 1e-4)
    ]


@one_test
@pytest.mark.parametrize("name", ["ExponentialDecay", "InverseTimeDecay", "PolynomialDecay"])
@pytest.mark.parametrize("decay_steps", [0, -3])
def test_decay_steps_of_none_are_an_error_that_shows_them(name, decay_steps):
    rest = [] if name == "PolynomialDecay" else [0.5]
    with pytest.raises(ValueError, match=rf"decay_steps={decay_steps}: expected .* than 0"):
        getattr(schedule, name)(0.1, decay_steps, *rest)


@one_test
@pytest.mark.parametrize(
    ("boundaries", "values"),
    [([], [0.1]), ([1, 2], [0.1, 0.2]), ([2, 1], [1.0, 2.0, 3.0]), ([1.5], [1.0, 2.0])],
    ids=["none", "too_few_values", "falling", "fraction"],
)
def test_a_table_that_does_not_fit_is_an_error(boundaries, values):
    with pytest.raises(ValueError, match="expected"):
        schedule.PiecewiseConstantDecay(boundaries, values)


def test_keras_computes_in_float32_unless_the_rate_is_a_float64_of_numpy():
    keras.config.set_floatx("float64")
    settings = {"decay_steps": 7, "decay_rate": 0.96}
    for rate, dtype in ((0.1, "float32"), (np.float64(0.1), "float64")):
        value = keras.optimizers.schedules.ExponentialDecay(rate, **settings)(3)
        assert value.dtype.name == dtype
        ours = schedule.ExponentialDecay(0.1, **settings)(3, getattr(torch, dtype))
        assert ours == keras_rate(value)
