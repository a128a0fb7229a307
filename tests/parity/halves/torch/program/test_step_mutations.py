"""What a step does otherwise is named by the change of Keras's step that gives its numbers."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from one_layer import Arrays
from torch import nn

from parity.halves.torch.program import keras_step, step_mutations
from parity.halves.torch.program.keras_step import KerasStep, Stepping
from parity.halves.torch.program.step_mutations import explained
from parity.traces.anchors import Anchor

RATE, MOMENTUM = 0.1, 0.9
CONFIG = {"learning_rate": RATE, "momentum": MOMENTUM, "nesterov": False, "weight_decay": None}
CONFIG |= dict.fromkeys(("clipnorm", "clipvalue", "global_clipnorm"))
random = np.random.default_rng(3)
W, V, S = ({"kernel": random.normal(size=(3, 2)), "bias": random.normal(size=2)} for _ in range(3))
MSE = {"name": "mean_squared_error", "config": {}}
MINE = {"name": "mine", "config": {}, "class_weight": {"0": 2.0}}
STATISTICS = {"mean": random.normal(size=2)}
# Gradients by batch, of samples without weights, in eval mode, and those that were left before.
G = [{name: random.normal(size=each.shape) for name, each in W.items()} for _ in range(5)]
UNWEIGHTED, EVAL, LEFT = ({n: 3.0 + v for n, v in G[k].items()} for k in (0, 1, 2))
MOVING = {"mean": STATISTICS["mean"] * 0.9}


class Step(KerasStep):
    """The passes of a network whose gradients are known."""

    def passed(self, batch=None, *, weighted=True, training=True, resting="", loss=None):
        found = G[self.number if batch is None else batch] if weighted else UNWEIGHTED
        found = found if training else EVAL
        if (self.by.port.keras["loss/penalty"], self.by.loss, loss) == (0, None, None):
            found = UNWEIGHTED  # by the port's own loss
        moving = MOVING if training else STATISTICS
        return tuple({n: torch.tensor(v) for n, v in each.items()} for each in (found, moving))


def by_hand(gradients, *, w=W, v=V, momentum=MOMENTUM, rate=RATE):
    """SGD with momentum: v = m v - lr g, w = w + v; returns weights and velocities."""
    v = {name: momentum * v[name] - rate * each for name, each in gradients.items()}
    return {name: w[name] + each for name, each in v.items()}, v


def as_ported(weights, moving=MOVING):
    return {name: torch.tensor(each) for name, each in (weights | moving).items()}


def what_is_found(monkeypatch, *after, config=CONFIG, penalty=1.0, loss=MSE):
    for module in (keras_step, step_mutations):
        monkeypatch.setattr(module, "KerasStep", Step)
    facts = {
        "optimizer": {"class": "SGD", "config": config},
        "loss": loss,
    }
    facts["weights"] = {name: {"trainable": name in W} for name in W | STATISTICS}
    stepping = Stepping(
        SimpleNamespace(keras=Arrays(facts, {"loss/penalty": penalty}), module=nn.Identity()),
        SimpleNamespace(loss=None),
        SimpleNamespace(states=dict, set_states=lambda states: None),
    )
    batches = [(None, None, np.ones(4))] * 3
    rates, others = np.full(len(after), RATE), {"iterations": np.array(7)}
    anchor = Anchor(7, W | STATISTICS, {"momentum": V}, {}, rates, others, batches)
    left = {name: torch.tensor(each) for name, each in LEFT.items()}
    return explained(keras_step.keras_steps(stepping, anchor), after, left)


def each(function, *many):
    return {name: function(*(one[name] for one in many)) for name in many[0]}


NORM = float(np.sqrt(sum(np.square(g).sum() for g in G[0].values())))
SUMMED, THIRD = each(np.add, G[0], LEFT), each(lambda g: g / 3, G[0])
CUT, NOTHING = each(lambda g: g.clip(-0.3, 0.3), G[0]), each(np.zeros_like, G[0])
FAULTS = {
    "no_step": (W, "I4", "no weight moves"),
    "frozen": (by_hand(G[0])[0] | {"bias": W["bias"]}, "E6", "bias does not move"),
    "next_batch": (by_hand(G[1])[0], "I4", "the batch is that of step 9"),
    "unweighted": (by_hand(UNWEIGHTED)[0], "D18", "the weights of the samples are left out"),
    "not_cleared": (by_hand(SUMMED)[0], "I4", "the gradients of the step before are added"),
    "stale": (by_hand(LEFT)[0], "I4", "the gradients are those of the step before"),
    "zeros": (by_hand(NOTHING)[0], "I4", "the gradients are zeros"),
    "third": (by_hand(THIRD)[0], "E3", "the gradients are 0.33333 times Keras's"),
    "momentum": (by_hand(G[0], momentum=0.85)[0], "F14", "momentum is 0.85, in the place of 0.9"),
    "begun_anew": (by_hand(G[0], momentum=0)[0], "I4", "the optimizer begins anew, without"),
    "twice": (by_hand(G[0], w=by_hand(G[0])[0], v=by_hand(G[0])[1])[0], "I4", "steps twice with"),
    "by_value": (by_hand(CUT)[0], "E8", "clipped by clipvalue=0.3, in the place of no clipping"),
}


@pytest.mark.parametrize(("weights", "identity", "text"), FAULTS.values(), ids=FAULTS)
def test_a_step_is_named_by_the_one_change_that_gives_it(monkeypatch, weights, identity, text):
    found = what_is_found(monkeypatch, as_ported(weights))
    assert (found.number, found.id) == (1, identity)
    assert text in found.text


def test_keras_loss_makes_the_steps_where_the_loop_alone_weights_the_ports(monkeypatch):
    right, third = (as_ported(by_hand(gradients)[0]) for gradients in (G[0], THIRD))
    assert what_is_found(monkeypatch, right, penalty=0.0) is None
    assert what_is_found(monkeypatch, third, penalty=0.0).id == "E3"


def test_a_loss_that_is_not_known_ends_no_search(monkeypatch):
    third = as_ported(by_hand(THIRD)[0])
    assert what_is_found(monkeypatch, third, loss=MINE).id == "E3"
    assert what_is_found(monkeypatch, as_ported(by_hand(UNWEIGHTED)[0]), loss=MINE).id == "D18"


def test_a_step_in_eval_mode_leaves_the_statistics_as_well(monkeypatch):
    found = what_is_found(monkeypatch, as_ported(by_hand(EVAL)[0], STATISTICS))
    assert (found.id, found.text) == ("C7", "the step is made in eval mode")


def test_a_weight_that_keras_has_frozen_and_moves_is_told(monkeypatch):
    monkeypatch.setitem(MOVING, "base", np.ones(2))
    monkeypatch.setitem(STATISTICS, "base", np.ones(2))
    moved = MOVING | {"base": np.full(2, 0.5)}
    found = what_is_found(monkeypatch, as_ported(by_hand(G[0])[0], moved))
    assert (found.id, found.text) == ("E6", "base moves, and not in Keras")


def test_statistics_that_a_second_pass_moves_are_told_by_how_far(monkeypatch):
    """Two passes of one batch: 1 + 0.9 times as far."""
    twice = {"mean": STATISTICS["mean"] * 0.81}
    found = what_is_found(monkeypatch, as_ported(by_hand(G[0])[0], twice))
    assert (found.id, found.text) == ("C2", "each moving statistic moves 1.9 times as far")


def clipped(gradients, weights):
    norm = np.sqrt(sum(np.square(g).sum() for g in gradients.values()))
    return {name: g * min(1.0, NORM / 2 / norm) for name, g in gradients.items()}


def penalised(gradients, weights):
    return each(lambda g, w: g + 0.02 * w, gradients, weights)


def decayed(weights):
    return each(lambda w: w * (1 - 0.05 * RATE), weights)


AGAIN = {
    "clipped": (clipped, dict, "E8", f"clipped by global_clipnorm={NORM / 2:.5g}, in the place"),
    "penalised": (penalised, dict, "C8", "the gradients have 0.02 times the weights in addition"),
    "decayed": (lambda g, w: g, decayed, "C11", "weight_decay is 0.05, in the place of None"),
}


@pytest.mark.parametrize(("changed", "before", "identity", "text"), AGAIN.values(), ids=AGAIN)
def test_the_next_step_decides_between_changes_that_give_the_same(
    monkeypatch, changed, before, identity, text
):
    """A clip by the norm of all is a factor in one step, and another one in the next."""
    first, v = by_hand(changed(G[0], W), w=before(W))
    second, _ = by_hand(changed(G[1], first), w=before(first), v=v)
    found = what_is_found(monkeypatch, as_ported(first), as_ported(second))
    assert found.id == identity
    assert text in found.text
    assert ", or " not in found.text


def test_a_later_step_is_named_by_its_number(monkeypatch):
    first, v = by_hand(G[0])
    second, _ = by_hand(each(lambda g: 2 * g, G[1]), w=first, v=v)
    found = what_is_found(monkeypatch, as_ported(first), as_ported(second))
    assert (found.number, found.text) == (2, "the gradients are 2 times Keras's")
    np.testing.assert_allclose(found.as_keras["bias"], by_hand(G[1], w=first, v=v)[0]["bias"])


def test_steps_of_keras_need_no_explanation_and_noise_has_none(monkeypatch):
    first, v = by_hand(G[0])
    second, _ = by_hand(G[1], w=first, v=v)
    assert what_is_found(monkeypatch, as_ported(first), as_ported(second)) is None
    noisy = {name: w + random.normal(size=w.shape) for name, w in first.items()}
    found = what_is_found(monkeypatch, as_ported(noisy))
    assert (found.number, found.id, found.text) == (1, "", "")


def test_averages_that_begin_in_the_step_are_left_out(monkeypatch):
    config, weights = CONFIG | {"use_ema": True, "ema_momentum": 0.9}, by_hand(THIRD)[0]
    averages = {f"{name}.average": torch.tensor(each) for name, each in weights.items()}
    found = what_is_found(monkeypatch, as_ported(weights) | averages, config=config)
    assert (found.id, "the gradients are 0.33333 times Keras's" in found.text) == ("E3", True)
