"""A training that goes on from a checkpoint, in the middle, is the one without a break."""

import io

import numpy as np
import pytest
import torch
from covering import one_test
from torch import nn

from torch_impl.optim import SGD, Adam, RMSprop
from torch_impl.schedule import (
    CosineDecay,
    CosineDecayRestarts,
    EarlyStopping,
    ExponentialDecay,
    InverseTimeDecay,
    LearningRateSchedule,
    LearningRateScheduler,
    PiecewiseConstantDecay,
    PolynomialDecay,
    ReduceLROnPlateau,
)

EPOCHS, STEPS = 8, 3
# Of the epochs: better, worse twice (a cut), better, worse to the end.
VALUES = [1.0, 1.5, 1.5, 0.5, 0.9, 0.9, 0.9, 0.9]

SCHEDULES = {
    "cosine": lambda: CosineDecay(0.1, 20, warmup_target=0.2, warmup_steps=4),
    "restarts": lambda: CosineDecayRestarts(0.1, 5),
    "exponential": lambda: ExponentialDecay(0.1, 5, 0.5),
    "inverse": lambda: InverseTimeDecay(0.1, 5, 0.5, staircase=True),
    "piecewise": lambda: PiecewiseConstantDecay([5, 11], [np.float64(0.1), 0.05, 0.01]),
    "polynomial": lambda: PolynomialDecay(0.1, 20),
}
RULES = {
    "plateau": lambda optimizer: ReduceLROnPlateau(optimizer, patience=2, cooldown=1),
    "by_epoch": lambda optimizer: LearningRateScheduler(optimizer, lambda epoch, lr: lr * 0.7),
}


class Training:
    """A training of a small net, with what is asked for, and its checkpoint."""

    def __init__(self, rate=0.1, rule=None, kind=SGD):
        torch.manual_seed(0)
        net = nn.Linear(3, 1)
        optimizer = kind(net.parameters(), learning_rate=rate)
        stop = EarlyStopping(net, patience=4, restore_best_weights=True)
        self.parts = {"net": net, "optimizer": optimizer, "stop": stop}
        self.parts |= {"schedule": rate} if isinstance(rate, LearningRateSchedule) else {}
        self.parts |= {"rule": rule(optimizer)} if rule else {}
        self.rates, self.stopped = [], None

    def run(self, epochs):
        net, optimizer, rule = (self.parts.get(name) for name in ("net", "optimizer", "rule"))
        for epoch in epochs:
            if isinstance(rule, LearningRateScheduler):
                rule.step()
            for step in range(STEPS):
                optimizer.zero_grad()
                net(torch.full((2, 3), 1.0 + epoch + 0.1 * step)).square().mean().backward()
                optimizer.step()
                self.rates.append(optimizer.param_groups[0]["lr"])
            value = np.float32(VALUES[epoch])  # a metric is often no Python float
            if isinstance(rule, ReduceLROnPlateau):
                rule.step(value)
            if self.parts["stop"].step(value):
                self.stopped = epoch
                break
        return self

    def load(self, other):
        file = io.BytesIO()
        torch.save({name: part.state_dict() for name, part in other.parts.items()}, file)
        state = torch.load(io.BytesIO(file.getvalue()), weights_only=True)
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        return self


@one_test
@pytest.mark.parametrize("split", [2, 5])
@pytest.mark.parametrize(
    ("part", "make"),
    [
        *(("schedule", lambda make=make: Training(make())) for make in SCHEDULES.values()),
        *(
            ("rule", lambda rule=rule, kind=kind: Training(rule=rule, kind=kind))
            for rule in RULES.values()
            for kind in (SGD, Adam, RMSprop)
        ),
    ],
)
def test_a_schedule_or_a_rule_goes_on(part, make, split):
    whole, first = make().run(range(EPOCHS)), make().run(range(split))
    second = make().load(first).run(range(split, EPOCHS))
    assert first.rates + second.rates == whole.rates
    assert len(set(whole.rates)) > 1
    assert second.stopped == whole.stopped == EPOCHS - 1
    for training in (second, whole):
        training.parts["stop"].restore()
    ours, theirs = (training.parts["net"].state_dict() for training in (second, whole))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    last = second.parts[part].get_last_lr()
    assert last == whole.parts[part].get_last_lr()
    if part == "rule":
        assert last == [group["lr"] for group in second.parts["optimizer"].param_groups]


def test_settings_of_numpy_are_stored_as_plain_numbers():
    rate, momentum, decay = np.float64(0.5), np.float32(0.5), np.float64(1)
    weight, file = nn.Parameter(torch.ones(1)), io.BytesIO()
    torch.save(SGD([weight], rate, momentum=momentum, weight_decay=decay).state_dict(), file)
    state = torch.load(io.BytesIO(file.getvalue()), weights_only=True)
    assert state["param_groups"][0]["momentum"] == 0.5


def kept():
    """The state of a rule that has kept the weights of a model."""
    rule = EarlyStopping(nn.Linear(3, 1), restore_best_weights=True)
    rule.step(1.0)
    return rule.state_dict()


@one_test
@pytest.mark.parametrize(
    ("part", "state", "message"),
    [
        (
            ExponentialDecay(0.1, 5, 0.5),
            ExponentialDecay(0.1, 6, 0.5).state_dict(),
            "state of a schedule with .*'decay_steps': 6.*: expected one with .*'decay_steps': 5.*",
        ),
        (
            ExponentialDecay(0.1, 5, 0.5),
            {},
            "state with nothing: expected the state_dict of ExponentialDecay, with last_rate.*",
        ),
        (
            EarlyStopping(nn.Linear(3, 1)),
            {"epoch": 3},
            "state with epoch: expected the state_dict of EarlyStopping, with _best_w.*",
        ),
        (
            EarlyStopping(nn.Linear(4, 1)),
            kept(),
            "best weights of another model: .* first in weight",
        ),
    ],
    ids=["other_settings", "nothing", "of_another_rule", "of_another_model"],
)
def test_the_state_of_something_else_is_refused_in_one_line(part, state, message):
    with pytest.raises(ValueError, match=rf"\A{message}\Z"):
        part.load_state_dict(state)
