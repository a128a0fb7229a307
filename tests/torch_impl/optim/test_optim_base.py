"""What optimizers share does what Keras does: clipping, decay, averages, accumulation, rates."""

import copy
import io

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
from torch_impl.optim import SGD, Adam

KINDS = [name for name in optim.__all__ if name != "KerasOptimizer"]
MOMENTUM = {"momentum": 0.9}

COMMON = {
    "clipnorm": ("SGD", {"clipnorm": 0.5}),
    "clipnorm_of_nothing": ("SGD", {"clipnorm": 1e6}),
    "global_clipnorm": ("SGD", {"global_clipnorm": 0.5}),
    "global_clipnorm_of_nothing": ("SGD", {"global_clipnorm": 1e6}),
    "average_overwrites": ("SGD", {"use_ema": True, "ema_overwrite_frequency": 3}),
    "all": (
        "SGD",
        {
            "gradient_accumulation_steps": 4,
            "use_ema": True,
            "ema_momentum": 0.8,
            "ema_overwrite_frequency": 2,
            "loss_scale_factor": 7.0,
            "weight_decay": 0.1,
            "global_clipnorm": 0.5,
        },
    ),
    # Gradients that are accumulated make one update, which is counted once.
    **{
        name: (name, {"gradient_accumulation_steps": 3, "clipnorm": 0.5})
        for name in ("Adam", "Nadam", "Adamax")
    },
}


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
@pytest.mark.parametrize(
    ("name", "settings", "exact"),
    [
        *((name, settings, False) for name, settings in COMMON.values()),
        *(("SGD", settings, True) for settings in EXACT.values()),
    ],
    ids=[*COMMON, *EXACT],
)
def test_weights_and_slots_are_those_of_keras_to_the_bit_where_no_gradient_is_added_up(
    name, settings, exact, dtype
):
    theirs, ours = both_runs(name, dtype, 16, **(MOMENTUM if name == "SGD" else {}), **settings)
    (assert_same_bits if exact else assert_close)(ours, theirs)


@one_test
@pytest.mark.parametrize("average", [True, False])
@pytest.mark.parametrize("settings", [{}, {"ema_overwrite_frequency": 5}], ids=["never", "often"])
def test_the_averages_if_any_become_the_weights_at_the_end(average, settings):
    settings = {"use_ema": True, "ema_momentum": 0.9, **settings} if average else {}
    theirs, ours = both_runs("SGD", "float64", 13, **settings)
    before = ours.weights()
    theirs.optimizer.finalize_variable_values(theirs.variables)
    ours.optimizer.finalize_variable_values()
    assert_same_bits(ours, theirs)
    assert any((a != b).any() for a, b in zip(ours.weights(), before, strict=True)) == average


@one_test
@pytest.mark.parametrize("rule", ["clipnorm", "clipvalue", "global_clipnorm"])
@pytest.mark.parametrize("scale", [0, 1])
def test_clipping_changes_no_gradient_in_place_and_leaves_one_of_zero(rule, scale):
    weights = make_weights("float64")
    run = TorchRun("SGD", weights, **{rule: 0.1})
    gradients = [scale * gradient for gradient in make_gradients("float64", 1)[0]]
    run.step(gradients)
    for parameter, gradient, before in zip(run.parameters, gradients, weights, strict=True):
        np.testing.assert_array_equal(parameter.grad, gradient)
        assert scale or np.array_equal(parameter.detach(), before)


def as_rows(*numbers):
    return [torch.nn.Parameter(torch.tensor(row)) for row in numbers]


def test_only_parameters_of_one_group_with_gradients_are_joined():
    rows = as_rows([3.0, 4.0], [1.0, 1.0])
    ours = SGD(rows, learning_rate=1.0, clipnorm=1.0)
    ours.join_norms([rows])
    rows[0].grad = torch.tensor([3.0, 4.0])
    ours.step()
    np.testing.assert_allclose(rows[0].detach().numpy(), [2.4, 3.2], rtol=1e-6)
    ours = SGD([{"params": rows[:1]}, {"params": rows[1:]}], learning_rate=1.0, clipnorm=1.0)
    with pytest.raises(ValueError, match=r"shapes \[\(2,\), \(2,\)\] to be joined: expected"):
        ours.join_norms([rows])
    with pytest.raises(ValueError, match="expected parameters of one group"):
        ours.join_norms([as_rows([1.0])])


def one(dtype=torch.float32):
    return torch.nn.Parameter(torch.ones(1, dtype=dtype))


RATES = schedule.PiecewiseConstantDecay([1], [0.1, 0.2])


NO_RATE = r"learning_rate=.*expected a number or LearningRate"


REFUSED = [
    *(([one()], [rate], {}, NO_RATE) for rate in ("0.1", None, True, lambda step: 0.1)),
    (
        [{"params": [one()], "lr": 0.5}],
        [RATES],
        {},
        r"lr=0.5 in a group: the schedule sets all rates",
    ),
    (
        [one(), one(torch.float64)],
        [],
        {},
        r"torch.float32, torch.float64: expected one dtype",
    ),
    ([one(torch.bfloat16)], [], {}, r"dtype torch.bfloat16: expected one of torch.float32"),
    ([one()], [], {"clip_norm": 1.0}, r"\['clip_norm'\]: expected some of clipnorm"),
    (  # in torch, the third argument is both betas
        [one()],
        [1e-3, (0.9, 0.99), 1e-8],
        {},
        r"^betas=\(\(0.9, 0.99\), 1e-08\): expected numbers; the ",
    ),
    *(
        ([{"params": [one()], name: 0.5}], [], {}, rf"^{name}=0.5 in a group: expected {message}")
        for name, message in {
            "learning_rate": "lr in its place$",
            "epsilon": "eps in its place$",
            "beta_1": r"betas=\(beta_1, beta_2\) in its place$",
            "clipnorm": "it as an argument of the optimiz",
        }.items()
    ),
]


