"""What optimizers share does what Keras does: clipping, decay, averages, accumulation, rates."""

import copy
import io
import pickle

import keras
import numpy as np
import pytest
import torch
from covering import one_test
from optimizer_runs import (
    KerasRun,
    TorchRun,
    assert_close,
    assert_same_bits,
    both_runs,
    make_gradients,
    make_weights,
    run_steps,
)

from torch_impl import optim, schedule
from torch_impl.optim import SGD, Adam, KerasOptimizer

NUM_STEPS = 24
KINDS = [name for name in optim.__all__ if name != "KerasOptimizer"]
MOMENTUM = {"momentum": 0.9}

COMMON = {
    "clipnorm": {"clipnorm": 0.5},
    "clipnorm_of_nothing": {"clipnorm": 1e6},
    "global_clipnorm": {"global_clipnorm": 0.5},
    "global_clipnorm_of_nothing": {"global_clipnorm": 1e6},
    "loss_scale": {"loss_scale_factor": 3.0},
    "average": {"use_ema": True, "ema_momentum": 0.9},
    "average_overwrites": {"use_ema": True, "ema_overwrite_frequency": 3},
    "accumulation": {"gradient_accumulation_steps": 3, "weight_decay": 0.1},
    "all": {
        "gradient_accumulation_steps": 4,
        "use_ema": True,
        "ema_momentum": 0.8,
        "ema_overwrite_frequency": 2,
        "loss_scale_factor": 7.0,
        "weight_decay": 0.1,
        "global_clipnorm": 0.5,
    },
}


@one_test
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("settings", COMMON.values(), ids=COMMON)
def test_weights_and_slots_are_those_of_keras(settings, dtype):
    theirs, ours = both_runs("SGD", dtype, NUM_STEPS, **MOMENTUM, **settings)
    assert_close(ours, theirs)


EXACT = {
    "clipvalue": {"clipvalue": 0.5},
    "no_limit": {"clipnorm": 0.0},
    "decay_of_some": {"weight_decay": 0.3, "excluded": [0, 2]},
    "average": {"use_ema": True, "ema_momentum": 0.9, "ema_overwrite_frequency": 5},
    "accumulation": {"gradient_accumulation_steps": 3, "clipvalue": 0.1, "weight_decay": 0.1},
    "loss_scale": {"loss_scale_factor": 3.0},
}


@one_test
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("settings", EXACT.values(), ids=EXACT)
def test_what_adds_up_no_gradient_is_keras_to_the_bit(settings, dtype):
    theirs, ours = both_runs("SGD", dtype, NUM_STEPS, **MOMENTUM, **settings)
    assert_same_bits(ours, theirs)


@one_test
@pytest.mark.parametrize("name", ["Adam", "Nadam", "Adamax"])
def test_accumulated_gradients_make_one_update_that_is_counted_once(name):
    settings = {"gradient_accumulation_steps": 3, "clipnorm": 0.5}
    theirs, ours = both_runs(name, "float64", NUM_STEPS, **settings)
    assert_close(ours, theirs)


@one_test
@pytest.mark.parametrize("settings", [{}, {"ema_overwrite_frequency": 5}], ids=["never", "often"])
def test_the_averages_become_the_weights_at_the_end(settings):
    theirs, ours = both_runs("SGD", "float64", 13, use_ema=True, ema_momentum=0.9, **settings)
    before = ours.weights()
    theirs.optimizer.finalize_variable_values(theirs.variables)
    ours.optimizer.finalize_variable_values()
    assert_same_bits(ours, theirs)
    assert any((a != b).any() for a, b in zip(ours.weights(), before, strict=True))


