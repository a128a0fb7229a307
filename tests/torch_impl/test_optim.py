"""Adam moves weights as Keras's Adam does: up to rounding in float64, to a few in float32."""

import copy
import io

import keras
import numpy as np
import pytest
import torch

from torch_impl.optim import Adam

SHAPES = ((3, 3, 2, 5), (7, 4), (9,), ())
NUM_STEPS = 200
CHANGE_AT = 100  # the step before which the learning rate is changed
RATES = (0.01, 0.0003)


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


class KerasRun:
    """Keras's Adam on plain variables."""

    def __init__(self, weights, dtype):
        keras.config.set_floatx(dtype)
        self.variables = [keras.Variable(weight, dtype=dtype) for weight in weights]
        self.optimizer = keras.optimizers.Adam(RATES[0])
        self.optimizer.build(self.variables)

    def step(self, gradients, rate):
        if rate != RATES[0]:
            self.optimizer.learning_rate = rate
        self.optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients])

    def weights(self):
        return [variable.numpy() for variable in self.variables]

    def slot(self, name):
        return [v.numpy() for v in self.optimizer.variables if v.name.endswith(name)]


class TorchRun:
    """An Adam of torch on plain parameters."""

    def __init__(self, weights, kind=Adam, **settings):
        self.parameters = [torch.nn.Parameter(torch.tensor(weight)) for weight in weights]
        self.optimizer = kind(self.parameters, **settings or {"learning_rate": RATES[0]})

    def step(self, gradients, rate):
        self.optimizer.param_groups[0]["lr"] = rate
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = torch.tensor(gradient)
        self.optimizer.step()

    def weights(self):
        return [parameter.detach().numpy().copy() for parameter in self.parameters]

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
        run_steps(KerasRun(weights, "float64"), gradients),
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


@pytest.mark.parametrize("epsilon", [1e-7, 1e-8], ids=["keras_epsilon", "torch_epsilon"])
def test_torchs_own_adam_does_not_pass_this_test(epsilon, float64_runs):
    theirs, _, gradients = float64_runs
    other = TorchRun(
        make_weights(np.float64), torch.optim.Adam, lr=RATES[0], betas=(0.9, 0.999), eps=epsilon
    )
    run_steps(other, gradients)
    assert greatest_difference(other.weights(), theirs.weights()) > 1e-9


def test_powers_of_beta_that_start_in_float64_do_not_pass_this_test(float64_runs):
    """Keras rounds beta to float32 before it takes powers, in float64 runs too."""
    theirs, _, gradients = float64_runs
    weights = make_weights(np.float64)
    first = [np.zeros_like(weight) for weight in weights]
    second = [np.zeros_like(weight) for weight in weights]
    for step, gradient in enumerate(gradients):
        alpha = rate_before(step) * np.sqrt(1 - 0.999 ** (step + 1)) / (1 - 0.9 ** (step + 1))
        for i, g in enumerate(gradient):
            first[i] = first[i] + (g - first[i]) * (1 - 0.9)
            second[i] = second[i] + (g * g - second[i]) * (1 - 0.999)
            weights[i] = weights[i] - alpha * first[i] / (np.sqrt(second[i]) + 1e-7)
    assert 1e-9 < greatest_difference(weights, theirs.weights()) < 1e-3


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
    theirs, ours = KerasRun(weights, "float32"), TorchRun(weights, kind, **settings)
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


def test_torchs_own_adam_differs_from_keras_by_more_than_roundings_in_float32():
    ratios = float32_ratios(torch.optim.Adam, lr=RATES[0], betas=(0.9, 0.999), eps=1e-7)
    assert ratios.max() > 1000


def test_a_learning_rate_is_rounded_to_the_dtype_of_the_weights():
    single = Adam([torch.nn.Parameter(torch.zeros(1))], learning_rate=0.001)
    double = Adam([torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))], learning_rate=0.001)
    assert single.param_groups[0]["lr"] == float(np.float32(0.001))
    assert double.param_groups[0]["lr"] == 0.001


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


def test_a_closure_is_called_and_its_value_returned():
    run = TorchRun(make_weights(np.float64))
    assert run.optimizer.step(lambda: 12.5) == 12.5


RESUMES = {
    "state_dict": lambda run, resumed: resumed.optimizer.load_state_dict(
        copy.deepcopy(run.optimizer.state_dict())
    ),
    "file": lambda run, resumed: resumed.optimizer.load_state_dict(through_a_file(run.optimizer)),
}


def through_a_file(optimizer):
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("resume", RESUMES.values(), ids=RESUMES)
def test_a_resumed_run_goes_on_as_the_uninterrupted_one(resume):
    gradients = make_gradients(20, np.float64)
    whole = run_steps(TorchRun(make_weights(np.float64)), gradients)
    half = run_steps(TorchRun(make_weights(np.float64)), gradients[:10])
    resumed = TorchRun(half.weights())
    resume(half, resumed)
    run_steps(resumed, gradients[10:], first=10)
    for ours, expected in zip(resumed.weights(), whole.weights(), strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_a_copied_optimizer_goes_on_with_the_same_step():
    gradients = make_gradients(12, np.float64)
    run = run_steps(TorchRun(make_weights(np.float64)), gradients[:6])
    twin = copy.deepcopy(run)
    run_steps(run, gradients[6:], first=6)
    run_steps(twin, gradients[6:], first=6)
    for ours, expected in zip(twin.weights(), run.weights(), strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_a_parameter_without_gradient_is_left_alone():
    with_gradient, without = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))
    optimizer = Adam([with_gradient, without])
    with_gradient.grad = torch.ones(3)
    optimizer.step()
    assert (with_gradient != 1).all()
    assert torch.equal(without, torch.ones(3))
    assert without not in optimizer.state


def test_a_parameter_whose_gradients_start_late_is_corrected_with_the_common_count():
    keras.config.set_floatx("float64")
    weights = [np.ones(2), np.ones(2)]
    theirs, ours = KerasRun(weights, "float64"), TorchRun(weights)
    for step in range(6):
        gradients = [np.full(2, 0.5), np.full(2, 0.5 if step >= 3 else 0.0)]
        theirs.step(gradients, RATES[0])  # a zero gradient and none leave Keras's slots alike
        for parameter, gradient in zip(ours.parameters, gradients, strict=True):
            parameter.grad = torch.tensor(gradient) if gradient.any() else None
        ours.optimizer.step()
    assert greatest_difference(ours.weights(), theirs.weights()) < 1e-12


def test_groups_keep_their_own_rates():
    slow, fast = (torch.nn.Parameter(torch.zeros(2, dtype=torch.float64)) for _ in range(2))
    optimizer = Adam([{"params": [slow], "lr": 0.001}, {"params": [fast], "lr": 0.1}])
    slow.grad = fast.grad = torch.ones(2, dtype=torch.float64)
    optimizer.step()
    np.testing.assert_allclose(fast.detach() / slow.detach(), 100, rtol=1e-12)
