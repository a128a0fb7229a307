"""A schedule has Keras's arguments, and drives optimizers of torch's own too."""

import pytest
import torch
from covering import one_test
from schedule_rates import assert_defaults_are_those_of_keras

from torch_impl.schedule import ExponentialDecay, as_lambda_lr

KINDS = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
]


@one_test
@pytest.mark.parametrize("name", KINDS)
def test_arguments_and_defaults_are_those_of_keras(name):
    assert_defaults_are_those_of_keras(name)


@one_test
@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam], ids=["sgd", "adam"])
def test_an_optimizer_of_torch_gets_the_rates(kind):
    rate = ExponentialDecay(0.123, 7, 0.96)
    optimizer = kind([torch.zeros(1, requires_grad=True)], lr=0.3)
    scheduler = as_lambda_lr(optimizer, rate)
    for step in range(50):
        # A quotient and a product: up to two roundings in float64.
        assert optimizer.param_groups[0]["lr"] == pytest.approx(
            rate(step, compiled=True), rel=2.3e-16
        )
        optimizer.step()
        scheduler.step()


def test_groups_that_start_at_different_rates_get_the_same_rates():
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": lr} for lr in (0.5, 2.0)]
    optimizer = torch.optim.SGD(groups)
    scheduler = as_lambda_lr(optimizer, ExponentialDecay(1.0, 1, 0.5))
    optimizer.step()
    scheduler.step()
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.5]


def test_a_resumed_run_gets_the_rates_that_follow():
    rate = ExponentialDecay(0.5, 1, 0.5)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.25)
    scheduler = as_lambda_lr(optimizer, rate)
    for _ in range(3):
        optimizer.step()
        scheduler.step()
    again = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.25)
    again.load_state_dict(optimizer.state_dict())
    scheduler = as_lambda_lr(again, rate, last_epoch=2)
    assert again.param_groups[0]["lr"] == rate(3)
    again.step()
    scheduler.step()
    assert again.param_groups[0]["lr"] == rate(4)


def test_a_start_at_rate_zero_is_an_error():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.0)
    with pytest.raises(ValueError, match=r"learning rates \[0.0\].*expected none of them to be 0"):
        as_lambda_lr(optimizer, ExponentialDecay(0.5, 1, 0.5))


def test_another_dtype_is_an_error():
    with pytest.raises(ValueError, match=r"dtype=torch.float16: expected one of torch.float32"):
        ExponentialDecay(0.5, 1, 0.5)(0, torch.float16)
