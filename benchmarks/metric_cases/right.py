"""Right ports, which measure by functions and classes of their own."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.pairs.torch_base import keras_init
from torch_impl import Port, losses, metrics
from torch_impl.layers import Activation
from torch_impl.optim import SGD

Tensor = torch.Tensor
WEIGHTS = {0: 0.5, 1: 3.0}


class Counted:
    """A share: adds up values and their number, in the manner of torchmetrics."""

    def __init__(self, name: str, values: Any) -> None:
        self.name, self._values = name, values
        self.reset()

    def reset(self) -> None:
        """Forgets all batches."""
        self.total, self.count = 0.0, 0

    def update(self, output: Tensor, target: Tensor) -> None:
        """Adds a batch."""
        values = self._values(output, target)
        self.total, self.count = self.total + float(values.sum()), self.count + values.numel()

    def compute(self) -> Tensor:
        """Returns the mean."""
        return torch.tensor(self.total / self.count)


class Kept:
    """Keeps all outputs and targets, and computes at the end."""

    def __init__(self, name: str, function: Any) -> None:
        self.name, self._function = name, function
        self.reset()

    def reset(self) -> None:
        """Forgets all batches."""
        self.outputs: list[Tensor] = []
        self.targets: list[Tensor] = []

    def update(self, output: Tensor, target: Tensor) -> None:
        """Adds a batch."""
        self.outputs.append(output)
        self.targets.append(target)

    def compute(self) -> Tensor:
        """Returns the metric of all that was kept."""
        return self._function(torch.cat(self.outputs), torch.cat(self.targets))


class WeightedShare:
    """sum(weight * value) / sum(weight) of a function of outputs and targets."""

    def __init__(self, name: str, values: Any, number: Any = None) -> None:
        self.name, self._values, self._number = name, values, number
        self.reset()

    def reset(self) -> None:
        """Forgets all batches."""
        self.total = self.count = 0.0

    def update(self, output: Tensor, target: Tensor, sample_weight: Tensor | None = None) -> None:
        """Adds a batch."""
        values = self._values(output, target).double()
        counts = torch.ones_like(values) if self._number is None else self._number(output, target)
        weight = torch.ones(len(values)) if sample_weight is None else sample_weight
        self.total += float((weight * values).sum())
        self.count += float((weight * counts).sum())

    def compute(self) -> float:
        """Returns the weighted mean; 0 if nothing was counted, as in Keras."""
        return self.total / self.count if self.count else 0.0


def net(num_inputs: int, num_hidden: int, num_outputs: int, *last: nn.Module) -> nn.Module:
    """Two layers."""
    layers = (nn.Linear(num_inputs, num_hidden), nn.Tanh(), nn.Linear(num_hidden, num_outputs))
    return keras_init(nn.Sequential(*layers, *last))


def port(module: nn.Module, loss: Any, *given: Any, **settings: Any) -> Port:
    """A port with metrics."""
    return Port(module, loss, SGD(module.parameters()), metrics=list(given), **settings)


# --- classes --------------------------------------------------------------------------------------


def accuracy(output: Tensor, target: Tensor) -> Tensor:
    """Whether the greatest output is the right one."""
    return (output.argmax(1) == target).double()


def in_top(k: int) -> Any:
    """Whether the right class is among the k greatest."""
    return lambda o, y: (o.topk(k).indices == y[:, None]).any(-1).double()


def entropy(output: Tensor, target: Tensor) -> Tensor:
    """Crossentropy of each sample."""
    return F.cross_entropy(output, target, reduction="none")


def classes_port(*given: Any) -> Port:
    """Logits, which `nn.CrossEntropyLoss` takes."""
    return port(net(7, 9, 6), nn.CrossEntropyLoss(), *given)


def classes_functions() -> Port:
    """Functions with a value for each sample."""
    top3 = in_top(3)
    top3.__name__ = "top3"
    return classes_port(accuracy, top3, entropy)


def classes_objects() -> Port:
    """Objects with update, compute and reset."""
    return classes_port(
        Counted("accuracy", accuracy), Counted("top3", in_top(3)), Counted("entropy", entropy)
    )


def classes_library() -> Port:
    """The metrics of this project, on probabilities."""
    return port(
        net(7, 9, 6, Activation("softmax")),
        losses.SparseCategoricalCrossentropy(),
        "accuracy",
        metrics.SparseTopKCategoricalAccuracy(k=3, name="top3"),
        metrics.SparseCategoricalCrossentropy(name="entropy"),
    )


def classes_none() -> Port:
    """No metrics: Keras's measure the outputs."""
    return classes_port()


def classes_log() -> Port:
    """Logarithms of the probabilities."""

    def nll(output: Tensor, target: Tensor) -> Tensor:
        return F.nll_loss(output, target, reduction="none")

    return port(
        net(7, 9, 6, nn.LogSoftmax(-1)),
        nn.NLLLoss(),
        Counted("accuracy", accuracy),
        Counted("top3", in_top(3)),
        Counted("entropy", nll),
    )


def one_hot_functions() -> Port:
    """The label is where the target is 1."""

    def acc(output: Tensor, target: Tensor) -> Tensor:
        return (output.argmax(-1) == target.argmax(-1)).double()

    return port(
        net(5, 9, 4),
        nn.CrossEntropyLoss(),
        acc,
        Counted("top2", lambda o, y: in_top(2)(o, y.argmax(-1))),
    )


# --- yes or no ------------------------------------------------------------------------------------


