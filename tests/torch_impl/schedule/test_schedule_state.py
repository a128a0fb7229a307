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
        self.net = nn.Linear(3, 1)
        self.schedule = rate if isinstance(rate, LearningRateSchedule) else None
        self.optimizer = kind(self.net.parameters(), learning_rate=rate)
        self.rule = None if rule is None else rule(self.optimizer)
        self.stop = EarlyStopping(self.net, patience=4, restore_best_weights=True)
        self.rates, self.stopped = [], None

    def run(self, epochs):
        for epoch in epochs:
            if isinstance(self.rule, LearningRateScheduler):
                self.rule.step()
            for step in range(STEPS):
                x = torch.full((2, 3), 1.0 + epoch + 0.1 * step)
                self.optimizer.zero_grad()
                self.net(x).square().mean().backward()
                self.optimizer.step()
                self.rates.append(self.optimizer.param_groups[0]["lr"])
            value = np.float32(VALUES[epoch])  # a metric is often no Python float
            if isinstance(self.rule, ReduceLROnPlateau):
                self.rule.step(value)
            if self.stop.step(value):
                self.stopped = epoch
                break
        return self

    @property
    def parts(self):
        names = ("net", "optimizer", "schedule", "rule", "stop")
        return {name: part for name in names if (part := getattr(self, name)) is not None}

    def saved(self):
        file = io.BytesIO()
        torch.save({name: part.state_dict() for name, part in self.parts.items()}, file)
        file.seek(0)
        return file

    def load(self, file):
        state = torch.load(file, weights_only=True)
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        return self


def assert_goes_on(make, split):
    whole = make().run(range(EPOCHS))
    first = make().run(range(split))
    second = make().load(first.saved()).run(range(split, EPOCHS))
    assert first.rates + second.rates == whole.rates
    assert second.stopped == whole.stopped == EPOCHS - 1
    for training in (second, whole):
        training.stop.restore()
    for ours, theirs in zip(second.net.parameters(), whole.net.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    return second, whole


@one_test
@pytest.mark.parametrize("split", [2, 5])
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_goes_on(name, split):
    second, whole = assert_goes_on(lambda: Training(SCHEDULES[name]()), split)
    assert second.schedule.get_last_lr() == whole.schedule.get_last_lr()


@one_test
@pytest.mark.parametrize("split", [2, 5])
@pytest.mark.parametrize("kind", [SGD, Adam, RMSprop])
@pytest.mark.parametrize("name", RULES)
def test_a_rule_goes_on(name, kind, split):
    second, whole = assert_goes_on(lambda: Training(rule=RULES[name], kind=kind), split)
    assert len(set(whole.rates)) > 1
    assert second.rule.get_last_lr() == whole.rule.get_last_lr()
    assert second.rule.get_last_lr() == [group["lr"] for group in second.optimizer.param_groups]


def test_settings_of_numpy_are_stored_as_plain_numbers():
    weight = nn.Parameter(torch.ones(1))
    optimizer = SGD([weight], np.float64(0.5), momentum=np.float32(0.5), weight_decay=np.float64(1))
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    assert torch.load(file, weights_only=True)["param_groups"][0]["momentum"] == 0.5


@one_test
@pytest.mark.parametrize(
    ("part", "state", "message"),
    [
        (
            ExponentialDecay(0.1, 5, 0.5),
            ExponentialDecay(0.1, 6, 0.5).state_dict(),
            r"^state of a schedule with .*'decay_steps': 6.*: expected one with .*'decay_steps': 5",
        ),
        (
            ExponentialDecay(0.1, 5, 0.5),
            {},
            r"^state with nothing: expected the state_dict of ExponentialDecay, with last_rate",
        ),
        (
            EarlyStopping(nn.Linear(3, 1)),
            {"epoch": 3},
            r"^state with epoch: expected the state_dict of EarlyStopping, with _best_w",
        ),
    ],
    ids=["other_settings", "nothing", "of_another_rule"],
)
def test_the_state_of_something_else_is_refused_in_one_line(part, state, message):
    with pytest.raises(ValueError, match=message) as raised:
        part.load_state_dict(state)
    assert "\n" not in str(raised.value)


def test_best_weights_of_another_model_are_refused():
    rule = EarlyStopping(nn.Linear(3, 1), restore_best_weights=True)
    rule.step(1.0)
    other = EarlyStopping(nn.Linear(4, 1))
    with pytest.raises(ValueError, match=r"^best weights of another model: .* first in weight$"):
        other.load_state_dict(rule.state_dict())
