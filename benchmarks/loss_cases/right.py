"""Right ports, in the ways in which people write several losses."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.loss_cases import nets
from benchmarks.loss_cases.nets import Tensor, drawn
from torch_impl import Port, losses, metrics, optim, regularizers
from torch_impl.penalty import Penalty, RegularizedLoss

WEIGHTS = {"kind": 0.5, "place": 1.5, "seen": 1.0}
BY_CLASS = {0: 1.0, 1: 3.0, 2: 0.5}


def heads_losses() -> dict[str, Any]:
    """A loss for each output."""
    return {
        "kind": nn.CrossEntropyLoss(),
        "place": nn.MSELoss(),
        "seen": losses.BinaryCrossentropy(from_logits=True),
    }


def heads_metrics() -> dict[str, Any]:
    """A metric for each output."""
    seen = metrics.BinaryAccuracy("accuracy", threshold=0.0)
    return {"kind": ["accuracy"], "place": ["mae"], "seen": [seen]}


def heads(net: nn.Module | None = None, **changes: Any) -> Port:
    """A mapping of losses, with their weights."""
    net = drawn(nets.Heads() if net is None else net)
    given = {"loss": heads_losses(), "loss_weights": WEIGHTS, "metrics": heads_metrics(), **changes}
    return Port(net, optimizer=optim.SGD(net.parameters(), 0.1), **given)


def heads_in_order() -> Port:
    """A tuple of outputs, and losses, weights and metrics in their order."""
    names = tuple(heads_losses())
    return heads(
        nets.InTuple(),
        loss=list(heads_losses().values()),
        loss_weights=list(WEIGHTS.values()),
        metrics=list(heads_metrics().values()),
        output_names=names,
    )


def together(outputs: Any, targets: Any) -> Tensor:
    """One function of all outputs and targets."""
    (kind, place, seen), (to_kind, to_place, to_seen) = outputs, targets
    loss = 0.5 * F.cross_entropy(kind, to_kind) + 1.5 * ((place - to_place) ** 2).mean()
    return loss + F.softplus(-seen * (2 * to_seen - 1)).mean()


def heads_function() -> Port:
    """One function of all outputs, which come in a tuple."""
    return heads(nets.InTuple(), loss=together, loss_weights=None)


def heads_by_name() -> Port:
    """One function of all outputs, which come in a mapping."""

    def loss(outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
        names = nets.Heads.names
        return together([outputs[n] for n in names], [targets[n] for n in names])

    return heads(loss=loss, loss_weights=None)


def heads_alone() -> nn.Module:
    """A module without anything else: Keras's losses are applied to its outputs."""
    return drawn(nets.Heads())


def nested(loss: Any = None) -> Port:
    """A mapping in a mapping; one output has no loss."""
    net = drawn(nets.Nested())
    given = {"size": nn.MSELoss(), "place": nn.HuberLoss(delta=0.7)}
    optimizer = optim.Adam(net.parameters(), learning_rate=0.01)
    return Port(net, loss=loss or {"box": given, "score": None}, optimizer=optimizer)


def nested_paths() -> Port:
    """The same by paths."""
    place = nn.HuberLoss(delta=0.7)
    return nested({"box/size": nn.MSELoss(), "box/place": place, "score": None})


def weighted(loss: Any = None, **changes: Any) -> Port:
    """Losses that take weights, those of Keras's names."""
    net = drawn(nets.Weighted())
    entropy = losses.SparseCategoricalCrossentropy(from_logits=True)
    given = {"steps": entropy, "whole": losses.MeanSquaredError()}
    return Port(
        net,
        loss=given if loss is None else loss,
        loss_weights=None if callable(loss) else {"steps": 0.7, "whole": 2.0},
        optimizer=optim.SGD(net.parameters(), 0.1),
        feed=torch.from_numpy,
        **changes,
    )


def weighted_metrics() -> Port:
    """With metrics, of which one counts samples by their weights."""
    return weighted(metrics={"steps": ["accuracy"]}, weighted_metrics={"whole": ["mae"]})


def entropies(output: Tensor, target: Tensor) -> Tensor:
    """The crossentropy of every step, (N, T)."""
    return F.cross_entropy(output.movedim(-1, 1), target, reduction="none")