def precision_at(threshold: float) -> WeightedShare:
    """Right ones among those above a threshold of the probability."""

    def above(o: Tensor, y: Tensor) -> Tensor:
        return (torch.sigmoid(o) > threshold).double()[:, 0]

    return WeightedShare("precision", lambda o, y: above(o, y) * (y[:, 0] > 0.5), above)


def recall() -> WeightedShare:
    """Those above 0.5 among the right ones."""
    return WeightedShare(
        "recall",
        lambda o, y: ((o > 0) & (y > 0.5))[:, 0],
        lambda o, y: (y > 0.5).double()[:, 0],
    )


def share() -> WeightedShare:
    """The weighted accuracy."""
    return WeightedShare("share", lambda o, y: above_zero(o, y)[:, 0])


def above_zero(output: Tensor, target: Tensor) -> Tensor:
    """Whether a logit has the right sign."""
    return ((output > 0) == (target > 0.5)).double()


def yes_or_no_port(*given: Any, weighted: tuple[Any, ...] = ()) -> Port:
    """A logit, with class weights."""
    loss = losses.BinaryCrossentropy(from_logits=True)
    settings = {"class_weight": WEIGHTS, "weighted_metrics": list(weighted)}
    return port(net(6, 8, 1), loss, *given, **settings)


def yes_or_no_objects() -> Port:
    """A logit, and metrics by hand."""
    auc = metrics.AUC(name="auc", from_logits=True)
    return yes_or_no_port(
        Counted("accuracy", above_zero), auc, precision_at(0.3), weighted=(share(), recall())
    )


def yes_or_no_none() -> Port:
    """A logit, and Keras's metrics."""
    return yes_or_no_port()


def logit_functions() -> Port:
    """The sign of the logit."""

    def right(output: Tensor, target: Tensor) -> Tensor:
        return ((output > 0) == (target > 0.5)).double()

    def entropy(output: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(output, target, reduction="none")

    return port(net(6, 8, 1), nn.BCEWithLogitsLoss(), right, entropy)


# --- several labels -------------------------------------------------------------------------------


def f1(output: Tensor, target: Tensor) -> Tensor:
    """The mean over the labels of 2 tp / (2 tp + fp + fn)."""
    said, is_one = output > 0, target > 0.5
    tp = (said & is_one).sum(0)
    return (2 * tp / (said.sum(0) + is_one.sum(0))).mean()


def binary_accuracy(output: Tensor, target: Tensor) -> Tensor:
    """Whether each logit has the right sign."""
    return ((output > 0) == (target > 0.5)).double()


def labels_objects() -> Port:
    """Logits, F1 of all that was kept."""
    auc = metrics.AUC(multi_label=True, name="auc", from_logits=True, num_labels=4)
    return port(net(6, 8, 4), nn.BCEWithLogitsLoss(), binary_accuracy, Kept("f1", f1), auc)


# --- numbers --------------------------------------------------------------------------------------


def mae(output: Tensor, target: Tensor) -> Tensor:
    """The absolute error of each output."""
    return (output - target).abs()


def rmse(output: Tensor, target: Tensor) -> Tensor:
    """The root of the mean squared error."""
    return F.mse_loss(output, target).sqrt()


def r2(output: Tensor, target: Tensor) -> Tensor:
    """The mean of R2 over the outputs."""
    left = ((target - output) ** 2).sum(0)
    return (1 - left / ((target - target.mean(0)) ** 2).sum(0)).mean()


def values_objects() -> Port:
    """Errors of all that was kept."""
    return port(net(6, 8, 3), nn.MSELoss(), mae, Kept("rmse", rmse), Kept("r2_score", r2))


def squared(output: Tensor, target: Tensor) -> Tensor:
    """The squared error of each sample."""
    return ((output - target) ** 2).mean(-1)


def weighted_objects() -> Port:
    """One metric takes the weights, the other none."""
    return port(
        net(6, 8, 2),
        losses.MeanSquaredError(),
        "mae",
        weighted_metrics=[WeightedShare("mse", squared)],
    )


def custom_function() -> Port:
    """A metric that only the port and Keras's program know."""

    def within_half(output: Tensor, target: Tensor) -> Tensor:
        return ((output - target).abs() < 0.5).double()

    return port(net(6, 8, 2), nn.MSELoss(), within_half)


def custom_none() -> Port:
    """A metric that is not known here, and a port without metrics."""
    return port(net(6, 8, 2), nn.MSELoss())


# --- pixels ---------------------------------------------------------------------------------------


def iou(output: Tensor, target: Tensor) -> Tensor:
    """The mean over three classes of their intersection over union."""
    said = output.argmax(1)
    shares = []
    for label in range(3):
        both = ((said == label) & (target == label)).sum()
        shares.append(both / ((said == label) | (target == label)).sum())
    return torch.stack(shares).mean()


def pixels_net() -> nn.Module:
    """Two convolutions, channels first."""
    layers = (nn.Conv2d(2, 5, 3, padding=1), nn.Tanh(), nn.Conv2d(5, 3, 1))
    return keras_init(nn.Sequential(*layers))


def pixels_objects() -> Port:
    """Logits with the channels first."""
    return port(pixels_net(), nn.CrossEntropyLoss(), accuracy, Kept("iou", iou))


def pixels_none() -> Port:
    """Logits with the channels first, and Keras's metrics."""
    return port(pixels_net(), nn.CrossEntropyLoss())
