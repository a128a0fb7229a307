"""Rates of a formula are Keras's to the bit, in float32 and where Keras computes in float64."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from covering import one_test
from traced import as_one_call

from torch_impl import schedule
from torch_impl.optim import SGD

STEPS = (*range(70), *range(70, 200, 6), 199, 200)
CASES = [
    ("ExponentialDecay", {"decay_steps": 7, "decay_rate": 0.96}),
    ("ExponentialDecay", {"decay_steps": 7, "decay_rate": 0.5, "staircase": True}),
    ("ExponentialDecay", {"decay_steps": 33, "decay_rate": 1.7}),
    ("InverseTimeDecay", {"decay_steps": 7, "decay_rate": 0.3}),
    ("InverseTimeDecay", {"decay_steps": 11, "decay_rate": 0.3, "staircase": True}),
    ("PolynomialDecay", {"decay_steps": 100}),
    ("PolynomialDecay", {"decay_steps": 77, "end_learning_rate": 0.003, "power": 2.0}),
    ("PolynomialDecay", {"decay_steps": 199, "end_learning_rate": 0.0, "power": 0.5}),
    ("PolynomialDecay", {"decay_steps": 30, "power": 1.3, "cycle": True}),
    ("CosineDecay", {"decay_steps": 120}),
    ("CosineDecay", {"decay_steps": 77, "alpha": 0.3}),
    (
        "CosineDecay",
        {"decay_steps": 100, "alpha": 0.1, "warmup_target": 0.7, "warmup_steps": 33},
    ),
    ("CosineDecay", {"decay_steps": 9, "warmup_target": 0.01, "warmup_steps": 7}),
    ("CosineDecay", {"decay_steps": 50, "warmup_target": 0.7}),
    ("CosineDecay", {"decay_steps": 50, "warmup_steps": 10}),
    ("CosineDecayRestarts", {"first_decay_steps": 10}),
    ("CosineDecayRestarts", {"first_decay_steps": 13, "t_mul": 1.0}),
    ("CosineDecayRestarts", {"first_decay_steps": 7, "t_mul": 1.5, "m_mul": 0.8, "alpha": 0.1}),
    ("CosineDecayRestarts", {"first_decay_steps": 150, "t_mul": 0.5, "m_mul": 0.9}),
]


def keras_rates(name, steps, dtype, *, compiled=False, **arguments):
    """Keras's; where the first rate is a number of NumPy, Keras computes in its dtype.

    `compiled`: as in the graph of `fit`, which TensorFlow rewrites.
    """
    if "initial_learning_rate" in arguments:
        first = np.dtype(dtype).type(arguments.pop("initial_learning_rate"))
        arguments = {"initial_learning_rate": first, **arguments}
    rate = getattr(keras.optimizers.schedules, name)(**arguments)
    # A variable of whole numbers is what an optimizer counts in.
    count, rates = keras.Variable(0, dtype="int32"), []
    rate_now = (tf.function if compiled else as_one_call)(lambda: rate(count))
    for step in steps:
        count.assign(step)
        rates.append(float(np.asarray(rate_now())))
    return rates


def our_rates(name, steps, dtype, *, compiled=False, **arguments):
    rate = getattr(schedule, name)(**arguments)
    return [rate(step, getattr(torch, dtype), compiled=compiled) for step in steps]


@one_test
@pytest.mark.parametrize("compiled", [False, True], ids=["called", "in_fit"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_rates_are_those_of_keras_to_the_bit(name, arguments, dtype, compiled):
    given = {"initial_learning_rate": 0.123, "compiled": compiled, **arguments}
    assert our_rates(name, STEPS, dtype, **given) == keras_rates(name, STEPS, dtype, **given)


@one_test
@pytest.mark.parametrize("t_mul", [1.1, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("first", [1, 2, 5, 8, 20])
def test_a_step_at_a_restart_belongs_to_the_same_restart_as_in_keras(t_mul, first):
    """Two logarithms tell, and rounding can put the very step of a restart on either side of it."""
    starts = {round(first * (1 - t_mul**n) / (1 - t_mul)) for n in range(8)}
    steps = sorted({start + near for start in starts for near in (-1, 0, 1)} - {-1})[:20]
    given = {"initial_learning_rate": 1.0, "first_decay_steps": first, "t_mul": t_mul, "m_mul": 0.5}
    ours, theirs = (
        rates("CosineDecayRestarts", steps, "float32", **given)
        for rates in (our_rates, keras_rates)
    )
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-6)


@one_test
@pytest.mark.parametrize("decay_steps", [41, 47, 49, 55])
def test_a_stair_of_fit_is_a_step_late_where_the_reciprocal_is_rounded_down(decay_steps):
    """The rates with which `fit` trains, from a weight whose gradient is always 1."""
    arguments = {"decay_steps": decay_steps, "decay_rate": 0.5, "staircase": True}
    late = decay_steps + (decay_steps != 49)  # 49 * (1 / 49) is 1 in float32
    expected = [1.0] * late + [0.5] * (60 - late)
    assert trained_rates(keras.optimizers.schedules.ExponentialDecay(1.0, **arguments)) == expected
    rate, weight = schedule.ExponentialDecay(1.0, **arguments), torch.zeros(1, requires_grad=True)
    optimizer, rates, weight.grad = SGD([weight], rate), [], torch.ones(1)
    for _ in range(60):
        optimizer.step()
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates == expected
    assert [rate(step) for step in range(60)] == [1.0] * decay_steps + [0.5] * (60 - decay_steps)


def trained_rates(rate):
    layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((1,)), layer])
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
@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        *(
            (name, (0.1, steps, *rest), rf"decay_steps={steps}: expected .* than 0")
            for steps in (0, -3)
            for name, rest in (
                ("ExponentialDecay", [0.5]),
                ("InverseTimeDecay", [0.5]),
                *((kind, []) for kind in ("PolynomialDecay", "CosineDecay", "CosineDecayRestarts")),
            )
        ),
        *(
            ("PiecewiseConstantDecay", arguments, "expected")
            for arguments in (
                ([], [0.1]),
                ([1, 2], [0.1, 0.2]),  # too few values
                ([2, 1], [1.0, 2.0, 3.0]),
                ([1.5], [1.0, 2.0]),
            )
        ),
    ],
)
def test_what_makes_no_schedule_is_an_error_that_shows_it(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        getattr(schedule, name)(*arguments)


def test_keras_computes_in_float32_unless_the_rate_is_a_float64_of_numpy():
    keras.config.set_floatx("float64")
    settings = {"decay_steps": 7, "decay_rate": 0.96}
    for rate, dtype in ((0.1, "float32"), (np.float64(0.1), "float64")):
        value = keras.optimizers.schedules.ExponentialDecay(rate, **settings)(3)
        ours = schedule.ExponentialDecay(0.1, **settings)(3, getattr(torch, dtype))
        assert (ours, dtype) == (float(value), value.dtype.name)
