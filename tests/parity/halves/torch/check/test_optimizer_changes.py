"""What a port's optimizer does otherwise is named by the changes of Keras's that give its steps."""

import check_factories
import pytest
import torch
from torch import nn

from parity.data import probe_inputs
from parity.halves.torch.check.facts import write_facts
from parity.halves.torch.check.optimizer import write_optimizer
from parity.halves.torch.check.optimizer_changes import write_optimizer_changes
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.traces.trace import CheckWriter
from torch_impl import Port, optim
from torch_impl.keras_config.training import planned_optimizer

RATE, DECAY = 0.25, 0.125
NO_CLIPS = dict.fromkeys(("clipnorm", "clipvalue", "global_clipnorm"))
BETAS = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
ADAM = {**BETAS, "amsgrad": False, "weight_decay": None, **NO_CLIPS}
ROOT = {"rho": 0.9, "momentum": 0.5, "epsilon": 1e-7, "centered": False, "weight_decay": None}
SGD = {"momentum": 0.0, "nesterov": False, "weight_decay": None, **NO_CLIPS}
SGD["gradient_accumulation_steps"] = None


class ByHand(torch.optim.Optimizer):
    """An optimizer that says nothing but its rate; `update(w, g, rate, step, state)` moves w."""

    def __init__(self, parameters, update):
        super().__init__(parameters, {"lr": RATE})
        self.update = update

    @torch.no_grad()
    def step(self, closure=None):
        for parameter in self.param_groups[0]["params"]:
            state = self.state[parameter]
            state["step"] = state.get("step", 0) + 1
            rate = self.param_groups[0]["lr"]
            self.update(parameter, parameter.grad.clone(), rate, state["step"], state)


def adam(w, g, rate, step, state, clip=torch.inf, decay=0.0):
    """Keras's Adam with betas as they are written, which Keras has in float32."""
    w -= rate * decay * w
    g = g.clip(-clip, clip)
    m = state["m"] = 0.9 * state.get("m", 0.0) + 0.1 * g
    v = state["v"] = 0.999 * state.get("v", 0.0) + (1 - 0.999) * g * g
    root = (1 - 0.999**step) ** 0.5 / (1 - 0.9**step)
    w -= rate * root * m / (v.sqrt() + 1e-7)


def rmsprop(w, g, rate, step, state):
    """Keras's RMSprop but for epsilon: the momentum holds the rate."""
    v = state["v"] = 0.9 * state.get("v", 0.0) + 0.1 * g * g
    m = state["m"] = 0.5 * state.get("m", 0.0) + rate * g / (v.sqrt() + 1e-7)
    w -= m


def accumulated(w, g, rate, step, state, divisor):
    state["sum"] = state.get("sum", 0.0) + g
    if step % 3 == 0:
        w -= rate * state.pop("sum") / divisor


def noise(w, g, rate, step, state):
    w -= rate * g.sin()


def hand(update, **settings):
    return lambda module: ByHand(module.parameters(), lambda *given: update(*given, **settings))


def of(kind, **settings):
    return lambda module: kind(module.parameters(), RATE, **settings)


def clipping(function, limit):
    return {"before_step": lambda module: function(module.parameters(), limit)}


def found(recorded, folder, kind, config, made, parts, undecayed=(), changed=None):
    """What is said of a port's optimizer beside Keras's, whose steps `torch_impl` makes."""

    def port(keras, optimizer, **given):
        def factory():
            net = check_factories.torch_module()
            return Port(net, nn.MSELoss(), optimizer(net), **given)

        return PortUnderTest(factory, 3, keras)

    def right(module):
        named = {"class_name": kind, "config": {"learning_rate": RATE, **config}}
        optimizer = planned_optimizer(named).on(module.parameters()).build()
        excluded = [p for p in module.parameters() if p.ndim < 2] if undecayed else []
        optimizer.exclude_from_weight_decay(excluded)
        return optimizer

    recorded.facts["optimizer"] = {"class": kind, "config": {"learning_rate": RATE, **config}}
    recorded.facts["undecayed"] = list(undecayed)
    theirs, ours = CheckWriter(), CheckWriter()
    write_optimizer(port(recorded.read(folder / "first"), right), theirs)
    recorded.arrays |= theirs.arrays
    if changed is not None:
        changed(recorded)
    tried = port(recorded.read(folder / "second"), made or right, **parts)
    write_facts(tried, ours)
    write_optimizer(tried, ours)
    write_optimizer_changes(tried, ours)
    said = ours.facts.get("optimizer_changes")
    return said if said is None else [(each["id"], each["text"]) for each in said]


