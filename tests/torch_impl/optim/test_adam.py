"""Adam moves weights as Keras's Adam does: up to rounding in float64, to a few in float32.

AdamW and amsgrad are tested in test_adamw.py.
"""

import keras
import numpy as np
import optimizer_runs
import pytest
import torch
from covering import one_test
from optimizer_runs import RATES

from torch_impl.optim import Adam

SHAPES = ((3, 3, 2, 5), (7, 4), (9,), ())
NUM_STEPS = 200
CHANGE_AT = 100  # the step before which the learning rate is changed


def make_gradients(num_steps, dtype, seed=0):
    """Gradients of 1e-12 to 1e3, each entry at its own scale and some jumping, with exact zeros."""
    generator = np.random.default_rng(seed)
    steps = []
    scales = [10 ** generator.uniform(-12, 3, shape) for shape in SHAPES]
    for step in range(num_steps):
        gradients = []
        for shape, scale in zip(SHAPES, scales, strict=True):
            gradient = np.asarray(scale * generator.normal(size=shape))
            if step % 7 == 3:  # one step at another scale
                gradient = gradient / scale * 10 ** generator.uniform(-12, 3, shape)
            gradient = np.where(generator.random(shape) < 0.1, 0, gradient)
            if gradient.ndim == 1:
                gradient[:2] = 0  # a dead unit: never a gradient
            gradients.append(gradient.astype(dtype))
        steps.append(gradients)
    return steps


def make_weights(dtype, seed=1):
    generator = np.random.default_rng(seed)
    return [np.asarray(generator.normal(size=shape), dtype) for shape in SHAPES]


def rate_before(step):
    return RATES[0] if step < CHANGE_AT else RATES[1]


class KerasRun(optimizer_runs.KerasRun):
    """Keras's Adam on plain variables."""

    def __init__(self, weights, **settings):
        super().__init__("Adam", weights, **settings)

    def step(self, gradients, rate):
        if rate != RATES[0]:
            self.set_rate(rate)
        super().step(gradients)

    def slot(self, name):
        return [v.numpy() for v in self.optimizer.variables if v.name.endswith(name)]


class TorchRun(optimizer_runs.TorchRun):
    """An Adam of torch on plain parameters."""

    def __init__(self, weights, kind=Adam, **settings):
        super().__init__(kind, weights, **settings or {"learning_rate": RATES[0]})

    def step(self, gradients, rate):
        self.set_rate(rate)
        super().step(gradients)

    def slot(self, name):
        key = {"momentum": "exp_avg", "velocity": "exp_avg_sq"}[name]
        return [self.optimizer.state[p][key].numpy().copy() for p in self.parameters]


def run_steps(run, gradients, first=0):
    for step, gradient in enumerate(gradients, start=first):
        run.step(gradient, rate_before(step))
    return run


@pytest.fixture(scope="module")
def float64_runs():
    """Keras's run and ours over the same gradients, with a change of the rate in the middle."""
    gradients = make_gradients(NUM_STEPS, np.float64)
    weights = make_weights(np.float64)
    return (
        run_steps(KerasRun(weights), gradients),
        run_steps(TorchRun(weights), gradients),
        gradients,
    )


def greatest_difference(ours, theirs):
    return max(np.max(np.abs(a - b)) for a, b in zip(ours, theirs, strict=True))


def test_weights_are_keras_weights_in_float64(float64_runs):
    theirs, ours, _ = float64_runs
    scale = max(np.max(np.abs(weight)) for weight in theirs.weights())
    assert greatest_difference(ours.weights(), theirs.weights()) <= 1e-12 * scale


@pytest.mark.parametrize(("slot", "power"), [("momentum", 1), ("velocity", 2)])
def test_slots_are_keras_slots_in_float64(slot, power, float64_runs):
    theirs, ours, gradients = float64_runs
    for number, (mine, other) in enumerate(zip(ours.slot(slot), theirs.slot(slot), strict=True)):
        # Each entry against the largest number that ever went into it.
        scale = np.max([np.abs(step[number]) ** power for step in gradients], axis=0)
        assert (np.abs(mine - other) <= 1e-12 * scale).all()


def test_an_entry_that_never_had_a_gradient_stays(float64_runs):
    _, ours, _ = float64_runs
    np.testing.assert_array_equal(ours.weights()[2][:2], make_weights(np.float64)[2][:2])


