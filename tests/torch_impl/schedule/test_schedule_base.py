"""Schedules and rules have Keras's arguments; schedules drive optimizers of torch's own too."""

import inspect

import keras
import pytest
import torch
from covering import one_test

from parity.programs import run_spec
from torch_impl import optim, schedule
from torch_impl.schedule import ExponentialDecay, as_lambda_lr

KINDS = [
    *("CosineDecay", "CosineDecayRestarts", "ExponentialDecay"),
    *("InverseTimeDecay", "PiecewiseConstantDecay", "PolynomialDecay"),
]


def defaults(kind):
    """Of what both have: theirs also have a name or a verbosity, ours what they are told of."""
    others = ("name", "verbose", "kwargs", "model", "optimizer")
    parameters = inspect.signature(kind).parameters.values()
    return [(each.name, each.default) for each in parameters if each.name not in others]


@one_test
@pytest.mark.parametrize(
    ("theirs", "ours", "spec"),
    [
        *((getattr(keras.optimizers.schedules, k), getattr(schedule, k), None) for k in KINDS),
        (keras.callbacks.EarlyStopping, schedule.EarlyStopping, run_spec.EarlyStopping),
        (keras.callbacks.ReduceLROnPlateau, schedule.ReduceLROnPlateau, run_spec.ReduceLR),
    ],
)
def test_arguments_and_defaults_are_those_of_keras_also_in_the_spec(theirs, ours, spec):
    """Those of a rule may stand in another order."""
    expected = defaults(theirs)
    if spec is None:
        assert defaults(ours) == expected
    else:
        assert dict(defaults(ours)) == dict(expected)
        assert vars(spec()).items() <= dict(expected).items()


def stepped(optimizer, scheduler):
    optimizer.step()
    scheduler.step()
    return [group["lr"] for group in optimizer.param_groups]


def of_torch(rate, kind=torch.optim.SGD):
    return kind([torch.zeros(1, requires_grad=True)], lr=rate)


@one_test
@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam], ids=["sgd", "adam"])
def test_an_optimizer_of_torch_gets_the_rates(kind):
    rate, optimizer = ExponentialDecay(0.123, 7, 0.96), of_torch(0.3, kind)
    scheduler = as_lambda_lr(optimizer, rate)
    rates = [optimizer.param_groups[0]["lr"]]
    rates += [stepped(optimizer, scheduler)[0] for _ in range(49)]
    # A quotient and a product: up to two roundings in float64.
    assert rates == pytest.approx([rate(step, compiled=True) for step in range(50)], rel=2.3e-16)


def test_groups_that_start_at_different_rates_get_the_same_rates():
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": lr} for lr in (0.5, 2.0)]
    optimizer = torch.optim.SGD(groups)
    assert stepped(optimizer, as_lambda_lr(optimizer, ExponentialDecay(1.0, 1, 0.5))) == [0.5, 0.5]


def test_a_resumed_run_gets_the_rates_that_follow():
    rate, optimizer, again = ExponentialDecay(0.5, 1, 0.5), of_torch(0.25), of_torch(0.25)
    scheduler = as_lambda_lr(optimizer, rate)
    for _ in range(3):
        stepped(optimizer, scheduler)
    again.load_state_dict(optimizer.state_dict())
    scheduler = as_lambda_lr(again, rate, last_epoch=2)
    assert [again.param_groups[0]["lr"], *stepped(again, scheduler)] == [rate(3), rate(4)]


FOLLOWING = optim.SGD([torch.zeros(1, requires_grad=True)], ExponentialDecay(1.0, 1, 0.5))


@one_test
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: as_lambda_lr(of_torch(0.0), ExponentialDecay(0.5, 1, 0.5)),
            r"learning rates \[0.0\].*expected none of them to be 0",
        ),
        (
            lambda: ExponentialDecay(0.5, 1, 0.5)(0, torch.float16),
            "dtype=torch.float16: expected one of torch.float32",
        ),
        *(
            (make, "ExponentialDecay: expected one whose rate can be set")
            for make in (
                lambda: schedule.LearningRateScheduler(FOLLOWING, lambda epoch, lr: lr),
                lambda: schedule.ReduceLROnPlateau(FOLLOWING),
            )
        ),
    ],
)
def test_what_no_schedule_can_drive_is_an_error(make, message):
    with pytest.raises(ValueError, match=message):
        make()