TORCHS = "torch's equations give the port's numbers"
LIMIT, ACCUMULATING = {"clipnorm": 0.5}, {"gradient_accumulation_steps": 3}
NORM, VALUE = nn.utils.clip_grad_norm_, nn.utils.clip_grad_value_
WITH_MOMENTUM = {**SGD, "momentum": 0.9}
FAULTS = {
    "epsilon": ("Adam", ADAM, of(optim.Adam, epsilon=1e-8), {}, {"F1": "epsilon is 1e-08, in"}),
    "stock": ("Adam", ADAM, of(torch.optim.Adam), {}, {"F2": TORCHS, "F1": "epsilon is 1e-08"}),
    "nadam": ("Nadam", BETAS, of(torch.optim.NAdam, eps=1e-7), {}, {"F14": TORCHS}),
    "velocity": ("SGD", WITH_MOMENTUM, of(torch.optim.SGD, momentum=0.9), {}, {"F5": TORCHS}),
    "outside": ("RMSprop", ROOT, hand(rmsprop), {}, {"F4": "epsilon is added outside the root"}),
    "other_rate": ("SGD", SGD, lambda m: torch.optim.SGD(m.parameters(), 2 * RATE), {}, {}),
    "other": ("Adam", ADAM, of(torch.optim.SGD), {}, {"F13": "Adam in Keras, SGD in the port"}),
    "three": (
        *("Adam", ADAM, of(torch.optim.Adam, weight_decay=DECAY), {}),
        {"F2": TORCHS, "F1": "epsilon", "C11": "is 0.125 in the port, in Keras none, and is added"},
    ),
    "by_hand": ("Adam", ADAM, hand(adam, decay=0.02), {}, {"C11": "weight_decay is 0.02, in the"}),
    "value": ("Adam", ADAM, hand(adam, clip=0.3), {}, {"E8": "clipped by clipvalue=0.3, in the"}),
    "decay": (
        *("Adam", {**ADAM, "weight_decay": DECAY}, hand(adam, decay=0.05), {}),
        {"F9": "weight_decay is 0.05, in the place of 0.125"},
    ),
    "together": ("SGD", SGD | LIMIT, of(optim.SGD), clipping(NORM, 0.5), {"E1": "global_clipnorm"}),
    "not_clipped": ("SGD", SGD | LIMIT, of(optim.SGD), {}, {"E8": "no gradient is clipped by"}),
    "added": (
        *("SGD", SGD | {"global_clipnorm": 0.5}, of(optim.SGD), clipping(NORM, 0.5)),
        {"E2": "1e-6 is added to the norm"},
    ),
    "values": ("SGD", SGD, of(optim.SGD), clipping(VALUE, 0.37), {"E8": "by clipvalue=0.37, in"}),
    "sum": (
        *("SGD", SGD | ACCUMULATING, hand(accumulated, divisor=1), {}),
        {"E3": "the mean gradient of 3 steps in Keras, their sum in the port"},
    ),
    "each": ("SGD", SGD | ACCUMULATING, of(optim.SGD), {}, {"E3": "each step by itself"}),
}


@pytest.mark.parametrize(("kind", "config", "made", "parts", "causes"), FAULTS.values(), ids=FAULTS)
def test_an_optimizer_is_named_by_the_changes_that_give_its_steps(
    recorded, tmp_path, kind, config, made, parts, causes
):
    said = dict(found(recorded, tmp_path, kind, config, made, parts))
    assert said.keys() == causes.keys()
    assert all(text in said[name] for name, text in causes.items())


@pytest.mark.parametrize(
    ("kind", "config", "made"),
    [("Adam", ADAM, None), ("SGD", WITH_MOMENTUM, None), ("SGD", SGD, hand(noise))],
    ids=["adam", "sgd", "unknown"],
)
def test_a_right_optimizer_and_one_of_another_rule_are_not_explained(
    recorded, tmp_path, kind, config, made
):
    assert found(recorded, tmp_path, kind, config, made, {}) is None


def test_a_decay_of_weights_that_keras_excludes_is_told(recorded, tmp_path):
    excluded, config = ("dense1.bias", "dense2.bias"), {**SGD, "weight_decay": DECAY}
    made = of(optim.SGD, weight_decay=DECAY)
    [(name, text)] = found(recorded, tmp_path, "SGD", config, made, {}, excluded)
    assert name == "C11"
    assert text == "dense1.bias, dense2.bias: none in Keras, which excludes it, 0.125 in the port"


def test_a_constraint_that_the_port_lacks_is_told_beside_what_else_it_does(recorded, tmp_path):
    def limited(trace):
        """Keras's kernels after the first step, none of whose entries is negative."""
        for name in ("dense1.kernel", "dense2.kernel"):
            array = trace.arrays[f"optimizer/1/weights/{name}"]
            array.clip(0, out=array)

    given = {"kernel_constraint": {"class_name": "NonNeg", "config": {}}}
    for node in recorded.facts["nodes"]:
        node["config"] |= given
    missing = ("F16", "without NonNeg, Keras's optimizer gives the port's numbers")
    assert found(recorded, tmp_path, "SGD", SGD, None, {}, changed=limited) == [missing]
    said = found(recorded, tmp_path, "Adam", ADAM, of(torch.optim.Adam), {}, changed=limited)
    assert [name for name, _ in said] == ["F16", "F2", "F1"]
    assert found(recorded, tmp_path, "SGD", SGD, of(optim.SGD, momentum=0.5), {}) == [
        ("F14", "momentum is 0.5, in the place of 0.0")
    ]


def test_few_entries_of_a_long_weight_tell_the_same(recorded, tmp_path, monkeypatch):
    monkeypatch.setattr(probe_inputs, "MAX_STEP_ENTRIES", 5)
    said = found(recorded, tmp_path, "Adam", ADAM, of(torch.optim.Adam), {})
    assert [name for name, _ in said] == ["F2", "F1"]