def test_the_first_step_is_the_formula():
    """m = 0.1 g, v = 0.001 g^2, w -= 0.01 * sqrt(1 - b2) / (1 - b1) * m / (sqrt(v) + 1e-7)."""
    gradients = np.array([1.0, -1e-6, 1e-12, 0.0, 1e3])
    beta_1, beta_2 = float(np.float32(0.9)), float(np.float32(0.999))
    run = TorchRun([np.zeros(5)])
    run.step([gradients], 0.01)
    alpha = 0.01 * (1 - beta_2) ** 0.5 / (1 - beta_1)
    expected = -alpha * 0.1 * gradients / (0.001**0.5 * np.abs(gradients) + 1e-7)
    np.testing.assert_allclose(run.weights()[0], expected, rtol=1e-13, atol=0)
    # The place of epsilon shows: at g = 1e-6 torch's own formula gives 0.909 of the rate.
    assert abs(expected[1]) == pytest.approx(0.240 * 0.01, rel=2e-3)


def float32_ratios(kind=Adam, **settings):
    """Per step and entry: |difference of the new weights| / what float32 rounding explains.

    Both sides start every step from Keras's weights and slots. The update is alpha * m / (sqrt(v) +
    epsilon). On either side m and v take at most three roundings each, of numbers no greater than
    |m| + |g| and v + g * g; the square root halves the relative error of v; alpha, the quotient,
    the product and the sum take six, and the new weight takes one, which is relative to the weight.
    With u = 2**-24, both sides together stay below 16 u * alpha * (|m| + |g|) / (sqrt(v) + epsilon)
    + 2 u * |w|.
    """
    gradients = make_gradients(NUM_STEPS // 2, np.float32)
    weights = make_weights(np.float32)
    theirs, ours = KerasRun(weights), TorchRun(weights, kind, **settings)
    unit = 2.0**-24
    ratios = []
    for step, gradient in enumerate(gradients):
        first_before = [np.zeros_like(w) for w in weights] if step == 0 else theirs.slot("momentum")
        theirs.step(gradient, rate_before(step))
        ours.step(gradient, rate_before(step))
        powers = np.float32(0.9) ** (step + 1), np.float32(0.999) ** (step + 1)
        alpha = rate_before(step) * np.sqrt(1 - float(powers[1])) / (1 - float(powers[0]))
        after = theirs.weights(), theirs.slot("momentum"), theirs.slot("velocity")
        for i, parameter in enumerate(ours.parameters):
            size = (np.abs(first_before[i]) + np.abs(gradient[i])).astype(np.float64)
            update = alpha * size / (np.sqrt(after[2][i].astype(np.float64)) + 1e-7)
            allowed = 16 * unit * update + 2 * unit * (np.abs(after[0][i]) + alpha)
            difference = np.abs(parameter.detach().numpy().astype(np.float64) - after[0][i])
            ratios.append(np.max(difference / allowed))
            with torch.no_grad():  # the next step starts from Keras's state
                parameter.copy_(torch.tensor(after[0][i]))
                state = ours.optimizer.state[parameter]
                state["exp_avg"].copy_(torch.tensor(after[1][i]))
                state["exp_avg_sq"].copy_(torch.tensor(after[2][i]))
    return np.array(ratios)


def test_a_step_in_float32_differs_from_keras_by_a_few_roundings():
    assert float32_ratios().max() <= 1


def test_the_settings_read_as_they_were_given_after_a_step():
    run = TorchRun(make_weights(np.float64))
    before = {key: run.optimizer.param_groups[0][key] for key in ("lr", "betas", "eps")}
    run_steps(run, make_gradients(3, np.float64))
    assert {key: run.optimizer.param_groups[0][key] for key in before} == before


def test_a_closure_that_fails_is_no_step():
    run = TorchRun(make_weights(np.float64))
    with pytest.raises(ZeroDivisionError):
        run.optimizer.step(lambda: 1 / 0)
    assert run.optimizer.param_groups[0]["step"] == 0


def test_a_parameter_whose_gradients_start_late_is_corrected_with_the_common_count():
    keras.config.set_floatx("float64")
    weights = [np.ones(2), np.ones(2)]
    theirs, ours = KerasRun(weights), TorchRun(weights)
    for step in range(6):
        gradients = [np.full(2, 0.5), np.full(2, 0.5 if step >= 3 else 0.0)]
        theirs.step(gradients, RATES[0])  # a zero gradient and none leave Keras's slots alike
        for parameter, gradient in zip(ours.parameters, gradients, strict=True):
            parameter.grad = torch.tensor(gradient) if gradient.any() else None
        ours.optimizer.step()
    assert greatest_difference(ours.weights(), theirs.weights()) < 1e-12


# Weight decay: lr × decay of every weight is taken off in each step. Of 0.01 × 3 a weight keeps
# nothing after 200 steps, of 0.01 × 0.004 nearly all: what is wrong in either shows.
DECAYS = (3.0, 0.1, 0.004)


def decayed_runs(decay, dtype, gradients):
    weights = make_weights(dtype)
    return (
        run_steps(KerasRun(weights, weight_decay=decay), gradients),
        run_steps(TorchRun(weights, learning_rate=RATES[0], weight_decay=decay), gradients),
    )


@one_test
@pytest.mark.parametrize("decay", DECAYS)
def test_weight_decay_is_that_of_keras_in_float64(decay):
    gradients = make_gradients(NUM_STEPS, np.float64)
    theirs, ours = decayed_runs(decay, np.float64, gradients)
    scale = max(np.max(np.abs(weight)) for weight in make_weights(np.float64))
    assert greatest_difference(ours.weights(), theirs.weights()) <= 1e-13 * scale
    # The slots never see it.
    plain = run_steps(TorchRun(make_weights(np.float64)), gradients)
    for slot in ("momentum", "velocity"):
        for mine, other in zip(ours.slot(slot), plain.slot(slot), strict=True):
            np.testing.assert_array_equal(mine, other)
    assert greatest_difference(ours.weights(), plain.weights()) > 1e-3


@one_test
@pytest.mark.parametrize("decay", [3.0, 0.004, 1e-5])
def test_weight_decay_is_that_of_keras_in_float32(decay):
    """Without gradients, where nothing covers a decay that is too strong or too weak."""
    gradients = [[np.zeros(shape, np.float32) for shape in SHAPES]] * NUM_STEPS
    theirs, ours = decayed_runs(decay, np.float32, gradients)
    for mine, other in zip(ours.weights(), theirs.weights(), strict=True):
        # Keras multiplies by the decay and then by the rate, we by their product: now and then a
        # weight is rounded the other way, by one unit in the last place.
        np.testing.assert_allclose(mine, other, rtol=3e-6, atol=0)
    expected = [weight.astype(np.float64) for weight in make_weights(np.float32)]
    for step in range(NUM_STEPS):
        expected = [weight * (1 - rate_before(step) * decay) for weight in expected]
    if decay > 1e-3:  # one of 1e-7 and less is lost in the rounding, there as here
        for mine, other in zip(ours.weights(), expected, strict=True):
            np.testing.assert_allclose(mine, other, rtol=2e-5, atol=0)


def test_the_decay_acts_before_the_step_of_adam():
    """w = 2: 2 - 0.1 × 0.5 × 2 = 1.9, and the first step of Adam is the rate, 0.1."""
    run = TorchRun([np.array([2.0])], learning_rate=0.1, weight_decay=0.5, epsilon=0.0)
    run.step([np.array([7.0])], 0.1)
    # Apart from beta_2, which is rounded to float32: 6e-6 of the step.
    assert run.weights()[0][0] == pytest.approx(1.8, abs=1e-6)
    theirs = KerasRun([np.array([2.0])], weight_decay=0.5, epsilon=0.0)
    theirs.step([np.array([7.0])], 0.1)
    np.testing.assert_allclose(run.weights()[0], theirs.weights()[0], rtol=1e-15)


@one_test
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_weight_decay_of_zero_is_none_to_the_bit(dtype):
    gradients = make_gradients(20, dtype)
    none = run_steps(TorchRun(make_weights(dtype)), gradients)
    zero = run_steps(TorchRun(make_weights(dtype), learning_rate=0.01, weight_decay=0.0), gradients)
    for ours, expected in zip(zero.weights(), none.weights(), strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_the_weight_decay_is_rounded_to_float32_in_float64_runs_as_in_keras():
    # 0.1 is 1.5e-8 of itself off float32's 0.1; one step takes 0.01 of it off.
    start = np.array([1.0])
    theirs, ours = (
        KerasRun([start], weight_decay=0.1),
        TorchRun([start], learning_rate=0.01, weight_decay=0.1),
    )
    for run in (theirs, ours):
        run.step([np.zeros(1)], 0.01)
    assert ours.weights()[0][0] == pytest.approx(1 - 0.01 * float(np.float32(0.1)), abs=2e-16)
    assert abs(ours.weights()[0][0] - (1 - 0.01 * 0.1)) > 1e-11
    np.testing.assert_allclose(ours.weights()[0], theirs.weights()[0], rtol=0, atol=2e-16)