def weighted_function() -> Port:
    """One function, which gets the weights by the names of the outputs."""

    def loss(outputs: Any, targets: Any, sample_weight: Any) -> Tensor:
        steps = sample_weight["steps"] * entropies(outputs["steps"], targets["steps"])
        error = ((outputs["whole"] - targets["whole"]) ** 2).mean(1)
        return 0.7 * steps.mean() + 2.0 * (sample_weight["whole"] * error).mean()

    return weighted(loss)


def penalised(net: nn.Module) -> RegularizedLoss:
    """The squared error, with the penalties of the last layer."""
    weights = {"decode.weight": regularizers.L2(0.01)}
    outputs = {"decode": regularizers.L1(0.02)}
    return RegularizedLoss(nn.MSELoss(), Penalty(net, weights, activities=outputs))


def autoencoder(net: nn.Module | None = None, **changes: Any) -> Port:
    """The module tells what it adds, by `added_loss`."""
    net = drawn(nets.Autoencoder() if net is None else net)
    given = {"loss": penalised(net), "added_loss": lambda net: net.divergence, **changes}
    return Port(net, optimizer=optim.Adam(net.parameters(), learning_rate=0.01), **given)


def autoencoder_reads() -> Port:
    """The loss reads the module."""
    net = nets.Autoencoder()
    inner = penalised(net)
    return autoencoder(net, loss=lambda o, t: inner(o, t) + net.divergence, added_loss=None)


def autoencoder_returns() -> Port:
    """The module returns it, and the loss takes all that is returned."""
    net = nets.Returning()
    inner = penalised(net)
    return autoencoder(net, loss=lambda o, t: inner(o[0], t) + o[1], added_loss=None)


def classes(**changes: Any) -> Port:
    """Weights of classes as the port's own."""
    net = drawn(nn.Linear(5, 3))
    entropy = losses.SparseCategoricalCrossentropy(from_logits=True)
    given = {"loss": entropy, "class_weight": BY_CLASS, **changes}
    return Port(net, optimizer=optim.SGD(net.parameters(), 0.1), **given)


def classes_inside() -> Port:
    """Weights of classes in the loss, divided by the number of samples."""
    weights = torch.tensor(list(BY_CLASS.values()), dtype=torch.float64)

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return (weights[target] * F.cross_entropy(output, target, reduction="none")).mean()

    return classes(loss=loss, class_weight=None)


def ctc(output: Tensor, target: Tensor) -> Tensor:
    """-log p of the labels of each sample, (N,)."""
    lengths, steps = (target != 0).sum(1), torch.full((len(output),), output.shape[1])
    logs = output.log_softmax(-1).transpose(0, 1)
    return F.ctc_loss(logs, target, steps, lengths, reduction="none")


def speech(loss: Any = lambda output, target: ctc(output, target).mean()) -> Port:
    """Torch's CTC, and a mean over the samples."""
    net = drawn(nets.Letters())
    return Port(net, loss=loss, optimizer=optim.SGD(net.parameters(), 0.1), feed=torch.from_numpy)


def of_scene(output: Tensor, target: Tensor) -> Tensor:
    """The loss of each sample, (N,)."""
    there, kind = target[..., :1], target[..., 5].long()
    box = (there * (target[..., 1:5] - output[..., 1:5]) ** 2).sum((1, 2, 3))
    seen = ((there - output[..., :1].sigmoid()) ** 2).sum((1, 2, 3))
    return box + seen + entropies(output[..., 5:], kind).sum((1, 2))


def scenes(loss: Any = lambda output, target: of_scene(output, target).mean()) -> Port:
    """A loss of its own."""
    net = drawn(nets.Cells())
    return Port(net, loss=loss, optimizer=optim.SGD(net.parameters(), 0.01))


def of_its_own(weights: Any = (1.0, 0.5)) -> Port:
    """Losses in a list."""
    net = drawn(nets.Both())
    given = [nn.CrossEntropyLoss(), nn.MSELoss()]
    optimizer = optim.SGD(net.parameters(), 0.1)
    return Port(net, loss=given, loss_weights=list(weights), optimizer=optimizer)