@one_test
@pytest.mark.parametrize(("parameters", "arguments", "settings", "message"), REFUSED)
def test_what_nothing_would_use_is_an_error_that_shows_it(parameters, arguments, settings, message):
    with pytest.raises((ValueError, TypeError), match=message):
        Adam(parameters, *arguments, **settings)
    assert Adam([{"params": [one()], "name": "head", "lr": 0.5}]).param_groups[0]["name"] == "head"


def test_excluding_again_begins_anew_and_names_need_names():
    run = TorchRun("SGD", [np.ones(1), np.ones(1)], weight_decay=0.5, learning_rate=0.5)
    for number in range(2):
        run.optimizer.exclude_from_weight_decay([run.parameters[number]])
    run.step([np.zeros(1), np.zeros(1)])
    assert [weight[0] for weight in run.weights()] == [0.75, 1.0]
    with pytest.raises(ValueError, match=r"var_names=\['bias'\].*named_parameters"):
        run.optimizer.exclude_from_weight_decay(var_names=["bias"])


def test_a_closure_has_gradients_and_its_value_comes_back():
    parameter = one()
    optimizer = SGD([parameter], learning_rate=0.5)

    def closure():
        loss = 3 * parameter.sum()
        loss.backward()
        return loss

    assert (optimizer.step(closure).item(), parameter.item()) == (3.0, -0.5)
    with pytest.raises(ZeroDivisionError):
        optimizer.step(lambda: 1 / 0)
    assert optimizer.param_groups[0]["step"] == 1  # one that fails is no step


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
    *rows, alone = as_rows(*start, other)
    ours = getattr(optim, name)([rows[0], alone, rows[1]], learning_rate=0.1, **settings)
    ours.join_norms([rows])
    for _ in range(4):
        gradients = rng.normal(size=(2, 3)) * [[1.0], [5.0]], rng.normal(size=4)
        theirs.apply(list(map(keras.ops.convert_to_tensor, gradients)), [whole, single])
        for parameter, gradient in zip([*rows, alone], [*gradients[0], gradients[1]], strict=True):
            parameter.grad = torch.tensor(gradient)
        copy.deepcopy(ours).step()  # another optimizer's weights: nothing of it comes back
        ours.step()
    moved = torch.stack([row.detach() for row in rows]).numpy()
    np.testing.assert_allclose(moved, np.asarray(whole), rtol=1e-12)
    np.testing.assert_allclose(alone.detach().numpy(), np.asarray(single), rtol=1e-12)
    assert abs(moved - start).max() > 0.01


@one_test
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_one_entry_that_is_not_finite_spoils_all_of_a_global_norm_as_in_keras(bad):
    gradients = make_gradients("float64", 1)[0]
    gradients[1][0] = bad
    for kind in (KerasRun, TorchRun):
        run = kind("SGD", make_weights("float64"), global_clipnorm=0.5)
        run.step(gradients)
        assert all(np.isnan(weight).all() for weight in run.weights())


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


# Decay of some.


def test_excluding_by_names_is_excluding_these_parameters():
    theirs = KerasRun("SGD", [np.ones((2, 3)), np.ones(3)], weight_decay=0.5, excluded=[1])
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


# Groups, and parameters that torch has and Keras has not.


def test_each_group_has_its_dtype_and_settings():
    single, double = (torch.nn.Parameter(torch.ones(3, dtype=dtype)) for dtype in (
        torch.float32, torch.float64))  # fmt: skip
    groups = [{"params": [single]}, {"params": [double], "lr": 0.3, "weight_decay": 0.1}]
    optimizer = SGD(groups, learning_rate=0.1, global_clipnorm=1e6)
    single.grad, double.grad = torch.full_like(single, 0.7), torch.full_like(double, 0.7)
    optimizer.step()
    assert [group["lr"] for group in optimizer.param_groups] == [float(np.float32(0.1)), 0.3]
    np.testing.assert_allclose(single.detach(), 1 - 0.07, rtol=2e-7)
    decayed = 1 - 0.3 * float(np.float32(0.1))
    np.testing.assert_allclose(double.detach(), decayed - 0.21, rtol=1e-7)


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


# A run that is resumed.


RULE = {"use_ema": True, "ema_momentum": 0.8, "gradient_accumulation_steps": 3, "clipnorm": 0.5}


@one_test
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", KINDS)
def test_a_resumed_run_goes_on_as_the_uninterrupted_one(name, dtype):
    rates = schedule.PiecewiseConstantDecay([5, 11], [0.1, 0.03, 0.01])
    rule = {**RULE, "weight_decay": 0.1, "learning_rate": rates}
    gradients, file = make_gradients(dtype, 20), io.BytesIO()
    whole = TorchRun(name, make_weights(dtype), excluded=[1], **rule)
    run_steps(whole, gradients)
    half = TorchRun(name, make_weights(dtype), excluded=[1], **rule)
    run_steps(half, gradients[:10])  # in the middle of an accumulation
    resumed = TorchRun(name, half.weights(), **rule)
    torch.save(half.optimizer.state_dict(), file)
    file.seek(0)
    resumed.optimizer.load_state_dict(torch.load(file, weights_only=True))
    for run in (resumed, copy.deepcopy(half)):
        run_steps(run, gradients[10:])
        assert_same_bits(run, whole)


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