def test_without_averages_the_end_changes_nothing():
    run = run_steps(TorchRun("Adam", make_weights("float64")), make_gradients("float64", 2))
    before = run.weights()
    run.optimizer.finalize_variable_values()
    for ours, expected in zip(run.weights(), before, strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_clipping_leaves_the_gradients_as_they_are():
    for rule in ({"clipnorm": 0.1}, {"clipvalue": 0.1}, {"global_clipnorm": 0.1}):
        run = TorchRun("SGD", make_weights("float32"), **rule)
        gradients = make_gradients("float32", 1)[0]
        run.step(gradients)
        for parameter, gradient in zip(run.parameters, gradients, strict=True):
            np.testing.assert_array_equal(parameter.grad, gradient)


def as_rows(numbers):
    return [torch.nn.Parameter(torch.tensor(row)) for row in numbers]


@one_test
@pytest.mark.parametrize(
    ("name", "settings"), [("Adam", {"clipnorm": 0.3}), ("SGD", {"clipnorm": 0.3}), ("Lamb", {})]
)
def test_parameters_that_are_joined_have_the_norm_of_keras_one_variable(name, settings):
    """As the bias of a GRU, whose two rows are two parameters in torch."""
    rng = np.random.default_rng(0)
    start, other = rng.normal(size=(2, 3)), rng.normal(size=4)
    keras.config.set_floatx("float64")  # conftest sets it back
    whole, single = keras.Variable(start), keras.Variable(other)
    theirs = getattr(keras.optimizers, name)(learning_rate=0.1, **settings)
    rows, alone = as_rows(start), as_rows([other])
    ours = getattr(optim, name)([rows[0], *alone, rows[1]], learning_rate=0.1, **settings)
    ours.join_norms([rows])
    for _ in range(4):
        gradients = rng.normal(size=(2, 3)) * [[1.0], [5.0]], rng.normal(size=4)
        theirs.apply(list(map(keras.ops.convert_to_tensor, gradients)), [whole, single])
        for parameter, gradient in zip([*rows, *alone], [*gradients[0], gradients[1]], strict=True):
            parameter.grad = torch.tensor(gradient)
        copy.deepcopy(ours).step()  # another optimizer's weights: nothing of it comes back
        ours.step()
    moved = torch.stack([row.detach() for row in rows]).numpy()
    np.testing.assert_allclose(moved, np.asarray(whole), rtol=1e-12)
    np.testing.assert_allclose(alone[0].detach().numpy(), np.asarray(single), rtol=1e-12)
    assert abs(moved - start).max() > 0.01


def test_one_that_has_no_gradient_has_no_part_in_the_norm():
    rows = as_rows([[3.0, 4.0], [1.0, 1.0]])
    ours = SGD(rows, learning_rate=1.0, clipnorm=1.0)
    ours.join_norms([rows])
    rows[0].grad = torch.tensor([3.0, 4.0])
    ours.step()
    np.testing.assert_allclose(rows[0].detach().numpy(), [2.4, 3.2], rtol=1e-6)


def test_joined_parameters_of_two_groups_or_of_none_are_an_error():
    rows = as_rows([[1.0], [2.0]])
    ours = SGD([{"params": rows[:1]}, {"params": rows[1:]}], learning_rate=1.0, clipnorm=1.0)
    with pytest.raises(ValueError, match=r"shapes \[\(1,\), \(1,\)\] to be joined: expected"):
        ours.join_norms([rows])
    with pytest.raises(ValueError, match="expected parameters of one group"):
        ours.join_norms([as_rows([[1.0]])])


@one_test
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_one_entry_that_is_not_finite_spoils_all_of_a_global_norm_as_in_keras(bad):
    gradients = make_gradients("float64", 1)[0]
    gradients[1][0] = bad
    for kind in (KerasRun, TorchRun):
        run = kind("SGD", make_weights("float64"), global_clipnorm=0.5)
        run.step(gradients)
        assert all(np.isnan(weight).all() for weight in run.weights())


@one_test
@pytest.mark.parametrize("rule", ["clipnorm", "clipvalue", "global_clipnorm"])
def test_a_gradient_of_zero_stays_zero(rule):
    run = TorchRun("SGD", make_weights("float64"), **{rule: 0.5})
    run.step([np.zeros(weight.shape) for weight in run.weights()])
    for ours, expected in zip(run.weights(), make_weights("float64"), strict=True):
        np.testing.assert_array_equal(ours, expected)


# Rates.


@one_test
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("steps", [None, 3], ids=["every_step", "every_third"])
def test_a_schedule_counts_steps_as_in_keras(steps, dtype):
    arguments = {"boundaries": [2, 7, 11], "values": [0.1, 0.03, 0.3, 0.01]}
    weights, gradients = make_weights(dtype), make_gradients(dtype, 16)
    rule = {**MOMENTUM, "gradient_accumulation_steps": steps, "weight_decay": 0.1}
    theirs = KerasRun(
        "SGD",
        weights,
        learning_rate=keras.optimizers.schedules.PiecewiseConstantDecay(**arguments),
        **rule,
    )
    rate = schedule.PiecewiseConstantDecay(**arguments)
    ours = TorchRun("SGD", weights, learning_rate=rate, **rule)
    assert_same_bits(run_steps(ours, gradients), run_steps(theirs, gradients))
    assert ours.optimizer.param_groups[0]["lr"] == float(np.float32(0.01))


def test_a_rate_is_rounded_to_the_weights_at_the_start_and_when_it_is_changed():
    run = TorchRun("SGD", [np.ones(3, np.float32)], learning_rate=0.1)
    assert run.optimizer.param_groups[0]["lr"] == float(np.float32(0.1))
    run.set_rate(0.3)
    run.step([np.full(3, 7, np.float32)])
    np.testing.assert_array_equal(run.weights()[0], 1 - np.float32(7) * np.float32(0.3))


def test_a_scheduler_of_torch_drives_the_rate():
    run = TorchRun("SGD", [np.ones(1)], learning_rate=0.5)
    scheduler = torch.optim.lr_scheduler.StepLR(run.optimizer, 1, gamma=0.5)
    for _ in range(2):
        run.step([np.ones(1)])
        scheduler.step()
    assert run.weights()[0][0] == 1 - 0.5 - 0.25


@one_test
@pytest.mark.parametrize(
    "rate", ["0.1", None, True, lambda step: 0.1], ids=["text", "none", "bool", "function"]
)
def test_a_rate_that_is_no_number_is_an_error_that_shows_it(rate):
    with pytest.raises(ValueError, match=r"learning_rate=.*expected a number or LearningRate"):
        SGD([torch.nn.Parameter(torch.ones(1))], learning_rate=rate)


def test_a_schedule_and_a_rate_of_a_group_is_an_error():
    rate = schedule.PiecewiseConstantDecay([1], [0.1, 0.2])
    with pytest.raises(ValueError, match=r"lr=0.5 in a group: the schedule sets all rates"):
        SGD([{"params": [torch.nn.Parameter(torch.ones(1))], "lr": 0.5}], learning_rate=rate)


# Decay of some.


def test_excluding_by_names_is_excluding_these_parameters():
    weights = [np.ones((2, 3)), np.ones(3)]
    theirs = KerasRun("SGD", weights, weight_decay=0.5, excluded=[1])
    layer = torch.nn.Linear(3, 2, dtype=torch.float64)
    optimizer = SGD(layer.named_parameters(), weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    torch.nn.init.ones_(layer.weight)
    torch.nn.init.ones_(layer.bias)
    layer.weight.grad, layer.bias.grad = torch.zeros(2, 3).double(), torch.zeros(2).double()
    optimizer.step()
    theirs.step([np.zeros((2, 3)), np.zeros(3)])
    np.testing.assert_array_equal(layer.weight.detach(), theirs.weights()[0])
    assert layer.bias.tolist() == [1.0, 1.0]


def test_names_to_exclude_need_names():
    optimizer = SGD([torch.nn.Parameter(torch.ones(1))], weight_decay=0.5)
    with pytest.raises(ValueError, match=r"var_names=\['bias'\].*named_parameters"):
        optimizer.exclude_from_weight_decay(var_names=["bias"])


def test_another_call_begins_anew():
    run = TorchRun("SGD", [np.ones(1), np.ones(1)], weight_decay=0.5, learning_rate=0.5)
    for number in range(2):
        run.optimizer.exclude_from_weight_decay([run.parameters[number]])
    run.step([np.zeros(1), np.zeros(1)])
    assert [weight[0] for weight in run.weights()] == [0.75, 1.0]


# Groups, and parameters that torch has and Keras has not.


def test_each_group_has_its_dtype_and_settings():
    single, double = (torch.nn.Parameter(torch.ones(3, dtype=dtype)) for dtype in (
        torch.float32, torch.float64))  # fmt: skip
    groups = [{"params": [single]}, {"params": [double], "lr": 0.3, "weight_decay": 0.1}]
    optimizer = SGD(groups, learning_rate=0.1, global_clipnorm=1e6)
    single.grad, double.grad = torch.full_like(single, 0.7), torch.full_like(double, 0.7)
    optimizer.step()
    rates = [group["lr"] for group in optimizer.param_groups]
    assert rates == [float(np.float32(0.1)), 0.3]
    np.testing.assert_allclose(single.detach(), 1 - 0.07, rtol=2e-7)
    decayed = 1 - 0.3 * float(np.float32(0.1))
    np.testing.assert_allclose(double.detach(), decayed - 0.21, rtol=1e-7)


def test_two_dtypes_in_a_group_are_an_error():
    parameters = [
        torch.nn.Parameter(torch.ones(1, dtype=d)) for d in (torch.float32, torch.float64)
    ]
    with pytest.raises(ValueError, match=r"torch.float32, torch.float64: expected one dtype"):
        SGD(parameters)


def test_another_dtype_is_an_error():
    with pytest.raises(ValueError, match=r"dtype torch.bfloat16: expected one of torch.float32"):
        Adam([torch.nn.Parameter(torch.ones(1, dtype=torch.bfloat16))])


def test_a_group_that_is_added_later_joins_the_count():
    parameters = [torch.nn.Parameter(torch.ones(2)) for _ in range(2)]
    optimizer = Adam(parameters[:1])
    parameters[0].grad = torch.ones(2)
    optimizer.step()
    optimizer.add_param_group({"params": parameters[1:]})
    optimizer.step()
    assert [group["step"] for group in optimizer.param_groups] == [2, 2]


def test_a_sparse_gradient_is_an_error_and_no_step():
    table = torch.nn.Embedding(5, 3, sparse=True)
    optimizer = SGD(table.parameters())
    table(torch.tensor([1, 1, 4])).sum().backward()
    before = table.weight.detach().clone()
    with pytest.raises(ValueError, match=r"layout torch.sparse_coo: expected a dense one"):
        optimizer.step()
    assert torch.equal(table.weight, before)
    assert optimizer.param_groups[0]["step"] == 0


@one_test
@pytest.mark.parametrize("name", KINDS)
def test_a_parameter_without_gradient_is_left_alone_but_its_average_is_kept_up(name):
    run = TorchRun(name, [np.ones(3), np.ones(3)], use_ema=True, weight_decay=0.5)
    run.step([np.ones(3), None])
    assert (run.weights()[0] != 1).all()
    np.testing.assert_array_equal(run.weights()[1], np.ones(3))
    assert set(run.slots()[1]) == {"average"}


def test_a_step_without_any_gradient_counts():
    run = TorchRun("Adam", make_weights("float64"), global_clipnorm=0.5, weight_decay=0.5)
    run.step([None, None, None])
    assert run.optimizer.param_groups[0]["step"] == 1
    assert run.slots() == [{}, {}, {}]


def test_a_closure_has_gradients_and_its_value_comes_back():
    parameter = torch.nn.Parameter(torch.ones(1))
    optimizer = SGD([parameter], learning_rate=0.5)

    def closure():
        loss = 3 * parameter.sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 3.0
    assert parameter.item() == -0.5


def test_a_loss_is_scaled_by_the_factor():
    parameter = torch.nn.Parameter(torch.ones(1))
    assert SGD([parameter], loss_scale_factor=8.0).scale_loss(torch.tensor(3.0)) == 24
    assert SGD([parameter]).scale_loss(torch.tensor(3.0)) == 3


# A run that is resumed.


def through_a_file(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


RULE = {"use_ema": True, "ema_momentum": 0.8, "gradient_accumulation_steps": 3, "clipnorm": 0.5}


@one_test
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", KINDS)
def test_a_resumed_run_goes_on_as_the_uninterrupted_one(name, dtype):
    rule = {
        **RULE,
        "weight_decay": 0.1,
        "learning_rate": schedule.PiecewiseConstantDecay([5, 11], [0.1, 0.03, 0.01]),
    }
    gradients = make_gradients(dtype, 20)
    whole = TorchRun(name, make_weights(dtype), excluded=[1], **rule)
    run_steps(whole, gradients)
    half = TorchRun(name, make_weights(dtype), excluded=[1], **rule)
    run_steps(half, gradients[:10])  # in the middle of an accumulation
    resumed = TorchRun(name, half.weights(), **rule)
    resumed.optimizer.load_state_dict(through_a_file(half.optimizer.state_dict()))
    copied = copy.deepcopy(half)
    for run in (resumed, copied):
        run_steps(run, gradients[10:])
        assert_same_bits(run, whole)


def test_a_pickled_optimizer_keeps_what_it_was_given():
    rate = schedule.PiecewiseConstantDecay([5], [0.1, 0.03])
    optimizer = SGD([torch.nn.Parameter(torch.ones(2))], rate, clipvalue=0.25)
    twin = pickle.loads(pickle.dumps(optimizer))  # noqa: S301
    (parameter,) = twin.param_groups[0]["params"]
    parameter.grad = torch.tensor([1.0, -1.0])
    twin.step()
    np.testing.assert_allclose(parameter.detach(), [1 - 0.025, 1 + 0.025], rtol=1e-6)


# Arguments.


@one_test
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"clipnorm": 1.0, "clipvalue": 2.0}, "expected at most one of clipnorm, clipvalue"),
        ({"gradient_accumulation_steps": 1}, "gradient_accumulation_steps=1: expected"),
        (
            {"use_ema": True, "ema_momentum": 1.5},
            r"ema_momentum=1.5: expected a number in \[0, 1\]",
        ),
        (
            {"use_ema": True, "ema_overwrite_frequency": 2.5},
            "ema_overwrite_frequency=2.5: expected",
        ),
    ],
    ids=["two_clips", "accumulation", "momentum", "frequency"],
)
@pytest.mark.parametrize("name", KINDS)
def test_what_keras_refuses_is_an_error_that_shows_it(name, arguments, message):
    with pytest.raises(ValueError):  # noqa: PT011
        getattr(keras.optimizers, name)(**arguments)
    with pytest.raises(ValueError, match=message):
        getattr(optim, name)([torch.nn.Parameter(torch.ones(1))], **arguments)


