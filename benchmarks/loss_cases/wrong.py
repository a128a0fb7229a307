"""Ports with one mistake each in what they make small, or in what they measure of it."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.loss_cases import nets, right
from benchmarks.loss_cases.nets import Tensor
from torch_impl import Port, losses


def weights_exchanged() -> Port:
    """The weights of two losses are exchanged."""
    return right.heads(loss_weights={"kind": 1.5, "place": 0.5, "seen": 1.0})


def weights_forgotten() -> Port:
    """The losses have no weights."""
    return right.heads(loss_weights=None)


def mean_of_losses() -> Port:
    """A mean over the losses instead of their sum."""
    return right.heads(
        nets.InTuple(), loss=lambda o, t: right.together(o, t) / 3, loss_weights=None
    )


def loss_forgotten() -> Port:
    """One output has no loss."""
    given = {**right.heads_losses(), "seen": None}
    return right.heads(loss=given, loss_weights={"kind": 0.5, "place": 1.5})


def losses_exchanged() -> Port:
    """Two outputs have each other's loss."""
    given = right.heads_losses()
    return right.nested({"box/size": nn.HuberLoss(delta=0.7), "box/place": given["place"]})


def other_loss() -> Port:
    """The absolute error instead of the squared one."""
    return right.heads(loss={**right.heads_losses(), "place": nn.L1Loss()})


def activated_twice() -> Port:
    """A loss of logits gets the probabilities of one output."""
    entropy = nn.CrossEntropyLoss()
    given = {**right.heads_losses(), "kind": lambda o, t: entropy(o.softmax(1), t)}
    return right.heads(loss=given)


def summed() -> Port:
    """The loss of one output is a sum over its samples."""
    given = {**right.heads_losses(), "kind": nn.CrossEntropyLoss(reduction="sum")}
    return right.heads(loss=given)


def output_detached() -> Port:
    """The gradient of one output does not reach the body."""
    return right.heads(nets.Heads(detached="place"))


def outputs_exchanged() -> Port:
    """Two outputs are returned in each other's place."""
    return right.heads(nets.Heads(("place", "kind", "seen")))


def metric_of_another_output() -> Port:
    """The metric of one output is given to another one."""
    given = right.heads_metrics()
    return right.heads(metrics={"kind": given["kind"], "seen": [*given["seen"], "mae"]})


def metric_of_logits() -> Port:
    """A threshold of probabilities for logits."""
    given = {**right.heads_metrics(), "seen": ["binary_accuracy"]}
    return right.heads(metrics=given)


def divergence_forgotten() -> Port:
    """What a layer adds is not in the loss."""
    return right.autoencoder(added_loss=None)


def divergence_summed() -> Port:
    """What a layer adds is a sum over the samples."""
    return right.autoencoder(nets.Autoencoder(is_sum=True))


def divergence_scaled() -> Port:
    """Half of what a layer adds."""
    return right.autoencoder(added_loss=lambda net: 0.5 * net.divergence)


def divergence_detached() -> Port:
    """What a layer adds has no gradient."""
    return right.autoencoder(added_loss=lambda net: net.divergence.detach())


def class_weights_normalised() -> Port:
    """Torch's weight= divides by the sum of the weights."""
    weight = torch.tensor(list(right.BY_CLASS.values()), dtype=torch.float64)
    return right.classes(loss=nn.CrossEntropyLoss(weight=weight), class_weight=None)


def class_weights_forgotten() -> Port:
    """The loss has no weights of classes."""
    return right.classes(class_weight=None)


def sample_weights_ignored() -> Port:
    """The losses take no weights of samples."""

    def steps(output: Tensor, target: Tensor) -> Tensor:
        return right.entropies(output, target).mean()

    return right.weighted({"steps": steps, "whole": nn.MSELoss()})


def sample_weights_normalised() -> Port:
    """One loss divides by the sum of the weights of its samples."""

    def steps(output: Tensor, target: Tensor, sample_weight: Tensor) -> Tensor:
        return (sample_weight * right.entropies(output, target)).sum() / sample_weight.sum()

    return right.weighted({"steps": steps, "whole": losses.MeanSquaredError()})


def metric_without_weights() -> Port:
    """A metric that counts samples by their weights does not."""
    return right.weighted(metrics={"steps": ["accuracy"], "whole": ["mae"]})


def mean_over_labels() -> Port:
    """Torch's mean of CTC divides by the number of labels."""

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return (right.ctc(output, target) / (target != 0).sum(1)).mean()

    return right.speech(loss)


def sum_of_scenes() -> Port:
    """A sum over the samples of a batch."""
    return right.scenes(lambda output, target: right.of_scene(output, target).sum())


def box_where_nothing_is() -> Port:
    """The places of boxes count where there is none."""

    def loss(output: Tensor, target: Tensor) -> Any:
        there = target[..., :1]
        box = ((1 - there) * (target[..., 1:5] - output[..., 1:5]) ** 2).sum((1, 2, 3))
        return (right.of_scene(output, target) + box).mean()

    return right.scenes(loss)


def weight_of_a_list() -> Port:
    """The weight of the second loss is another one."""
    return right.of_its_own((1.0, 1.0))


def entropy_of_labels() -> Port:
    """A label smoothing that Keras does not have, in one of the losses."""

    def smoothed(output: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(output, target, label_smoothing=0.1)

    return right.heads(loss={**right.heads_losses(), "kind": smoothed})