def test_an_unknown_argument_is_an_error_that_lists_the_known_ones():
    with pytest.raises(TypeError, match=r"\['clip_norm'\]: expected some of clipnorm"):
        SGD([torch.nn.Parameter(torch.ones(1))], clip_norm=1.0)


def test_the_base_alone_does_nothing():
    optimizer = KerasOptimizer([torch.nn.Parameter(torch.ones(1))], 0.1, {})
    assert optimizer.slots(optimizer.param_groups[0]["params"][0]) == {}


@one_test
@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"learning_rate": 0.5}, r"^learning_rate=0.5 in a group: expected lr in its place$"),
        ({"epsilon": 0.5}, r"^epsilon=0.5 in a group: expected eps in its place$"),
        (
            {"beta_1": 0.5},
            r"^beta_1=0.5 in a group: expected betas=\(beta_1, beta_2\) in its place$",
        ),
        ({"clipnorm": 1.0}, r"^clipnorm=1.0 in a group: expected it as an argument of the optimiz"),
    ],
)
def test_a_setting_of_a_group_that_nothing_would_read_is_refused(setting, message):
    group = {"params": [torch.nn.Parameter(torch.ones(2))]}
    with pytest.raises(ValueError, match=message):
        Adam([{**group, **setting}])


def test_names_of_the_users_own_in_a_group_are_kept():
    group = {"params": [torch.nn.Parameter(torch.ones(2))], "name": "head", "lr": 0.5}
    assert Adam([group]).param_groups[0]["name"] == "head"


def test_arguments_in_torchs_order_are_refused():
    """In torch, the third argument is both betas."""
    with pytest.raises(
        ValueError, match=r"^betas=\(\(0.9, 0.99\), 1e-08\): expected numbers; the "
    ):
        Adam([torch.nn.Parameter(torch.ones(2))], 1e-3, (0.9, 0.99), 1e-8)
